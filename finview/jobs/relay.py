"""Hands ready rows to a broker that is a server: claims in batches, and holds off while it is away."""

import logging
import threading
import time
from collections.abc import Iterable

from sqlalchemy.exc import DBAPIError

from finview.db import ANY
from finview.db.runtime import Services
from finview.jobs.carriers import Carrier, CarrierAway, bundle_size
from finview.jobs.claims import BATCH, claim, release
from finview.jobs.process import process_of

log = logging.getLogger(__name__)

IDLE_S = 1.0
FULL_S = 0.1
AHEAD = 2_000
"""How many waiting claims of a queue are enough: the rest keeps its order in the table."""
PAUSE_S = 1.0
PAUSE_S_MAX = 60.0


class Breaker:
    """Open for a second after a failure, twice as long after each further one, up to a minute."""

    def __init__(self) -> None:
        self._pause_s = 0.0
        self._until = 0.0

    def trip(self) -> float:
        """Open it; return for how many seconds."""
        self._pause_s = min(max(PAUSE_S, 2 * self._pause_s), PAUSE_S_MAX)
        self._until = time.monotonic() + self._pause_s
        return self._pause_s

    def mend(self) -> None:
        """Forget the failures."""
        self._pause_s = 0.0

    @property
    def left_s(self) -> float:
        """Return for how long it is open yet; 0 when it is closed."""
        return max(0.0, self._until - time.monotonic())


class Relay(threading.Thread):
    """One thread of a working process; any number of processes may relay the same queues."""

    def __init__(self, services: Services, carrier: Carrier, queues: Iterable[str]) -> None:
        super().__init__(name="finview-relay", daemon=True)
        self._services = services
        self._carrier = carrier
        self._queues = tuple(queues)
        self._process = process_of(services)
        self._stop_asked = threading.Event()
        self._unseen = dict.fromkeys(self._queues, 0)
        self._each = dict.fromkeys(self._queues, 1)
        self._any_full = False
        self.breaker = Breaker()

    def run(self) -> None:
        """Relay until stopped."""
        wake = self._services.db.wake
        while not self._stop_asked.is_set():
            open_s = self.breaker.left_s
            if open_s:
                self._stop_asked.wait(open_s)
                continue
            seen = wake.rings(ANY)
            if not self.relay() and not self._stop_asked.is_set():
                wake.wait(ANY, seen, FULL_S if self._any_full else IDLE_S)

    def relay(self) -> int:
        """Pass on one batch of each queue; return how many claims were handed over."""
        try:
            self._any_full = False
            self._carrier.keep()
            passed = sum(self._pass_on(queue) for queue in self._queues)
        except CarrierAway as lost:
            self._process.count("publish_failures")
            pause = self.breaker.trip()
            log.warning(
                "relay.broker_away pause=%.0f error=%s", pause, type(lost.__cause__).__name__
            )
            return 0
        except (DBAPIError, TimeoutError) as away:
            log.warning("relay.database_away error=%s", type(away).__name__)
            return 0
        if passed:
            self.breaker.mend()
        return passed

    def stop(self) -> None:
        """End the thread; a batch it has claimed is handed over first."""
        self._stop_asked.set()
        self._services.db.wake.ring(ANY)
        self.join(timeout=30)

    def _pass_on(self, queue: str) -> int:
        if self._stop_asked.is_set() or self._is_full(queue):
            return 0
        taken = claim(self._services.db, queue, BATCH)
        if not taken:
            return 0
        try:
            self._carrier.publish(queue, taken)
        except CarrierAway:
            release(self._services.db, [one.fence for one in taken])
            raise
        self._unseen[queue] += len(taken)
        self._each[queue] = bundle_size(len(taken))
        return len(taken)

    def _is_full(self, queue: str) -> bool:
        """Tell whether the broker holds enough; it is asked only once that many were handed over."""
        if self._unseen[queue] < AHEAD:
            return False
        self._unseen[queue] = self._carrier.waiting(queue) * self._each[queue]
        full = self._unseen[queue] >= AHEAD
        self._any_full = self._any_full or full
        return full
