"""Short jobs share a message and a thread, never a transaction; many are added in few statements."""

import time
from collections.abc import Callable
from types import ModuleType

import pytest
from sqlalchemy import func, select, text

from finview.db import Database
from finview.db.jobs import ARGS_BYTES_MAX, Job, State, Subject, Wanted, enqueue_many
from finview.db.runtime import Services
from finview.jobs.carriers import BUNDLE, bundle_size, bundles
from finview.jobs.claims import Claim, claim
from finview.jobs.process import process_of
from finview.jobs.runner import drain, run_bundle
from finview.jobs.worker import EmbeddedWorker

Add = Callable[..., int]
Row = Callable[[int], Job]
Effects = Callable[[], list[str]]
DEADLINE_S = 60


def open_jobs(database: Database) -> int:
    with database.reading() as session:
        wanted = select(func.count()).select_from(Job).where(Job.state != State.DONE)
        return session.scalar(wanted) or 0


@pytest.mark.both_databases
def test_many_jobs_are_added_but_those_whose_key_is_open(
    services: Services, add: Add, row: Row, effects: Effects
) -> None:
    first = add("toy.short", {"n": 0}, dedupe_key="k0")
    about = Subject(kind="case", id=7, customer_id=1)
    wanted = [Wanted(args={"n": n}, dedupe_key=f"k{n}", subject=about) for n in range(5)]
    with services.db.unit() as session:
        assert enqueue_many(session, "toy.short", wanted) == 4
        assert enqueue_many(session, "toy.short", []) == 0
    drain(services)
    assert effects() == [f"short:{n}" for n in range(5)]
    last = row(first + 4)
    assert (last.state, last.subject_id, last.customer_id) == (State.DONE, 7, 1)
    with services.db.unit() as session:
        assert enqueue_many(session, "toy.short", wanted) == 5


@pytest.mark.both_databases
def test_many_jobs_with_too_large_arguments_are_refused_whole(services: Services) -> None:
    wanted = [Wanted(args={}), Wanted(args={"text": "x" * ARGS_BYTES_MAX})]
    with services.db.unit() as session, pytest.raises(ValueError, match="64 KiB"):
        enqueue_many(session, "toy.short", wanted)
    assert open_jobs(services.db) == 0


def test_only_short_jobs_share_a_bundle(toys: ModuleType) -> None:
    kinds = ["toy.short"] * 3 + ["toy.external", "toy.chunked", "toy.short", "nobody.knows"]
    claims = [Claim(n, 1, kind) for n, kind in enumerate(kinds)]
    parted = [[one.id for one in bundle] for bundle in bundles(claims, 2)]
    assert parted == [[0, 1], [2], [3], [4], [5], [6]]


def test_few_jobs_go_alone_and_many_together() -> None:
    assert [bundle_size(n) for n in (1, 15, 16, 10_000)] == [1, 1, 2, BUNDLE]


@pytest.mark.both_databases
def test_a_failed_job_leaves_its_bundle_alone(
    services: Services, add: Add, row: Row, effects: Effects
) -> None:
    jobs = [add("toy.short", {"n": n, "wish": "raise" if n == 1 else ""}) for n in range(3)]
    run_bundle(services, claim(services.db, "default", 3))
    assert [row(job).state for job in jobs] == [State.DONE, State.SCHEDULED, State.DONE]
    assert effects() == ["short:0", "short:2"]


@pytest.mark.both_databases
def test_a_stopping_process_gives_the_rest_of_a_bundle_back(
    services: Services, add: Add, row: Row
) -> None:
    jobs = [add("toy.short", {"n": n}) for n in range(3)]
    claims = claim(services.db, "default", 3)
    process_of(services).stopping.set()
    run_bundle(services, claims)
    assert [row(job).state for job in jobs] == [State.DONE, State.READY, State.READY]
    assert [row(job).runs for job in jobs] == [1, 0, 0]


@pytest.mark.both_databases
def test_a_late_bundle_changes_nothing(services: Services, add: Add, effects: Effects) -> None:
    for n in range(3):
        add("toy.short", {"n": n})
    claims = claim(services.db, "default", 3)
    run_bundle(services, claims)
    run_bundle(services, claims)
    assert effects() == ["short:0", "short:1", "short:2"]
    assert process_of(services).counts["fenced"] == 3


@pytest.mark.both_databases
def test_a_worker_runs_more_than_it_claims_at_once_whatever_the_shapes(
    services: Services, toys: ModuleType, effects: Effects
) -> None:
    toys.ToyExternal.provider = lambda _request: "taken"
    with services.db.unit() as session:
        for kind in ("toy.short", "toy.external", "toy.short"):
            enqueue_many(session, kind, [Wanted(args={"n": n}) for n in range(12)])
    worker = EmbeddedWorker(services, threads=2)
    worker.start()
    until = time.monotonic() + DEADLINE_S
    seen = services.db.commits.rings
    while open_jobs(services.db):
        assert time.monotonic() < until, "not all have ended"
        services.db.commits.wait(seen, 0.2)
        seen = services.db.commits.rings
    assert worker.stop()
    short = [f"short:{n}" for n in range(12)]
    assert sorted(effects()) == sorted([*short, *short, *["SENDING", "outcome:taken"] * 12])


@pytest.mark.both_databases
def test_a_connection_that_forgot_its_statements_runs_jobs_all_the_same(
    services: Services, add: Add, effects: Effects
) -> None:
    for n in range(2):
        add("toy.short", {"n": n})
        drain(services)
        if services.db.dialect == "postgresql":
            with services.db.unit() as session:
                session.execute(text("DEALLOCATE ALL"))
    assert effects() == ["short:0", "short:1"]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_a_short_job_costs_one_statement_beside_its_effect(
    services: Services, add: Add, effects: Effects
) -> None:
    add("toy.short")
    with services.db.unit() as session:
        driver = session.connection().connection.driver_connection
    claims = claim(services.db, "default", 1)
    sent: list[str] = []
    driver.set_trace_callback(sent.append)
    run_bundle(services, claims)
    driver.set_trace_callback(None)
    words = [one.split()[0] for one in sent if "clock_offset" not in one]  # production has none
    assert words == ["BEGIN", "UPDATE", "INSERT", "COMMIT"]
    assert effects() == ["short:0"]
