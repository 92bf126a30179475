"""What is done to a claim account by hand: reversed, given up, opened again, changed."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.adjust import adjust_charge, update_invoice
from finview.cases.cases import OpenedCase
from finview.cases.closing import close_case, reopen_case
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.ledger_models import LedgerEntry, LedgerTxn
from finview.cases.lifecycle import launch
from finview.cases.models import Case, CloseReason, Invoice, Settlement
from finview.cases.plans import cancel_plan, change_plan, create_plan, plans_of
from finview.cases.receipts import record_payment
from finview.cases.reversal import reverse_payment
from finview.cases.settlement import agree_settlement, cancel_settlement
from finview.cases.statement import balances, statement
from finview.db import Database
from finview.errors import FinviewError
from finview.money import Money

Opener = Callable[..., OpenedCase]
LINKED, TODAY = date(2026, 11, 2), date(2026, 12, 1)
# 1000.00 due on 2026-08-31 at 7.3 %: 20 cents a day from 2026-09-01; 91 days until today.
TERMS = {"costs": {"amount": "25.00"}, "interest": {"percent": "7.3"}}
OPEN = (100_000, 1_820, 2_500)
both_databases = pytest.mark.both_databases


@pytest.fixture(autouse=True)
def _december() -> Iterator[None]:
    with clock.standing_at(datetime(2026, 12, 1, 12, tzinfo=UTC)):
        yield


@pytest.fixture
def case(database: Database, opener: Opener, book: Any) -> int:
    with database.unit() as session:
        opened = opener(session)
        terms, none = Financials.model_validate(TERMS), Breathing()
        given = {"bucket_id": book.bucket, "financials": terms, "breathing": none}
        link(session, [opened.id], on=LINKED, by=None, **given)
        launch(session, [opened.id], on=LINKED, by=None)
        return opened.id


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def left(session: Session, case_id: int, on: date = TODAY) -> tuple[int, int, int]:
    found = balances(session, [case_id], on)[case_id]
    lines = sum(line.amount.minor for line in statement(session, case_id, on))
    parts = (found.principal.minor, found.interest.minor, found.costs.minor)
    assert min(parts) >= 0
    assert lines <= found.open.minor == sum(parts)
    return parts


def pay(session: Session, case_id: int, minor: int, on: date, key: str = "p") -> int:
    return record_payment(session, case_id, eur(minor), received_on=on, key=key, by=1)


def state(session: Session, case_id: int) -> tuple[str, str | None]:
    row = session.get_one(Case, case_id, populate_existing=True)
    return row.status, row.close_reason


@both_databases
def test_a_reversed_payment_never_was(database: Database, case: int) -> None:
    with database.unit() as session:
        payment = pay(session, case, 50_000, date(2026, 11, 10))
        assert left(session, case) != OPEN
        reverse_payment(session, payment, "returned debit", by=1)
        assert left(session, case) == OPEN
        assert balances(session, [case], TODAY)[case].payments.minor == 0


def test_money_that_went_back_opens_the_case_it_closed(database: Database, case: int) -> None:
    with database.unit() as session:
        payment = pay(session, case, 104_320, TODAY)
        assert state(session, case) == ("CLOSED", "PAID_IN_FULL")
        reverse_payment(session, payment, "returned debit", by=1)
        assert (state(session, case), left(session, case)) == (("ACTIVE", None), OPEN)


def test_a_settlement_is_no_longer_kept_when_its_money_goes_back(
    database: Database, case: int
) -> None:
    with database.unit() as session:
        agree_settlement(session, case, eur(60_000), pay_by=date(2026, 12, 10), by=1)
        payment = pay(session, case, 60_000, TODAY)
        assert state(session, case) == ("CLOSED", "PAID_IN_SETTLEMENT")
        reverse_payment(session, payment, "returned debit", by=1)
        assert left(session, case) == OPEN
        assert session.scalars(select(Settlement.state)).one() == "ACTIVE"
        pay(session, case, 60_000, TODAY, "again")
        assert state(session, case) == ("CLOSED", "PAID_IN_SETTLEMENT")


@both_databases
@pytest.mark.parametrize("reason", [CloseReason.WRITTEN_OFF, CloseReason.WITHDRAWN])
def test_what_is_given_up_can_be_owed_again(
    database: Database, case: int, reason: CloseReason
) -> None:
    with database.unit() as session:
        assert close_case(session, case, reason, "insolvent", by=1) == sum(OPEN)
        assert (state(session, case), left(session, case)) == (("CLOSED", reason), (0, 0, 0))
        reopen_case(session, case, "found assets", by=1)
        assert (state(session, case), left(session, case)) == (("ACTIVE", None), OPEN)
        close_case(session, case, reason, "again", by=1)
        assert left(session, case) == (0, 0, 0)


def test_costs_and_interest_are_added_and_taken_away(database: Database, case: int) -> None:
    with database.unit() as session:
        adjust_charge(session, case, "costs", eur(450), "bank fee", key="a", by=1)
        adjust_charge(session, case, "costs", eur(450), "bank fee", key="a", by=1)
        adjust_charge(session, case, "interest", eur(100), "agreed", key="b", by=1)
        assert left(session, case) == (100_000, 1_920, 2_950)
        adjust_charge(session, case, "costs", eur(-2_950), "goodwill", key="c", by=1)
        adjust_charge(session, case, "interest", eur(-1_900), "goodwill", key="d", by=1)
        assert left(session, case) == (100_000, 20, 0)
        assert left(session, case, date(2026, 12, 11)) == (100_000, 220, 0)


def test_a_waiver_never_gives_up_what_was_paid_before(database: Database, case: int) -> None:
    with database.unit() as session:
        adjust_charge(session, case, "costs", eur(-2_500), "goodwill", key="c", by=1)
        adjust_charge(session, case, "interest", eur(-1_820), "goodwill", key="d", by=1)
        pay(session, case, 50_000, date(2026, 11, 10))
        # 70 days at 20 cents, 25.00 of costs, the rest on the principal; then half a day's worth.
        assert left(session, case)[2] == 0
        assert left(session, case)[0] == 100_000 - (50_000 - 2_500 - 1_400)


def test_a_corrected_invoice_counts_from_its_date(database: Database, case: int) -> None:
    with database.unit() as session:
        invoice = session.scalars(select(Invoice.id)).one()
        pay(session, case, 50_000, date(2026, 11, 10))
        update_invoice(
            session, invoice, amount=eur(40_000), subject="Heating", reason="credit note", by=1
        )
        # 40.00 at 7.3 %: 8 cents a day, 70 days; 25.00 costs; the rest was overpaid.
        assert left(session, case) == (0, 0, 0)
        assert state(session, case) == ("CLOSED", "PAID_IN_FULL")
        over = sum(x.amount.minor for x in statement(session, case, TODAY))
        assert over == -(50_000 - 40_000 - 2_500 - 560)


def test_a_plan_of_any_parts_can_be_changed_and_cancelled(database: Database, case: int) -> None:
    with database.unit() as session:
        total = sum(OPEN)
        parts = [(date(2026, 12, 10), eur(4_320)), (date(2027, 1, 31), eur(total - 4_320))]
        given = {"instalments": 2, "first_due_on": TODAY, "by": 1}
        create_plan(session, case, custom=parts, **given)
        other = [(date(2026, 12, 20), eur(total))]
        change_plan(session, case, other, "new job", by=1)
        (plan,) = plans_of(session, [case]).values()
        assert [part.amount for part in plan.parts] == [eur(total)]
        assert state(session, case) == ("PAYMENT_PLAN", None)
        cancel_plan(session, case, "lost it", by=1)
        assert (state(session, case), plans_of(session, [case])) == (("ACTIVE", None), {})


WRONG: list[tuple[Callable[[Session, int], Any], str, tuple[str, ...]]] = [
    (lambda s, c: reopen_case(s, c, "why", by=1), "CASE_OPEN", ("caseId",)),
    (
        lambda s, c: close_case(s, c, CloseReason.PAID_IN_FULL, "x", by=1),
        "CLOSE_REASON",
        ("input", "closeReason"),
    ),
    (
        lambda s, c: close_case(s, c, CloseReason.WRITTEN_OFF, "  ", by=1),
        "REASON_REQUIRED",
        ("input", "note"),
    ),
    (
        lambda s, c: adjust_charge(s, c, "costs", Money(100, "USD"), "x", key="k", by=1),
        "AMOUNT_CURRENCY",
        ("input", "amount", "currency"),
    ),
    (
        lambda s, c: adjust_charge(s, c, "costs", eur(0), "x", key="k", by=1),
        "CHARGE_NOTHING",
        ("input", "amount", "amount"),
    ),
    (
        lambda s, c: adjust_charge(s, c, "costs", eur(-2_501), "x", key="k", by=1),
        "CHARGE_ABOVE_OPEN",
        ("input", "amount", "amount"),
    ),
    (
        lambda s, c: adjust_charge(s, c, "interest", eur(-1_821), "x", key="k", by=1),
        "CHARGE_ABOVE_OPEN",
        ("input", "amount", "amount"),
    ),
    (lambda s, c: cancel_plan(s, c, "x", by=1), "PLAN_NONE", ("caseId",)),
    (lambda s, c: cancel_settlement(s, c, "x", by=1), "SETTLEMENT_NONE", ("caseId",)),
    (
        lambda s, c: change_plan(s, c, [(TODAY, eur(1))], "x", by=1),
        "PLAN_NONE",
        ("input", "caseId"),
    ),
    (
        lambda s, c: create_plan(
            s, c, instalments=1, first_due_on=TODAY, custom=[(TODAY, eur(1))], by=1
        ),
        "PLAN_CUSTOM_SUM",
        ("input", "custom"),
    ),
    (
        lambda s, c: create_plan(
            s,
            c,
            instalments=1,
            first_due_on=TODAY,
            custom=[(TODAY, eur(1)), (TODAY, eur(104_319))],
            by=1,
        ),
        "PLAN_CUSTOM_ORDER",
        ("input", "custom", "1", "dueOn"),
    ),
    (
        lambda s, c: agree_settlement(s, c, eur(104_321), pay_by=TODAY, by=1),
        "SETTLEMENT_AMOUNT",
        ("input", "amount", "amount"),
    ),
    (
        lambda s, c: update_invoice(
            s,
            s.scalars(select(Invoice.id)).one(),
            amount=Money(0, "EUR"),
            subject=None,
            reason="x",
            by=1,
        ),
        "AMOUNT_NOT_POSITIVE",
        ("input", "amount", "amount"),
    ),
]


@pytest.mark.parametrize(
    ("act", "reason", "path"), WRONG, ids=[f"{n}-{one[1]}" for n, one in enumerate(WRONG)]
)
def test_what_makes_no_sense_is_refused_and_posts_nothing(
    database: Database, case: int, act: Callable[[Session, int], Any], reason: str, path: Any
) -> None:
    with database.unit() as session:
        before = session.scalar(select(func.count()).select_from(LedgerEntry))
        with pytest.raises(FinviewError) as refused:
            act(session, case)
        assert (refused.value.reason, tuple(refused.value.path)) == (reason, path)
        assert refused.value.message("de") != refused.value.message("en")
        assert session.scalar(select(func.count()).select_from(LedgerEntry)) == before
        assert left(session, case) == OPEN


def test_a_closed_case_takes_no_plan_no_settlement_no_change(database: Database, case: int) -> None:
    with database.unit() as session:
        close_case(session, case, CloseReason.WRITTEN_OFF, "gone", by=1)
        posted = session.scalar(select(func.count()).select_from(LedgerTxn))
        for act in (
            lambda: create_plan(session, case, instalments=2, first_due_on=TODAY, by=1),
            lambda: agree_settlement(session, case, eur(1), pay_by=TODAY, by=1),
            lambda: adjust_charge(session, case, "costs", eur(1), "x", key="k", by=1),
            lambda: close_case(session, case, CloseReason.WITHDRAWN, "x", by=1),
            lambda: pay(session, case, 100, TODAY),
        ):
            with pytest.raises(FinviewError, match="CASE_CLOSED"):
                act()
        assert session.scalar(select(func.count()).select_from(LedgerTxn)) == posted


def test_a_payment_is_reversed_once_and_only_a_payment(database: Database, case: int) -> None:
    with database.unit() as session:
        payment = pay(session, case, 1_000, TODAY)
        reverse_payment(session, payment, "x", by=1)
        with pytest.raises(FinviewError, match="PAYMENT_REVERSED"):
            reverse_payment(session, payment, "x", by=1)
        other = session.scalars(select(LedgerTxn.id).where(LedgerTxn.kind == "COST")).first()
        with pytest.raises(FinviewError, match="NOT_FOUND"):
            reverse_payment(session, other or 0, "x", by=1)
