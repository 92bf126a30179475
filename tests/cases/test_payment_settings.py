"""What a customer lets pass: days and amounts of plans, their interest, small rests; each by itself."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.agreements import check_due
from finview.cases.cases import OpenedCase
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.lifecycle import launch
from finview.cases.models import AgreementState, Case, CaseStatus, PaymentPlan, TimelineEntry
from finview.cases.plans import create_plan
from finview.cases.receipts import record_payment
from finview.cases.reversal import reverse_payment
from finview.cases.statement import balances
from finview.customers.models import Customer
from finview.customers.preferences import chain, set_settings
from finview.db import Database
from finview.money import Money

Opener = Callable[..., OpenedCase]
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ON = NOW.date()
FIRST = date(2026, 11, 30)
# 1000.00 due on 2026-08-31 at 7.3 %: 20 cents a day.
INTEREST = {"interest": {"percent": "7.3"}}


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with clock.standing_at(NOW):
        yield


def launched(session: Session, book: Any, case: OpenedCase, **terms: Any) -> int:
    link(
        session,
        [case.id],
        bucket_id=book.bucket,
        financials=Financials.model_validate(terms),
        breathing=Breathing(),
        on=ON,
        by=None,
    )
    launch(session, [case.id], on=ON, by=None)
    return case.id


def put(session: Session, book: Any, **values: Any) -> None:
    customer = session.get_one(Customer, book.customer)
    set_settings(session, chain(customer), values, granted=True, by=None)


def pay(session: Session, case_id: int, minor: int, on: date = ON) -> int:
    amount, key = Money(minor, "EUR"), f"{minor}/{on}"
    return record_payment(session, case_id, amount, received_on=on, key=key, by=1)


def agreed(session: Session, case_id: int) -> PaymentPlan:
    return create_plan(session, case_id, instalments=2, first_due_on=FIRST, by=1)


def open_on(session: Session, case_id: int, day: date) -> int:
    return balances(session, [case_id], day)[case_id].open.minor


def seen(session: Session, case_id: int) -> tuple[str, str | None]:
    case = session.get_one(Case, case_id, populate_existing=True)
    return case.status, case.close_reason


@pytest.mark.parametrize(("days", "last"), [(None, 5), (0, 0), (12, 12)])
def test_a_part_may_be_as_many_days_late_as_the_setting_says(
    database: Database, opener: Opener, book: Any, days: int | None, last: int
) -> None:
    with database.unit() as session:
        if days is not None:
            put(session, book, plan_tolerance_days=days)
        plan = agreed(session, launched(session, book, opener(session)))
        day = FIRST.toordinal() + last
        with clock.standing_at(datetime.combine(date.fromordinal(day), NOW.timetz())):
            assert check_due(session) == 0
        with clock.standing_at(datetime.combine(date.fromordinal(day + 1), NOW.timetz())):
            assert check_due(session) == 1
        assert session.get_one(PaymentPlan, plan.id).state == AgreementState.BROKEN


@pytest.mark.parametrize(
    ("tolerance", "short", "kept"),
    [(None, 1, False), ("0.50", 50, True), ("0.50", 51, False), ("0.50", 0, True)],
)
def test_a_part_may_be_short_by_the_amount_of_the_setting(
    database: Database, opener: Opener, book: Any, tolerance: str | None, short: int, *, kept: bool
) -> None:
    with database.unit() as session:
        if tolerance is not None:
            put(session, book, plan_tolerance_amount=Decimal(tolerance))
        case_id = launched(session, book, opener(session))
        plan = agreed(session, case_id)
        pay(session, case_id, 50_000 - short)
        late = datetime(2026, 12, 20, 12, tzinfo=UTC)
        with clock.standing_at(late):
            check_due(session)
        running = session.get_one(PaymentPlan, plan.id).state == AgreementState.ACTIVE
        assert running is kept


def test_a_tolerated_plan_is_kept_and_what_is_short_stays_owed(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        put(session, book, plan_tolerance_amount=Decimal("0.50"))
        case_id = launched(session, book, opener(session))
        plan = agreed(session, case_id)
        pay(session, case_id, 99_950)
        assert session.get_one(PaymentPlan, plan.id).state == AgreementState.KEPT
        assert seen(session, case_id) == (CaseStatus.ACTIVE, None)
        assert open_on(session, case_id, ON) == 50


@pytest.mark.parametrize(("choice", "left"), [(None, 200), ("CLOSING", 200), ("WAIVED", 0)])
def test_interest_of_a_kept_plan_is_asked_for_or_waived(
    database: Database, opener: Opener, book: Any, choice: str | None, left: int
) -> None:
    with database.unit() as session:
        if choice is not None:
            put(session, book, plan_interest=choice)
        case_id = launched(session, book, opener(session), **INTEREST)
        plan = agreed(session, case_id)
        later = datetime(2026, 11, 12, 12, tzinfo=UTC)
        with clock.standing_at(later):
            # Ten days at 20 cents have accrued since the agreement.
            pay(session, case_id, plan.total_minor, later.date())
            assert session.get_one(PaymentPlan, plan.id).state == AgreementState.KEPT
            assert open_on(session, case_id, later.date()) == left
            paid = (CaseStatus.CLOSED, "PAID_IN_FULL")
            assert seen(session, case_id) == (paid if not left else (CaseStatus.ACTIVE, None))


def test_interest_is_owed_again_when_the_money_of_a_kept_plan_goes_back(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        put(session, book, plan_interest="WAIVED")
        case_id = launched(session, book, opener(session), **INTEREST)
        plan = agreed(session, case_id)
        later = datetime(2026, 11, 12, 12, tzinfo=UTC)
        with clock.standing_at(later):
            payment = pay(session, case_id, plan.total_minor, later.date())
            assert open_on(session, case_id, later.date()) == 0
            reverse_payment(session, payment, "returned debit", by=1)
            # 72 days since default, as if nothing had ever come.
            assert open_on(session, case_id, later.date()) == 100_000 + 1_440


def test_the_interest_of_a_broken_plan_is_never_waived(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        put(session, book, plan_interest="WAIVED")
        case_id = launched(session, book, opener(session), **INTEREST)
        agreed(session, case_id)
        with clock.standing_at(datetime(2026, 12, 20, 12, tzinfo=UTC)):
            assert check_due(session) == 1
            # 110 days since default.
            assert open_on(session, case_id, date(2026, 12, 20)) == 100_000 + 2_200


@pytest.mark.parametrize(
    ("setting", "rest", "closes"),
    [(None, 1, False), ("2.00", 200, True), ("2.00", 201, False), ("0.00", 1, False)],
)
def test_a_small_rest_is_waived_with_its_reason(
    database: Database, opener: Opener, book: Any, setting: str | None, rest: int, *, closes: bool
) -> None:
    with database.unit() as session:
        if setting is not None:
            put(session, book, small_balance=Decimal(setting))
        case_id = launched(session, book, opener(session))
        pay(session, case_id, 100_000 - rest)
        assert (seen(session, case_id) == (CaseStatus.CLOSED, "PAID_IN_FULL")) is closes
        assert open_on(session, case_id, ON) == (0 if closes else rest)
        waived = select(TimelineEntry.id).where(TimelineEntry.code == "TIMELINE_REST_WAIVED")
        assert (session.scalar(waived) is not None) is closes


def test_a_returned_debit_reopens_and_owes_the_waived_rest_again(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        put(session, book, small_balance=Decimal("2.00"))
        case_id = launched(session, book, opener(session))
        payment = pay(session, case_id, 99_900)
        assert seen(session, case_id) == (CaseStatus.CLOSED, "PAID_IN_FULL")
        reverse_payment(session, payment, "returned debit", by=1)
        assert seen(session, case_id) == (CaseStatus.ACTIVE, None)
        assert open_on(session, case_id, ON) == 100_000
