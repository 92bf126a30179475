"""The second hand of every process that works: due jobs, lost leases, timers, renewals."""

import logging
import random
import threading
import time

from sqlalchemy.exc import DBAPIError

from finview.db.runtime import Services
from finview.jobs import heart
from finview.jobs.claims import renew
from finview.jobs.process import process_of
from finview.jobs.runner import tick

log = logging.getLogger(__name__)

PERIOD_S = 1.0


class Ticker(threading.Thread):
    """Ticks once a second, give or take a fifth, so that several processes spread out."""

    def __init__(self, services: Services) -> None:
        super().__init__(name="finview-ticker", daemon=True)
        self._services = services
        self._process = process_of(services)
        self._stop_asked = threading.Event()
        self.last_beat = self._beat_at = time.monotonic()

    def run(self) -> None:
        """Tick until stopped; a database that is away is tried again."""
        while not self._stop_asked.wait(PERIOD_S * random.uniform(0.8, 1.2)):  # noqa: S311 -- spread, no secret
            self.beat()

    def beat(self) -> None:
        """Tick once."""
        try:
            held = self._process.to_renew()
            if held:
                renew(self._services.db, held)
            if time.monotonic() - self._beat_at >= heart.BEAT_S:
                heart.beat(self._services.db, self._process.name)
                self._beat_at = time.monotonic()
            if not self._process.stopping.is_set():
                tick(self._services)
            self.last_beat = time.monotonic()
        except (DBAPIError, TimeoutError) as away:
            log.warning("tick.database_away error=%s", type(away).__name__)

    def stop(self) -> None:
        """End the thread; what it was doing is finished first."""
        self._stop_asked.set()
        self.join(timeout=10)
