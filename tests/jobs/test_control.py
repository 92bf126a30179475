"""People retry and cancel jobs; a wrong state is named and nothing runs twice by it."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import select

from finview.db.audit import AuditEvent
from finview.db.jobs import Job, State
from finview.db.runtime import Services
from finview.errors import Conflict, NotFound
from finview.errors import State as WrongState
from finview.jobs.control import cancel, retry, retry_all
from finview.jobs.runner import drain

pytestmark = pytest.mark.both_databases

Add = Callable[..., int]
Row = Callable[[int], Job]
Effects = Callable[[], list[str]]


def do(services: Services, verb: Any, *args: Any) -> Any:
    with services.db.unit() as session:
        return verb(session, *args, by=5)


def test_a_dead_job_runs_again_with_all_its_runs(services: Services, add: Add, row: Row) -> None:
    job = add("toy.short", {"wish": "reject"})
    drain(services)
    do(services, retry, job)
    assert (row(job).state, row(job).runs) == (State.READY, 0)
    drain(services)
    assert (row(job).state, row(job).attempt) == (State.DEAD, 2)


def test_a_retry_is_audited(services: Services, add: Add) -> None:
    job = add("toy.short", {"wish": "reject"})
    drain(services)
    do(services, retry, job)
    with services.db.reading() as session:
        act = session.scalars(select(AuditEvent)).one()
    assert (act.action, act.actor_id, act.subject_id) == ("job.retry", 5, job)


def test_a_waiting_job_is_cancelled_at_once(services: Services, add: Add, row: Row) -> None:
    job = add("toy.chunked", {"chunks": 3})
    do(services, cancel, services, job)
    assert (row(job).state, drain(services)) == (State.CANCELLED, 0)


def test_a_running_chunked_job_stops_at_its_next_chunk(
    services: Services, add: Add, row: Row, toys: ModuleType, effects: Effects
) -> None:
    def call_off(view: Any, done: int) -> None:
        if done == 1:
            do(services, cancel, services, view.id)

    toys.ToyChunked.between = call_off
    job = add("toy.chunked", {"chunks": 3})
    drain(services)
    assert row(job).state == State.CANCELLED
    assert effects() == ["chunk:0", f"cancelled:{job}"]


def test_wrong_states_and_missing_jobs_are_named(services: Services, add: Add) -> None:
    job = add("toy.short")
    with pytest.raises(WrongState):
        do(services, retry, job)
    drain(services)
    with pytest.raises(WrongState):
        do(services, cancel, services, job)
    with pytest.raises(NotFound):
        do(services, retry, 12345)


def test_a_job_whose_key_is_open_elsewhere_is_not_run_again(services: Services, add: Add) -> None:
    job = add("toy.short", {"wish": "reject"}, dedupe_key="k")
    drain(services)
    add("toy.short", dedupe_key="k")
    with pytest.raises(Conflict):
        do(services, retry, job)
    assert do(services, retry_all, Job.kind == "toy.short") == 0
