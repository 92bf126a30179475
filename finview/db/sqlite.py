"""SQLite: pragmas, STRICT column types, BEGIN IMMEDIATE and the fair lock in front of it."""

import base64
import re
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteTypeCompiler
from sqlalchemy.engine import make_url
from sqlalchemy.exc import CompileError
from sqlalchemy.types import TypeEngine

from finview.db.driver import fetch
from finview.errors import Invalid
from finview.i18n import N_, sentences

sentences(
    {
        "DATABASE_ON_NETWORK_DISK": N_(
            "SQLite needs a local disk, but {file} lies on a network file system ({kind})."
        ),
    }
)

BUSY_TIMEOUT_MS = 30_000
WRITER_WAIT_S = 60.0
DURABLE = "finview_durable"
"""The option of a connection that says whether its commits outlive a power cut."""
CHECKPOINT_WAIT_S = 0.2
GLANCE_CACHE_KIB = 32_768
WRITE_CACHE_KIB = 16_384
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "ceph", "glusterfs"}


_STORED = {
    "TEXT": "TEXT VARCHAR CHAR NVARCHAR NCHAR CLOB DATE TIME DATETIME TIMESTAMP JSON UUID",
    "INTEGER": "INTEGER BIGINT SMALLINT BOOLEAN",
    "REAL": "REAL FLOAT DOUBLE",
    "BLOB": "BLOB BINARY VARBINARY",
}
_STRICT = {name: kept for kept, names in _STORED.items() for name in names.split()}


class StrictTypes(SQLiteTypeCompiler):
    """Renders every type as one that a STRICT table allows."""

    def process(self, type_: TypeEngine[Any], **kw: Any) -> str:
        """Return TEXT, INTEGER, REAL or BLOB; raises CompileError for inexact decimals."""
        name = re.split(r"[ (_]", super().process(type_, **kw), maxsplit=1)[0]
        if name not in _STRICT:
            raise CompileError(f"{type_!r} can't be kept on SQLite: use whole numbers, minor units")
        return _STRICT[name]


class FairLock:
    """A lock that serves threads in the order they came, and counts how long they waited."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Lock] = deque()
        self._held = False
        self.waited_s = 0.0
        self.waited_s_max = 0.0

    @contextmanager
    def turn(self, timeout_s: float = WRITER_WAIT_S) -> Iterator[None]:
        """Hold the lock inside the block; raises TimeoutError when the turn doesn't come."""
        self._acquire(timeout_s)
        try:
            yield
        finally:
            self._release()

    @property
    def waiting(self) -> int:
        """Return how many threads wait for their turn."""
        with self._guard:
            return len(self._queue)

    def _acquire(self, timeout_s: float) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            ticket = threading.Lock()
            ticket.acquire()
            self._queue.append(ticket)
        began = time.monotonic()
        if not ticket.acquire(timeout=timeout_s):
            with self._guard:
                if ticket in self._queue:
                    self._queue.remove(ticket)
                    raise TimeoutError("no turn to write: a transaction is held for too long")
            # The turn came between the time-out and the guard: it is ours.
        waited = time.monotonic() - began
        self.waited_s += waited
        self.waited_s_max = max(self.waited_s_max, waited)

    def _release(self) -> None:
        with self._guard:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._held = False


_LOCKS: dict[str, FairLock] = {}


def writer_lock(path: Path) -> FairLock:
    """Return the one writer lock of a database file in this process."""
    return _LOCKS.setdefault(str(path.resolve()), FairLock())


def refuse_network_disk(path: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """Raise `Invalid` (DATABASE_ON_NETWORK_DISK) when `path` lies where WAL locks don't work."""
    if not mounts.exists():
        return
    folder = str(path.resolve().parent)
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        _, point, name, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, name
    if kind in NETWORK_FILE_SYSTEMS:
        raise Invalid("DATABASE_ON_NETWORK_DISK", path=["DATABASE_URL"], kind=kind, file=str(path))


def path_of(url: str) -> Path:
    """Return the file of a SQLite URL; memory databases have none and are refused."""
    name = make_url(url).database
    if not name or name == ":memory:":
        raise ValueError("finview needs a SQLite file: several connections share it")
    return Path(name)


def engines(url: str, json: dict[str, Any]) -> tuple[Engine, Engine]:
    """Return the writing and the reading engine of a SQLite file."""
    path = path_of(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    refuse_network_disk(path)
    writer = create_engine(url, pool_size=2, max_overflow=2, **json)
    reader = create_engine(url, pool_size=8, max_overflow=64, **json)
    for engine in (writer, reader):
        engine.dialect.type_compiler_instance = StrictTypes(engine.dialect)
        event.listen(engine, "connect", _prepare)
    event.listen(reader, "connect", _only_reads)
    event.listen(writer, "connect", _gathers)
    event.listen(writer, "begin", _begin_writing)
    event.listen(reader, "begin", _begin_reading)
    return writer, reader


def checkpoint(path: Path) -> int:
    """Write the log back into the file and cut it off; return how many pages are left in it.

    It waits a moment for those who read, and leaves the rest to the next time.
    """
    connection = sqlite3.connect(path, timeout=CHECKPOINT_WAIT_S, isolation_level=None)
    try:
        _busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return max(0, int(pages) - int(moved))
    finally:
        connection.close()


def glancing(url: str, json: dict[str, Any]) -> Engine:
    """Return the engine of operations that are one statement: no BEGIN, the same pragmas."""
    engine = create_engine(
        url,
        pool_size=4,
        max_overflow=64,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        paramstyle="named",
        **json,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "connect", _only_reads)
    event.listen(engine, "connect", _remembers)
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we write BEGIN ourselves
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "foreign_keys = ON",
        "synchronous = FULL",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "mmap_size = 0",
        "secure_delete = ON",
        "wal_autocheckpoint = 2000",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _only_reads(connection: sqlite3.Connection, _record: Any) -> None:
    connection.create_function("base64url", 1, _base64url, deterministic=True)
    connection.execute("PRAGMA query_only = ON").close()


def _gathers(connection: sqlite3.Connection, _record: Any) -> None:
    # A chunk of an import changes thousands of pages: those the default of 2 MB can't hold are
    # written to the log before the end, and often again.
    connection.execute(f"PRAGMA cache_size = -{WRITE_CACHE_KIB}").close()


def _remembers(connection: sqlite3.Connection, _record: Any) -> None:
    # Pages stay known between statements: the default of 2 MB is read anew by every other page.
    connection.execute(f"PRAGMA cache_size = -{GLANCE_CACHE_KIB}").close()


def _base64url(value: str | None) -> str | None:
    """SQLite has no base64 of its own before 3.41, and then not the one of URLs."""
    if value is None:
        return None
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def _begin_writing(connection: Connection) -> None:
    # The pragma can't be changed inside a transaction, and is remembered with the connection.
    durable = connection.get_execution_options().get(DURABLE, True)
    if connection.info.get("durable", True) != durable:
        connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.info["durable"] = durable
    fetch(connection, "BEGIN IMMEDIATE", {})


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
