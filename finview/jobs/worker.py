"""A worker: dramatiq's threads over the job table, the ticker, and a stop that loses nothing."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType

from dramatiq.worker import Worker
from sqlalchemy.exc import DBAPIError

from finview.db import postgres
from finview.db.jobs import QUEUES
from finview.db.runtime import Services
from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.jobs import heart, schedule
from finview.jobs.carriers import transport_of
from finview.jobs.process import process_of
from finview.jobs.relay import Relay
from finview.jobs.ticker import Ticker

log = logging.getLogger(__name__)

sentences({"QUEUE_UNKNOWN": N_("There is no queue called {queue}.")})

IDLE_MS = 500  # how long an idle thread sleeps: twice this bounds a graceful stop
GRACE_S_WEB = 30
GRACE_S_WORKER = 600


class EmbeddedWorker:
    """Runs jobs in this process, beside whatever else it does."""

    def __init__(
        self,
        services: Services,
        *,
        queues: Iterable[str] | None = None,
        threads: int | None = None,
    ) -> None:
        self._services = services
        self._queues = tuple(queues or QUEUES)
        for queue in self._queues:
            if queue not in QUEUES:
                raise Invalid("QUEUE_UNKNOWN", queue=queue)
        self._threads = threads or services.settings.worker_threads
        self._process = process_of(services)
        self._worker: Worker | None = None
        self._ticker = Ticker(services)
        self._transport = transport_of(services, self._queues)
        self._relay: Relay | None = None
        self._listener: postgres.Listener | None = None

    def start(self) -> None:
        """Start the threads; a worker is started once."""
        services, name = self._services, self._process.name
        self._process.stopping.clear()
        schedule.sync(services.db, services.settings.time_zone)
        heart.begin(services.db, name, queues=list(self._queues), threads=self._threads)
        broker, carrier = self._transport.broker, self._transport.carrier
        self._worker = Worker(broker, worker_timeout=IDLE_MS, worker_threads=self._threads)
        self._worker.start()
        if carrier is not None:
            self._relay = Relay(services, carrier, self._queues)
            self._relay.start()
        self._ticker.start()
        if self._services.db.dialect == "postgresql":
            self._listener = postgres.Listener(self._services.db.url, self._services.db.wake.ring)
            self._listener.start()

    def stop(self, grace_s: float = GRACE_S_WEB) -> bool:
        """Stop gracefully; return whether every handler ended within `grace_s`.

        No further claims; chunked jobs stop at their next chunk and others end; claimed jobs that
        never started are ready again. What outlasts the grace loses its lease later.
        """
        if self._worker is None:
            return True
        self._process.stopping.set()
        for queue in self._queues:
            self._services.db.wake.ring(queue)
        if self._listener is not None:
            self._listener.stop()
        if self._relay is not None:
            self._relay.stop()
        began = time.monotonic()
        self._worker.stop(timeout=int(grace_s * 1000))
        self._ticker.stop()
        self._transport.broker.close()
        self._say_goodbye()
        ended = not any(thread.is_alive() for thread in self._worker.workers)
        log.info("worker.stopped seconds=%.1f complete=%s", time.monotonic() - began, ended)
        self._worker = None
        return ended

    def _say_goodbye(self) -> None:
        try:
            heart.end(self._services.db, self._process.name)
        except (DBAPIError, TimeoutError) as away:
            log.warning("worker.database_away error=%s", type(away).__name__)

    @property
    def seconds_since_beat(self) -> float:
        """Return how long ago the ticker last got through; readiness looks at it."""
        return time.monotonic() - self._ticker.last_beat


def work(
    build: Callable[[], Services],
    *,
    queues: Iterable[str] | None = None,
    threads: int | None = None,
    grace_s: float = GRACE_S_WORKER,
    on_ready: Callable[[], None] | None = None,
) -> bool:
    """Run jobs until SIGTERM or SIGINT, for `finview worker`; return whether all ended in time.

    A second signal ends the process at once. `build` makes the services in this process, never
    before a fork.
    """
    asked = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            os._exit(1)
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    services = build()
    worker = EmbeddedWorker(services, queues=queues, threads=threads)
    worker.start()
    if on_ready is not None:
        on_ready()
    asked.wait()
    complete = worker.stop(grace_s)
    services.close()
    return complete
