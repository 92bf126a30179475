"""The volatile bus: rings in every process that listens, soon after any process has committed.

It carries no rows and no ids, and rings may melt into one: who hears one looks what has changed.
Nothing depends on it; who does not hear it looks again after a while.
"""

import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

from finview.db.postgres import Listener, plain_url
from finview.db.sqlite import path_of

log = logging.getLogger(__name__)

CHANNEL = "finview_commit"
ANNOUNCE_S = 0.05  # between two notes to other processes, however many commits there are
IDLE_S = 10.0  # after which the thread and the connection that tell others are given up
FILE_LOOK_S = 0.2  # between two looks whether another process has written SQLite's file


class Bus:
    """Rings after commits: of this process at once, of others while somebody is `listening`."""

    def __init__(self, url: str, *, file: bool) -> None:
        self._url = url
        self._file = path_of(url) if file else None
        self._condition = threading.Condition()
        self._rings = 0
        self._others = None if file else Announcer(url)

    @property
    def rings(self) -> int:
        """Return how often it rang; ask before looking at rows."""
        with self._condition:
            return self._rings

    def ring(self) -> None:
        """Tell this process and the others that there was a commit."""
        self.ring_here()
        if self._others is not None:
            self._others.owe()

    def ring_here(self) -> None:
        """Wake those who wait in this process."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def wait(self, seen: int, timeout_s: float) -> bool:
        """Wait until it has rung more often than `seen`; return False when time was over first."""
        with self._condition:
            return self._condition.wait_for(lambda: self._rings != seen, timeout_s)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the commits of other processes too, inside the block."""
        ear: Listener | _FileWatch
        if self._file is not None:
            ear = _FileWatch(self._file, self.ring_here)
        else:
            ear = Listener(self._url, self._heard, channel=CHANNEL, on_listening=self.ring_here)
        ear.start()
        try:
            yield
        finally:
            ear.stop()

    def close(self) -> None:
        """Send what is owed to others, and end the thread that does."""
        if self._others is not None:
            self._others.close()

    def _heard(self, sender: str) -> None:
        if self._others is None or sender != self._others.name:
            self.ring_here()


class Announcer:
    """Tells other processes over PostgreSQL, beside the transactions that commit.

    NOTIFY inside a transaction would let all commits of the server stand in one line, so a thread
    of its own sends one note for however many commits there were meanwhile.
    """

    def __init__(self, url: str) -> None:
        self.name = secrets.token_hex(8)
        """What it sends, so that its own process does not hear itself."""
        self._url = plain_url(url)
        self._condition = threading.Condition()
        self._owed = self._closed = False
        self._thread: threading.Thread | None = None

    def owe(self) -> None:
        """Send a note soon; called after each commit."""
        with self._condition:
            if self._closed or self._owed:
                return  # nobody is woken twice for one note
            self._owed = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="finview-bus", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def close(self) -> None:
        """Send a last note if one is owed, and end the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=5)

    def _run(self) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                while self._next():
                    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, self.name))
                    with self._condition:
                        self._condition.wait_for(lambda: self._closed, ANNOUNCE_S)
        except psycopg.Error as lost:
            # The note is lost; others look again after a while, and the next commit tries anew.
            log.warning("bus.lost error=%s", type(lost).__name__)
            with self._condition:
                self._owed, self._thread = False, None

    def _next(self) -> bool:
        """Wait for a note to send; return False when there was none for long, or at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._owed or self._closed, IDLE_S)
            if not self._owed:
                self._thread = None
                return False
            self._owed = False
            return True


class _FileWatch(threading.Thread):
    """Sees whether another process has written SQLite's file: a look is a few microseconds."""

    def __init__(self, path: Path, ring: Callable[[], None]) -> None:
        super().__init__(name="finview-file-watch", daemon=True)
        self._path = path
        self._ring = ring
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        try:
            with closing(sqlite3.connect(self._path)) as connection:
                seen = None
                while not self._stop_asked.wait(FILE_LOOK_S):
                    found = connection.execute("PRAGMA data_version").fetchone()
                    if found != seen:
                        seen = found
                        self._ring()
        except sqlite3.Error as lost:
            log.warning("bus.lost error=%s", type(lost).__name__)

    def stop(self) -> None:
        """End the thread."""
        self._stop_asked.set()
        self.join(timeout=5)
