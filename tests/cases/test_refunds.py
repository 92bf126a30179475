"""Refunds: what was overpaid goes back once, and pays nothing afterwards."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.adjust import update_invoice
from finview.cases.cases import OpenedCase
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn
from finview.cases.lifecycle import launch
from finview.cases.models import Case, CaseStatus, Invoice, TimelineEntry
from finview.cases.receipts import record_payment
from finview.cases.refunds import refund_overpaid
from finview.cases.reversal import reverse_payment
from finview.cases.statement import balances, overpaid, statement
from finview.cases.verify import verify
from finview.db import Database
from finview.errors import FinviewError, Invalid, Required, State
from finview.money import Money

Opener = Callable[..., OpenedCase]
ON = date(2026, 11, 2)
LATER = date(2026, 12, 1)
both_databases = pytest.mark.both_databases


@pytest.fixture(autouse=True)
def _december() -> Any:
    with clock.standing_at(datetime(2026, 12, 1, 12, tzinfo=UTC)):
        yield


def launched(session: Session, book: Any, case: OpenedCase) -> int:
    link(
        session,
        [case.id],
        bucket_id=book.bucket,
        financials=Financials(),
        breathing=Breathing(),
        on=ON,
        by=None,
    )
    launch(session, [case.id], on=ON, by=None)
    return case.id


def pay(session: Session, case_id: int, minor: int, on: date = ON, **more: Any) -> int:
    key = f"{case_id}/{on}/{minor}/{more}"
    amount = Money(minor, "EUR")
    return record_payment(session, case_id, amount, received_on=on, key=key, by=1, **more)


def refund(session: Session, case_id: int, minor: int | None = None, key: str = "r") -> int:
    amount = Money(minor, "EUR") if minor is not None else None
    return refund_overpaid(session, case_id, amount, "paid twice", key=key, by=1)


def over(session: Session, case_id: int) -> tuple[int, int]:
    """Return what is open and what is overpaid; the statement's lines add up to the difference."""
    found = balances(session, [case_id], LATER)[case_id]
    lines = sum(line.amount.minor for line in statement(session, case_id, LATER))
    assert lines == found.open.minor - found.overpaid_minor
    return found.open.minor, found.overpaid.minor


def trust(session: Session) -> int:
    wanted = select(func.sum(LedgerEntry.amount)).join(
        LedgerAccount, LedgerAccount.id == LedgerEntry.account_id
    )
    return int(session.scalar(wanted.where(LedgerAccount.kind == AccountKind.BANK_TRUST)) or 0)


def codes(session: Session, case_id: int) -> list[str]:
    wanted = select(TimelineEntry.code).where(TimelineEntry.case_id == case_id)
    return list(session.scalars(wanted.order_by(TimelineEntry.id)))


@both_databases
def test_what_was_overpaid_goes_back_once(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        pay(session, case_id, 150_000)
        assert over(session, case_id) == (0, 50_000)
        assert session.scalars(overpaid()).all() == [case_id]
        part = refund(session, case_id, 20_000, "part")
        assert refund(session, case_id, 20_000, "part") == part
        assert over(session, case_id) == (0, 30_000)
        refund(session, case_id)
        assert (over(session, case_id), trust(session)) == ((0, 0), 100_000)
        assert session.scalars(overpaid()).all() == []
        with pytest.raises(State, match="REFUND_NOTHING"):
            refund(session, case_id, key="again")
        told = codes(session, case_id)
        assert told.count("TIMELINE_REFUNDED") == 2
        assert "TIMELINE_OVERPAID" in told
        assert verify(session).faults == ()


@both_databases
def test_refunded_money_pays_nothing_that_is_claimed_later(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        pay(session, case_id, 130_000, date(2026, 10, 1))
        pay_more = refund(session, case_id, 20_000)
        before = session.scalar(select(func.max(LedgerTxn.id)))
        case = session.get_one(Case, case_id, populate_existing=True)
        assert (pay_more, case.status) == (before, CaseStatus.CLOSED)
        case.status, case.close_reason = CaseStatus.ACTIVE, None
        session.flush()
        invoice = session.scalars(select(Invoice.id).where(Invoice.case_id == case_id)).one()
        more = Money(115_000, "EUR")
        update_invoice(session, invoice, amount=more, subject=None, reason="more", by=1)
        # 1300.00 less 200.00 that went back: 1150.00 are owed, 1100.00 are left to pay them.
        assert over(session, case_id) == (5_000, 0)


@both_databases
def test_a_refund_of_money_that_went_back_is_made_up_by_what_comes_next(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        first = pay(session, case_id, 150_000)
        refund(session, case_id)
        reverse_payment(session, first, "returned debit", by=1)
        assert over(session, case_id) == (100_000, 0)
        pay(session, case_id, 180_000, date(2026, 12, 1))
        # 500.00 were given back of money that never came: of 800.00 too much, 300.00 are left.
        assert over(session, case_id) == (0, 30_000)
        assert refund(session, case_id, 30_000, "rest")
        assert trust(session) == 100_000


def test_what_the_customer_received_itself_is_not_ours_to_refund(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        pay(session, case_id, 60_000)
        pay(session, case_id, 50_000, LATER, direct=True)
        assert over(session, case_id) == (0, 10_000)
        with pytest.raises(State, match="REFUND_NOTHING"):
            refund(session, case_id)


@pytest.mark.parametrize(
    ("amount", "reason", "kind", "code"),
    [
        (Money(50_001, "EUR"), "x", Invalid, "REFUND_ABOVE_OVERPAID"),
        (Money(0, "EUR"), "x", Invalid, "AMOUNT_NOT_POSITIVE"),
        (Money(-1, "EUR"), "x", Invalid, "AMOUNT_NOT_POSITIVE"),
        (Money(1, "USD"), "x", Invalid, "AMOUNT_CURRENCY"),
        (None, "  ", Required, "REASON_REQUIRED"),
    ],
)
def test_what_is_no_refund_is_refused(
    database: Database,
    opener: Opener,
    book: Any,
    amount: Money | None,
    reason: str,
    kind: type[FinviewError],
    code: str,
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        pay(session, case_id, 150_000)
        with pytest.raises(kind, match=code) as failure:
            refund_overpaid(session, case_id, amount, reason, key="r", by=1)
        assert failure.value.message("de") != failure.value.message("en")
        assert over(session, case_id) == (0, 50_000)
