"""A call is made once, whatever breaks around its request, by each guarantee a centre may give."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from finview import clock
from finview.cases.task_models import Task
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import withdraw
from finview.communications.webhooks import take
from finview.db import failpoints
from finview.db.events import EventInbox
from finview.db.jobs import enqueue
from finview.plugins.bindings import bound_by
from finview.plugins.contracts.call_centre import LOOKUP, NEVER, SAME_KEY, CallRequest, Resend
from finview.plugins.manager import Plugins
from finview.testing.call_centre import Centre, fake_centre, outcome, plan_call
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.fixtures import At

PROMISES = {"same_key": SAME_KEY, "lookup": LOOKUP, "never": NEVER}
BEFORE = ("communications.send.before", "communications.send.call")
AFTER = ("communications.send.sent", "communications.send.after")


@pytest.fixture
def agency(at: At) -> Agency:
    return at("LAUNCHED").agency


@pytest.fixture(params=PROMISES)
def resend(request: pytest.FixtureRequest) -> Resend:
    found: Resend = PROMISES[request.param]
    return found


def call(agency: Agency) -> None:
    plan_call(agency.services)
    agency.client.drain()


def pass_time(agency: Agency, hours: float) -> None:
    """Let time pass in six steps, as tickers see it; nobody tells an outcome."""
    start = clock.now()
    for step in range(1, 7):
        with clock.standing_at(start + timedelta(hours=hours * step / 6)):
            with agency.services.db.unit() as session:
                enqueue(session, "communications.reconcile", {})
            agency.client.drain()


def row(agency: Agency) -> Outreach:
    with agency.services.db.reading() as session:
        return session.scalars(select(Outreach).where(Outreach.channel == Channel.CALL)).one()


def tasks(agency: Agency) -> list[str]:
    with agency.services.db.reading() as session:
        return list(session.scalars(select(Task.title)))


def results(agency: Agency) -> list[Any]:
    with agency.services.db.reading() as session:
        wanted = select(EventInbox.payload).where(EventInbox.type == "CALL_OUTCOME")
        return [payload["result"] for payload in session.scalars(wanted)]


@pytest.mark.parametrize("place", [*BEFORE, *AFTER])
def test_a_crash_anywhere_around_the_request_calls_nobody_twice(
    agency: Agency, resend: Resend, place: str
) -> None:
    centre = fake_centre(agency.services, resend)
    failpoints.arm(place)
    call(agency)
    failpoints.disarm()
    pass_time(agency, 3)
    assert len({pushed.key for pushed in centre.pushed}) <= 1
    assert len(centre.rang) == (0 if resend is NEVER and place == BEFORE[1] else 1)
    if resend is not SAME_KEY:
        assert len(centre.pushed) <= 1
    unsure = resend is NEVER and place != BEFORE[0]
    assert row(agency).state == ("UNKNOWN" if unsure else "ACCEPTED")


def test_what_nobody_can_know_is_asked_of_a_person_and_ends(agency: Agency) -> None:
    centre = fake_centre(agency.services, NEVER)
    failpoints.arm(AFTER[0])
    call(agency)
    failpoints.disarm()
    pass_time(agency, 50)
    assert tasks(agency) == ["TASK_UNKNOWN_CALL"]
    with clock.standing_at(LAUNCH_DAY + timedelta(days=4)):
        agency.client.drain()
    assert len(centre.pushed) == 1
    assert centre.withdrawn == [centre.key]
    assert results(agency) == ["NOT_REACHED"]
    assert (row(agency).state, row(agency).reason) == ("ACCEPTED", "NO_OUTCOME")


def test_an_outcome_settles_what_nobody_knew(agency: Agency) -> None:
    centre = fake_centre(agency.services, NEVER)
    failpoints.arm(AFTER[0])
    call(agency)
    failpoints.disarm()
    pass_time(agency, 1)
    tell(agency, centre)
    pass_time(agency, 75)
    assert tasks(agency) == []
    assert centre.withdrawn == []
    assert results(agency) == ["REACHED"]


def tell(agency: Agency, centre: Centre) -> None:
    with agency.services.db.unit() as session:
        bound = bound_by(session, agency.services.get(Plugins), centre.binding_id)
        assert bound is not None
        take(session, bound, [outcome(centre.key)])


def test_a_lost_answer_is_as_good_as_a_crash(agency: Agency, resend: Resend) -> None:
    centre = fake_centre(agency.services, resend)

    def lost(_call: CallRequest) -> None:
        centre.before_answer = lambda _: None
        raise ConnectionError("the answer was lost")

    centre.before_answer = lost
    call(agency)
    pass_time(agency, 3)
    assert len(centre.rang) == 1
    assert len(centre.pushed) == (2 if resend is SAME_KEY else 1)
    assert row(agency).state == ("UNKNOWN" if resend is NEVER else "ACCEPTED")


def test_a_call_taken_back_amid_a_crash_is_made_once_at_most_and_taken_back(
    agency: Agency, resend: Resend
) -> None:
    centre = fake_centre(agency.services, resend)
    for n, place in enumerate((*BEFORE, *AFTER), 1):
        failpoints.arm(place)
        plan_call(agency.services, run_id=-n)
        agency.client.drain()
        failpoints.disarm()
        with agency.services.db.unit() as session:
            withdraw(session, -n)
    pass_time(agency, 3)
    with agency.services.db.reading() as session:
        found = session.scalars(select(Outreach).where(Outreach.channel == Channel.CALL)).all()
    keys = {row.run_id: row.idem_key for row in found}
    assert {row.state for row in found} == {"CANCELLED"}
    assert [pushed.key for pushed in centre.pushed] == [keys[-3], keys[-4]]
    assert sorted(centre.withdrawn) == sorted([keys[-2], keys[-3], keys[-4]])


def test_a_crash_after_taking_a_silent_call_back_counts_it_once(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    failpoints.arm("communications.call.withdrawn")
    with clock.standing_at(LAUNCH_DAY + timedelta(days=3, minutes=1)):
        agency.client.drain()
        assert results(agency) == []
        failpoints.disarm()
        pass_time(agency, 2)
    assert set(centre.withdrawn) == {centre.key}
    assert results(agency) == ["NOT_REACHED"]


def test_outcomes_thrice_and_out_of_order_have_one_effect(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    call(agency)
    late = outcome(centre.key, "NOT_REACHED", "second", at=LAUNCH_DAY + timedelta(minutes=9))
    early = outcome(centre.key, "REACHED", "first", at=LAUNCH_DAY + timedelta(minutes=5))
    for told in ([late, early], [early], [late], [early, late]):
        with agency.services.db.unit() as session:
            bound = bound_by(session, agency.services.get(Plugins), centre.binding_id)
            assert bound is not None
            take(session, bound, told)
    assert results(agency) == ["REACHED"]
