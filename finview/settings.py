"""The environment as one frozen model: every limit and default, with its unit in the name."""

import secrets
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """What an installation decides, read from `FINVIEW_…` variables."""

    model_config = SettingsConfigDict(env_prefix="FINVIEW_", frozen=True, extra="ignore")

    env: Literal["development", "production"] = Field(
        "development", description="production refuses weak settings and hides suggestions"
    )
    data_dir: Path = Field(Path("var"), description="uploads, generated files, the SQLite file")
    database_url: str = Field("", description="default: SQLite in the data folder")
    broker: str = Field("sql", description="carrier of jobs; sql needs no server")
    secret_key: SecretStr = Field(
        SecretStr(""), description="generated into the data folder in development"
    )
    base_url: str = Field("http://127.0.0.1:8000", description="how people reach this server")
    smtp_url: str = Field("", description="smtp://user:password@host:587; empty: .eml files")
    mail_from: str = Field("noreply@localhost", description="sender when a unit names none")
    log_format: Literal["console", "json"] = Field("console", description="how log lines look")
    plugins_disabled: str = Field("", description="names of distributions, separated by commas")
    plugins_strict: bool = Field(False, description="a broken plugin stops the start")

    upload_bytes_max: int = Field(100 * MIB, gt=0, description="size of one uploaded file")
    uploads_open_max: int = Field(100, gt=0, description="unused uploads one user may hold")
    workbook_rows_max: int = Field(1_000_000, gt=0, description="rows of one workbook")
    workbook_columns_max: int = Field(500, gt=0, description="filled columns of one workbook")
    workbook_inflated_bytes_max: int = Field(1024 * MIB, gt=0, description="inflated, all parts")
    reader_memory_bytes_max: int = Field(1024 * MIB, gt=0, description="of the reading process")
    reader_cpu_s_max: int = Field(600, gt=0, description="CPU seconds of the reading process")
    reader_silence_s_max: int = Field(60, gt=0, description="seconds without a sign of life")
    json_body_bytes_max: int = Field(256 * 1024, gt=0, description="body of a GraphQL request")
    import_chunk_rows: int = Field(1000, gt=0, le=2000, description="rows per transaction")
    worker_threads: int = Field(4, gt=0, le=64, description="threads of the in-process worker")
    operation_s_max: float = Field(15, gt=0, description="seconds of one GraphQL operation")
    rate_points_s: int = Field(
        2_000_000, gt=0, description="cost points a second one viewer may spend in the long run"
    )
    rate_points_burst: int = Field(
        20_000_000, gt=0, description="cost points one viewer may spend at once"
    )
    subscriptions_max: int = Field(100, gt=0, description="subscriptions of one connection")
    documents: Literal["any", "only"] = Field(
        "any", description="only: nothing but the documents of the folder is answered"
    )
    documents_dir: Path | None = Field(
        None, description="folder of trusted .graphql files, called by their SHA-256"
    )

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if self.env == "production" and len(self.secret_key.get_secret_value()) < 32:
            raise ValueError("FINVIEW_SECRET_KEY needs at least 32 characters in production")
        return self

    @property
    def url(self) -> str:
        """Return the database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'finview.db'}"

    @property
    def outbox_dir(self) -> Path:
        """Return the folder that receives `.eml` files when no SMTP server is configured."""
        return self.data_dir / "outbox"

    @cached_property
    def key(self) -> str:
        """Return the secret key; in development one is made once and kept in the data folder."""
        given = self.secret_key.get_secret_value()
        if given:
            return given
        path = self.data_dir / "secret.key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(48))
        return path.read_text().strip()
