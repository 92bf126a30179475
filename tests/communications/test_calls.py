"""Calls: pushed with the best number, settled by the first outcome, taken back, never twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from finview import clock
from finview.cases.models import Case, PhonePoint, PointState, TimelineEntry
from finview.cases.timeline import entry_text
from finview.communications import calls
from finview.communications.call_models import CallReport
from finview.communications.holds import HoldScope, end_outbound, hold_outbound
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import hold, plan, views_of, withdraw
from finview.communications.webhooks import take
from finview.db.cascade import ScopeRef
from finview.db.events import EventInbox
from finview.db.jobs import enqueue
from finview.plugins.bindings import bind, bound_by
from finview.plugins.contracts.call_centre import Deferred, Refused
from finview.plugins.errors import RetryLater
from finview.plugins.manager import Plugins
from finview.testing.call_centre import Centre, fake_centre, outcome
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.fixtures import At
from finview.workflows.runs import acting_run

RUN = -1


@pytest.fixture
def agency(at: At) -> Agency:
    agency = at("LAUNCHED").agency
    with agency.services.db.unit() as session:
        for point in session.scalars(select(PhonePoint)):
            point.state = PointState.INVALID
        debtor_id = the_case(session).debtor_id
        for number, state in (("+49301111", "NOT_CONFIRMED"), ("+49302222", "VALID")):
            session.add(
                PhonePoint(
                    debtor_id=debtor_id,
                    raw=number,
                    e164=number,
                    state=state,
                    source="test",
                    created_at=clock.now(),
                )
            )
    return agency


def the_case(session: Any) -> Case:
    case: Case = session.scalars(select(Case).order_by(Case.id).limit(1)).one()
    return case


def call(agency: Agency, **params: Any) -> None:
    """Plan one call to the first case's debtor and let everything run that is due."""
    with agency.services.db.unit() as session:
        plan(
            session,
            the_case(session),
            Channel.CALL,
            run_id=RUN,
            node="call",
            visit=1,
            template="call_task",
            params=params,
        )
    agency.client.drain()


def tell(agency: Agency, centre: Centre, result: str = "REACHED", **changes: Any) -> int:
    """Let the centre tell an outcome of its newest call, and everything follow from it."""
    key = changes.pop("key", None) or centre.key
    with agency.services.db.unit() as session:
        bound = bound_by(session, agency.services.get(Plugins), centre.binding_id)
        assert bound is not None
        counted = take(session, bound, [outcome(key, result, **changes)])
    agency.client.drain()
    return counted


def after(agency: Agency, **time: float) -> None:
    """Let time pass, and everything happen that is due by then."""
    with clock.standing_at(LAUNCH_DAY + timedelta(**time)):
        agency.client.drain()


def rows(agency: Agency) -> list[tuple[Any, ...]]:
    with agency.services.db.reading() as session:
        wanted = select(Outreach.attempt, Outreach.state, Outreach.outcome, Outreach.reason)
        found = session.execute(wanted.where(Outreach.channel == "CALL").order_by(Outreach.id))
        return [tuple(row) for row in found]


def events(agency: Agency) -> list[dict[str, Any]]:
    with agency.services.db.reading() as session:
        wanted = select(EventInbox.payload).where(EventInbox.type == "CALL_OUTCOME")
        return list(session.scalars(wanted.order_by(EventInbox.id)))


def lines(agency: Agency, locale: str = "en") -> list[str]:
    with agency.services.db.reading() as session:
        wanted = select(TimelineEntry).where(TimelineEntry.code.startswith("TIMELINE_CALL"))
        found = session.scalars(wanted.order_by(TimelineEntry.id))
        return [entry_text(row.code, row.params, locale) for row in found]


def numbers(agency: Agency) -> dict[str, str]:
    with agency.services.db.reading() as session:
        found = session.execute(
            select(PhonePoint.e164, PhonePoint.state).where(PhonePoint.source == "test")
        )
        return {row.e164: row.state for row in found}


def test_the_best_number_is_called_with_attempt_and_script(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency, max_attempts=3, script="Be kind.")
    (pushed,) = centre.pushed
    assert (pushed.phone, pushed.attempt, pushed.max_attempts) == ("+49302222", 1, 3)
    assert "Anrufversuch 1 von 3" in pushed.script
    assert pushed.script.endswith("\n\nBe kind.")
    assert rows(agency) == [(1, "ACCEPTED", None, None)]


@pytest.mark.parametrize("result", ["REACHED", "NOT_REACHED", "CALL_BACK", "PROMISE"])
def test_an_outcome_settles_the_call_and_wakes_its_run(agency: Agency, result: str) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    assert tell(agency, centre, result) == 1
    assert rows(agency) == [(1, "ACCEPTED", result, None)]
    (event,) = events(agency)
    assert (event["run_id"], event["result"]) == (RUN, result)
    assert (event["promise"] is not None) == (result == "PROMISE")
    assert (event["call_back_at"] is not None) == (result == "CALL_BACK")


def test_what_nodes_see_of_a_call(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    back = LAUNCH_DAY + timedelta(days=2)
    tell(agency, centre, "CALL_BACK", call_back_at=back)
    with agency.services.db.reading() as session:
        (view,) = views_of(session, RUN, "call", 1)
    assert (view.outcome, view.until, view.attempt) == ("CALL_BACK", back, 1)


def test_a_promise_is_told_in_both_languages(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    tell(agency, centre, "PROMISE")
    assert lines(agency)[-1] == "By phone: €50.00 promised by Nov 20, 2026."
    assert lines(agency, "de")[-1] == "Telefonisch: 50,00\xa0€ bis 20.11.2026 zugesagt."


def test_a_wrong_number_is_invalid_and_the_next_one_is_called(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    tell(agency, centre, "WRONG_NUMBER")
    assert numbers(agency) == {"+49301111": "NOT_CONFIRMED", "+49302222": "INVALID"}
    call(agency)
    assert [pushed.phone for pushed in centre.pushed] == ["+49302222", "+49301111"]
    assert "+49302222 is a wrong number" in lines(agency)[1]


def test_who_answers_makes_a_number_valid(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    tell(agency, centre, "WRONG_NUMBER")
    call(agency)
    tell(agency, centre, "REACHED")
    assert numbers(agency)["+49301111"] == "VALID"


def test_the_same_outcome_twice_counts_once_and_a_later_one_not_at_all(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    told = [tell(agency, centre, "NOT_REACHED"), tell(agency, centre, "NOT_REACHED")]
    told.append(tell(agency, centre, "WRONG_NUMBER", outcome_id="o2"))
    assert told == [1, 0, 0]
    assert len(events(agency)) == 1
    assert numbers(agency)["+49302222"] == "VALID"
    with agency.services.db.reading() as session:
        kept = session.execute(select(CallReport.result, CallReport.counted)).all()
    assert [tuple(row) for row in kept] == [("NOT_REACHED", True), ("WRONG_NUMBER", False)]
    assert "after the call was over: wrong number" in lines(agency)[-1]


def test_a_call_that_did_not_take_place_is_made_again_with_the_same_key(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    tell(agency, centre, "TECHNICAL")
    assert len(centre.pushed) == 1
    after(agency, minutes=16)
    assert [p.key for p in centre.pushed] == [centre.key] * 2
    assert {p.phone for p in centre.pushed} == {"+49302222"}
    assert rows(agency) == [(1, "ACCEPTED", None, None)]
    tell(agency, centre, "REACHED", outcome_id="o2")
    assert rows(agency) == [(1, "ACCEPTED", "REACHED", None)]


def test_a_call_that_never_takes_place_ends_at_a_person(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "TECHNICAL_MAX", 3)
    centre = fake_centre(agency.services)
    call(agency)
    for n in range(3):
        with clock.standing_at(LAUNCH_DAY + timedelta(days=2 * n)):
            tell(agency, centre, "TECHNICAL", outcome_id=f"t{n}")
        after(agency, days=2 * n + 1)
    assert rows(agency) == [(1, "REJECTED", None, "TECHNICAL")]
    assert {p.key for p in centre.pushed} == {centre.key}


@pytest.mark.parametrize(
    "failing", [lambda _: Deferred(why="full", after_s=60), pytest.param("raise", id="raise")]
)
def test_a_failing_centre_is_no_attempt(agency: Agency, failing: Any) -> None:
    centre = fake_centre(agency.services)
    good: Callable[[Any], Any] = centre.answer

    def raising(_call: Any) -> Any:
        raise RetryLater("closed", 60)

    centre.answer = raising if failing == "raise" else failing
    call(agency)
    assert rows(agency) == [(1, "PLANNED", None, None)]
    centre.answer = good
    after(agency, hours=1)
    assert rows(agency) == [(1, "ACCEPTED", None, None)]
    assert {p.key for p in centre.pushed} == {centre.key}


def test_a_silent_call_is_taken_back_and_counts_as_not_reached(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    after(agency, days=2, hours=23)
    assert centre.withdrawn == []
    after(agency, days=3, minutes=1)
    assert centre.withdrawn == [centre.key]
    assert rows(agency) == [(1, "ACCEPTED", "NOT_REACHED", "NO_OUTCOME")]
    (event,) = events(agency)
    assert (event["result"], event["reason"]) == ("NOT_REACHED", "NO_OUTCOME")
    assert tell(agency, centre, "REACHED") == 0


def test_how_long_a_call_may_be_silent_is_up_to_its_node(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency, outcome_days=1)
    after(agency, days=1, minutes=1)
    assert centre.withdrawn == [centre.key]


def test_a_call_with_an_outcome_is_not_taken_back(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    tell(agency, centre, "REACHED")
    after(agency, days=4)
    assert centre.withdrawn == []
    assert rows(agency) == [(1, "ACCEPTED", "REACHED", None)]


def take_back(agency: Agency) -> None:
    with agency.services.db.unit() as session:
        withdraw(session, RUN)


def test_a_call_is_taken_back_with_its_run_and_a_late_outcome_changes_nothing(
    agency: Agency,
) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    take_back(agency)
    agency.client.drain()
    assert centre.withdrawn == [centre.key]
    assert rows(agency) == [(1, "CANCELLED", None, "WITHDRAWN")]
    assert tell(agency, centre, "WRONG_NUMBER") == 0
    assert numbers(agency)["+49302222"] == "VALID"
    assert events(agency) == []


def test_a_call_with_an_outcome_stays_when_its_run_ends(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    tell(agency, centre, "NOT_REACHED")
    take_back(agency)
    agency.client.drain()
    assert centre.withdrawn == []
    assert rows(agency) == [(1, "ACCEPTED", "NOT_REACHED", None)]


def test_a_call_that_is_being_handed_over_is_taken_back_right_after(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    centre.before_answer = lambda _: take_back(agency)
    call(agency)
    assert rows(agency) == [(1, "CANCELLED", None, "WITHDRAWN")]
    assert centre.withdrawn == [centre.key]


def test_an_outcome_may_come_before_the_answer_to_the_request(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    centre.before_answer = lambda made: tell_now(agency, centre, made.key)
    call(agency)
    assert rows(agency) == [(1, "ACCEPTED", "REACHED", None)]
    assert len(centre.pushed) == 1


def tell_now(agency: Agency, centre: Centre, key: str) -> None:
    with agency.services.db.unit() as session:
        bound = bound_by(session, agency.services.get(Plugins), centre.binding_id)
        assert bound is not None
        take(session, bound, [outcome(key)])


def test_a_refused_call_is_refused(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    centre.answer = lambda _: Refused(why="no such country")
    call(agency)
    assert rows(agency) == [(1, "REJECTED", None, None)]


def test_a_paid_case_takes_its_call_back(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    with agency.services.db.unit() as session:
        run = acting_run(session, the_case(session).id)
        assert run is not None
        case = the_case(session)
        plan(session, case, Channel.CALL, run_id=run.id, node="call", visit=1, template="call_task")
        case_id = case.id
    agency.client.drain()
    pay(agency, case_id)
    assert centre.withdrawn == [centre.key]
    assert rows(agency)[-1][1:] == ("CANCELLED", None, "WITHDRAWN")


def pay(agency: Agency, case_id: int) -> None:
    """Receive all that is open."""
    found = agency.client.ask(
        "query($id: ID!) { case(id: $id) { balance { open { amount currency } } } }",
        id=f"cas_{case_id}",
    )["case"]
    agency.client.do(
        "paymentRecord",
        "case { status }",
        caseId=f"cas_{case_id}",
        amount=found["balance"]["open"],
        receivedOn="2026-11-02",
        idempotencyKey="pay",
    )
    agency.client.drain()


def test_without_a_number_nothing_is_pushed(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    with agency.services.db.unit() as session:
        for point in session.scalars(select(PhonePoint)):
            point.state = PointState.INVALID
    call(agency)
    assert centre.pushed == []
    assert rows(agency) == [(1, "REJECTED", None, "NO_ADDRESS")]


def test_a_centre_that_must_be_asked_is_asked(agency: Agency) -> None:
    centre = fake_centre(agency.services, collects=True)
    call(agency)
    centre.collected = [outcome(centre.key, "NOT_REACHED"), outcome("unknown", "REACHED")]
    for _ in range(2):
        with agency.services.db.unit() as session:
            enqueue(session, "communications.calls_collect", {})
        agency.client.drain()
    assert rows(agency) == [(1, "ACCEPTED", "NOT_REACHED", None)]
    assert len(events(agency)) == 1


def test_another_binding_of_the_same_provider_can_not_settle_a_call(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    with agency.services.db.unit() as session:
        plugins = agency.services.get(Plugins)
        other = bind(session, plugins, ScopeRef("BUCKET", 99), "call_centre", "fake", {}, by=None)
        bound = bound_by(session, plugins, other.id)
        assert bound is not None
        assert take(session, bound, [outcome(centre.key)]) == 0
    assert rows(agency) == [(1, "ACCEPTED", None, None)]


@pytest.mark.parametrize(("channel", "withdrawn"), [(None, 1), (Channel.CALL, 1), (Channel.SMS, 0)])
def test_a_general_stop_takes_calls_back(
    agency: Agency, channel: Channel | None, withdrawn: int
) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    with agency.services.db.unit() as session:
        hold_outbound(session, HoldScope.SYSTEM, None, "a fault", channel=channel, by=None)
    agency.client.drain()
    assert len(centre.withdrawn) == withdrawn


def test_a_stop_takes_back_what_it_covers_and_nothing_else(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    for n, scope in enumerate(HoldScope, 1):
        call(agency)
        with agency.services.db.unit() as session:
            session.execute(update(Outreach).values(workflow_id=1))
        if scope != HoldScope.SYSTEM:
            stop(agency, scope, 999)
            assert len(centre.withdrawn) == n - 1
        stop(agency, scope, 1)
        assert centre.withdrawn[n - 1 :] == [centre.key], scope


def stop(agency: Agency, scope: HoldScope, scope_id: int) -> None:
    """Stop a scope for as long as it takes."""
    with agency.services.db.unit() as session:
        made = hold_outbound(session, scope, scope_id, "a fault", by=None).id
    agency.client.drain()
    with agency.services.db.unit() as session:
        end_outbound(session, made, by=None)
    agency.client.drain()


def test_a_paused_run_takes_its_call_back(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    with agency.services.db.unit() as session:
        hold(session, RUN)
    agency.client.drain()
    assert centre.withdrawn == [centre.key]
    assert rows(agency) == [(1, "CANCELLED", None, "WITHDRAWN")]
