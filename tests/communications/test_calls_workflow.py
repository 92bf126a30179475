"""The phone-call node with a call centre (F7, F8): how many are pushed, and what ends them."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from finview import clock
from finview.cases.models import Case
from finview.communications.models import Channel, Outreach
from finview.communications.webhooks import take
from finview.plugins.bindings import bound_by
from finview.plugins.contracts.call_centre import Deferred
from finview.plugins.manager import Plugins
from finview.testing.call_centre import Centre, fake_centre, give_number, outcome
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.fixtures import At
from finview.testing.story import Story
from finview.workflows.definitions import publish
from finview.workflows.models import Run, RunStep, Workflow, WorkflowKind

PORTS = ("reached", "promise", "wrong_number", "exhausted", "no_number", "not_allowed")

SENT = ("sent", "bounced", "no_address", "not_allowed", "failed")


def graph(**config: Any) -> dict[str, Any]:
    """A workflow that writes to the debtor, has the debtor called, and ends."""
    call = {
        "id": "call",
        "type": "phone_call",
        "config": {"gap_hours": 24, **config},
        "ports": dict.fromkeys(PORTS, "end"),
    }
    demand = {
        "id": "demand",
        "type": "email",
        "config": {"template": "first_demand"},
        "ports": dict.fromkeys(SENT, "call"),
    }
    return {"start": "demand", "nodes": [demand, call, {"id": "end", "type": "end"}]}


def launched(at: At, **config: Any) -> tuple[Agency, Centre]:
    """Launch the small import with that workflow; only the first debtor has a number."""
    story: Story = at("LINKED")
    agency = story.agency
    centre = fake_centre(agency.services)
    give_number(agency.services)
    with agency.services.db.unit() as session:
        plugins = agency.services.get(Plugins)
        main = select(Workflow).where(Workflow.kind == "MAIN", Workflow.customer_id.is_(None))
        key = session.scalars(main).one().key
        kind = WorkflowKind.MAIN
        publish(session, plugins, key=key, name="Calls", kind=kind, graph=graph(**config))
    story.launch()
    return agency, centre


def days(agency: Agency, n: float) -> None:
    with clock.standing_at(LAUNCH_DAY + timedelta(days=n)):
        agency.client.drain()


def answer(agency: Agency, centre: Centre, result: str, *, day: float, **changes: Any) -> int:
    """Let the centre tell what its newest call came to, and everything happen that follows."""
    with clock.standing_at(LAUNCH_DAY + timedelta(days=day)):
        with agency.services.db.unit() as session:
            bound = bound_by(session, agency.services.get(Plugins), centre.binding_id)
            assert bound is not None
            told = outcome(centre.key, result, f"{result}-{day}", **changes)
            counted = take(session, bound, [told])
        agency.client.drain()
    return counted


def left_by(agency: Agency) -> str | None:
    """Return the port by which the first case's run left the call, None while it is there."""
    with agency.services.db.reading() as session:
        case_id = session.scalar(select(Case.id).order_by(Case.id).limit(1))
        wanted = select(RunStep.outcome).join(Run, Run.id == RunStep.run_id)
        found = session.scalars(
            wanted.where(Run.case_id == case_id, RunStep.node_id == "call").order_by(RunStep.seq)
        ).all()
    return found[-1] if found and found[-1] in PORTS else None


def test_three_attempts_are_three_requests_a_day_apart(at: At) -> None:
    agency, centre = launched(at, attempts=3)
    for day in range(4):
        days(agency, day)
        answer(agency, centre, "NOT_REACHED", day=day + 0.1)
    days(agency, 9)
    assert [call.attempt for call in centre.pushed] == [1, 2, 3]
    assert len({call.key for call in centre.pushed}) == 3
    assert left_by(agency) == "exhausted"


def test_no_attempts_push_nothing(at: At) -> None:
    agency, centre = launched(at, attempts=0)
    assert centre.pushed == []
    assert left_by(agency) == "exhausted"


@pytest.mark.parametrize(("result", "port"), [("REACHED", "reached"), ("PROMISE", "promise")])
def test_an_answer_ends_the_calls(at: At, result: str, port: str) -> None:
    agency, centre = launched(at, attempts=3)
    answer(agency, centre, result, day=0.1)
    days(agency, 30)
    assert len(centre.pushed) == 1
    assert left_by(agency) == port


def test_a_failing_centre_and_a_call_that_did_not_take_place_are_no_attempts(at: At) -> None:
    agency, centre = launched(at, attempts=1)
    answer(agency, centre, "TECHNICAL", day=0.1)
    good = centre.answer
    centre.answer = lambda _: Deferred(why="closed", after_s=600)
    days(agency, 0.2)
    centre.answer = good
    days(agency, 1)
    assert len({call.key for call in centre.pushed}) == 1
    assert len(centre.pushed) == 3
    assert left_by(agency) is None
    answer(agency, centre, "REACHED", day=1.1)
    assert left_by(agency) == "reached"


def test_a_limit_that_is_lowered_midway_counts_at_once(at: At) -> None:
    agency, centre = launched(at)
    answer(agency, centre, "NOT_REACHED", day=0.1)
    limit = {"maxCallAttempts": 1}
    agency.client.do(
        "bucketSettingsUpdate", "bucket { id }", bucketId=agency.bucket, workflow=limit
    )
    days(agency, 5)
    assert len(centre.pushed) == 1


def test_a_silent_call_is_an_attempt(at: At) -> None:
    agency, centre = launched(at, attempts=2, outcome_days=2)
    for day in (2, 3, 5, 6):
        days(agency, day)
    assert len(centre.pushed) == 2
    assert centre.withdrawn == [call.key for call in centre.pushed]
    with agency.services.db.reading() as session:
        wanted = select(Outreach.outcome, Outreach.reason).where(Outreach.channel == Channel.CALL)
        assert {tuple(row) for row in session.execute(wanted)} == {("NOT_REACHED", "NO_OUTCOME")}
    assert left_by(agency) == "exhausted"


def test_a_debtor_is_called_back_when_it_was_said(at: At) -> None:
    agency, centre = launched(at, attempts=2)
    back = LAUNCH_DAY + timedelta(days=3)
    answer(agency, centre, "CALL_BACK", day=0.1, call_back_at=back)
    days(agency, 2.9)
    assert len(centre.pushed) == 1
    days(agency, 3)
    assert len(centre.pushed) == 2


def test_a_wrong_number_without_another_one_ends_the_calls(at: At) -> None:
    agency, centre = launched(at, attempts=3)
    answer(agency, centre, "WRONG_NUMBER", day=0.1)
    days(agency, 9)
    assert len(centre.pushed) == 1
    assert left_by(agency) == "wrong_number"


def test_a_payment_between_attempts_ends_the_calls_and_late_outcomes_change_nothing(
    at: At,
) -> None:
    agency, centre = launched(at, attempts=3)
    answer(agency, centre, "NOT_REACHED", day=0.1)
    days(agency, 1.1)
    assert len(centre.pushed) == 2
    pay(agency)
    assert centre.withdrawn == [centre.key]
    assert answer(agency, centre, "WRONG_NUMBER", day=1.5) == 0
    days(agency, 30)
    assert len(centre.pushed) == 2


def pay(agency: Agency) -> None:
    """Receive all that is open on the first case."""
    ask = "query($id: ID!) { case(id: $id) { balance { open { amount currency } } } }"
    with clock.standing_at(LAUNCH_DAY + timedelta(days=1.2)):
        found = agency.client.ask(ask, id="cas_1")["case"]["balance"]["open"]
        agency.client.do(
            "paymentRecord",
            "case { status }",
            caseId="cas_1",
            amount=found,
            receivedOn="2026-11-03",
            idempotencyKey="pay",
        )
        agency.client.drain()
