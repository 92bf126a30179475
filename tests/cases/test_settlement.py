"""Settlements: kept, the rest is waived and the case closed; missed, the full claim stands."""

from collections.abc import Callable
from datetime import UTC, date, datetime
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
from finview.cases.models import (
    AgreementState,
    Case,
    CaseStatus,
    CloseReason,
    PaymentPlan,
    Settlement,
    TimelineEntry,
)
from finview.cases.plans import create_plan
from finview.cases.receipts import record_payment
from finview.cases.settlement import agree_settlement
from finview.cases.statement import balances, statement
from finview.db import Database
from finview.errors import Invalid, State
from finview.money import Money

Opener = Callable[..., OpenedCase]
ON = date(2026, 11, 2)
BY = date(2026, 11, 20)
TERMS = {"costs": {"amount": "25"}, "interest": {"percent": "7.3"}}
pytestmark = pytest.mark.both_databases


def at(day: date, hour: int = 12) -> Any:
    return clock.standing_at(datetime(day.year, day.month, day.day, hour, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with at(ON):
        yield


def launched(session: Session, book: Any, case: OpenedCase, days: int = 0) -> int:
    link(
        session,
        [case.id],
        bucket_id=book.bucket,
        financials=Financials.model_validate(TERMS),
        breathing=Breathing(enabled=days > 0, days=days),
        on=ON,
        by=None,
    )
    launch(session, [case.id], on=ON, by=None)
    return case.id


def settle_for(session: Session, case_id: int, minor: int, by: date = BY) -> int:
    return agree_settlement(session, case_id, Money(minor, "EUR"), pay_by=by, by=1).id


def pay(session: Session, case_id: int, minor: int, on: date) -> None:
    amount = Money(minor, "EUR")
    record_payment(session, case_id, amount, received_on=on, key=f"{minor}/{on}", by=1)


def status(session: Session, case_id: int) -> tuple[str, str | None]:
    case = session.get_one(Case, case_id, populate_existing=True)
    return case.status, case.close_reason


SETTLED = (CaseStatus.CLOSED, CloseReason.PAID_IN_SETTLEMENT)


@pytest.mark.parametrize("days", [0, 60])
def test_paid_in_time_the_rest_is_waived(
    database: Database, opener: Opener, book: Any, days: int
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session), days)
        settle_for(session, case_id, 60_000)
        assert status(session, case_id) == (CaseStatus.SETTLEMENT, None)
        with at(BY):
            pay(session, case_id, 20_000, date(2026, 11, 10))
            assert status(session, case_id) == (CaseStatus.SETTLEMENT, None)
            pay(session, case_id, 40_000, BY)
        assert status(session, case_id) == SETTLED
        for day in (BY, date(2027, 11, 20)):
            balance = balances(session, [case_id], day)[case_id]
            assert (balance.open.minor, balance.payments.minor) == (0, 60_000)
            assert sum(line.amount.minor for line in statement(session, case_id, day)) == 0
        entry = session.scalars(
            select(TimelineEntry).where(TimelineEntry.code == "TIMELINE_SETTLEMENT_KEPT")
        ).one()
        waived = sum(
            line.amount.minor
            for line in statement(session, case_id, BY)
            if line.rule == "waiver.settlement"
        )
        assert entry.params["amount"] == {"minor": -waived, "currency": "EUR"}


def test_paid_in_full_nothing_is_waived(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        settle_for(session, case_id, 60_000)
        pay(session, case_id, 110_000, ON)
        assert status(session, case_id) == (CaseStatus.CLOSED, CloseReason.PAID_IN_FULL)
        assert session.scalars(select(Settlement.state)).one() == AgreementState.ENDED


def test_missed_it_lapses_and_the_full_claim_stands(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        settle_for(session, case_id, 60_000)
        pay(session, case_id, 20_000, ON)
        with at(BY, 22):
            assert check_due(session) == 0
        with at(BY, 23):
            assert check_due(session) == 1
            assert check_due(session) == 0
            assert status(session, case_id) == (CaseStatus.ACTIVE, None)
        with at(date(2026, 12, 1)):
            pay(session, case_id, 40_000, date(2026, 11, 21))
            assert status(session, case_id) == (CaseStatus.ACTIVE, None)
            # What was received in time counts, however late it is entered.
            pay(session, case_id, 40_000, BY)
            assert status(session, case_id) == SETTLED


def test_a_plan_agreed_since_stands_against_a_lapsed_settlement(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        settle_for(session, case_id, 60_000)
        with at(date(2026, 12, 1)):
            check_due(session)
            create_plan(session, case_id, instalments=2, first_due_on=date(2026, 12, 1), by=1)
            pay(session, case_id, 60_000, BY)
        assert status(session, case_id) == (CaseStatus.PAYMENT_PLAN, None)


def test_what_was_received_before_does_not_count(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        pay(session, case_id, 50_000, ON)
        settle_for(session, case_id, 30_000)
        pay(session, case_id, 29_999, ON)
        assert status(session, case_id) == (CaseStatus.SETTLEMENT, None)
        pay(session, case_id, 1, ON)
        assert status(session, case_id) == SETTLED


def test_a_settlement_ends_a_plan_and_there_is_one(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        create_plan(session, case_id, instalments=2, first_due_on=BY, by=1)
        settle_for(session, case_id, 60_000)
        assert session.scalars(select(PaymentPlan.state)).one() == AgreementState.ENDED
        with pytest.raises(State, match="SETTLEMENT_ACTIVE"):
            settle_for(session, case_id, 50_000)
        with pytest.raises(State, match="CASE_STATUS"):
            create_plan(session, case_id, instalments=2, first_due_on=BY, by=1)


@pytest.mark.parametrize(
    ("minor", "currency", "by", "reason"),
    [
        (0, "EUR", BY, "AMOUNT_NOT_POSITIVE"),
        (100, "USD", BY, "AMOUNT_CURRENCY"),
        (200_000, "EUR", BY, "SETTLEMENT_AMOUNT"),
        (100, "EUR", date(2026, 11, 1), "SETTLEMENT_PAY_BY"),
        (100, "EUR", date(9999, 12, 31), "SETTLEMENT_PAY_BY"),
    ],
)
def test_what_is_no_settlement_is_refused(
    database: Database,
    opener: Opener,
    book: Any,
    minor: int,
    currency: str,
    by: date,
    reason: str,
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        with pytest.raises(Invalid, match=reason) as failure:
            agree_settlement(session, case_id, Money(minor, currency), pay_by=by, by=1)
        assert failure.value.message("de") != failure.value.message("en")
        assert status(session, case_id) == (CaseStatus.ACTIVE, None)
