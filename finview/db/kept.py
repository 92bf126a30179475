"""Writing connections that stay open between units.

A pool's check-out, its ping and its reset cost more than the transaction of a small job (measured:
80 of 150 µs on SQLite, a round trip on PostgreSQL).
"""

import select
import time
from collections import deque
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import Pool

KEPT = 8
"""How many idle ones are kept; more units at a time share the pool as usual."""
FRESH_S = 2.0
"""One that was idle for longer is given up: the pool asks a new one whether it lives."""


class Kept:
    """The open connections of an engine that no unit uses at the moment, the last used first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: deque[tuple[Connection, Pool, float]] = deque()
        self._closed = False
        self._server = engine.dialect.name == "postgresql"

    def take(self) -> Connection:
        """Return a connection without a transaction; whoever takes it gives it back."""
        while self._free:
            try:
                connection, pool, since = self._free.pop()
            except IndexError:
                break
            if pool is self._engine.pool and not (self._server and self._stale(connection, since)):
                return connection
            self._drop(connection, pool)
        return self._engine.connect()

    def give(self, connection: Connection, *, sound: bool) -> None:
        """Take a connection back; one that is not `sound`, or too many, goes to its pool."""
        fit = sound and not connection.invalidated and not connection.in_transaction()
        if not fit or self._closed or len(self._free) >= KEPT:
            connection.close()
            return
        self._free.append((connection, self._engine.pool, time.monotonic()))

    def __len__(self) -> int:
        return len(self._free)

    def close(self) -> None:
        """Close what is kept, and from now on what is given back."""
        self._closed = True
        while self._free:
            connection, pool, _ = self._free.pop()
            self._drop(connection, pool)

    def _drop(self, connection: Connection, pool: Pool) -> None:
        if pool is not self._engine.pool:
            connection.invalidate()  # nobody closes what comes back to a disposed pool
        connection.close()

    def _stale(self, connection: Connection, since: float) -> bool:
        if time.monotonic() - since > FRESH_S:
            return True
        # Whatever the server says unasked may be its farewell.
        look = select.poll()
        driver: Any = connection.connection.driver_connection
        look.register(driver.fileno(), select.POLLIN)
        return bool(look.poll(0))
