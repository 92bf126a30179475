"""Calls by the agency's own people: a task, and what they say came of it."""

from typing import Any

import pytest
from sqlalchemy import select

from finview.cases.models import Case
from finview.cases.tasks import open_task
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import withdraw
from finview.db.events import EventInbox
from finview.testing.call_centre import fake_centre, plan_call
from finview.testing.factories import Agency
from finview.testing.fixtures import At
from finview.testing.mutations import call as run

AMOUNT = {"amount": "25.00", "currency": "EUR"}


@pytest.fixture
def agency(at: At) -> Agency:
    """An agency whose own people are to call the debtor of the first case."""
    agency = at("LAUNCHED").agency
    plan_call(agency.services)
    agency.client.drain()
    return agency


def task(agency: Agency) -> Any:
    query = "{ tasks { nodes { id title outcome completedAt withdrawnAt } } }"
    (found,) = agency.client.ask(query)["tasks"]["nodes"]
    return found


def record(agency: Agency, result: str, **given: Any) -> list[Any]:
    """Record an outcome and return the errors."""
    values = {"taskId": task(agency)["id"], "result": result, **given}
    payload = agency.client.attempt("callOutcomeRecord", "case { id }", **values)
    agency.client.drain()
    errors: list[Any] = payload["errors"]
    return errors


def settled(agency: Agency) -> tuple[str | None, list[Any]]:
    with agency.services.db.reading() as session:
        row = session.scalars(select(Outreach).where(Outreach.channel == Channel.CALL)).one()
        told = select(EventInbox.payload).where(EventInbox.type == "CALL_OUTCOME")
        return row.outcome, list(session.scalars(told))


def test_a_call_is_a_task_in_the_agencys_words(agency: Agency) -> None:
    assert task(agency)["title"].startswith("Anrufversuch 1 von 1 · C-")
    assert "Erst Identität prüfen" in task(agency)["title"]


@pytest.mark.parametrize(
    "given",
    [
        {"result": "REACHED", "note": "wants to think about it"},
        {"result": "NOT_REACHED"},
        {"result": "WRONG_NUMBER"},
        {"result": "CALL_BACK", "callBackAt": "2026-11-04T10:00:00Z"},
        {"result": "PROMISE", "promise": {"amount": AMOUNT, "on": "2026-11-20"}},
    ],
    ids=lambda given: given["result"],
)
def test_what_came_of_it_ends_the_task_and_wakes_the_run(
    agency: Agency, given: dict[str, Any]
) -> None:
    assert record(agency, **given) == []
    outcome, (event,) = settled(agency)
    assert outcome == event["result"] == task(agency)["outcome"] == given["result"]
    if "promise" in given:
        told = {"amount_minor": 2500, "currency": "EUR", "on": "2026-11-20"}
        assert event["promise"] == told


def promise(amount: str = "25.00", currency: str = "EUR", on: str = "2026-11-20") -> Any:
    given = {"amount": {"amount": amount, "currency": currency}, "on": on}
    return {"result": "PROMISE", "promise": given}


NONSENSE = (
    ({"result": "CALL_BACK"}, "REQUIRED", "callBackAt"),
    ({"result": "CALL_BACK", "callBackAt": "2026-11-01T10:00:00Z"}, "INVALID", "callBackAt"),
    ({"result": "CALL_BACK", "callBackAt": "2028-01-01T10:00:00Z"}, "INVALID", "callBackAt"),
    ({"result": "PROMISE"}, "REQUIRED", "promise"),
    (promise(on="2026-11-01"), "INVALID", "on"),
    (promise(currency="USD"), "INVALID", "amount"),
    (promise(amount="0.00"), "INVALID", "amount"),
    ({"result": "TECHNICAL"}, "INVALID", "result"),
)


def test_nonsense_is_refused_and_nothing_changes(agency: Agency) -> None:
    for given, code, path in NONSENSE:
        (error,) = record(agency, **given)
        assert (error["code"], error["path"][-1]) == (code, path), given
    assert settled(agency) == (None, [])
    assert task(agency)["completedAt"] is None


def test_a_call_that_is_over_has_one_result(agency: Agency) -> None:
    record(agency, "REACHED")
    (error,) = record(agency, "NOT_REACHED")
    assert (error["code"], error["params"]["reason"]) == ("STATE", "CALL_OVER")
    assert settled(agency)[0] == "REACHED"


def test_completing_the_task_says_the_same(agency: Agency) -> None:
    given = {"id": task(agency)["id"], "outcome": "PROMISE"}
    (error,) = run(agency.client, "taskComplete", given)["errors"]
    assert error["params"]["reason"] == "CALL_NEEDS_MORE"
    (error,) = run(agency.client, "taskComplete", given | {"outcome": "ASLEEP"})["errors"]
    assert error["params"]["reason"] == "TASK_OUTCOME"
    assert run(agency.client, "taskComplete", given | {"outcome": "REACHED"})["errors"] == []
    assert settled(agency)[0] == "REACHED"


def test_a_call_that_is_taken_back_is_no_task_any_more(agency: Agency) -> None:
    with agency.services.db.unit() as session:
        withdraw(session, -1)
    assert task(agency)["withdrawnAt"] is not None
    (error,) = record(agency, "REACHED")
    assert error["params"]["reason"] == "CALL_OVER"


def test_another_task_is_not_about_a_call(agency: Agency) -> None:
    with agency.services.db.unit() as session:
        case = session.scalars(select(Case).order_by(Case.id).limit(1)).one()
        other = open_task(session, case.id, title="Something else").id
    payload = agency.client.attempt(
        "callOutcomeRecord", "case { id }", taskId=f"tsk_{other}", result="REACHED"
    )
    assert payload["errors"][0]["params"]["reason"] == "TASK_NOT_A_CALL"


def test_a_person_may_settle_what_a_call_centre_does_not_tell(at: At) -> None:
    agency = at("LAUNCHED").agency
    centre = fake_centre(agency.services)
    case_id = plan_call(agency.services)
    agency.client.drain()
    with agency.services.db.unit() as session:
        wanted = select(Outreach.id).where(Outreach.channel == Channel.CALL)
        dedupe = f"outreach:{session.scalar(wanted)}:unknown"
        open_task(session, case_id, title="TASK_UNKNOWN_CALL", outcomes=("left",), dedupe=dedupe)
    assert record(agency, "NOT_REACHED") == []
    assert settled(agency)[0] == "NOT_REACHED"
    assert centre.withdrawn == [centre.key]
