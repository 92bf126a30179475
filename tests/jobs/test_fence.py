"""Enqueue belongs to its transaction, keys are open once, a late worker changes nothing."""

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import func, select, update

from finview.db import Database
from finview.db.jobs import Job, State, enqueue
from finview.db.runtime import Services
from finview.jobs.claims import CLAIMS_MAX, claim, release
from finview.jobs.process import process_of
from finview.jobs.runner import drain, run_job, tick

pytestmark = pytest.mark.both_databases

Add = Callable[..., int]
Row = Callable[[int], Job]
Effects = Callable[[], list[str]]


def expire(database: Database, job_id: int) -> None:
    with database.unit() as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_until=1))


def jobs(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def test_a_rolled_back_request_leaves_no_job(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.unit() as session:
        enqueue(session, "toy.short", {"n": 1 // 0})
    assert jobs(database) == 0
    with database.unit() as session:
        enqueue(session, "toy.short", {})
    assert jobs(database) == 1


def test_an_open_key_gives_the_same_job_and_a_done_one_makes_room(
    services: Services, add: Add
) -> None:
    first = add("toy.short", dedupe_key="k")
    assert add("toy.short", dedupe_key="k") == first
    drain(services)
    assert add("toy.short", dedupe_key="k") != first


def test_many_threads_with_one_key_get_one_job(database: Database, add: Add) -> None:
    got: list[int] = []
    start = threading.Barrier(6)

    def ask() -> None:
        start.wait()
        got.append(add("toy.short", dedupe_key="k"))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(set(got)), jobs(database)) == (6, 1, 1)


def test_arguments_have_a_limit(database: Database) -> None:
    with database.unit() as session, pytest.raises(ValueError, match="64 KiB"):
        enqueue(session, "toy.short", {"text": "x" * 70_000})


def test_a_worker_that_wakes_late_changes_nothing(
    services: Services, add: Add, row: Row, effects: Effects
) -> None:
    job = add("toy.short", {"n": 1})
    (early,) = claim(services.db, "default", 1)
    expire(services.db, job)
    tick(services)
    (late,) = claim(services.db, "default", 1)
    run_job(services, late.id, late.attempt)
    run_job(services, early.id, early.attempt)
    assert effects() == ["short:1"]
    assert (row(job).attempt, row(job).runs) == (2, 1)


def test_a_chunk_in_flight_is_undone_when_the_lease_was_lost(
    services: Services, add: Add, toys: ModuleType, effects: Effects
) -> None:
    def lose_the_lease(view: Any, done: int) -> None:
        if done == 1 and view.attempt == 1:
            expire(services.db, view.id)
            tick(services)

    toys.ToyChunked.between = lose_the_lease
    add("toy.chunked", {"chunks": 2})
    drain(services)
    assert effects() == ["chunk:0", "chunk:1", "finished"]
    assert process_of(services).counts["fenced"] == 1


def test_a_lost_lease_of_a_running_job_makes_it_run_alone(
    services: Services, add: Add, row: Row
) -> None:
    job = add("toy.short")
    claim(services.db, "default", 1)
    with services.db.unit() as session:
        session.execute(update(Job).values(state=State.RUNNING, runs=1, lease_until=1))
    tick(services)
    assert (row(job).state, row(job).solo) == (State.READY, True)
    drain(services)
    assert row(job).state == State.DONE


def test_a_job_that_is_handed_out_for_ever_is_given_up(
    services: Services, add: Add, row: Row
) -> None:
    job = add("toy.short")
    for _ in range(CLAIMS_MAX):
        assert claim(services.db, "default", 1)
        expire(services.db, job)
        tick(services)
    assert row(job).state == State.DEAD
    assert row(job).error_params == {"reason": "NEVER_FINISHED", "claims": CLAIMS_MAX}
    assert row(job).runs == 0


def test_a_claim_given_back_is_ready_at_once(services: Services, add: Add, row: Row) -> None:
    job = add("toy.short")
    (claimed,) = claim(services.db, "default", 4)
    release(services.db, [(claimed.id, claimed.attempt)])
    assert (row(job).state, row(job).lease_until) == (State.READY, None)


def test_claims_of_many_threads_never_overlap(services: Services, add: Add) -> None:
    wanted = {add("toy.short", {"n": n}) for n in range(20)}
    got: list[int] = []
    threads = [
        threading.Thread(target=lambda: got.extend(c.id for c in claim(services.db, "default", 5)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got))
    assert set(got) <= wanted
