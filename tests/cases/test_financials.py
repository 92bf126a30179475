"""Charges: at the link or at the end of the breathing space, once, with the right date."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.cases.cases import NewInvoice, OpenedCase
from finview.cases.components import Breathing, Financials
from finview.cases.financials import apply_charges, link, withdraw_charges
from finview.cases.ledger_models import LedgerTxn, TxnKind
from finview.cases.lifecycle import close, end_breathing, launch
from finview.cases.models import Case, CaseStatus, CloseReason, DebtorKind
from finview.cases.statement import balances
from finview.db import Database
from finview.errors import State

Opener = Callable[..., OpenedCase]
pytestmark = pytest.mark.both_databases
ON = date(2026, 11, 2)
# 1000.00 due on 2026-08-31 at 7.3 %: 20 cents a day from 2026-09-01.
TERMS = {"costs": {"amount": "25.00"}, "admin": "2.50", "interest": {"percent": "7.3"}}


def linked(
    session: Session, book: Any, case: OpenedCase, breathing: Breathing | None = None, **terms: Any
) -> int:
    return link(
        session,
        [case.id],
        bucket_id=book.bucket,
        financials=Financials.model_validate(terms or TERMS),
        breathing=breathing or Breathing(),
        on=ON,
        by=None,
    )


def shown(session: Session, case: OpenedCase, day: date) -> tuple[int, int, int]:
    """Return principal, interest and costs at the end of a day."""
    balance = balances(session, [case.id], day)[case.id]
    parts = (balance.principal.minor, balance.interest.minor, balance.costs.minor)
    assert balance.open.minor == sum(parts)
    return parts


def postings(session: Session) -> int:
    charges = select(func.count()).where(LedgerTxn.kind != TxnKind.OPEN)
    return session.scalar(charges) or 0


def test_without_breathing_space_charges_show_from_the_link(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case = opener(session)
        assert linked(session, book, case) == 1
        assert shown(session, case, date(2026, 7, 31)) == (0, 0, 0)
        assert shown(session, case, date(2026, 11, 1)) == (100_000, 0, 0)
        assert shown(session, case, ON) == (100_000, 62 * 20, 2_750)
        assert shown(session, case, date(2026, 11, 12)) == (100_000, 72 * 20, 2_750)


def test_applying_twice_is_applying_once(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case = opener(session)
        linked(session, book, case)
        before = postings(session), shown(session, case, ON)
        assert apply_charges(session, [case.id], on=date(2026, 12, 1)) == 0
        assert (postings(session), shown(session, case, ON)) == before


@pytest.mark.parametrize(
    ("policy", "at_end", "later"),
    [("DEFERRED", 1520, 1620), ("WAIVED", 1240, 1340), ("FROM_END", 0, 100)],
)
def test_the_breathing_space_defers_costs_and_interest(
    database: Database, opener: Opener, book: Any, policy: str, at_end: int, later: int
) -> None:
    with database.unit() as session:
        case = opener(session)
        breathing = Breathing.model_validate({"enabled": True, "days": 14, "policy": policy})
        assert linked(session, book, case, breathing) == 0
        launch(session, [case.id], on=ON, by=None)
        assert shown(session, case, date(2026, 11, 21)) == (100_000, 0, 0)
        assert end_breathing(session, [case.id]) == [case.id]
        assert end_breathing(session, [case.id]) == []
        assert shown(session, case, date(2026, 11, 15)) == (100_000, 0, 0)
        assert shown(session, case, date(2026, 11, 16)) == (100_000, at_end, 2_750)
        assert shown(session, case, date(2026, 11, 21)) == (100_000, later, 2_750)
        assert session.get_one(Case, case.id, populate_existing=True).status == CaseStatus.ACTIVE


def test_what_the_creditor_charged_before_is_taken_over(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        day = date(2026, 8, 1)
        charged = NewInvoice(amount_minor=5_000, issued_on=day, costs_minor=250, interest_minor=31)
        case = opener(session, charged, NewInvoice(amount_minor=5_000, issued_on=day))
        linked(session, book, case, costs={"percent": "10"})
        assert shown(session, case, ON) == (10_000, 31, 1_250)


def test_linking_anew_withdraws_and_posts_again(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case = opener(session)
        linked(session, book, case)
        linked(session, book, case, costs={"amount": "30"})
        assert shown(session, case, ON) == (100_000, 0, 3_000)
        linked(session, book, case)
        assert shown(session, case, ON) == (100_000, 1_240, 2_750)
        linked(session, book, case, Breathing(enabled=True, days=3))
        assert shown(session, case, ON) == (100_000, 0, 0)
        assert withdraw_charges(session, [case.id]) == 0


def test_after_the_launch_components_stay(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case = opener(session)
        linked(session, book, case)
        launch(session, [case.id], on=ON, by=None)
        with pytest.raises(State, match="CASES_LAUNCHED_LINK"):
            linked(session, book, case, costs={"amount": "99"})
        assert shown(session, case, ON) == (100_000, 1_240, 2_750)


def test_a_closed_case_is_never_charged(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case = opener(session)
        linked(session, book, case, Breathing(enabled=True, days=14))
        launch(session, [case.id], on=ON, by=None)
        close(session, [case.id], CloseReason.PAID_IN_FULL, by=None)
        assert end_breathing(session, [case.id]) == []
        assert apply_charges(session, [case.id], on=date(2026, 11, 16)) == 0
        assert postings(session) == 0


@pytest.mark.parametrize(("kind", "costs"), [("BUSINESS", 4_000 + 4_000), ("CONSUMER", 1_000)])
def test_the_lump_sum_is_for_late_businesses_only(
    database: Database, opener: Opener, book: Any, kind: str, costs: int
) -> None:
    late = NewInvoice(amount_minor=100, issued_on=date(2026, 8, 1), due_on=date(2026, 8, 31))
    not_due = NewInvoice(amount_minor=100, issued_on=date(2026, 8, 1), due_on=date(2026, 12, 31))
    with database.unit() as session:
        case = opener(session, late, late, not_due, kind=DebtorKind(kind))
        linked(session, book, case, lumpSum=True, costs={"amount": "10"})
        # 2 · 40.00, of which the 10.00 of costs are a part (§ 288(5) sentence 3 BGB).
        assert shown(session, case, ON)[2] == costs


def test_each_currency_keeps_its_own_minor_units(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        yen = NewInvoice(amount_minor=1_500, issued_on=date(2026, 8, 1), due_on=date(2026, 8, 31))
        case = opener(session, yen, currency="JPY")
        linked(session, book, case, costs={"amount": "300"})
        assert shown(session, case, ON) == (1_500, 0, 300)
        assert balances(session, [case.id], ON)[case.id].costs.text == "300"
