"""PostgreSQL: connection settings, time-outs and the notes that wake other processes."""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import errors, pq, sql
from sqlalchemy import Engine, create_engine, make_url

log = logging.getLogger(__name__)

CHANNEL = "finview_job"
LOCK_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_MS = 60_000
LISTEN_S = 0.5
RECONNECT_S = 5.0


def engines(url: str, json: dict[str, Any], role: str) -> tuple[Engine, Engine]:
    """Return the writing and the reading engine; both share one pool of connections.

    `role` is what this process does; it stands in pg_stat_activity as application_name.
    """
    options = (
        f"-c lock_timeout={LOCK_TIMEOUT_MS} "
        f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
    )
    writer = create_engine(
        url,
        pool_size=16,  # half of them may be kept for units
        max_overflow=24,
        pool_pre_ping=True,
        connect_args={"options": options, "application_name": role},
        **json,
    )
    return writer, writer.execution_options(postgresql_readonly=True)


def glancing(url: str, json: dict[str, Any], role: str, deadline_s: float) -> Engine:
    """Return the engine of operations that are one statement: no BEGIN, no ping, no ROLLBACK.

    A connection that was lost is noticed by the statement; its error sends the operation to the
    other pool. The time-out is set once, when a connection is made.
    """
    options = (
        f"-c lock_timeout={LOCK_TIMEOUT_MS} -c default_transaction_read_only=on "
        f"-c statement_timeout={int(deadline_s * 1000)}"
    )
    return create_engine(
        url,
        pool_size=4,
        max_overflow=32,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        connect_args={"options": options, "application_name": role},
        **json,
    )


def plain_url(url: str) -> str:
    """Return a URL of SQLAlchemy as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Listener(threading.Thread):
    """Hears on a connection of its own what other processes say: which queues have got work.

    A pooler in transaction mode breaks LISTEN; then polling is all there is. `on_listening` is
    called whenever it begins to hear: what was said before was missed.
    """

    def __init__(
        self,
        url: str,
        ring: Callable[[str], None],
        *,
        channel: str = CHANNEL,
        on_listening: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(name="finview-listener", daemon=True)
        self._url = plain_url(url)
        self._ring = ring
        self._channel = channel
        self._on_listening = on_listening
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Listen until stopped; a lost connection is made anew."""
        while not self._stop_asked.is_set():
            try:
                self._listen()
            except psycopg.OperationalError as lost:
                log.warning("listener.lost error=%s", type(lost).__name__)
                self._stop_asked.wait(RECONNECT_S)

    def stop(self) -> None:
        """End the thread within a second."""
        self._stop_asked.set()
        self.join(timeout=5)

    def _listen(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
            if self._on_listening is not None:
                self._on_listening()
            while not self._stop_asked.is_set():
                for note in connection.notifies(timeout=LISTEN_S, stop_after=1):
                    self._ring(note.payload)


class Opening:
    """A statement over whole numbers that may begin its transaction: one trip to the server.

    psycopg would take two, and most of what a small transaction costs are its trips (measured: 100
    of 550 µs of CPU each, with eight threads). `text` has places $1, $2 and so on, for BIGINTs.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        types = ", ".join(["bigint"] * len(set(re.findall(r"\$\d+", text))))
        self._prepare = f"PREPARE {name} ({types}) AS {text}"

    def run(self, driver: Any, known: set[str], values: Sequence[int]) -> list[list[bytes | None]]:
        """Return the rows as the server writes them; raises psycopg's errors.

        `known` belongs to the connection: which statements it has prepared.
        """
        idle = driver.pgconn.transaction_status == pq.TransactionStatus.IDLE
        begin = "BEGIN; " if idle else ""
        if idle and self._name not in known:
            _exec(driver, self._prepare)
            known.add(self._name)
        if self._name in known:
            listed = ", ".join(str(int(value)) for value in values)
            try:
                return _exec(driver, f"{begin}EXECUTE {self._name}({listed})")
            except errors.InvalidSqlStatementName:  # a pooler gave us another's connection
                if not idle:
                    raise
                _exec(driver, "ROLLBACK")
                known.discard(self._name)
        plain = re.sub(r"\$(\d+)", lambda place: str(int(values[int(place[1]) - 1])), self._text)
        return _exec(driver, begin + plain)


def _exec(driver: Any, command: str) -> list[list[bytes | None]]:
    result = driver.pgconn.exec_(command.encode())
    if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
        raise errors.error_from_result(result, encoding="utf-8")
    columns = range(result.nfields)
    return [[result.get_value(n, column) for column in columns] for n in range(result.ntuples)]
