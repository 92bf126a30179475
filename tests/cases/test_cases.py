"""Cases open in bulk, launch once, close, and go for good only while they were never launched."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from finview.cases.cases import NewCase, NewInvoice, OpenedCase, delete_unlaunched, open_cases
from finview.cases.components import Breathing, Financials
from finview.cases.debtors import NewDebtor, create_debtors
from finview.cases.financials import link
from finview.cases.ledger import Account, Posting, post
from finview.cases.ledger_models import (
    AccountKind,
    LedgerAccount,
    LedgerEntry,
    LedgerTxn,
    TxnKind,
)
from finview.cases.lifecycle import close, launch, set_status
from finview.cases.models import (
    Case,
    CaseStatus,
    CloseReason,
    Debtor,
    DebtorKind,
    Invoice,
    TimelineEntry,
)
from finview.cases.numbers import normalised, valid_number
from finview.cases.statement import balances
from finview.cases.timeline import entry_text
from finview.db import Database
from finview.db.base import table_of
from finview.db.events import EventInbox
from finview.errors import Invalid, State
from finview.money import Money

Opener = Callable[..., OpenedCase]
pytestmark = pytest.mark.both_databases
ON = date(2026, 11, 2)
TABLES = (Case, Invoice, LedgerAccount, LedgerTxn, LedgerEntry, TimelineEntry)


def rows(session: Session) -> dict[str, int]:
    counted = {table_of(m).name: select(func.count()).select_from(m) for m in TABLES}
    return {name: session.scalar(statement) or 0 for name, statement in counted.items()}


def linked(session: Session, book: Any, *case_ids: int, days: int = 0) -> None:
    breathing = Breathing(enabled=days > 0, days=days)
    terms = Financials.model_validate({"costs": {"amount": "25"}})
    link(
        session,
        case_ids,
        bucket_id=book.bucket,
        financials=terms,
        breathing=breathing,
        on=ON,
        by=None,
    )


def test_many_cases_open_with_their_invoices_in_order(database: Database, book: Any) -> None:
    with database.unit() as session:
        person = NewDebtor(kind=DebtorKind.CONSUMER, locale="de", last_name="Muster")
        debtors = create_debtors(session, [person] * 3, by=None, import_id=7)
        invoices = tuple(NewInvoice(amount_minor=100 + n, number=f"R/{n}") for n in range(4))
        common = {"customer_id": book.customer, "portfolio_id": book.portfolio, "currency": "EUR"}
        common |= {"invoices": invoices, "customer_case_number": "az-12/3"}
        new = [NewCase(debtor_id=debtor, **common) for debtor in debtors]
        opened = open_cases(session, new, by=None, import_id=7)
        numbers = [session.get_one(Invoice, key).number for key in opened[1].invoice_ids]
        assert numbers == ["R/0", "R/1", "R/2", "R/3"]
        assert session.get_one(Case, opened[2].id).customer_case_number_norm == "AZ123"
        assert rows(session) == {
            "case_file": 3,
            "invoice": 12,
            "ledger_account": 15,
            "ledger_txn": 12,
            "ledger_entry": 24,
            "timeline": 3,
        }


def test_received_money_blocks_deleting_and_stands_in_the_balance(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case = opener(session)
        bank = Account(kind=AccountKind.DIRECT_RECEIVED, currency="EUR", customer_id=book.customer)
        claim = Account(kind=AccountKind.UNALLOCATED, currency="EUR", case_id=case.id)
        payment = Posting(
            case_id=case.id,
            kind=TxnKind.PAYMENT,
            effective_on=ON,
            idem_key="payment:1",
            lines=((bank, 700), (claim, -700)),
            rule="payment.direct",
        )
        post(session, [payment], by=None)
        assert balances(session, [case.id], ON)[case.id].payments == Money(700, "EUR")
        with pytest.raises(State, match="CASE_HAS_PAYMENTS"):
            delete_unlaunched(session, [case.id])
    with pytest.raises(DatabaseError, match="append-only"), database.unit() as session:
        session.execute(text("DELETE FROM ledger_entry"))


def test_a_case_needs_an_invoice(database: Database, book: Any) -> None:
    new = NewCase(
        customer_id=book.customer,
        portfolio_id=book.portfolio,
        debtor_id=1,
        currency="EUR",
        invoices=(),
    )
    with pytest.raises(Invalid, match="CASE_WITHOUT_INVOICE"), database.unit() as session:
        open_cases(session, [new], by=None)


def test_what_was_paid_before_is_no_part_of_the_claim(database: Database, opener: Opener) -> None:
    with database.unit() as session:
        part = NewInvoice(amount_minor=10_000, paid_minor=2_500, number="1")
        whole = NewInvoice(amount_minor=5_000, paid_minor=5_000, number="2")
        case = opener(session, part, whole)
        (claim,) = session.scalars(select(LedgerTxn).where(LedgerTxn.case_id == case.id))
        assert claim.inputs == {"amount": "100.00", "paidBefore": "25.00"}
        amounts = sorted(session.scalars(select(LedgerEntry.amount)))
        assert amounts == [-7_500, 7_500]


def test_an_invoice_without_amount_is_refused(database: Database, opener: Opener) -> None:
    with pytest.raises(Invalid, match="INVOICE_AMOUNT"), database.unit() as session:
        opener(session, NewInvoice(amount_minor=0))


def test_a_revert_deletes_everything_of_its_cases_only(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        kept = opener(session)
        linked(session, book, kept.id)
        before = rows(session)
        gone = opener(
            session, NewInvoice(amount_minor=900, costs_minor=10), NewInvoice(amount_minor=1)
        )
        linked(session, book, gone.id)
        linked(session, book, gone.id)  # charges were reversed and posted again
        deleted = delete_unlaunched(session, [gone.id])
        assert (deleted.cases, deleted.invoices) == (1, 2)
        assert rows(session) == before


def test_after_the_launch_nothing_is_deleted(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        fresh, launched = opener(session), opener(session)
        linked(session, book, launched.id)
        launch(session, [launched.id], on=ON, by=None)
        before = rows(session)
        with pytest.raises(State, match="CASE_LAUNCHED"):
            delete_unlaunched(session, [fresh.id, launched.id])
        assert rows(session) == before


def test_numbers_are_never_given_again(database: Database, opener: Opener) -> None:
    seen: list[str] = []
    for _ in range(3):
        with database.unit() as session:
            case = opener(session)
            seen += [case.number, session.scalars(select(Debtor.number)).all()[-1]]
            delete_unlaunched(session, [case.id])
    assert len(set(seen)) == 6
    assert all(valid_number(number) for number in seen)


def test_a_number_with_a_typing_error_is_recognised() -> None:
    assert valid_number("C-1000017")
    assert not any(
        valid_number(wrong) for wrong in ("C-1000027", "C-0100017", "X-1000017", "C-", "")
    )
    assert normalised(" az 12-3/b ") == "AZ123B"
    assert normalised(" – ") is None


def test_launching_marks_once_and_starts_the_breathing_space(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        at_once, later = opener(session), opener(session)
        linked(session, book, at_once.id)
        linked(session, book, later.id, days=14)
        both = [at_once.id, later.id]
        ends = [case.breathing_ends_on for case in launch(session, both, on=ON, by=None)]
        assert ends == [None, date(2026, 11, 16)]
        assert launch(session, both, on=date(2026, 12, 1), by=None) == []
        statuses = session.scalars(select(Case.status).order_by(Case.id)).all()
        assert statuses == [CaseStatus.ACTIVE, CaseStatus.BREATHING_SPACE]


def test_without_bucket_no_launch(database: Database, opener: Opener) -> None:
    with database.unit() as session, pytest.raises(State, match="CASE_NOT_LINKED"):
        launch(session, [opener(session).id], on=ON, by=None)


def test_closing_happens_once_and_is_told(database: Database, opener: Opener) -> None:
    with database.unit() as session:
        case = opener(session)
        set_status(session, case.id, CaseStatus.DISPUTED, by=1)
        assert close(session, [case.id], CloseReason.WITHDRAWN, by=1) == 1
        assert close(session, [case.id], CloseReason.WRITTEN_OFF, by=1) == 0
        assert session.scalars(select(EventInbox.type)).all() == ["case.closed"]
        with pytest.raises(State, match="CASE_CLOSED"):
            set_status(session, case.id, CaseStatus.ACTIVE, by=1)


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en", ["Case opened with 1 invoice(s) over €1,000.00.", "Case closed: withdrawn."]),
        (
            "de",
            [
                "Akte mit 1 Rechnung(en) über 1.000,00\xa0€ eröffnet.",
                "Akte geschlossen: zurückgezogen.",
            ],
        ),
    ],
)
def test_the_timeline_speaks_both_languages(
    database: Database, opener: Opener, locale: str, words: list[str]
) -> None:
    with database.unit() as session:
        close(session, [opener(session).id], CloseReason.WITHDRAWN, by=1)
        entries = session.scalars(select(TimelineEntry).order_by(TimelineEntry.id)).all()
        assert [entry_text(e.code, e.params, locale) for e in entries] == words
        assert [e.actor_id for e in entries] == [None, 1]
