"""Tasks: asked once, completed once, taken back with the run that asked."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.cases import OpenedCase
from finview.cases.models import TimelineEntry
from finview.cases.task_models import Task
from finview.cases.tasks import complete_task, open_task, withdraw_tasks
from finview.db import Database
from finview.db.events import EventInbox
from finview.errors import Invalid, NotFound, State

Opener = Callable[..., OpenedCase]


@pytest.fixture
def case(database: Database, opener: Opener) -> int:
    with database.unit() as session:
        return opener(session).id


def asked(session: Session, case: int, **given: Any) -> Task:
    wanted: dict[str, Any] = {"title": "Call the court", "run_id": 7, "node_id": "ask", "visit": 2}
    return open_task(session, case, **{**wanted, **given})


def codes(session: Session) -> list[str]:
    told = select(TimelineEntry.code).where(TimelineEntry.code.like("TIMELINE_TASK%"))
    return list(session.scalars(told.order_by(TimelineEntry.id)))


def test_a_run_hears_once_how_its_task_ended(database: Database, case: int) -> None:
    with database.unit() as session:
        task = asked(session, case, outcomes=("paid", "not_paid"), due_on=date(2026, 11, 5))
        complete_task(session, task.id, "paid", by=3)
        heard = session.scalars(select(EventInbox).where(EventInbox.type == "TASK")).one()
        assert (heard.case_id, heard.dedupe) == (case, f"task:{task.id}")
        waits = {"run_id": 7, "node_id": "ask", "visit": 2}
        assert heard.payload == {"task_id": task.id, "outcome": "paid", **waits}
        assert (task.outcome, task.completed_by) == ("paid", 3)
        assert codes(session) == ["TIMELINE_TASK_OPENED", "TIMELINE_TASK_COMPLETED"]


@pytest.mark.both_databases
def test_the_same_dedupe_is_the_same_task_also_when_it_is_done(
    database: Database, case: int
) -> None:
    with database.unit() as session:
        first = asked(session, case, dedupe="call:1")
        assert asked(session, case, dedupe="call:1").id == first.id
        complete_task(session, first.id, "done", by=None)
        assert asked(session, case, dedupe="call:1").id == first.id
        assert asked(session, case).id != asked(session, case).id


def test_a_task_of_no_run_tells_no_workflow(database: Database, case: int) -> None:
    with database.unit() as session:
        task = asked(session, case, run_id=None, node_id=None, visit=None)
        complete_task(session, task.id, "done", by=None)
        assert session.scalars(select(EventInbox).where(EventInbox.type == "TASK")).all() == []


def test_only_its_own_outcomes_end_a_task_and_only_once(database: Database, case: int) -> None:
    with database.unit() as session:
        task = asked(session, case)
        with pytest.raises(Invalid, match="TASK_OUTCOME"):
            complete_task(session, task.id, "perhaps", by=None)
        complete_task(session, task.id, "done", by=None)
        with pytest.raises(State, match="TASK_COMPLETED"):
            complete_task(session, task.id, "done", by=None)
        with pytest.raises(NotFound):
            complete_task(session, 999, "done", by=None)


def test_an_ended_run_takes_back_what_it_still_asks(database: Database, case: int) -> None:
    with database.unit() as session:
        done, open_, other = (
            asked(session, case),
            asked(session, case),
            asked(session, case, run_id=8),
        )
        complete_task(session, done.id, "done", by=None)
        assert withdraw_tasks(session, 7) == 1
        assert withdraw_tasks(session, 7) == 0
        with pytest.raises(State, match="TASK_WITHDRAWN"):
            complete_task(session, open_.id, "done", by=None)
        assert (done.withdrawn_at, other.withdrawn_at) == (None, None)
        assert codes(session).count("TIMELINE_TASK_WITHDRAWN") == 1


@pytest.mark.parametrize("given", [{"outcomes": ()}, {"outcomes": ("x" * 61,)}, {"role": "GUEST"}])
def test_a_task_nobody_could_do_is_a_fault_of_the_caller(
    database: Database, case: int, given: dict[str, Any]
) -> None:
    with database.unit() as session, pytest.raises(ValueError):  # its own words
        asked(session, case, **given)
