"""Statements straight to the driver, in the transaction of a session, errors as SQLAlchemy's.

For the few that every job passes through: SQLAlchemy's own path costs five times what SQLite needs
for them (measured: 60 of 75 µs).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from finview.db import deadline, postgres
from finview.db.glances import Row, wrapped

_PLACE = re.compile(r"{(\w+)}")


def written(statement: str, **parts: Mapping[str, str]) -> dict[str, str]:
    """Return a statement as the driver of each dialect takes it; its parameters stand in braces.

    So do `parts`, which the dialects write differently.
    """
    found = {}
    for dialect, mark in (("sqlite", ":{}"), ("postgresql", "%({})s")):
        places = {name: mark.format(name) for name in _PLACE.findall(statement)}
        found[dialect] = statement.format(**places | {k: v[dialect] for k, v in parts.items()})
    return found


class Opening:
    """The first statement of many small transactions, over whole numbers, by name.

    On PostgreSQL it begins the transaction too, and answers as the server writes: bytes.
    """

    def __init__(self, name: str, statement: str) -> None:
        self._names = list(dict.fromkeys(_PLACE.findall(statement)))
        self._lite = statement.format(**{name: f":{name}" for name in self._names})
        numbered = {name: f"${n}" for n, name in enumerate(self._names, 1)}
        self._full = postgres.Opening(name, statement.format(**numbered))

    def fetch(self, connection: Connection, **values: int) -> Sequence[Row]:
        """Return the rows: text or bytes, numbers or their digits, None; raises `DBAPIError`."""
        if connection.dialect.name == "sqlite":
            return fetch(connection, self._lite, values)
        known: set[str] = connection.info.setdefault("prepared", set())
        given = [values[name] for name in self._names]
        with _driver(connection, self._lite) as driver:
            return self._full.run(driver, known, given)


def fetch(connection: Connection, statement: str, params: Mapping[str, Any]) -> list[Row]:
    """Return the driver's rows; raises `DBAPIError`.

    Nothing that the session holds is flushed first, and no event is told.
    """
    with _driver(connection, statement) as driver:
        cursor = driver.cursor()
        try:
            cursor.execute(statement, params)
            found: list[Row] = cursor.fetchall()
            return found
        finally:
            cursor.close()


def send(
    connection: Connection, statement: str, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> int:
    """Return how many rows a statement without an answer has changed; raises `DBAPIError`.

    A sequence of parameters sends it once for each.
    """
    with _driver(connection, statement) as driver:
        cursor = driver.cursor()
        try:
            once = isinstance(params, Mapping)
            (cursor.execute if once else cursor.executemany)(statement, params)
            changed: int = cursor.rowcount
            return changed
        finally:
            cursor.close()


@contextmanager
def _driver(connection: Connection, statement: str) -> Iterator[Any]:
    """Lend the driver's connection; its errors become SQLAlchemy's."""
    deadline.check(connection)
    driver, dialect = connection.connection.driver_connection, connection.dialect
    try:
        yield driver
    except dialect.loaded_dbapi.Error as error:
        found = wrapped(error, statement, driver, dialect)
        if found.connection_invalidated:
            connection.invalidate(error)
        raise found from error
