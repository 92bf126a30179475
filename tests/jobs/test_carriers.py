"""Redis and RabbitMQ carry jobs; whatever they lose, the table has: each effect once."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType

import pytest
from sqlalchemy import func, select, update

from finview.db import Database
from finview.db.jobs import Job, State
from finview.db.runtime import Services
from finview.errors import Invalid
from finview.jobs.carriers import CarrierAway, check_broker, transport_of
from finview.jobs.claims import Claim
from finview.jobs.process import process_of
from finview.jobs.relay import AHEAD, Breaker, Relay
from finview.jobs.runner import tick
from finview.jobs.worker import EmbeddedWorker
from finview.testing import servers
from finview.testing.db import Unavailable

Add = Callable[..., int]
Row = Callable[[int], Job]
Effects = Callable[[], list[str]]
DEADLINE_S = 120
GONE_S = 30 if os.environ.get("FINVIEW_BATTERY") == "full" else 0
"""How long a broker stays away beyond the first batch it did not take."""


def with_broker(services: Services, url: str) -> Services:
    """Return the same services with another broker."""
    return Services(
        services.settings.model_copy(update={"broker": url}), services.db, services.files
    )


def eventually(database: Database, holds: Callable[[], bool]) -> None:
    """Wait until something holds; look after each commit."""
    until = time.monotonic() + DEADLINE_S
    while True:
        seen = database.commits.rings
        if holds():
            return
        assert time.monotonic() < until, "it never came to hold"
        database.commits.wait(seen, 0.2)


@contextmanager
def working(services: Services, *, threads: int) -> Iterator[EmbeddedWorker]:
    worker = EmbeddedWorker(services, threads=threads)
    worker.start()
    try:
        yield worker
    finally:
        assert worker.stop()


def ended(database: Database) -> Callable[[], bool]:
    def none_left() -> bool:
        with database.reading() as session:
            # What recurs by schedule has work of its own, for which nothing is set up here.
            wanted = select(func.count()).where(Job.state != State.DONE, Job.kind.like("toy.%"))
            return session.scalar(wanted) == 0

    return none_left


@contextmanager
def or_skip(server: AbstractContextManager[str], *, required: bool) -> Iterator[str]:
    """Enter a server's context; skip where there is none, unless it must be there."""
    try:
        url = server.__enter__()
    except Unavailable as why:
        if required and os.environ.get("FINVIEW_REQUIRE_SERVICES") == "1":
            raise
        pytest.skip(str(why))
    try:
        yield url
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Iterator[str]]:
    """The URLs of the databases of one server: a fresh one for each test."""
    with or_skip(servers.redis_server(), required=True) as url:
        yield (f"{url.removesuffix('/0')}/{n}" for n in range(16))


@pytest.fixture
def redis_url(redis_server: Iterator[str]) -> str:
    return next(redis_server)


@pytest.fixture(scope="module")
def rabbitmq_url() -> Iterator[str]:
    required = os.environ.get("FINVIEW_WITHOUT_RABBITMQ") != "1"
    with or_skip(servers.rabbitmq_server(), required=required) as url:
        yield url


def carries_everything_once(
    services: Services, url: str, add: Add, effects: Effects, n: int = 30
) -> None:
    """Run jobs before, during and after the broker is out of reach."""
    with servers.wire_to(url) as (wired, wire):
        carried = with_broker(services, wired)
        with working(carried, threads=4):
            for one in range(n):
                add("toy.short", {"n": one})
            eventually(services.db, ended(services.db))
            wire.cut()
            for one in range(n, 2 * n):
                add("toy.short", {"n": one})
            away = process_of(carried)
            eventually(services.db, lambda: away.counts["publish_failures"] > 0)
            threading.Event().wait(GONE_S)
            wire.mend()
            eventually(services.db, ended(services.db))
    assert sorted(effects()) == sorted(f"short:{one}" for one in range(2 * n))


@pytest.mark.both_databases
def test_redis_carries_each_job_once_though_it_was_gone(
    services: Services, redis_url: str, add: Add, effects: Effects
) -> None:
    check_broker(redis_url)
    carries_everything_once(services, redis_url, add, effects)


def test_rabbitmq_carries_each_job_once_though_it_was_gone(
    services: Services, rabbitmq_url: str, add: Add, effects: Effects
) -> None:
    check_broker(rabbitmq_url)
    carries_everything_once(services, rabbitmq_url, add, effects)


def test_a_stopping_worker_gives_back_what_redis_had_handed_over(
    services: Services, redis_url: str, add: Add, row: Row, toys: ModuleType, effects: Effects
) -> None:
    entered, go = threading.Event(), threading.Event()

    def hold(_request: object) -> str:
        entered.set()
        assert go.wait(DEADLINE_S)
        return "late"

    toys.ToyExternal.provider = hold
    jobs = [add("toy.external") for _ in range(6)]
    carried = with_broker(services, redis_url)
    with working(carried, threads=1) as worker:
        assert entered.wait(DEADLINE_S)
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        assert process_of(carried).stopping.wait(DEADLINE_S)
        go.set()
        stopping.join(DEADLINE_S)
    left = [row(job).state for job in jobs]
    assert (left.count("DONE"), left.count("RUNNING")) == (1, 0)
    assert "READY" in left
    with working(with_broker(services, redis_url), threads=2):
        eventually(services.db, ended(services.db))
    assert sorted(effects()) == sorted(["SENDING", "outcome:late"] * 6)
    assert {row(job).runs for job in jobs} == {1}


def test_a_broker_that_is_not_there_is_told(services: Services) -> None:
    for url in ("redis://127.0.0.1:1/0", "amqp://guest:guest@127.0.0.1:1/%2F"):
        with pytest.raises(CarrierAway):
            check_broker(url)
    with pytest.raises(Invalid) as refused:
        transport_of(with_broker(services, "kafka://somewhere"))
    assert refused.value.params == {"reason": "BROKER_UNKNOWN", "broker": "kafka"}


class Dropping:
    """A broker that takes every message and loses it."""

    def __init__(self) -> None:
        self.taken: list[Claim] = []
        self.full = False

    def publish(self, _queue: str, claims: Sequence[Claim]) -> None:
        self.taken += claims

    def waiting(self, _queue: str) -> int:
        return AHEAD if self.full else 0

    def keep(self) -> None: ...


class Away(Dropping):
    """A broker that is gone."""

    def publish(self, _queue: str, _claims: Sequence[Claim]) -> None:
        raise CarrierAway


def test_j7_a_broker_that_loses_everything_for_an_hour_kills_no_job(
    services: Services, add: Add, row: Row
) -> None:
    job, carrier = add("toy.short"), Dropping()
    relay, waited = Relay(services, carrier, ["default"]), 0
    while waited < 3600:
        assert relay.relay() == 1
        with services.db.unit() as session:
            now = session.scalar(select(_database_now()))
            lease_s = (row(job).lease_until - now) / 1000
            waited += round(lease_s)
            session.execute(update(Job).values(lease_until=1))
        tick(services)
    assert (row(job).state, row(job).runs) == (State.READY, 0)
    assert [claim.attempt for claim in carrier.taken] == [1, 2, 3, 4, 5, 6]


def _database_now() -> object:
    from finview.jobs.claims import database_ms

    return database_ms()


def test_what_could_not_be_published_is_ready_again(services: Services, add: Add, row: Row) -> None:
    job = add("toy.short")
    relay = Relay(services, Away(), ["default"])
    assert relay.relay() == 0
    assert (row(job).state, row(job).attempt) == (State.READY, 1)
    assert process_of(services).counts["publish_failures"] == 1
    assert relay.breaker.left_s > 0


def test_a_full_broker_gets_no_more(services: Services, add: Add) -> None:
    carrier = Dropping()
    relay = Relay(services, carrier, ["default"])
    relay._unseen["default"] = AHEAD
    carrier.full = True
    add("toy.short")
    assert relay.relay() == 0
    carrier.full = False
    assert relay.relay() == 1


def test_a_breaker_opens_for_twice_as_long_each_time_up_to_a_minute() -> None:
    breaker = Breaker()
    assert breaker.left_s == 0
    assert [breaker.trip() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    breaker.mend()
    assert breaker.trip() == 1
