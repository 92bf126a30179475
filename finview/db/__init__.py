"""The database: `unit()` is one session and one transaction, and the only commit there is."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any, Self

import orjson
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from finview import clock
from finview.db import deadline as deadlines
from finview.db import postgres, sqlite
from finview.db.bus import Bus
from finview.db.deadline import Deadline
from finview.db.glances import Glance, Glances
from finview.db.kept import Kept
from finview.settings import Settings

DURABLE = sqlite.DURABLE
_OFFSET = "SELECT offset_ms FROM clock_offset WHERE id = 1"
_RETRIED_STATES = {"40001", "40P01"}  # serialization failure, deadlock


ANY = "*"
"""The queue under which every ring is heard."""


class WakeUp:
    """Tells the workers of this process that a commit left work in a queue."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings: Counter[str] = Counter()

    def ring(self, queue: str) -> None:
        """Wake everybody who waits for a queue."""
        with self._condition:
            self._rings[queue] += 1
            self._rings[ANY] += 1
            self._condition.notify_all()

    def rings(self, queue: str) -> int:
        """Return how often a queue was rung for; ask before looking into it."""
        with self._condition:
            return self._rings[queue]

    def wait(self, queue: str, seen: int, timeout_s: float) -> None:
        """Wait until somebody rings after `seen` rings, at most for `timeout_s`."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings[queue] != seen, timeout_s)


class Database:
    """One database, opened: SQLite in a file or PostgreSQL."""

    def __init__(self, settings: Settings, *, role: str = "finview") -> None:
        json = {"json_serializer": _dump, "json_deserializer": orjson.loads}
        self.settings = settings
        self.url = settings.url
        self.dialect = "sqlite" if self.url.startswith("sqlite") else "postgresql"
        self._moves_clock = settings.env == "development"
        if self.dialect == "sqlite":
            self.writer, self.reader = sqlite.engines(self.url, json)
            self.glancer = sqlite.glancing(self.url, json)
            self.lock: sqlite.FairLock | None = sqlite.writer_lock(sqlite.path_of(self.url))
        else:
            self.writer, self.reader = postgres.engines(self.url, json, role)
            deadline_s = settings.operation_s_max
            self.glancer = postgres.glancing(self.url, json, role, deadline_s)
            self.lock = None
        self.kept = Kept(self.writer)
        """Open connections that no unit uses; the pool counts them as lent."""
        self._writers = sessionmaker(expire_on_commit=False, join_transaction_mode="control_fully")
        self._readers = sessionmaker(self.reader, expire_on_commit=False)
        self._glances = Glances(self.glancer)
        event.listen(self._readers, "before_flush", _refuse_flush)
        for engine in {self.writer, self.reader}:
            deadlines.watch(engine)
        self._here = threading.local()
        self.wake = WakeUp()
        self.commits = Bus(self.url, file=self.dialect == "sqlite")
        """Rings after each commit, for those who watch rows."""

    @classmethod
    def open(cls, settings: Settings, *, role: str = "finview") -> Self:
        """Open the database of `settings`; `role` names the process (serve, worker, cli)."""
        return cls(settings, role=role)

    @contextmanager
    def unit(self, *, durable: bool = True, deadline_s: float | None = None) -> Iterator[Session]:
        """Open one session in one transaction: committed at the end, undone when it raises.

        Units don't nest: an inner one would commit half of the outer. `durable=False` lets a power
        cut undo the last commits (SQLite only; rows that can be made again). `deadline_s` stops the
        whole: the wait for the writer's turn (TimeoutError), statements, and what comes after them.
        """
        if getattr(self._here, "unit", False):
            raise RuntimeError("a unit is open in this thread already; pass its session on")
        self._here.unit = True
        deadline = Deadline(deadline_s) if deadline_s is not None else None
        wait_s = sqlite.WRITER_WAIT_S if deadline is None else deadline.left_s
        try:
            with self.lock.turn(wait_s) if self.lock else nullcontext():
                connection, sound = self.kept.take(), False
                session = self._writers(bind=connection, info={"database": self})
                try:
                    if connection.get_execution_options().get(DURABLE, True) != durable:
                        connection.execution_options(**{DURABLE: durable})
                    connection.begin()
                    self._begin(session, deadline)
                    yield session
                    session.flush()
                    deadlines.end(session)
                    connection.commit()
                    sound = True
                except BaseException:
                    deadlines.end(session)
                    session.rollback()
                    connection.rollback()
                    sound = True
                    _run(session, "after_rollback")
                    raise
                finally:
                    session.close()
                    self.kept.give(connection, sound=sound)
        finally:
            self._here.unit = False
        self.commits.ring()
        _run(session, "after_commit")

    @contextmanager
    def reading(self, *, deadline_s: float | None = None) -> Iterator[Session]:
        """Open a session that only reads; a flush raises RuntimeError, a write is refused.

        With `deadline_s` statements are stopped once that time is over.
        """
        session = self._readers(info={"database": self})
        try:
            self._begin(session, Deadline(deadline_s) if deadline_s is not None else None)
            yield session
        finally:
            deadlines.end(session)
            session.close()  # not rollback: what was read stays readable

    @contextmanager
    def glance(self, *, deadline_s: float | None = None) -> Iterator[Glance]:
        """Lend a connection without a transaction: each statement sees what is there then.

        For what one statement answers. With `deadline_s` SQLite stops it after that time, while
        PostgreSQL has its time-out, `operation_s_max`, set on these connections from the start.
        """
        try:
            with self._glances.open() as glance:
                if deadline_s is not None and self.dialect == "sqlite":
                    deadlines.watch_driver(glance.driver, Deadline(deadline_s))
                if self._moves_clock:
                    _move_clock(next(iter(glance.fetch(_OFFSET, {})), (0,))[0])
                yield glance
        except DBAPIError as error:
            if error.connection_invalidated:
                self._glances.forget()
            raise

    def _begin(self, session: Session, deadline: Deadline | None) -> None:
        if deadline is not None:
            deadlines.begin(session, deadline)
        if self._moves_clock:
            _move_clock(session.connection().exec_driver_sql(_OFFSET).scalar())

    def create_schema(self) -> None:
        """Create all tables and triggers as the code declares them (tests; else `migrate`)."""
        from finview.db import tables

        with self.writer.begin() as connection:
            tables.Base.metadata.create_all(connection)

    def checkpoint(self) -> int:
        """Write SQLite's log back into the file; return how many pages readers still hold in it."""
        return sqlite.checkpoint(sqlite.path_of(self.url)) if self.dialect == "sqlite" else 0

    def close(self) -> None:
        """Close every connection."""
        self.commits.close()
        self.kept.close()
        self.writer.dispose()
        self.reader.dispose()
        self._glances.close()

    @property
    def engine(self) -> Engine:
        """Return the writing engine; only migrations and tests need it."""
        return self.writer


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Call back once the unit of `session` is committed; not when it is undone."""
    session.info.setdefault("after_commit", []).append(callback)


def after_rollback(session: Session, callback: Callable[[], None]) -> None:
    """Call back once the unit of `session` is undone."""
    session.info.setdefault("after_rollback", []).append(callback)


def database_of(session: Session) -> Database:
    """Return the database a session of `unit()` or `reading()` belongs to."""
    database = session.info["database"]
    assert isinstance(database, Database)
    return database


def is_transient(error: BaseException) -> bool:
    """Return whether the same transaction may simply be tried again.

    True for a deadlock, a serialization failure and a busy SQLite file.
    """
    if not isinstance(error, DBAPIError):
        return False
    if getattr(error.orig, "sqlstate", None) in _RETRIED_STATES:
        return True
    return getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def _run(session: Session, key: str) -> None:
    for callback in session.info.pop(key, ()):
        callback()


def _move_clock(offset_ms: int | None) -> None:
    clock.move(timedelta(milliseconds=offset_ms or 0))


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()


def _refuse_flush(session: Session, *_: Any) -> None:
    raise RuntimeError(f"a reading session has changes to write: {[*session.new, *session.dirty]}")
