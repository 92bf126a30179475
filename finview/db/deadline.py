"""A deadline that acts in the database: a thread can't be stopped, a statement can.

PostgreSQL ends the statement by its own time-out. SQLite asks a progress handler every few thousand
steps, in the thread that waits: no timer thread, and nothing can hit a connection given back.
Between statements the clock is looked at before each of them.
"""

import time
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import Session

STEPS = 20_000  # of SQLite's machine, about a millisecond
_KEY = "deadline"
_CANCELLED = "57014"  # query_canceled
_LOCKED = "55P03"  # lock_not_available


class DeadlinePassed(TimeoutError):
    """The time of the operation was over before its next statement."""


class Deadline:
    """An instant of the monotonic clock; `passed` is kept once it was met."""

    __slots__ = ("at", "connection", "passed")

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self.passed = False
        self.connection: Connection | None = None

    @property
    def left_s(self) -> float:
        """Return the seconds left, never less than none."""
        return max(0.0, self.at - time.monotonic())

    def over(self) -> int:
        """Tell whether the time is over; SQLite stops the statement then."""
        if time.monotonic() >= self.at:
            self.passed = True
        return self.passed


def watch(engine: Engine) -> None:
    """Let an engine look at the deadline of a connection before each statement."""
    event.listen(engine, "before_cursor_execute", _check)


def begin(session: Session, deadline: Deadline) -> None:
    """Let the deadline act on the transaction of a session."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        # set_config, because SET takes no bound value.
        wanted = {"ms": str(max(1, int(deadline.left_s * 1000)))}
        session.execute(text("SELECT set_config('statement_timeout', :ms, true)"), wanted)
    else:
        _driver(connection).set_progress_handler(deadline.over, STEPS)
    connection.info[_KEY] = session.info[_KEY] = deadline
    deadline.connection = connection


def watch_driver(driver: Any, deadline: Deadline) -> None:
    """Let the deadline act on a connection of SQLite's driver, until another one does."""
    driver.set_progress_handler(deadline.over, STEPS)


def end(session: Session) -> None:
    """Take the deadline off the connection before it goes back; what happened stays readable."""
    deadline = session.info.get(_KEY)
    connection = deadline.connection if deadline is not None else None
    if connection is None or connection.closed or connection.invalidated:
        return
    connection.info.pop(_KEY, None)
    if connection.dialect.name == "sqlite":
        _driver(connection).set_progress_handler(None, 0)


def passed(session: Session) -> bool:
    """Tell whether the deadline of a session stopped it."""
    deadline = session.info.get(_KEY)
    return deadline is not None and deadline.passed


def is_timeout(error: BaseException | None) -> bool:
    """Tell whether an error says that the time was over: here, in the database or for a lock."""
    while error is not None:
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        if isinstance(error, TimeoutError) or state in (_CANCELLED, _LOCKED):
            return True
        if getattr(getattr(error, "orig", None), "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            return True
        error = error.__cause__ or error.__context__
    return False


def check(connection: Connection) -> None:
    """Raise DeadlinePassed when the time of the connection's operation is over."""
    deadline = connection.info.get(_KEY)
    if deadline is not None and deadline.over():
        raise DeadlinePassed("the time of this operation is over")


def _check(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    if not statement.startswith("ROLLBACK"):
        check(connection)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
