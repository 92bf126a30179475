"""Cases: open in bulk with their invoices and claim accounts, launch, close, delete unlaunched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases import ledger
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn, TxnKind
from finview.cases.models import Case, CaseStatus, Invoice, TimelineEntry
from finview.cases.numbers import normalised, reserve_numbers
from finview.cases.timeline import chunks, entry
from finview.db.base import table_of
from finview.db.bulk import bulk_insert, reserve_ids
from finview.errors import Invalid, State
from finview.i18n import N_, sentences
from finview.money import minor_text

CODES = sentences(
    {
        "INVOICE_AMOUNT": N_("An invoice needs an amount above zero."),
        "CASE_WITHOUT_INVOICE": N_("A case needs at least one invoice."),
        "CASE_LAUNCHED": N_("{count} case(s) were launched and can't be deleted."),
        "CASE_HAS_PAYMENTS": N_("{count} case(s) have received money and can't be deleted."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvoice:
    """A claim to open, in minor units of its case's currency."""

    amount_minor: int
    number: str | None = None
    issued_on: date | None = None
    due_on: date | None = None
    costs_minor: int = 0
    interest_minor: int = 0
    paid_minor: int = 0
    description: str | None = None
    row_no: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """A case to open for a debtor that exists."""

    customer_id: int
    portfolio_id: int
    debtor_id: int
    currency: str
    invoices: tuple[NewInvoice, ...]
    customer_case_number: str | None = None
    customer_client_number: str | None = None
    contract_subject: str | None = None
    contract_date: date | None = None
    origin: str | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedCase:
    """A case that was opened, with the ids of its invoices in the order given."""

    id: int
    number: str
    invoice_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """How much `delete_unlaunched` deleted."""

    cases: int
    invoices: int
    postings: int


def open_cases(
    session: Session, cases: Sequence[NewCase], *, by: int | None, import_id: int | None = None
) -> list[OpenedCase]:
    """Open cases: invoices, one OPEN posting per invoice, a timeline entry; in bulk.

    The claim opened is the amount less what the debtor had paid the customer before; it takes
    effect on the day of the invoice, else on the day of opening. Costs and interest the customer
    adds wait for `financials.apply_charges`. Raises `Invalid`: INVOICE_AMOUNT,
    CASE_WITHOUT_INVOICE.
    """
    at = clock.now()
    ids = reserve_ids(session, Case, len(cases))
    numbers = reserve_numbers(session, "case", len(cases))
    invoice_ids = iter(reserve_ids(session, Invoice, sum(len(new.invoices) for new in cases)))
    opened: list[OpenedCase] = []
    rows: list[dict[str, Any]] = []
    invoices: list[dict[str, Any]] = []
    postings: list[ledger.Posting] = []
    for key, number, new in zip(ids, numbers, cases, strict=True):
        if not new.invoices:
            raise Invalid("CASE_WITHOUT_INVOICE")
        rows.append(_case_row(key, number, new, at=at, import_id=import_id))
        contra = ledger.Account(kind=AccountKind.CLAIM_CONTRA, currency=new.currency, case_id=key)
        own = tuple(next(invoice_ids) for _ in new.invoices)
        for invoice_id, invoice in zip(own, new.invoices, strict=True):
            invoices.append(_invoice_row(invoice_id, key, new, invoice))
            if invoice.amount_minor > invoice.paid_minor:
                postings.append(_opening(invoice_id, key, new, invoice, contra, at))
        opened.append(OpenedCase(id=key, number=number, invoice_ids=own))
    bulk_insert(session, Case, rows)
    bulk_insert(session, Invoice, invoices)
    ledger.post(session, postings, by=by, fresh=True)
    bulk_insert(
        session,
        TimelineEntry,
        [_opened_entry(k, n, at, by) for k, n in zip(ids, cases, strict=True)],
    )
    return opened


def delete_unlaunched(session: Session, case_ids: Sequence[int]) -> Deleted:
    """Delete cases for good with invoices, ledger rows and timeline (a revert).

    Raises `State`: CASE_LAUNCHED, CASE_HAS_PAYMENTS; then nothing is deleted. The database itself
    refuses launched cases as well.
    """
    blocked(session, case_ids)
    counts = {Case: 0, Invoice: 0, LedgerTxn: 0}
    for chunk in chunks(case_ids):
        txns = select(LedgerTxn.id).where(LedgerTxn.case_id.in_(chunk))
        session.execute(delete(table_of(LedgerEntry)).where(LedgerEntry.txn_id.in_(txns)))
        session.execute(delete(table_of(TimelineEntry)).where(TimelineEntry.case_id.in_(chunk)))
        reversals = LedgerTxn.case_id.in_(chunk) & LedgerTxn.reverses_id.is_not(None)
        reversed_ = session.execute(delete(table_of(LedgerTxn)).where(reversals))
        counts[LedgerTxn] += reversed_.rowcount  # type: ignore[attr-defined]  # a DELETE gives a CursorResult
        for model, column in (
            (LedgerTxn, LedgerTxn.case_id),
            (LedgerAccount, LedgerAccount.case_id),
            (Invoice, Invoice.case_id),
            (Case, Case.id),
        ):
            gone = session.execute(delete(table_of(model)).where(column.in_(chunk)))
            if model in counts:
                counts[model] += gone.rowcount  # type: ignore[attr-defined]  # as above
    return Deleted(cases=counts[Case], invoices=counts[Invoice], postings=counts[LedgerTxn])


def blocked(session: Session, case_ids: Sequence[int]) -> None:
    """Raise `State` (CASE_LAUNCHED, CASE_HAS_PAYMENTS) if any of the cases can't be deleted."""
    launched = paid = 0
    for chunk in chunks(case_ids):
        launched += session.execute(
            select(func.count()).where(Case.id.in_(chunk), Case.launched_at.is_not(None))
        ).scalar_one()
        paid += session.execute(
            select(func.count(LedgerTxn.case_id.distinct())).where(
                LedgerTxn.case_id.in_(chunk), LedgerTxn.kind == TxnKind.PAYMENT
            )
        ).scalar_one()
    if launched:
        raise State("CASE_LAUNCHED", count=launched)
    if paid:
        raise State("CASE_HAS_PAYMENTS", count=paid)


def _case_row(
    key: int, number: str, new: NewCase, *, at: datetime, import_id: int | None
) -> dict[str, Any]:
    return {
        "id": key,
        "number": number,
        "customer_id": new.customer_id,
        "portfolio_id": new.portfolio_id,
        "bucket_id": None,
        "debtor_id": new.debtor_id,
        "import_id": import_id,
        "customer_case_number": new.customer_case_number,
        "customer_case_number_norm": normalised(new.customer_case_number),
        "customer_client_number": new.customer_client_number,
        "currency": new.currency,
        "status": CaseStatus.NEW,
        "opened_at": at,
        "charge_round": 0,
        "contract_subject": new.contract_subject,
        "contract_date": new.contract_date,
        "origin": new.origin,
        "notes": new.notes,
        "lock_version": 1,
    }


def _invoice_row(key: int, case_id: int, new: NewCase, invoice: NewInvoice) -> dict[str, Any]:
    if invoice.amount_minor <= 0:
        raise Invalid("INVOICE_AMOUNT")
    return {
        "id": key,
        "case_id": case_id,
        "customer_id": new.customer_id,
        "portfolio_id": new.portfolio_id,
        "number": invoice.number,
        "number_norm": normalised(invoice.number),
        "issued_on": invoice.issued_on,
        "due_on": invoice.due_on,
        "amount_minor": invoice.amount_minor,
        "currency": new.currency,
        "costs_minor": invoice.costs_minor,
        "interest_minor": invoice.interest_minor,
        "paid_minor": invoice.paid_minor,
        "description": invoice.description,
        "row_no": invoice.row_no,
    }


def _opening(
    invoice_id: int,
    case_id: int,
    new: NewCase,
    invoice: NewInvoice,
    contra: ledger.Account,
    at: datetime,
) -> ledger.Posting:
    claim = ledger.Account(
        kind=AccountKind.PRINCIPAL, currency=new.currency, case_id=case_id, invoice_id=invoice_id
    )
    inputs = {"amount": minor_text(invoice.amount_minor, new.currency)}
    if invoice.paid_minor:
        inputs["paidBefore"] = minor_text(invoice.paid_minor, new.currency)
    return ledger.Posting(
        case_id=case_id,
        kind=TxnKind.OPEN,
        effective_on=invoice.issued_on or at.date(),
        idem_key=f"open:{invoice_id}",
        lines=ledger.claim_lines(claim, contra, invoice.amount_minor - invoice.paid_minor),
        rule="claim.principal",
        inputs=inputs,
    )


def _opened_entry(key: int, new: NewCase, at: datetime, by: int | None) -> dict[str, Any]:
    total = sum(i.amount_minor - i.paid_minor for i in new.invoices)
    return entry(
        "TIMELINE_CASE_OPENED",
        at=at,
        by=by,
        case_id=key,
        customer_id=new.customer_id,
        portfolio_id=new.portfolio_id,
        params={
            "invoices": len(new.invoices),
            "amount": {"minor": total, "currency": new.currency},
        },
    )
