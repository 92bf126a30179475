"""Payments in the ledger: allocated as of their day, whenever they are entered."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.cases import NewInvoice, OpenedCase, delete_unlaunched
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.ledger_models import LedgerEntry, LedgerTxn
from finview.cases.lifecycle import close, end_breathing, launch
from finview.cases.models import Case, CaseStatus, CloseReason
from finview.cases.payments import payments_of
from finview.cases.receipts import record_payment
from finview.cases.statement import balances, statement
from finview.db import Database
from finview.db.events import EventInbox
from finview.errors import IdempotencyMismatch, Invalid, State
from finview.money import Money

Opener = Callable[..., OpenedCase]
ON = date(2026, 11, 2)
# 1000.00 due on 2026-08-31 at 7.3 %: 20 cents a day from 2026-09-01.
TERMS = {"costs": {"amount": "25.00"}, "interest": {"percent": "7.3"}}
both_databases = pytest.mark.both_databases


@pytest.fixture(autouse=True)
def _december() -> Any:
    with clock.standing_at(datetime(2026, 12, 1, 12, tzinfo=UTC)):
        yield


def linked(session: Session, book: Any, case: OpenedCase, days: int = 0, **terms: Any) -> None:
    link(
        session,
        [case.id],
        bucket_id=book.bucket,
        financials=Financials.model_validate(terms or TERMS),
        breathing=Breathing(enabled=days > 0, days=days),
        on=ON,
        by=None,
    )


def launched(session: Session, book: Any, case: OpenedCase, days: int = 0, **terms: Any) -> int:
    linked(session, book, case, days, **terms)
    launch(session, [case.id], on=ON, by=None)
    return case.id


def pay(session: Session, case_id: int, minor: int, on: date, key: str | None = None) -> int:
    amount = Money(minor, "EUR")
    key = key or f"{on}/{minor}"
    return record_payment(session, case_id, amount, received_on=on, key=key, by=1)


def shown(session: Session, case_id: int, day: date) -> tuple[int, int, int, int]:
    balance = balances(session, [case_id], day)[case_id]
    parts = (balance.principal.minor, balance.interest.minor, balance.costs.minor)
    assert min(parts) >= 0
    assert balance.open.minor == sum(parts)
    return (*parts, balance.payments.minor)


def case_of(session: Session, case_id: int) -> Case:
    return session.get_one(Case, case_id, populate_existing=True)


def split(session: Session, case_id: int) -> list[tuple[str, ...]]:
    names = ("costs", "interest", "principal", "overpaid")
    found = payments_of(session, [case_id])[case_id]
    return [tuple(payment.allocation[name] for name in names) for payment in found]


@both_databases
def test_costs_then_interest_then_principal(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        pay(session, case_id, 20_000, date(2026, 11, 12))
        assert split(session, case_id) == [("25.00", "14.40", "160.60", "0.00")]
        assert shown(session, case_id, date(2026, 11, 11)) == (100_000, 1_420, 2_500, 0)
        assert shown(session, case_id, date(2026, 11, 12)) == (83_940, 0, 0, 20_000)
        # A stretch begins with the allocation: 839.40 at 7.3 % for ten days.
        assert shown(session, case_id, date(2026, 11, 22)) == (83_940, 168, 0, 20_000)
        assert case_of(session, case_id).status == CaseStatus.ACTIVE
        assert [e.type for e in session.scalars(select(EventInbox))] == ["PAYMENT"]


@both_databases
def test_the_oldest_due_invoice_is_paid_first(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        newer, older = (
            NewInvoice(amount_minor=10_000, issued_on=day, due_on=day)
            for day in (date(2026, 9, 1), date(2026, 8, 1))
        )
        case_id = launched(session, book, opener(session, newer, older), costs={"amount": "5"})
        pay(session, case_id, 12_000, ON)
        opened = [
            line for line in statement(session, case_id, ON) if line.rule == "claim.principal"
        ]
        paid = [line for line in statement(session, case_id, ON) if line.kind == "ALLOCATION"]
        assert [line.amount.minor for line in paid] == [-500, -10_000, -1_500]
        assert (opened[0].on, paid[1].code) == (date(2026, 8, 1), "STATEMENT_PAID_PRINCIPAL")


@both_databases
def test_what_is_overpaid_stands_apart_and_the_case_closes(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        due = NewInvoice(amount_minor=10_000, issued_on=date(2026, 6, 1), due_on=date(2026, 6, 30))
        case_id = launched(session, book, opener(session, due), interest={"percent": "6.52"})
        day = date(2026, 7, 31)
        pay(session, case_id, 15_000, day)
        assert split(session, case_id) == [("0.00", "0.54", "100.00", "49.46")]
        assert shown(session, case_id, date(2026, 12, 1)) == (0, 0, 0, 15_000)
        total = sum(line.amount.minor for line in statement(session, case_id, day))
        assert total == -4_946
        case = case_of(session, case_id)
        assert (case.status, case.close_reason) == (CaseStatus.CLOSED, CloseReason.PAID_IN_FULL)
        assert "case.closed" in session.scalars(select(EventInbox.type)).all()


@both_databases
def test_a_late_entry_takes_its_place_in_time(
    database: Database, opener: Opener, book: Any
) -> None:
    days = [(date(2026, 11, 20), 30_000), (date(2026, 11, 10), 20_000), (date(2026, 10, 1), 5_000)]
    outcomes = set()
    with database.unit() as session:
        for order in permutations(days):
            case_id = launched(session, book, opener(session))
            for day, minor in order:
                pay(session, case_id, minor, day, f"{case_id}/{day}")
            seen = [shown(session, case_id, date(2026, m, 25)) for m in (9, 10, 11)]
            outcomes.add((tuple(seen), tuple(split(session, case_id))))
        assert len(outcomes) == 1
        undone = session.scalars(select(LedgerTxn).where(LedgerTxn.reason == "RECOMPUTED")).all()
        assert {txn.kind for txn in undone} == {"INTEREST", "ALLOCATION"}


@both_databases
def test_the_same_key_books_once(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        whole = pay(session, case_id, 200_000, ON, "bank-1")
        assert case_of(session, case_id).status == CaseStatus.CLOSED
        before = session.scalar(select(func.count()).select_from(LedgerTxn))
        assert pay(session, case_id, 200_000, ON, "bank-1") == whole
        assert session.scalar(select(func.count()).select_from(LedgerTxn)) == before
        with pytest.raises(IdempotencyMismatch) as failure:
            pay(session, case_id, 200_001, ON, "bank-1")
        assert failure.value.path == ("input", "idempotencyKey")


@both_databases
def test_many_at_once_book_once_each(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        cases = [launched(session, book, opener(session)) for _ in range(2)]
    at = clock.now()

    def book_one(n: int) -> int:
        with clock.standing_at(at), database.unit() as session:
            return pay(session, cases[n % 2], 5_000, ON, f"bank-{n % 4}")

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(book_one, range(16)))
    with database.reading() as session:
        for n, case_id in enumerate(cases):
            listed = payments_of(session, [case_id])[case_id]
            assert {payment.id for payment in listed} == set(ids[n::2])
            assert shown(session, case_id, ON) == (91_240 + 2_500, 0, 0, 10_000)


@pytest.mark.parametrize(
    ("minor", "currency", "on", "reason"),
    [
        (0, "EUR", ON, "AMOUNT_NOT_POSITIVE"),
        (-1, "EUR", ON, "AMOUNT_NOT_POSITIVE"),
        (10**16, "EUR", ON, "SUM_TOO_LARGE"),
        (100, "USD", ON, "AMOUNT_CURRENCY"),
        (100, "EUR", date(2026, 12, 2), "PAYMENT_IN_FUTURE"),
    ],
)
def test_what_is_no_payment_is_refused(
    database: Database,
    opener: Opener,
    book: Any,
    minor: int,
    currency: str,
    on: date,
    reason: str,
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        with pytest.raises(Invalid, match=reason) as failure:
            record_payment(
                session, case_id, Money(minor, currency), received_on=on, key="1", by=None
            )
        assert failure.value.message("de") != failure.value.message("en")
        assert shown(session, case_id, ON)[3] == 0


def test_a_closed_case_takes_no_money(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        close(session, [case_id], CloseReason.WITHDRAWN, by=None)
        with pytest.raises(State, match="CASE_CLOSED"):
            pay(session, case_id, 100, ON)


@both_databases
def test_money_before_the_launch_is_kept_and_allocated_anew_by_the_link(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case = opener(session)
        pay(session, case.id, 10_000, date(2026, 10, 1))
        assert split(session, case.id) == [("0.00", "0.00", "100.00", "0.00")]
        with pytest.raises(State, match="CASE_HAS_PAYMENTS"):
            delete_unlaunched(session, [case.id])
        linked(session, book, case)
        linked(session, book, case, costs={"amount": "7"})
        linked(session, book, case)
        # Interest was owed since default, the costs are later than the money.
        assert split(session, case.id) == [("0.00", "6.00", "94.00", "0.00")]
        assert shown(session, case.id, ON) == (90_600, 580, 2_500, 10_000)


@both_databases
def test_a_case_paid_before_its_launch_stays_closed(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case = opener(session)
        pay(session, case.id, 100_000, ON)
        linked(session, book, case)
        assert launch(session, [case.id], on=ON, by=None) == []
        assert shown(session, case.id, ON) == (0, 0, 0, 100_000)
        assert case_of(session, case.id).status == CaseStatus.CLOSED


@both_databases
@pytest.mark.parametrize("in_time", [True, False])
def test_money_in_the_breathing_space_reduces_the_principal(
    database: Database, opener: Opener, book: Any, *, in_time: bool
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session), days=14)
        if not in_time:
            end_breathing(session, [case_id])
        pay(session, case_id, 40_000, date(2026, 11, 6))
        if in_time:
            end_breathing(session, [case_id])
        assert split(session, case_id) == [("0.00", "0.00", "400.00", "0.00")]
        assert shown(session, case_id, date(2026, 11, 15)) == (60_000, 0, 0, 40_000)
        # 66 days on 1000.00 and ten on 600.00, charged at its end (DEFERRED).
        assert shown(session, case_id, date(2026, 11, 16)) == (60_000, 1_440, 2_500, 40_000)


@both_databases
@pytest.mark.parametrize("in_time", [True, False])
def test_paid_in_full_inside_the_breathing_space_nothing_is_ever_added(
    database: Database, opener: Opener, book: Any, *, in_time: bool
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session), days=14)
        if not in_time:
            end_breathing(session, [case_id])
        pay(session, case_id, 100_000, date(2026, 11, 15))
        assert end_breathing(session, [case_id]) == []
        assert shown(session, case_id, date(2026, 12, 1)) == (0, 0, 0, 100_000)
        assert case_of(session, case_id).close_reason == CloseReason.PAID_IN_FULL


DAYS = st.dates(date(2026, 8, 1), date(2026, 11, 30))
STEPS = st.lists(st.tuples(DAYS, st.integers(1, 19_000)), min_size=1, max_size=5)


@settings(max_examples=15)
@given(steps=STEPS, link_at=st.integers(0, 5), seed=st.randoms(use_true_random=False))
def test_the_order_of_entry_never_matters(
    database: Database, opener: Opener, book: Any, steps: Any, link_at: int, seed: Any
) -> None:
    moments = [date(2026, m, d) for m, d in ((8, 31), (9, 30), (11, 2), (11, 20), (12, 1))]
    other = seed.sample(steps, len(steps))
    with database.unit() as session:
        seen = []
        for n, entered in enumerate((steps, other)):
            case = opener(session)
            for position, (day, minor) in enumerate([*entered, (ON, 0)]):
                if position == (link_at if n else 0) or (not minor and link_at > len(steps) and n):
                    launched(session, book, case)
                if minor:
                    pay(session, case.id, minor, day, f"{case.id}/{position}")
            seen.append([shown(session, case.id, moment) for moment in moments])
            for moment in moments:
                open_ = balances(session, [case.id], moment)[case.id].open.minor
                lines = statement(session, case.id, moment)
                assert sum(line.amount.minor for line in lines) == open_
        assert seen[0] == seen[1]
        unbalanced = select(LedgerEntry.txn_id).group_by(LedgerEntry.txn_id)
        assert not session.scalars(unbalanced.having(func.sum(LedgerEntry.amount) != 0)).all()
