"""Reads of one statement each: driver connections kept open, no transaction, no ORM.

A pool's check-out, a session and a result object cost more than most such statements do.
"""

from collections import deque, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Dialect, Engine, Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import PoolProxiedConnection

Row = Sequence[Any]


class _Text(NamedTuple):
    """A statement as its driver takes it, and what makes a row of it."""

    text: str
    make: Callable[..., Any]
    convert: tuple[tuple[int, Callable[[Any], Any]], ...]


class Glance:
    """One connection for a moment: each statement sees what is there when it runs."""

    __slots__ = ("_dialect", "driver")

    def __init__(self, driver: Any, dialect: Dialect) -> None:
        self.driver = driver
        self._dialect = dialect

    def fetch(self, statement: str, params: Mapping[str, Any]) -> list[Row]:
        """Return the driver's rows; raises `DBAPIError` as SQLAlchemy does."""
        cursor = self.driver.cursor()
        try:
            cursor.execute(statement, params)
            found: list[Row] = cursor.fetchall()
            return found
        except self._dialect.loaded_dbapi.Error as error:
            raise wrapped(error, statement, self.driver, self._dialect) from error
        finally:
            cursor.close()

    def execute(self, statement: Executable, params: Mapping[str, Any] | None = None) -> list[Any]:
        """Return named rows of a Core statement, as `Session.execute` would iterate over them.

        Keep the statement at hand: it is compiled once for as long as it lives.
        """
        text = _compiled(statement, self._dialect)
        rows = self.fetch(text.text, params or {})
        if text.convert:
            rows = [_converted(row, text.convert) for row in rows]
        return [text.make(row) for row in rows]


def wrapped(error: Any, statement: str, driver: Any, dialect: Dialect) -> DBAPIError:
    """Return a driver's error as SQLAlchemy raises it."""
    found: DBAPIError = DBAPIError.instance(
        statement,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=dialect.is_disconnect(error, driver, None),
        dialect=dialect,
    )
    return found


class Glances:
    """The open connections of an engine that nobody looks through at the moment."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: deque[PoolProxiedConnection] = deque()
        self._closed = False

    @contextmanager
    def open(self) -> Iterator[Glance]:
        """Lend a connection; one that something was raised over is not used again."""
        kept = self._take()
        try:
            yield Glance(kept.dbapi_connection, self._engine.dialect)
        except BaseException:
            kept.close()
            raise
        if self._closed:
            kept.close()
        else:
            self._free.append(kept)

    def forget(self) -> None:
        """Close what is free: after one connection was lost the others probably are too."""
        while self._free:
            self._free.pop().close()

    def close(self) -> None:
        """Close every connection, those in use when they come back."""
        self._closed = True
        self.forget()
        self._engine.dispose()

    def _take(self) -> PoolProxiedConnection:
        try:
            return self._free.pop()
        except IndexError:
            made = self._engine.raw_connection()
            made.detach()  # of the pool only the making is of use here
            return made


@lru_cache(64)
def _compiled(statement: Executable, dialect: Dialect) -> _Text:
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]  # all have it
    columns = list(getattr(statement, "selected_columns", ()))
    processors = [c.type.dialect_impl(dialect).result_processor(dialect, None) for c in columns]
    convert = tuple((n, process) for n, process in enumerate(processors) if process)
    names = [column.key for column in columns]
    make: Any = tuple
    if names:
        seen: Any = namedtuple("Seen", names)  # type: ignore[misc]
        make = seen._make
    return _Text(str(compiled), make, convert)


def _converted(row: Row, convert: Sequence[tuple[int, Callable[[Any], Any]]]) -> Row:
    values = list(row)
    for n, process in convert:
        values[n] = process(values[n])
    return values


__all__ = ["Glance", "Glances", "wrapped"]
