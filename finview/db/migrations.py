"""Brings a database to the revision of this code, one process at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from finview import files
from finview.db import Database
from finview.errors import State
from finview.i18n import N_, sentences

sentences(
    {
        "DATABASE_UNKNOWN_REVISION": N_(
            "The database is at revision {found}, which this version of finview does not know."
        ),
        "DATABASE_OUTDATED": N_("The database is not up to date. Please run: finview migrate"),
    }
)

_LOCK_KEY = 0x66696E76696577  # "finview" in ASCII; any fixed number will do


def upgrade(database: Database) -> None:
    """Run every migration that is missing and create the triggers; safe to call again.

    Raises State (DATABASE_UNKNOWN_REVISION) when a newer finview was here before.
    """
    with _alone(database) as connection:
        _refuse_unknown(connection)
        command.upgrade(_config(connection), "head")


def downgrade(database: Database, to: str) -> None:
    """Undo migrations down to a revision; `base` undoes all."""
    with _alone(database) as connection:
        command.downgrade(_config(connection), to)


def is_current(database: Database) -> bool:
    """Return whether the database is at the newest revision this code knows."""
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return found == _scripts().get_current_head() and found is not None


def check_current(database: Database) -> None:
    """Raise State unless the database is at the newest revision."""
    if is_current(database):
        return
    with database.engine.connect() as connection:
        _refuse_unknown(connection)
    raise State("DATABASE_OUTDATED")


def drift(database: Database) -> list[Any]:
    """Return how the tables of the database differ from the code's; empty when they don't."""
    from finview.db.models import load_models
    from finview.db.tables import Base

    load_models()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": database.dialect != "sqlite"}
        )
        return list(compare_metadata(context, Base.metadata))


def write_revision(database: Database, message: str, revision: str) -> None:
    """Write a migration from what `drift` finds; `revision` becomes its name."""
    with _alone(database) as connection:
        config = _config(connection)
        config.attributes["look_only"] = True
        command.revision(config, message, autogenerate=True, rev_id=revision)


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """Hand out a connection while no other process migrates; commit at the end.

    On SQLite everything is one transaction, begun IMMEDIATE, foreign keys off: a batch rebuild
    would delete the rows that refer to the table.
    """
    lite = database.dialect == "sqlite"
    turn = database.lock.turn() if database.lock else nullcontext()
    with turn, database.engine.connect() as connection:
        if lite:
            _pragma(connection, "PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                if not lite:
                    connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY)))
                yield connection
                if lite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise AssertionError("a migration left a row that refers to nothing")
        finally:
            if lite:
                _pragma(connection, "PRAGMA foreign_keys = ON")


def _pragma(connection: Connection, pragma: str) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    execute: Callable[[str], Any] = driver.execute
    execute(pragma)


def _refuse_unknown(connection: Connection) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in _scripts().walk_revisions()}
    if found is not None and found not in known:
        raise State("DATABASE_UNKNOWN_REVISION", found=found)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files.migrations()))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(files.migrations()))
