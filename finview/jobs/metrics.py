"""How the jobs of an installation stand, read from the table, and what this process counted."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.db import Database
from finview.db.jobs import QUEUES, Job, State, Worker, is_in
from finview.db.runtime import Services
from finview.jobs.claims import database_ms
from finview.jobs.heart import DEAD_AFTER_S
from finview.jobs.process import process_of

CACHE_S = 5.0
OLD_S = 300
"""A job that waits longer than this for a worker is too old."""
SAMPLE = 10_000
_COUNTED = (State.SCHEDULED, State.READY, State.PARKED, State.DEAD)
_LEASED = (State.DISPATCHED, State.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What waits for a worker, and who could do it; ages in seconds, the oldest first."""

    ages: dict[str, list[float]] = field(default_factory=dict)
    workers: int

    @property
    def oldest_s(self) -> float:
        """Return the age of the job that has waited longest; 0 when none waits."""
        return max((ages[0] for ages in self.ages.values()), default=0.0)

    @property
    def is_well(self) -> bool:
        """Tell whether nothing waits for too long, and somebody works where something waits."""
        return not self.ages or (self.workers > 0 and self.oldest_s <= OLD_S)


def standing(session: Session) -> Standing:
    """Look at what is ready, the first 10,000 of each queue, and at the workers that live."""
    now = clock.now()
    ages: dict[str, list[float]] = {}
    for queue in QUEUES:
        since = session.scalars(
            select(Job.run_at)
            .where(is_in(State.READY), Job.queue == queue)
            .order_by(Job.queue, Job.priority, Job.id)
            .limit(SAMPLE)
        )
        found = sorted(((now - at).total_seconds() for at in since), reverse=True)
        if found:
            ages[queue] = found
    alive = select(func.count()).where(Worker.beat_at > database_ms() - DEAD_AFTER_S * 1000)
    return Standing(ages=ages, workers=session.scalar(alive) or 0)


def exposition(services: Services) -> bytes:
    """Return every metric in the text format of Prometheus; what is read is at most 5 s old."""
    return generate_latest(registry_of(services))


def serve(services: Services, bind: str, *, offset: int = 0) -> int:
    """Answer `/metrics` on an address of its own, `host:port`; return the port.

    The workers of one machine have ports that follow each other: `offset` is which one this is.
    """
    host, _, port = bind.rpartition(":")
    server, _thread = start_http_server(
        int(port) + offset, addr=host or "127.0.0.1", registry=registry_of(services)
    )
    bound: int = server.server_port
    return bound


def registry_of(services: Services) -> CollectorRegistry:
    """Return the registry of these services, the table's collector in it."""
    registry = process_of(services).meters.registry
    with _GUARD:
        try:
            services.get(_Table)
        except LookupError:
            table = _Table(services)
            services.put(table)
            registry.register(table)
    return registry


_GUARD = threading.Lock()


class _Table(Collector):
    """Reads the table at most every five seconds, however many ask."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._guard = threading.Lock()
        self._seen: list[Metric] = []
        self._seen_at = float("-inf")

    def describe(self) -> list[Metric]:
        """Nothing is read when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return the table's metrics and this process's counts."""
        with self._guard:
            if time.monotonic() - self._seen_at > CACHE_S:
                self._seen = list(_of_table(self._services.db))
                self._seen_at = time.monotonic()
        yield from self._seen
        yield from _of_process(self._services)


def _of_table(database: Database) -> Iterator[Metric]:
    with database.reading() as session:
        found = standing(session)
        counts = _counts(session)
    jobs = GaugeMetricFamily("finview_jobs", "Jobs that have not ended well.", labels=_QS)
    for (queue, state), n in sorted(counts.items()):
        jobs.add_metric([queue, state], n)
    yield jobs
    age = GaugeMetricFamily(
        "finview_job_ready_age_seconds",
        "How long ready jobs have waited for a worker.",
        labels=["queue", "stat"],
    )
    for queue, ages in found.ages.items():
        age.add_metric([queue, "oldest"], ages[0])
        age.add_metric([queue, "p95"], ages[len(ages) // 20])
    yield age
    dead = sum(n for (_, state), n in counts.items() if state == State.DEAD)
    yield GaugeMetricFamily("finview_dead_jobs", "Jobs that were given up.", value=dead)
    yield GaugeMetricFamily("finview_workers", "Processes that work.", value=found.workers)


_QS = ["queue", "state"]


def _counts(session: Session) -> Counter[tuple[str, str]]:
    """Count by queue and state; each statement reads one partial index, final states none."""
    found: Counter[tuple[str, str]] = Counter()
    for states in (*((state,) for state in _COUNTED), _LEASED):
        grouped = (
            select(Job.queue, Job.state, func.count())
            .where(is_in(*states))
            .group_by(Job.queue, Job.state)
        )
        for queue, state, n in session.execute(grouped):
            found[queue, state] = n
    return found


def _of_process(services: Services) -> Iterator[Metric]:
    counts = process_of(services).counts
    for name, what, text in (
        ("finview_job_lease_expired", "lease_expired", "Leases that ran out."),
        ("finview_job_fenced", "fenced", "Claims that were void when a handler came to them."),
        ("finview_relay_publish_failures", "publish_failures", "Batches a broker did not take."),
        (
            "finview_webhook_bad_signatures",
            "webhook_bad_signature",
            "Requests to a webhook that were not from the provider.",
        ),
    ):
        yield CounterMetricFamily(name, text, value=counts[what])
    lock = services.db.lock
    if lock is not None:
        yield CounterMetricFamily(
            "finview_sqlite_writer_wait_seconds",
            "How long threads waited for their turn to write.",
            value=lock.waited_s,
        )
