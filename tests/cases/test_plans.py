"""Payment plans: exact parts, filled in order by what is received, kept or broken."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.agreements import check_due
from finview.cases.cases import NewInvoice, OpenedCase
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.lifecycle import end_breathing, launch
from finview.cases.models import (
    AgreementState,
    Case,
    CaseStatus,
    CloseReason,
    PaymentPlan,
)
from finview.cases.plans import create_plan, plans_of, split_plan
from finview.cases.receipts import record_payment
from finview.cases.statement import balances
from finview.db import Database
from finview.errors import FinviewError, Invalid, State
from finview.money import Money

Opener = Callable[..., OpenedCase]
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ON = NOW.date()
both_databases = pytest.mark.both_databases


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with clock.standing_at(NOW):
        yield


def launched(session: Session, book: Any, case: OpenedCase, days: int = 0, **terms: Any) -> int:
    link(
        session,
        [case.id],
        bucket_id=book.bucket,
        financials=Financials.model_validate(terms),
        breathing=Breathing(enabled=days > 0, days=days),
        on=ON,
        by=None,
    )
    launch(session, [case.id], on=ON, by=None)
    return case.id


def plan(session: Session, case_id: int, n: int = 3, first: date = date(2026, 11, 30)) -> int:
    return create_plan(session, case_id, instalments=n, first_due_on=first, by=1).id


def pay(session: Session, case_id: int, minor: int, on: date = ON, key: str = "") -> None:
    amount = Money(minor, "EUR")
    record_payment(session, case_id, amount, received_on=on, key=key or f"{minor}/{on}", by=1)


def case_of(session: Session, case_id: int) -> Case:
    return session.get_one(Case, case_id, populate_existing=True)


def paid(session: Session, case_id: int) -> list[str]:
    return [part.paid.text for part in plans_of(session, [case_id])[case_id].parts]


@pytest.mark.parametrize(
    ("total", "n", "first", "every", "amounts", "days"),
    [
        (10_000, 3, "2026-12-01", 1, [3334, 3333, 3333], ["12-01", "01-01", "02-01"]),
        (100_000, 7, "2026-12-15", 1, [14_286] * 5 + [14_285] * 2, None),
        (
            24_000,
            6,
            "2026-01-31",
            1,
            [4000] * 6,
            ["01-31", "02-28", "03-31", "04-30", "05-31", "06-30"],
        ),
        (9_000, 2, "2026-12-10", 3, [4500, 4500], ["12-10", "03-10"]),
        (20_000, 2, "2027-12-31", 2, [10_000] * 2, ["12-31", "02-29"]),
    ],
)
def test_parts_are_exact_and_keep_their_day(
    total: int, n: int, first: str, every: int, amounts: list[int], days: list[str] | None
) -> None:
    parts = split_plan(total, n, date.fromisoformat(first), every)
    assert [minor for _, minor in parts] == amounts
    assert days is None or [day.isoformat()[5:] for day, _ in parts] == days


@given(
    total=st.integers(1, 10**12),
    n=st.integers(1, 120),
    first=st.dates(date(2026, 1, 1), date(2100, 1, 1)),
    every=st.integers(1, 12),
)
def test_parts_add_up_and_their_days_rise(total: int, n: int, first: date, every: int) -> None:
    parts = split_plan(total, n, first, every)
    assert (len(parts), sum(minor for _, minor in parts)) == (n, total)
    days = [day for day, _ in parts]
    assert days == sorted(set(days))
    assert max(m for _, m in parts) - min(m for _, m in parts) <= 1


@both_databases
def test_money_fills_the_parts_in_order(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session), costs={"amount": "200"})
        pay(session, case_id, 20_000)
        plan(session, case_id)
        told = plans_of(session, [case_id])[case_id]
        assert [(p.number, p.due_on.isoformat(), p.amount.text) for p in told.parts] == [
            (1, "2026-11-30", "333.34"),
            (2, "2026-12-30", "333.33"),
            (3, "2027-01-30", "333.33"),
        ]
        assert case_of(session, case_id).status == CaseStatus.PAYMENT_PLAN
        assert paid(session, case_id) == ["0.00"] * 3
        pay(session, case_id, 40_000, key="a")
        assert paid(session, case_id) == ["333.34", "66.66", "0.00"]
        pay(session, case_id, 60_000, key="b")
        assert paid(session, case_id) == ["333.34", "333.33", "333.33"]
        case = case_of(session, case_id)
        assert (case.status, case.close_reason) == (CaseStatus.CLOSED, CloseReason.PAID_IN_FULL)


@both_databases
def test_a_kept_plan_leaves_the_interest_that_accrued_meanwhile(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        due = NewInvoice(amount_minor=100_000, issued_on=ON, due_on=ON)
        case_id = launched(session, book, opener(session, due), interest={"percent": "7.3"})
        plan(session, case_id, n=1)
        with clock.standing_at(NOW + timedelta(days=11)):
            pay(session, case_id, 100_000, date(2026, 11, 13))
            assert balances(session, [case_id], date(2026, 11, 13))[case_id].open.minor == 200
        assert case_of(session, case_id).status == CaseStatus.ACTIVE
        assert plans_of(session, [case_id])[case_id].state == AgreementState.KEPT


@both_databases
def test_a_part_unpaid_for_five_days_breaks_the_plan(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        plan_id = plan(session, case_id)
        pay(session, case_id, 33_334)
        # The second part is due on 30 December; 4 January is the last day it may be late.
        with clock.standing_at(datetime(2027, 1, 4, 22, tzinfo=UTC)):
            assert check_due(session) == 0
        with clock.standing_at(datetime(2027, 1, 4, 23, 30, tzinfo=UTC)):
            assert check_due(session) == 1
            assert check_due(session) == 0
        assert session.get_one(PaymentPlan, plan_id).state == AgreementState.BROKEN
        assert case_of(session, case_id).status == CaseStatus.ACTIVE
        assert plans_of(session, [case_id]) == {}
        assert plan(session, case_id) > plan_id


def test_a_case_has_one_plan_at_a_time(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        plan(session, case_id)
        with pytest.raises(State, match="PLAN_ACTIVE"):
            plan(session, case_id)
        assert len(session.scalars(select(PaymentPlan)).all()) == 1


@both_databases
def test_a_plan_outlives_the_breathing_space(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session), days=14, costs={"amount": "25"})
        plan(session, case_id)
        assert end_breathing(session, [case_id]) == [case_id]
        assert case_of(session, case_id).status == CaseStatus.PAYMENT_PLAN
        assert balances(session, [case_id], date(2026, 11, 16))[case_id].costs.minor == 2_500


@pytest.mark.parametrize(
    ("given_", "kind", "reason"),
    [
        ({"instalments": 0}, Invalid, "PLAN_INSTALMENTS"),
        ({"instalments": 121}, Invalid, "PLAN_INSTALMENTS"),
        ({"every_months": 0}, Invalid, "PLAN_EVERY_MONTHS"),
        ({"first_due_on": date(2026, 11, 1)}, Invalid, "PLAN_FIRST_DUE"),
        ({"first_due_on": date(9999, 12, 31)}, Invalid, "PLAN_FIRST_DUE"),
    ],
)
def test_what_is_no_plan_is_refused(
    database: Database,
    opener: Opener,
    book: Any,
    given_: dict[str, Any],
    kind: type[FinviewError],
    reason: str,
) -> None:
    wanted: dict[str, Any] = {"instalments": 2, "first_due_on": ON, **given_}
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        with pytest.raises(kind, match=reason) as failure:
            create_plan(session, case_id, **wanted, by=1)
        assert failure.value.message("de") != failure.value.message("en")


def test_a_plan_needs_a_launched_open_case_with_something_to_pay(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        with pytest.raises(State, match="CASE_NOT_LAUNCHED"):
            plan(session, opener(session).id)
        small = launched(session, book, opener(session, NewInvoice(amount_minor=2, issued_on=ON)))
        with pytest.raises(Invalid, match="PLAN_PARTS_TOO_SMALL"):
            plan(session, small)
        pay(session, small, 2)
        with pytest.raises(State, match="CASE_CLOSED"):
            plan(session, small)
