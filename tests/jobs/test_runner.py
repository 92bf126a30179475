"""Each shape has its effect once, in its own transactions; failures back off, park or bury."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from finview import clock
from finview.db.jobs import Job, Progress, State, unpark
from finview.db.runtime import Services
from finview.jobs.claims import claim
from finview.jobs.process import process_of
from finview.jobs.runner import drain, run_job

pytestmark = pytest.mark.both_databases

Add = Callable[..., int]
Row = Callable[[int], Job]
Effects = Callable[[], list[str]]
NOON = datetime(2026, 3, 2, 12, tzinfo=clock.now().tzinfo)


def test_a_short_job_is_done_with_its_effect(
    services: Services, add: Add, row: Row, effects: Effects
) -> None:
    job = add("toy.short", {"n": 1})
    assert drain(services) == 1
    assert (row(job).state, row(job).runs, row(job).lease_until) == (State.DONE, 1, None)
    assert effects() == ["short:1"]


def test_a_nested_job_knows_its_parent(services: Services, add: Add, row: Row) -> None:
    job = add("toy.short", {"wish": "nest"})
    assert drain(services) == 2
    assert row(job + 1).parent_id == job


def test_a_failed_short_job_has_no_effect_and_backs_off(
    services: Services, add: Add, row: Row, effects: Effects
) -> None:
    with clock.standing_at(NOON):
        job = row(add("toy.short", {"wish": "raise"}))
        assert drain(services) == 1
    job = row(job.id)
    assert effects() == []
    assert (job.state, job.runs, job.error_code) == (State.SCHEDULED, 1, "JOB_FAILED")
    assert job.error_params == {"reason": "JOB_BROKEN", "error": "ValueError"}
    assert timedelta(seconds=8) <= job.run_at - NOON <= timedelta(seconds=12)


def test_a_stored_trace_names_the_place_and_no_value(
    services: Services, add: Add, row: Row
) -> None:
    job = add("toy.short", {"wish": "raise"})
    drain(services)
    trace = row(job).error_trace or ""
    assert "toy_short" in trace
    assert "secret" not in trace


def test_a_backed_off_job_runs_when_its_time_has_come(
    services: Services, add: Add, row: Row
) -> None:
    with clock.standing_at(NOON):
        job = add("toy.short", {"wish": "raise"})
        drain(services)
        assert drain(services) == 0
    with clock.standing_at(NOON + timedelta(seconds=13)):
        assert drain(services) == 1
    assert row(job).runs == 2


def test_a_job_is_dead_after_its_runs_and_its_hook_has_its_effect(
    services: Services, add: Add, row: Row, effects: Effects
) -> None:
    job = add("toy.doomed")
    for hour in range(3):
        with clock.standing_at(NOON + timedelta(hours=hour)):
            drain(services)
    assert (row(job).state, row(job).runs) == (State.DEAD, 2)
    assert effects() == [f"gave up:{job}:JOB_BROKEN"]


@pytest.mark.parametrize(
    ("wish", "state", "reason"),
    [
        ("later", State.SCHEDULED, "JOB_LATER"),
        ("reject", State.DEAD, "JOB_REJECTED"),
        ("park", State.PARKED, "JOB_MISCONFIGURED"),
    ],
)
def test_a_handler_may_say_what_should_follow(
    services: Services, add: Add, row: Row, wish: str, state: State, reason: str
) -> None:
    with clock.standing_at(NOON):
        job = row(add("toy.short", {"wish": wish}))
        drain(services)
    job = row(job.id)
    assert (job.state, job.error_params and job.error_params["reason"]) == (state, reason)
    if wish == "later":
        assert job.run_at == NOON + timedelta(seconds=30)


def test_a_parked_job_runs_once_its_binding_is_mended(
    services: Services, add: Add, row: Row
) -> None:
    job = add("toy.short", {"wish": "park"})
    drain(services)
    with services.db.unit() as session:
        assert unpark(session, "binding:8") == 0
        assert unpark(session, "binding:7") == 1
    assert row(job).state == State.READY


def test_an_unknown_kind_waits_for_a_process_that_knows_it(
    services: Services, add: Add, row: Row
) -> None:
    job = add("nobody.knows")
    drain(services)
    assert row(job).state == State.SCHEDULED
    assert row(job).error_params == {"reason": "JOB_KIND_UNKNOWN", "kind": "nobody.knows"}


def test_a_chunked_job_writes_chunk_by_chunk_and_tells_its_progress(
    services: Services, add: Add, row: Row, effects: Effects
) -> None:
    told: list[Progress] = []
    job = add("toy.chunked", {"chunks": 3})
    drain(services, on_progress=told.append)
    assert effects() == ["chunk:0", "chunk:1", "chunk:2", "finished"]
    assert [(step.done, step.total) for step in told] == [(1, 3), (2, 3), (3, 3)]
    assert (row(job).state, row(job).progress_done) == (State.DONE, 3)


def test_a_chunked_job_that_fails_goes_on_after_its_last_chunk(
    services: Services, add: Add, toys: ModuleType, effects: Effects
) -> None:
    def fail_once(job: Any, done: int) -> None:
        if done == 2 and job.runs == 1:
            raise OSError

    toys.ToyChunked.between = fail_once
    with clock.standing_at(NOON):
        add("toy.chunked", {"chunks": 3})
        drain(services)
        assert effects() == ["chunk:0", "chunk:1"]
    with clock.standing_at(NOON + timedelta(minutes=1)):
        drain(services)
    assert effects() == ["chunk:0", "chunk:1", "chunk:2", "finished"]


def test_a_stopping_process_gives_a_chunked_job_back_uncounted(
    services: Services, add: Add, row: Row, toys: ModuleType, effects: Effects
) -> None:
    def stop_after_one(_job: Any, done: int) -> None:
        if done == 1:
            process_of(services).stopping.set()

    toys.ToyChunked.between = stop_after_one
    job = add("toy.chunked", {"chunks": 3})
    (claimed,) = claim(services.db, "bulk", 5)
    run_job(services, claimed.id, claimed.attempt)
    assert (row(job).state, row(job).runs) == (State.READY, 0)
    process_of(services).stopping.clear()
    drain(services)
    assert effects() == ["chunk:0", "chunk:1", "chunk:2", "finished"]


def test_an_external_call_is_made_with_no_session_open_and_sending_stored(
    services: Services, add: Add, row: Row, toys: ModuleType, effects: Effects
) -> None:
    seen: list[list[str]] = []

    def provider(_request: object) -> str:
        with services.db.unit():  # refused if the runner still had one open here
            seen.append(effects())
        return "accepted"

    toys.ToyExternal.provider = provider
    job = add("toy.external")
    drain(services)
    assert seen == [["SENDING"]]
    assert effects() == ["SENDING", "outcome:accepted"]
    assert row(job).state == State.DONE


def test_an_external_job_with_nothing_to_send_is_done(
    services: Services, add: Add, row: Row
) -> None:
    job = add("toy.external", {"skip": True})
    drain(services)
    assert row(job).state == State.DONE


def test_drain_runs_the_urgent_first_and_the_same_way_each_time(
    services: Services, add: Add, effects: Effects
) -> None:
    for n, priority in enumerate((100, 5, 100, 50)):
        add("toy.short", {"n": n}, priority=priority)
    drain(services)
    assert effects() == ["short:1", "short:3", "short:0", "short:2"]
