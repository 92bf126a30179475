"""Plan reminders (W3, S8, F6): once, so many days before each instalment, and what follows a missed one."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import delete, select

from finview import clock
from finview.api.engine.ids import key_of
from finview.app import prepare
from finview.cases.holds import HoldReason, hold_case, release_case
from finview.cases.models import Case
from finview.cases.plans import plans_of
from finview.cases.receipts import record_payment
from finview.communications.models import Outreach
from finview.money import Money
from finview.testing.fixtures import At
from finview.testing.story import Story
from finview.workflows.models import Run, RunStep, Timer


class Plan:
    """A launched case with a plan, its clock, and what has left about it."""

    def __init__(self, at: At, *, days: int = 5, first: str = "2026-12-01", parts: int = 2) -> None:
        self.story: Story = at("LAUNCHED")
        self.remind(days)
        self.case: str = self.story.cases()[0]["id"]
        self.key = key_of(self.case, "cas")
        self.agree(first, parts)

    def remind(self, days: int | None) -> None:
        self.story.agency.set("workflow", paymentPlanReminderDays=days)
        self.story.client.drain()

    def agree(self, first: str, parts: int) -> None:
        given = {"caseId": self.case, "instalments": parts, "firstDueOn": first}
        self.story.client.do("paymentPlanCreate", "case { id }", **given)
        self.story.client.drain()

    def on(self, day: str) -> "Plan":
        """Go on to a day, and let happen what is due then."""
        with self.story.agency.services.db.reading():
            ahead = date.fromisoformat(day) - clock.today("Europe/Berlin")
        self.story.agency.later(days=ahead.days)
        return self

    def pay(self, number: int, less: int = 0) -> None:
        """Pay one instalment, but for some cents."""
        with self.story.agency.services.db.unit() as session:
            part = plans_of(session, [self.key])[self.key].parts[number - 1]
            today = clock.today("Europe/Berlin")
            amount = Money(part.amount.minor - less, "EUR")
            record_payment(
                session, self.key, amount, received_on=today, key=f"{today}/{number}", by=None
            )
        self.story.client.drain()

    def sent(self, template: str = "plan_reminder") -> list[tuple[str, int]]:
        """Return day and instalment of each message that has left."""
        with self.story.agency.services.db.reading() as session:
            rows = session.scalars(
                select(Outreach)
                .where(Outreach.template == template, Outreach.sent_at.is_not(None))
                .order_by(Outreach.sent_at, Outreach.id)
            )
            return [(row.sent_at.date().isoformat(), row.visit) for row in rows if row.sent_at]

    def open(self) -> Any:
        query = "query($id: ID!) { case(id: $id) { balance { open { amount } } } }"
        found = self.story.client.ask(query, id=self.case)
        return found["case"]["balance"]["open"]["amount"]

    def runs(self) -> list[tuple[str, str]]:
        with self.story.agency.services.db.reading() as session:
            rows = session.scalars(select(Run).where(Run.case_id == self.key).order_by(Run.id))
            return [(row.kind, row.status) for row in rows]

    def status(self) -> str:
        with self.story.agency.services.db.reading() as session:
            return session.get_one(Case, self.key).status


@pytest.mark.parametrize(
    ("days", "first", "sent"),
    [
        (5, "2026-12-01", [("2026-11-26", 1), ("2026-12-27", 2)]),
        (3, "2026-12-03", [("2026-11-30", 1), ("2026-12-31", 2)]),
        (0, "2026-12-01", [("2026-12-01", 1), ("2027-01-01", 2)]),
        (5, "2026-11-04", [("2026-11-02", 1), ("2026-11-29", 2)]),
        (0, "2026-11-02", [("2026-11-02", 1), ("2026-12-02", 2)]),
    ],
)
def test_each_instalment_is_reminded_of_once_so_many_days_before(
    at: At, days: int, first: str, sent: list[tuple[str, int]]
) -> None:
    plan = Plan(at, days=days, first=first)
    for n, (day, number) in enumerate(sent):
        if day > "2026-11-02":
            before = date.fromordinal(date.fromisoformat(day).toordinal() - 1)
            assert plan.on(before.isoformat()).sent() == sent[:n]
            plan.on(day)
        assert plan.sent() == sent[: n + 1]
        plan.pay(number)
    assert plan.on("2027-03-01").sent() == sent
    assert plan.sent("plan_missed") == []


def test_a_reminder_tells_what_is_due_and_when(at: At) -> None:
    plan = Plan(at, days=1)
    plan.on("2026-11-30")
    (mail,) = [m for m in plan.story.agency.outbox() if "Termin am" in m]
    text = " ".join(mail.split())
    assert "morgen, am 01.12.2026, ist die Rate 1 von 2 über 71,47 € fällig." in text
    assert plan.status() == "PAYMENT_PLAN"


def test_an_instalment_paid_early_is_not_reminded_of(at: At) -> None:
    plan = Plan(at).on("2026-11-20")
    plan.pay(1)
    assert plan.on("2026-12-26").sent() == []
    assert plan.on("2026-12-27").sent() == [("2026-12-27", 2)]


def test_one_that_is_paid_but_for_some_cents_is(at: At) -> None:
    plan = Plan(at).on("2026-11-20")
    plan.pay(1, less=3)
    assert plan.on("2026-11-26").sent() == [("2026-11-26", 1)]


def test_a_plan_agreed_anew_reminds_of_its_own_instalments(at: At) -> None:
    plan = Plan(at).on("2026-11-26")
    answer = plan.story.client.ask(
        "mutation($i: PaymentPlanChangeInput!) { paymentPlanChange(input: $i)"
        " { case { balance { open { amount } } } errors { message } } }",
        i={
            "caseId": plan.case,
            "reason": "Später",
            "instalments": [
                {"dueOn": "2026-12-20", "amount": {"amount": plan.open(), "currency": "EUR"}}
            ],
        },
    )["paymentPlanChange"]
    assert answer["errors"] == []
    plan.story.client.drain()
    assert plan.on("2026-12-15").sent() == [("2026-11-26", 1), ("2026-12-15", 1)]
    assert [kind for kind, _ in plan.runs()].count("PAYMENT_PLAN") == 2


def test_a_changed_setting_moves_the_reminders_that_are_still_to_come(at: At) -> None:
    plan = Plan(at, days=5)
    plan.remind(10)
    assert plan.on("2026-11-20").sent() == []
    assert plan.on("2026-11-21").sent() == [("2026-11-21", 1)]
    plan.remind(2)
    assert plan.on("2026-11-30").sent() == [("2026-11-21", 1)]


def test_a_missed_one_is_told_of_on_the_next_day_and_breaks_the_plan_in_the_end(at: At) -> None:
    plan = Plan(at).on("2026-11-26")
    assert plan.on("2026-12-01").sent("plan_missed") == []
    assert plan.on("2026-12-02").sent("plan_missed") == [("2026-12-02", 1)]
    assert plan.on("2026-12-06").status() == "PAYMENT_PLAN"
    assert plan.on("2026-12-07").status() == "ACTIVE"
    assert plan.runs() == [("MAIN", "DONE"), ("PAYMENT_PLAN", "DONE")]
    assert plan.on("2027-02-01").sent() == [("2026-11-26", 1)]


def test_money_that_makes_up_for_it_lets_the_plan_go_on(at: At) -> None:
    plan = Plan(at).on("2026-11-26").on("2026-12-04")
    plan.pay(1)
    assert plan.on("2026-12-27").sent() == [("2026-11-26", 1), ("2026-12-27", 2)]
    assert plan.runs() == [("MAIN", "SUSPENDED"), ("PAYMENT_PLAN", "WAITING")]


def test_a_hold_silences_reminders_and_its_end_makes_up_for_them(at: At) -> None:
    plan = Plan(at, days=5).on("2026-11-20")
    with plan.story.agency.services.db.unit() as session:
        hold_case(session, plan.key, HoldReason.ON_HOLD, by=None)
    plan.story.client.drain()
    assert plan.runs()[1:] == [("PAYMENT_PLAN", "SUSPENDED"), ("ON_HOLD", "WAITING")]
    assert plan.on("2026-11-27").sent() == []
    with plan.story.agency.services.db.unit() as session:
        release_case(session, plan.key, by=None)
    plan.story.client.drain()
    assert plan.sent() == [("2026-11-27", 1)]
    assert plan.runs()[1:] == [("PAYMENT_PLAN", "WAITING"), ("ON_HOLD", "DONE")]


def test_a_plan_from_before_there_were_runs_of_plans_gets_one(at: At) -> None:
    plan = Plan(at)
    services = plan.story.agency.services
    with services.db.unit() as session:
        run = session.scalars(select(Run).where(Run.kind == "PAYMENT_PLAN")).one()
        session.execute(delete(Timer).where(Timer.run_id == run.id))
        session.execute(delete(RunStep).where(RunStep.run_id == run.id))
        session.delete(run)
    prepare(services)
    plan.story.client.drain()
    assert plan.runs() == [("MAIN", "SUSPENDED"), ("PAYMENT_PLAN", "WAITING")]
    assert plan.on("2026-11-26").sent() == [("2026-11-26", 1)]
