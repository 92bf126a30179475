"""The environment as one frozen model: every limit and default, with its unit in the name."""

import secrets
from functools import cached_property
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator
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
    plugin_hosts: str = Field(
        "", description="host:port of the own network that plugins may call, separated by commas"
    )
    plugins_strict: bool = Field(False, description="a broken plugin stops the start")

    upload_bytes_max: int = Field(100 * MIB, gt=0, description="size of one uploaded file")
    uploads_open_max: int = Field(100, gt=0, description="unused uploads one user may hold")
    logo_bytes_max: int = Field(MIB, gt=0, description="size of a business unit's logo")
    workbook_rows_max: int = Field(1_000_000, gt=0, description="rows of one workbook")
    workbook_columns_max: int = Field(500, gt=0, description="filled columns of one workbook")
    workbook_inflated_bytes_max: int = Field(1024 * MIB, gt=0, description="inflated, all parts")
    reader_memory_bytes_max: int = Field(1024 * MIB, gt=0, description="of the reading process")
    reader_cpu_s_max: int = Field(600, gt=0, description="CPU seconds of the reading process")
    reader_silence_s_max: int = Field(60, gt=0, description="seconds without a sign of life")
    json_body_bytes_max: int = Field(256 * 1024, gt=0, description="body of a GraphQL request")
    import_chunk_rows: int = Field(1000, gt=0, le=2000, description="rows per transaction")
    time_zone: str = Field("Europe/Berlin", description="IANA zone in which schedules are due")
    job_done_days: int = Field(14, gt=0, description="days that finished jobs are kept")
    job_dead_days: int = Field(90, gt=0, description="days that jobs that failed are kept")
    metrics_token: SecretStr = Field(
        SecretStr(""), description="bearer token of /metrics; production has none without it"
    )
    metrics_bind: str = Field("", description="host:port of a server for metrics alone")
    worker_threads: int = Field(4, gt=0, le=64, description="threads of the in-process worker")
    operation_s_max: float = Field(15, gt=0, description="seconds of one GraphQL operation")
    rate_points_s: int = Field(
        2_000_000, gt=0, description="cost points a second one viewer may spend in the long run"
    )
    rate_points_burst: int = Field(
        20_000_000, gt=0, description="cost points one viewer may spend at once"
    )
    session_idle_s_max: int = Field(
        12 * 3600, gt=0, description="seconds without a request after which a session ends"
    )
    session_s_max: int = Field(14 * 86400, gt=0, description="seconds a session lasts at most")
    sign_ins_account_max: int = Field(
        5, gt=0, description="sign-ins a minute for one account, then with growing delay"
    )
    sign_ins_client_max: int = Field(
        20, gt=0, description="sign-ins and used links a minute from one address"
    )
    resets_hour_max: int = Field(3, gt=0, description="reset mails an hour for one account")
    password_memory_kib: int = Field(
        65536, ge=8, description="memory of one Argon2id hash; a sign-in renews older hashes"
    )
    password_passes: int = Field(3, gt=0, description="passes of one Argon2id hash")
    oidc_issuer: str = Field(
        "", description="OpenID Connect provider, exactly as it names itself; empty: none"
    )
    oidc_client_id: str = Field("", description="how the provider knows this installation")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="what it proves that with")
    oidc_name: str = Field("OpenID Connect", min_length=1, description="the provider's name")
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

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        given = (self.oidc_issuer, self.oidc_client_id, self.oidc_client_secret.get_secret_value())
        if any(given) and not all(given):
            raise ValueError("FINVIEW_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET belong together")
        schemes = ("https://",) if self.env == "production" else ("https://", "http://")
        if self.oidc_issuer and not self.oidc_issuer.startswith(schemes):
            raise ValueError("FINVIEW_OIDC_ISSUER needs an https address")
        return self

    @field_validator("plugin_hosts")
    @classmethod
    def _hosts_have_ports(cls, value: str) -> str:
        _hosts(value)
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{value!r} is no IANA time zone") from None
        return value

    @property
    def url(self) -> str:
        """Return the database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'finview.db'}"

    @property
    def trusted_hosts(self) -> frozenset[tuple[str, int]]:
        """Return the hosts and ports of the own network that plugins may call."""
        return _hosts(self.plugin_hosts)

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


def _hosts(text: str) -> frozenset[tuple[str, int]]:
    found = set[tuple[str, int]]()
    for item in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = item.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"{item!r} is no host:port")
        found.add((host.strip("[]"), int(port)))
    return frozenset(found)
