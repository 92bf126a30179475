"""Never twice, never after payment: failures around a send, each guarantee, each interleaving."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from sqlalchemy import select, update

from finview import clock
from finview.cases.models import Case, PhonePoint
from finview.cases.receipts import record_payment
from finview.cases.task_models import Task
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import SETTLING, plan, withdraw
from finview.communications.send import Send
from finview.db import failpoints
from finview.db.jobs import Job, JobView, State, enqueue
from finview.money import Money
from finview.plugins.contracts.call_centre import LOOKUP, NEVER, SAME_KEY, Refused, Resend
from finview.plugins.errors import Misconfigured, RetryLater
from finview.testing.call_centre import Centre, fake_centre
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.fixtures import At

POINTS = (
    "communications.send.before",
    "job.external.before_call",
    "communications.send.call",
    "communications.send.sent",
    "job.external.after_call",
    "communications.send.after",
)
AFTER_THE_CALL = POINTS[3:]
GUARANTEES = {"SAME_KEY": SAME_KEY, "LOOKUP": LOOKUP, "NEVER": NEVER}


@pytest.fixture
def agency(at: At) -> Iterator[Agency]:
    """A launched case whose debtor, in Hamburg, has a phone."""
    agency = at("LAUNCHED").agency
    with agency.services.db.unit() as session:
        values = {"raw": "040 1", "e164": "+4940669691", "state": "VALID", "source": "test"}
        debtor = the_case(session).debtor_id
        session.add(PhonePoint(debtor_id=debtor, created_at=clock.now(), **values))
    yield agency
    failpoints.disarm()


def the_case(session: Any) -> Case:
    case: Case = session.scalars(select(Case).order_by(Case.id).limit(1)).one()
    return case


def planned(agency: Agency, visit: int = 1) -> int:
    with agency.services.db.unit() as session:
        given = {"run_id": -9, "node": "n", "visit": visit, "template": "call_task"}
        return plan(session, the_case(session), Channel.CALL, **given).id


def row(agency: Agency, outreach_id: int) -> Outreach:
    with agency.services.db.reading() as session:
        return session.get_one(Outreach, outreach_id)


def pass_time(agency: Agency, hours: float) -> None:
    """Let hours pass: retries, and the schedule that looks at what nobody knows of."""
    for at in (0.02, 0.25, 0.5, 50, 60):
        if at > hours:
            return
        with clock.standing_at(LAUNCH_DAY + timedelta(hours=at)):
            with agency.services.db.unit() as session:
                enqueue(session, "communications.reconcile", {})
            agency.client.drain()


def tasks(agency: Agency) -> list[str]:
    with agency.services.db.reading() as session:
        return list(session.scalars(select(Task.title)))


def made(centre: Centre, guarantee: str) -> int:
    """Return how many calls were made: a provider with SAME_KEY drops a key it knows."""
    return len(centre.rang) if guarantee == "SAME_KEY" else len(centre.pushed)


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_anywhere_around_a_send_makes_at_most_one_call(
    agency: Agency, point: str, guarantee: str
) -> None:
    centre = fake_centre(agency.services, GUARANTEES[guarantee])
    outreach = planned(agency)
    failpoints.arm(point)
    agency.client.drain()
    failpoints.disarm()
    pass_time(agency, 60)
    assert made(centre, guarantee) == (0 if guarantee == "NEVER" and not left(point) else 1)
    found = row(agency, outreach)
    if guarantee == "NEVER" and point != POINTS[0]:
        assert found.state in ("UNKNOWN", "ACCEPTED")
        assert tasks(agency) == ["TASK_UNKNOWN_CALL"]
    else:
        assert (found.state, tasks(agency)) == ("ACCEPTED", [])


def left(point: str) -> bool:
    return point in AFTER_THE_CALL or point == POINTS[0]


def test_what_the_provider_twice_does_not_know_is_sent_again(agency: Agency) -> None:
    centre = fake_centre(agency.services, LOOKUP)
    outreach = planned(agency)
    failpoints.arm("communications.send.call")
    agency.client.drain()
    failpoints.disarm()
    with clock.standing_at(LAUNCH_DAY + timedelta(minutes=1)):
        agency.client.drain()
    assert (row(agency, outreach).state, centre.pushed) == ("UNKNOWN", [])
    pass_time(agency, 1)
    assert (row(agency, outreach).state, len(centre.pushed)) == ("ACCEPTED", 1)


def test_beyond_the_provider_s_window_the_same_key_is_not_sent_again(agency: Agency) -> None:
    short = Resend(guarantee=SAME_KEY.guarantee, window=timedelta(seconds=5))
    centre = fake_centre(agency.services, short)
    outreach = planned(agency)
    failpoints.arm("communications.send.sent")
    agency.client.drain()
    failpoints.disarm()
    pass_time(agency, 60)
    assert len(centre.pushed) == 1
    assert row(agency, outreach).state == "UNKNOWN"
    assert tasks(agency) == ["TASK_UNKNOWN_CALL"]


def test_a_call_that_may_have_been_made_is_not_repeated_after_payment(agency: Agency) -> None:
    centre = fake_centre(agency.services, SAME_KEY)
    outreach = planned(agency)
    failpoints.arm("communications.send.call")
    agency.client.drain()
    failpoints.disarm()
    with agency.services.db.unit() as session:
        pay(session, the_case(session))
    pass_time(agency, 3)
    assert centre.pushed == []
    assert row(agency, outreach).state in ("UNKNOWN", "CANCELLED")


def pay(session: Any, case: Case) -> None:
    money = Money(1_000_00, case.currency)
    record_payment(session, case.id, money, received_on=date(2026, 11, 2), key="p", by=None)


def the_job(agency: Agency) -> Job:
    with agency.services.db.reading() as session:
        wanted = select(Job).where(Job.kind == "communications.send").order_by(Job.id.desc())
        return session.scalars(wanted.limit(1)).one()


def test_retry_later_counts_a_run_and_leaves_the_contact_planned(agency: Agency) -> None:
    centre = fake_centre(agency.services, NEVER)
    failing = iter([RetryLater("full", after_s=60)])

    def answer(_call: Any) -> None:
        for failure in failing:
            raise failure

    centre.before_answer = answer
    outreach = planned(agency)
    agency.client.drain()
    job = the_job(agency)
    assert (job.state, job.runs, row(agency, outreach).state) == (State.SCHEDULED, 1, "PLANNED")
    with clock.standing_at(LAUNCH_DAY + timedelta(seconds=61)):
        agency.client.drain()
    assert row(agency, outreach).state == "ACCEPTED"


def test_misconfigured_parks_the_job_with_its_binding_until_that_is_mended(agency: Agency) -> None:
    centre = fake_centre(agency.services, NEVER)

    def answer(_call: Any) -> None:
        raise Misconfigured("account expired", park_key="?")

    centre.before_answer = answer
    outreach = planned(agency)
    agency.client.drain()
    job = the_job(agency)
    assert (job.state, job.park_key) == (State.PARKED, f"binding:{centre.binding_id}")
    assert row(agency, outreach).state == "PLANNED"


def test_what_keeps_failing_for_certain_ends_as_refused(agency: Agency) -> None:
    centre = fake_centre(agency.services, NEVER)

    def answer(_call: Any) -> None:
        raise RetryLater("full", after_s=60)

    centre.before_answer = answer
    outreach = planned(agency)
    for n in range(8):
        with clock.standing_at(LAUNCH_DAY + timedelta(minutes=2 * n)):
            agency.client.drain()
    assert (row(agency, outreach).state, the_job(agency).state) == ("REJECTED", State.DEAD)


def test_a_try_that_surely_failed_does_not_hide_one_that_may_have_left(agency: Agency) -> None:
    short = Resend(guarantee=SAME_KEY.guarantee, window=timedelta(minutes=3))
    centre = fake_centre(agency.services, short)
    outreach = planned(agency)
    failpoints.arm("communications.send.sent")
    agency.client.drain()
    failpoints.disarm()

    def answer(_call: Any) -> None:
        raise RetryLater("full", after_s=600)

    centre.before_answer = answer
    with clock.standing_at(LAUNCH_DAY + timedelta(minutes=1)):
        agency.client.drain()
    assert (row(agency, outreach).state, len(centre.pushed)) == ("SENDING", 2)
    centre.before_answer = lambda _call: None
    pass_time(agency, 60)
    assert (row(agency, outreach).state, len(centre.pushed)) == ("UNKNOWN", 2)
    assert tasks(agency) == ["TASK_UNKNOWN_CALL"]


@pytest.mark.parametrize("guarantee", ["SAME_KEY", "LOOKUP"])
def test_a_message_of_a_stopped_run_is_not_sent_again(agency: Agency, guarantee: str) -> None:
    with agency.services.db.unit() as session:
        given = {"run_id": -9, "node": "n", "visit": 1, "template": "reminder"}
        outreach = plan(session, the_case(session), Channel.EMAIL, **given).id
    failpoints.arm("communications.send.call")
    agency.client.drain()
    failpoints.disarm()
    before = len(agency.outbox())
    with agency.services.db.unit() as session:
        if guarantee == "LOOKUP":
            one = session.get_one(Outreach, outreach)
            one.state, one.reason, one.settle_at = "UNKNOWN", SETTLING, clock.now()
            session.flush()
        withdraw(session, -9)
    pass_time(agency, 60)
    assert row(agency, outreach).state == "UNKNOWN"
    assert (len(agency.outbox()), tasks(agency)) == (before, ["TASK_UNKNOWN_EMAIL"])


def test_a_repeated_try_goes_to_the_address_of_the_first(agency: Agency) -> None:
    centre = fake_centre(agency.services, SAME_KEY)
    planned(agency)
    failpoints.arm("communications.send.sent")
    agency.client.drain()
    failpoints.disarm()
    with agency.services.db.unit() as session:
        session.execute(update(PhonePoint).values(state="INVALID"))
        values = {"raw": "040 2", "e164": "+4940669692", "state": "CONFIRMED", "source": "test"}
        debtor = the_case(session).debtor_id
        session.add(PhonePoint(debtor_id=debtor, created_at=clock.now(), **values))
    pass_time(agency, 1)
    assert {call.phone for call in centre.pushed} == {"+4940669691"}
    assert len(centre.pushed) == 2


def test_no_interleaving_of_payment_and_sends_makes_a_call_after_payment(agency: Agency) -> None:
    """F13: 500 orders in the full battery, a part of them in every run."""
    rounds = 500 if os.environ.get("FINVIEW_BATTERY") == "full" else 25
    fake_centre(agency.services, SAME_KEY)
    with agency.services.db.unit() as session:
        case_id, status = the_case(session).id, the_case(session).status
    orders = set()
    for seed in range(rounds):
        one = Interleaved(agency, case_id, status, Random(seed))
        assert one.run(visit=10 + seed) == [], f"seed {seed}: {one.order}"
        orders.add(tuple(one.order))
    assert len(orders) > rounds / 2


class Interleaved:
    """One order of the steps of two sends, crashes with their retries, and the commit that pays.

    Every step is one transaction or one call of the provider, as in production; nothing else is
    kept of it.
    """

    def __init__(self, agency: Agency, case_id: int, status: str, random: Random) -> None:
        self.agency, self.case_id, self.status, self.random = agency, case_id, status, random
        self.db = agency.services.db
        self.paid = False
        self.late: list[str] = []
        self.order: list[str] = []

    def run(self, visit: int) -> list[str]:
        """Return what was handed over although the payment was there before SENDING."""
        with self.db.unit(durable=False) as session:
            session.execute(update(Case).values(status=self.status))
            session.execute(update(Outreach).values(state="CANCELLED"))
            case = session.get_one(Case, self.case_id, populate_existing=True)
            given = {"run_id": -9, "visit": visit, "template": "call_task"}
            keys = [plan(session, case, Channel.CALL, node=n, **given).id for n in ("a", "b")]
        sends = [list(self._send(key)) for key in keys]
        sends.append([("pay", self._pay)])
        while any(sends):
            lane = self.random.choice([steps for steps in sends if steps])
            name, step = lane.pop(0)
            self.order.append(name)
            step()
        return self.late

    def _pay(self) -> None:
        with self.db.unit(durable=False) as session:
            session.execute(select(Case.id).where(Case.id == self.case_id).with_for_update())
            session.execute(update(Case).where(Case.id == self.case_id).values(status="CLOSED"))
        self.paid = True

    def _send(self, outreach: int) -> Iterator[tuple[str, Any]]:
        tries = 1 + (self.random.random() < 0.3)
        for n in range(tries):
            view = JobView(
                id=outreach,
                kind="communications.send",
                args={"outreach_id": outreach},
                cursor=None,
                attempt=1,
                runs=1,
                subject=None,
                trace_id="",
                services=self.agency.services,
            )
            kept: dict[str, Any] = {"handler": Send(view)}
            yield f"before {outreach % 2}", partial(self._before, kept)
            yield f"call {outreach % 2}", partial(self._call, kept)
            if n == tries - 1:  # a try before the last one dies after its call
                yield f"after {outreach % 2}", partial(self._after, kept)

    def _before(self, kept: dict[str, Any]) -> None:
        with self.db.unit(durable=False) as session:
            kept["request"] = kept["handler"].before(session)
        if kept["request"] is not None and self.paid:
            self.late.append("SENDING after the payment")

    def _call(self, kept: dict[str, Any]) -> None:
        if kept["request"] is not None:
            kept["answer"] = kept["handler"].call(kept["request"])

    def _after(self, kept: dict[str, Any]) -> None:
        if "answer" in kept:
            with self.db.unit(durable=False) as session:
                kept["handler"].after(session, kept["answer"])


def test_a_refusal_is_final(agency: Agency) -> None:
    centre = fake_centre(agency.services, NEVER)
    centre.answer = lambda _call: Refused(why="no such number")
    outreach = planned(agency)
    agency.client.drain()
    pass_time(agency, 60)
    assert (row(agency, outreach).state, len(centre.pushed), tasks(agency)) == ("REJECTED", 1, [])


def test_a_lookup_that_fails_leaves_it_to_a_person(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre = fake_centre(agency.services, LOOKUP)

    def lookup(_centre: Any, _keys: Any) -> Any:
        raise OSError("down")

    monkeypatch.setattr(Centre, "lookup", lookup)
    outreach = planned(agency)
    failpoints.arm("communications.send.sent")
    agency.client.drain()
    failpoints.disarm()
    pass_time(agency, 60)
    assert len(centre.pushed) == 1
    assert tasks(agency) == ["TASK_UNKNOWN_CALL"]
    assert row(agency, outreach).settle_at is None
