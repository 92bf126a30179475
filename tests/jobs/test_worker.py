"""The worker inside a process starts on a commit at once and stops in a moment."""

import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from finview.db.jobs import Job, State
from finview.db.runtime import Services
from finview.errors import Invalid
from finview.jobs.worker import EmbeddedWorker

pytestmark = pytest.mark.both_databases

Add = Callable[..., int]
Row = Callable[[int], Job]


@pytest.fixture
def worker(services: Services, toys: ModuleType) -> Iterator[EmbeddedWorker]:
    started = EmbeddedWorker(services, threads=2)
    started.start()
    yield started
    started.stop()


def test_a_commit_wakes_the_worker(
    worker: EmbeddedWorker, add: Add, row: Row, toys: ModuleType
) -> None:
    called = threading.Event()

    def provider(_request: object) -> str:
        called.set()
        return "taken"

    toys.ToyExternal.provider = provider
    job = add("toy.external")
    assert called.wait(10)
    assert worker.stop()
    assert row(job).state == State.DONE


def test_an_idle_worker_stops_soon(services: Services, toys: ModuleType) -> None:
    worker = EmbeddedWorker(services, threads=2)
    worker.start()
    began = time.monotonic()
    assert worker.stop()
    assert time.monotonic() - began < 5


def test_an_unknown_queue_is_named(services: Services) -> None:
    with pytest.raises(Invalid) as refused:
        EmbeddedWorker(services, queues=["nowhere"])
    assert refused.value.params == {"reason": "QUEUE_UNKNOWN", "queue": "nowhere"}
