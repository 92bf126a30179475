"""Statements to customers: collected once, shared by the components of each case, paid out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.cases import NewInvoice, OpenedCase
from finview.cases.client_models import (
    ClientStatement,
    ClientStatementClosing,
    ClientStatementPosition,
    ClientStatementTxn,
)
from finview.cases.client_statements import create_statement
from finview.cases.closing import close_case
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn
from finview.cases.lifecycle import launch
from finview.cases.models import Case, CloseReason
from finview.cases.receipts import record_payment
from finview.cases.reversal import reverse_payment
from finview.cases.verify import verify
from finview.customers.models import BusinessUnit, Customer
from finview.db import Database
from finview.db.jobs import Job
from finview.errors import FinviewError, Invalid, NotFound, State
from finview.money import Money

Opener = Callable[..., OpenedCase]
ON = date(2026, 11, 2)
NOVEMBER: dict[str, Any] = {"from_on": date(2026, 11, 1), "to_on": date(2026, 11, 30)}
DECEMBER: dict[str, Any] = {"from_on": date(2026, 12, 1), "to_on": date(2026, 12, 31)}
PLAIN = {"commissionPercent": "20"}
both_databases = pytest.mark.both_databases


@pytest.fixture(autouse=True)
def _december() -> Any:
    with clock.standing_at(datetime(2026, 12, 31, 12, tzinfo=UTC)):
        yield


def launched(session: Session, book: Any, case: OpenedCase, **terms: Any) -> int:
    link(
        session,
        [case.id],
        bucket_id=book.bucket,
        financials=Financials.model_validate(terms or PLAIN),
        breathing=Breathing(),
        on=ON,
        by=None,
    )
    launch(session, [case.id], on=ON, by=None)
    return case.id


def pay(session: Session, case_id: int, minor: int, on: date = ON, **more: Any) -> int:
    currency = session.get_one(Case, case_id).currency
    key = f"{case_id}/{on}/{minor}/{more}"
    amount = Money(minor, currency)
    return record_payment(session, case_id, amount, received_on=on, key=key, by=1, **more)


def settle(session: Session, book: Any, **given: Any) -> ClientStatement:
    return create_statement(session, book.customer, **{**NOVEMBER, **given}, by=1)


def sums(made: ClientStatement) -> tuple[int, int, int, int]:
    return made.collected_minor, made.commission_minor, made.vat_minor, made.payout_minor


def accounts(session: Session) -> dict[str, int]:
    """Return the balance of each account that isn't a case's."""
    rows = session.execute(
        select(LedgerAccount.kind, func.sum(LedgerEntry.amount))
        .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
        .where(LedgerAccount.case_id.is_(None))
        .group_by(LedgerAccount.kind)
    )
    return {kind: int(minor) for kind, minor in rows if minor}


@both_databases
def test_a_thousand_at_twenty_percent_pays_out_762(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        pay(session, launched(session, book, opener(session)), 100_000)
        made = settle(session, book)
        assert sums(made) == (100_000, 20_000, 3_800, 76_200)
        assert (made.vat_rule, made.vat_rate, made.number[:2]) == ("VAT_DOMESTIC", 190_000, "S-")
        assert accounts(session) == {
            AccountKind.BANK_OWN: 23_800,
            AccountKind.COMMISSION_INCOME: -20_000,
            AccountKind.VAT_PAYABLE: -3_800,
        }
        txn = session.get_one(LedgerTxn, made.payout_txn_id)
        assert (txn.kind, txn.inputs["payout"]) == ("PAYOUT", "762.00")
        assert verify(session).faults == ()
        assert session.scalars(select(Job.args).where(Job.kind == "client_statement.book")).all()


@both_databases
def test_each_line_is_taken_once_and_what_comes_later_comes_in_the_next(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        one, two = (launched(session, book, opener(session)) for _ in range(2))
        first = pay(session, one, 50_000, date(2026, 11, 20))
        pay(session, two, 10_000, date(2026, 12, 5))
        assert sums(settle(session, book))[0] == 50_000
        # Entered later: money of November, and the money of the first case went back.
        pay(session, two, 20_000, date(2026, 11, 25))
        reverse_payment(session, first, "returned debit", by=1)
        december = settle(session, book, **DECEMBER)
        assert sums(december) == (-20_000, -4_000, -760, -15_240)
        taken = select(func.count()).select_from(ClientStatementTxn)
        lines = select(func.count()).select_from(LedgerTxn).where(LedgerTxn.kind == "ALLOCATION")
        assert session.scalar(taken) == session.scalar(lines)
        total = session.scalar(select(func.sum(ClientStatementPosition.principal_minor)))
        assert total == 30_000


@both_databases
def test_what_a_customer_owes_is_set_off_in_the_next_statement(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        one, two = (launched(session, book, opener(session)) for _ in range(2))
        first = pay(session, one, 50_000)
        settle(session, book)
        reverse_payment(session, first, "returned debit", by=1)
        owed = settle(session, book, from_on=date(2026, 12, 1), to_on=date(2026, 12, 10))
        assert owed.payout_minor == -50_000 + 10_000 + 1_900
        assert accounts(session) == {AccountKind.CUSTOMER_PAYABLE: 38_100, "BANK_OWN": -38_100}
        pay(session, two, 100_000, date(2026, 12, 15))
        last = settle(session, book, from_on=date(2026, 12, 11), to_on=date(2026, 12, 31))
        assert (last.brought_forward_minor, last.payout_minor) == (38_100, 76_200 - 38_100)
        assert accounts(session) == {
            AccountKind.BANK_OWN: 23_800,
            AccountKind.COMMISSION_INCOME: -20_000,
            AccountKind.VAT_PAYABLE: -3_800,
        }


@both_databases
def test_direct_money_bears_commission_and_is_no_trust_money(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener(session))
        pay(session, case_id, 40_000)
        pay(session, case_id, 30_000, direct=True)
        made = settle(session, book)
        assert (made.collected_minor, made.direct_minor) == (40_000, 30_000)
        assert sums(made)[1:] == (14_000, 2_660, 40_000 - 16_660)
        assert accounts(session) == {
            AccountKind.BANK_OWN: 16_660,
            AccountKind.COMMISSION_INCOME: -14_000,
            AccountKind.VAT_PAYABLE: -2_660,
        }


@both_databases
def test_costs_the_agency_keeps_bear_all_of_them(
    database: Database, opener: Opener, book: Any
) -> None:
    terms = {**PLAIN, "costs": {"amount": "100"}, "commissionCostsPercent": "100"}
    taxed = {**terms, "vat": "IF_NOT_DEDUCTIBLE", "vatPercent": "19"}
    with database.unit() as session:
        customer = session.get_one(Customer, book.customer)
        pre = NewInvoice(amount_minor=10_000, issued_on=ON, due_on=ON, costs_minor=1_000)
        plain = launched(session, book, opener(session, pre), **terms)
        customer.company = {"vatDeductible": False}
        session.flush()
        with_vat = launched(session, book, opener(session, pre), **taxed)
        for case_id in (plain, with_vat):
            pay(session, case_id, 21_000 if case_id == plain else 22_900)
        settle(session, book)
        rows = session.scalars(
            select(ClientStatementPosition).order_by(ClientStatementPosition.case_id)
        ).all()
        kept = [(p.costs_before_minor, p.costs_minor, p.costs_vat_minor) for p in rows]
        assert kept == [(1_000, 10_000, 0), (1_000, 10_000, 1_900)]
        # All of the costs, a fifth of the principal and of the creditor's own earlier costs.
        assert {(p.commission_minor, p.vat_minor) for p in rows} == {(12_200, 2_318)}


@both_databases
def test_the_closure_list_tells_reason_and_what_was_not_collected(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        paid, lost, still = (launched(session, book, opener(session)) for _ in range(3))
        with clock.standing_at(datetime(2026, 11, 20, 12, tzinfo=UTC)):
            pay(session, paid, 100_000)
            pay(session, lost, 30_000)
            close_case(session, lost, CloseReason.WRITTEN_OFF, "insolvent", by=1)
        close_case(session, still, CloseReason.WITHDRAWN, "wanted back", by=1)
        made = settle(session, book)
        rows = session.scalars(
            select(ClientStatementClosing).order_by(ClientStatementClosing.case_id)
        ).all()
        assert [(r.case_id, r.reason, r.remaining_minor) for r in rows] == [
            (paid, "PAID_IN_FULL", 0),
            (lost, "WRITTEN_OFF", 70_000),
        ]
        assert {r.closed_on for r in rows} == {date(2026, 11, 20)}
        later = settle(session, book, **DECEMBER)
        listed = select(ClientStatementClosing.case_id, ClientStatementClosing.remaining_minor)
        found = session.execute(listed.where(ClientStatementClosing.statement_id == later.id))
        assert [tuple(row) for row in found] == [(still, 100_000)]
        assert made.id != later.id


@both_databases
def test_a_statement_never_changes(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        pay(session, launched(session, book, opener(session)), 100_000)
        settle(session, book)
    models = (ClientStatement, ClientStatementTxn, ClientStatementPosition)
    changes = [
        update(ClientStatement).values(payout_minor=1),
        update(ClientStatementPosition).values(commission_minor=1),
        *(delete(model) for model in models),
    ]
    for change in changes:
        with pytest.raises(IntegrityError, match="append-only"), database.unit() as session:
            session.execute(change)


@pytest.mark.parametrize(
    ("given", "kind", "reason", "place"),
    [
        ({"to_on": date(2026, 10, 31)}, Invalid, "STATEMENT_PERIOD", "to"),
        ({"to_on": date(2027, 1, 1)}, Invalid, "STATEMENT_FUTURE", "to"),
        ({"from_on": date(2025, 11, 1)}, Invalid, "STATEMENT_TOO_LONG", "from"),
        ({"from_on": date.min}, Invalid, "STATEMENT_TOO_EARLY", "from"),
        ({"to_on": date.max}, Invalid, "STATEMENT_FUTURE", "to"),
    ],
)
def test_what_is_no_period_is_refused(
    database: Database, book: Any, given: Any, kind: type[FinviewError], reason: str, place: str
) -> None:
    with database.unit() as session:
        with pytest.raises(kind, match=reason) as failure:
            settle(session, book, **given)
        assert failure.value.path == (place,)
        assert failure.value.message("de") != failure.value.message("en")


def test_periods_follow_each_other(database: Database, book: Any) -> None:
    with database.unit() as session:
        with pytest.raises(NotFound):
            create_statement(session, 999, **NOVEMBER, by=1)
        settle(session, book)
        october = {"from_on": date(2026, 10, 1), "to_on": date(2026, 10, 31)}
        same_end = {"from_on": date(2026, 11, 30), "to_on": date(2026, 12, 2)}
        for given in (NOVEMBER, october, same_end):
            with pytest.raises(State, match="STATEMENT_OVERLAP") as failure:
                settle(session, book, **given)
            assert "01.12.2026" in failure.value.message("de")
        assert sums(settle(session, book, **DECEMBER)) == (0, 0, 0, 0)


@both_databases
def test_two_at_once_settle_once(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        pay(session, launched(session, book, opener(session)), 100_000)
    at = clock.now()

    def one(_: int) -> str:
        try:
            with clock.standing_at(at), database.unit() as session:
                return str(settle(session, book).payout_minor)
        except State as refused:
            return refused.reason or ""

    with ThreadPoolExecutor(3) as pool:
        found = sorted(pool.map(one, range(3)))
    assert found == ["76200", "STATEMENT_OVERLAP", "STATEMENT_OVERLAP"]


@both_databases
def test_each_currency_is_settled_by_itself(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        for currency in ("EUR", "USD"):
            case_id = launched(session, book, opener(session, currency=currency))
            pay(session, case_id, 100_000)
        with pytest.raises(Invalid, match="STATEMENT_CURRENCIES") as failure:
            settle(session, book)
        assert "EUR, USD" in failure.value.message("en")
        dollars = settle(session, book, currency="USD")
        assert (dollars.currency, sums(dollars)[0]) == ("USD", 100_000)
        euros = settle(session, book)
        assert (euros.currency, sums(euros)[0]) == ("EUR", 100_000)


@pytest.mark.parametrize(
    ("unit", "invoices", "customer", "rule", "rate"),
    [
        ({}, {}, {}, "VAT_DOMESTIC", 190_000),
        ({"country": "DE"}, {"vatPercent": "7"}, {"country": "DE"}, "VAT_DOMESTIC", 70_000),
        ({"country": "NL"}, {}, {}, "VAT_DOMESTIC", 210_000),
        ({"country": "DE"}, {}, {"country": "FR", "vatId": "FR1"}, "VAT_REVERSE_CHARGE", 0),
        ({"country": "DE"}, {}, {"country": "FR"}, "VAT_DOMESTIC", 190_000),
        ({"country": "DE"}, {}, {"country": "CH"}, "VAT_ABROAD", 0),
        ({"country": "GB"}, {}, {"country": "DE", "vatId": "DE1"}, "VAT_ABROAD", 0),
        ({"country": "FR"}, {}, {}, "VAT_RATE_MISSING", None),
    ],
)
def test_vat_goes_by_where_both_are(
    database: Database, book: Any, unit: Any, invoices: Any, customer: Any, rule: str, rate: Any
) -> None:
    with database.unit() as session:
        found = session.get_one(Customer, book.customer)
        found.company = customer
        seller = session.get_one(BusinessUnit, found.business_unit_id)
        seller.company, seller.invoice_settings = unit, invoices
        session.flush()
        if rate is None:
            with pytest.raises(Invalid, match=rule):
                settle(session, book)
            return
        made = settle(session, book)
        assert (made.vat_rule, made.vat_rate) == (rule, rate)
