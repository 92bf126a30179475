"""Payments: recorded once, kept for good, allocated, and told as the API shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases import ledger
from finview.cases.agreements import follow_up
from finview.cases.allocation import COSTS, INTEREST, PRINCIPAL, payments_in, reallocate
from finview.cases.components import Breathing
from finview.cases.financials import undo_charges
from finview.cases.ledger_models import AccountKind, LedgerTxn, TxnKind
from finview.cases.lifecycle import locked, zone
from finview.cases.models import Case, CaseStatus
from finview.cases.reading import read_claims
from finview.cases.received import check_amount, received
from finview.cases.timeline import chunks, note
from finview.customers.models import Customer
from finview.db import audit, events
from finview.errors import IdempotencyMismatch, Invalid, State
from finview.i18n import N_, sentences
from finview.money import Money, minor_text, parse_minor

CODES = sentences(
    {
        "PAYMENT_IN_FUTURE": N_("The day of receipt lies in the future."),
        "PAYMENT_REFERENCE": N_("A reference has at most {max} characters."),
    }
)

REFERENCE_CHARS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money received on a case; `allocation` holds decimal texts by category."""

    id: int
    case_id: int
    received_on: date
    amount: Money
    allocation: dict[str, Any]


def record_payment(
    session: Session,
    case_id: int,
    amount: Money,
    *,
    received_on: date,
    key: str,
    reference: str | None = None,
    by: int | None,
) -> int:
    """Record money received in trust and return its id; everything that follows is done at once.

    It is allocated as of its day of receipt, whenever it is entered: interest up to that day is
    posted first. When nothing is open any more the case closes. The same `key` of the same user
    has one effect. Raises `State` (CASE_CLOSED), `Invalid` (AMOUNT_…, PAYMENT_…) and
    `IdempotencyMismatch`.
    """
    case = locked(session, case_id)
    idem_key = f"payment:{ledger.key_of(by, key)}"
    known = session.scalar(select(LedgerTxn.id).where(LedgerTxn.idem_key == idem_key))
    if known is None:
        _check(session, case, amount, received_on, reference)
    posting = _posting(session, case, amount, received_on, reference, idem_key)
    try:
        (payment_id,) = ledger.post(session, [posting], by=by)
    except IdempotencyMismatch:
        raise IdempotencyMismatch(path=("input", "idempotencyKey")) from None
    if known is not None:
        return payment_id
    if case.charges_from is not None and Breathing.model_validate(case.breathing or {}).enabled:
        _undo_charges_never_due(session, case_id, by)
    reallocate(session, [case_id], by=by)
    told = {"minor": amount.minor, "currency": amount.currency}
    params = {"amount": told, "on": received_on.isoformat()}
    note(session, "TIMELINE_PAYMENT_RECORDED", [case_id], by=by, params=params)
    audit.record(
        session, "payment.record", actor_id=by, subject=("case", case_id), payment=payment_id
    )
    payload = {"payment_id": payment_id, **told}
    events.emit(
        session, "PAYMENT", case_id=case_id, payload=payload, dedupe=f"payment:{payment_id}"
    )
    follow_up(session, case_id, by=by)
    return payment_id


def _check(
    session: Session, case: Case, amount: Money, received_on: date, reference: str | None
) -> None:
    if case.status == CaseStatus.CLOSED:
        raise State("CASE_CLOSED", path=("input", "caseId"))
    check_amount(case, amount)
    if received_on > clock.today(zone(session, case)):
        raise Invalid("PAYMENT_IN_FUTURE", path=("input", "receivedOn"))
    if len(reference or "") > REFERENCE_CHARS_MAX:
        path = ("input", "reference")
        raise Invalid("PAYMENT_REFERENCE", path=path, max=REFERENCE_CHARS_MAX)


def _posting(
    session: Session,
    case: Case,
    amount: Money,
    received_on: date,
    reference: str | None,
    idem_key: str,
) -> ledger.Posting:
    unit = session.get_one(Customer, case.customer_id).business_unit_id
    bank = ledger.Account(
        kind=AccountKind.BANK_TRUST, currency=case.currency, business_unit_id=unit
    )
    waiting = ledger.Account(kind=AccountKind.UNALLOCATED, currency=case.currency, case_id=case.id)
    return ledger.Posting(
        case_id=case.id,
        kind=TxnKind.PAYMENT,
        effective_on=received_on,
        idem_key=idem_key,
        lines=((bank, amount.minor), (waiting, -amount.minor)),
        rule="payment.recorded",
        inputs={
            "amount": minor_text(amount.minor, amount.currency),
            "currency": amount.currency,
            **({"reference": reference} if reference else {}),
        },
    )


def _undo_charges_never_due(session: Session, case_id: int, by: int | None) -> None:
    """Take the charges back when the principal was paid inside the breathing space.

    The payment may be entered after its end; then nothing is ever added (money.md 7).
    """
    case = read_claims(session, [case_id], as_of=date.max)[case_id]
    charged = case.charges_from
    assert charged is not None, "the caller has seen that the case is charged"
    paid = sum(payment.minor for payment in payments_in(case) if payment.on < charged)
    principal = sum(
        row.amount
        for row in case.lines
        if row.kind == TxnKind.OPEN and row.account == AccountKind.PRINCIPAL
    )
    if 0 < principal <= paid:
        undo_charges(session, case_id, by=by)


def payments_of(session: Session, case_ids: Sequence[int]) -> dict[int, list[Payment]]:
    """Return the payments of cases in order of receipt; two statements for each thousand cases."""
    found: dict[int, list[Payment]] = {key: [] for key in case_ids}
    for chunk in chunks(sorted(found)):
        parts = _allocations(session, chunk)
        for case_id, payments in received(session, chunk).items():
            for payment in payments:
                amount = Money(payment.minor, payment.currency)
                found[case_id].append(
                    Payment(
                        id=payment.id,
                        case_id=case_id,
                        received_on=payment.on,
                        amount=amount,
                        allocation=_told(parts.get(payment.id, []), amount),
                    )
                )
    return found


def _allocations(session: Session, case_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return what the allocations that stand were computed as, by payment, in order of their day."""
    undone = select(LedgerTxn.reverses_id).where(
        LedgerTxn.case_id.in_(case_ids), LedgerTxn.reverses_id.is_not(None)
    )
    rows = session.scalars(
        select(LedgerTxn.inputs)
        .where(
            LedgerTxn.case_id.in_(case_ids),
            LedgerTxn.kind == TxnKind.ALLOCATION,
            LedgerTxn.sealed == 1,
            LedgerTxn.reverses_id.is_(None),
            LedgerTxn.id.not_in(undone),
        )
        .order_by(LedgerTxn.effective_on, LedgerTxn.id)
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for inputs in rows:
        found.setdefault(inputs["payment"], []).append(inputs)
    return found


def _told(parts: Sequence[dict[str, Any]], amount: Money) -> dict[str, Any]:
    """Add up what a payment paid; what it could not pay at last is overpaid."""
    sums = {
        name: sum(parse_minor(part[name], amount.currency) for part in parts)
        for name in (COSTS, INTEREST, PRINCIPAL)
    }
    sums["overpaid"] = amount.minor - sum(sums.values())
    told: dict[str, Any] = {
        name: minor_text(minor, amount.currency) for name, minor in sums.items()
    }
    return {**told, "order": parts[-1]["order"] if parts else None}
