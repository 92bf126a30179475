"""The heartbeat of a working process: a row that says it lives, by the database's own clock."""

from sqlalchemy import delete, update
from sqlalchemy.dialects import postgresql, sqlite

from finview.db import Database
from finview.db.base import table_of
from finview.db.jobs import Worker
from finview.jobs.claims import database_ms

BEAT_S = 10.0
DEAD_AFTER_S = 60
"""Without a beat for this long a process counts as gone."""

_WORKER = table_of(Worker)
_NOW = database_ms()


def begin(database: Database, name: str, *, queues: list[str], threads: int) -> None:
    """Add the row of a process that starts to work."""
    made = postgresql.insert if database.dialect == "postgresql" else sqlite.insert
    row = {"name": name, "queues": queues, "threads": threads, "started_at": _NOW, "beat_at": _NOW}
    with database.unit(durable=False) as session:
        session.execute(made(_WORKER).values(row).on_conflict_do_nothing())


def beat(database: Database, name: str) -> None:
    """Say that the process lives."""
    with database.unit(durable=False) as session:
        session.execute(update(_WORKER).where(_WORKER.c.name == name).values(beat_at=_NOW))


def end(database: Database, name: str) -> None:
    """Take the row away: the process stops in good order."""
    with database.unit(durable=False) as session:
        session.execute(delete(_WORKER).where(_WORKER.c.name == name))
