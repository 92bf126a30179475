"""What runs in this process right now: handlers, their leases, and whether it is stopping."""

import gc
import os
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from finview.db.runtime import Services
from finview.jobs.meters import Meters

STEP_S_MAX = 15 * 60
"""No lease is renewed for longer than this within one step: a hung handler must lose its job."""

COLLECT_AFTER = (200_000, 20, 20)
"""When Python looks for cycles among new objects. A chunk of rows makes as many, which all go by
reference counting; by the default of 700 the collector took 37 % of an import's CPU (measured)."""


@dataclass(slots=True)
class _Held:
    attempt: int
    lease_s: int
    since: float
    renewed: float


class Process:
    """Shared by all handler threads and the ticker of a process."""

    def __init__(self) -> None:
        gc.set_threshold(*COLLECT_AFTER)
        self.name = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(2)}"
        self.stopping = threading.Event()
        self.counts: Counter[str] = Counter()
        self.meters = Meters()
        self._counting = threading.Lock()
        self._condition = threading.Condition()
        self._handlers = 0
        self._solo = False
        self._held: dict[int, _Held] = {}

    def count(self, what: str, n: int = 1) -> None:
        """Count something that happened in this process."""
        with self._counting:
            self.counts[what] += n

    @contextmanager
    def handling(self, *, solo: bool) -> Iterator[None]:
        """Run a handler inside the block; a `solo` one runs while no other does."""
        with self._condition:
            self._condition.wait_for(lambda: not self._solo)
            if solo:
                self._solo = True
                self._condition.wait_for(lambda: self._handlers == 0)
            self._handlers += 1
        try:
            yield
        finally:
            with self._condition:
                self._handlers -= 1
                if solo:
                    self._solo = False
                self._condition.notify_all()

    @contextmanager
    def leased(self, job_id: int, attempt: int, lease_s: int) -> Iterator[None]:
        """Let the ticker renew a running job's lease inside the block."""
        now = time.monotonic()
        self._held[job_id] = _Held(attempt, lease_s, now, now)
        try:
            yield
        finally:
            self._held.pop(job_id, None)

    def stepped(self, job_id: int) -> None:
        """Note that a job got on by a step, which renewed its lease."""
        held = self._held.get(job_id)
        if held is not None:
            held.since = held.renewed = time.monotonic()

    def to_renew(self) -> dict[int, tuple[int, int]]:
        """Return the leases that are half spent: id → (attempt, seconds); counts them as renewed."""
        now = time.monotonic()
        found: dict[int, tuple[int, int]] = {}
        for job_id, held in list(self._held.items()):
            spent = now - held.renewed
            if spent > held.lease_s / 2 and now - held.since < STEP_S_MAX:
                found[job_id] = (held.attempt, held.lease_s)
                held.renewed = now
        return found


_GUARD = threading.Lock()


def process_of(services: Services) -> Process:
    """Return the one Process that belongs to these services."""
    with _GUARD:
        try:
            return services.get(Process)
        except LookupError:
            made = Process()
            services.put(made)
            return made
