"""A payment that went back: as if it had never come; what it closed opens again."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases import ledger
from finview.cases.agreements import follow_up
from finview.cases.allocation import recompute
from finview.cases.closing import opened_again
from finview.cases.ledger_models import LedgerTxn, TxnKind
from finview.cases.lifecycle import locked, zone
from finview.cases.models import CaseStatus, CloseReason
from finview.cases.plans import broken_by_reversal
from finview.cases.reasons import given_reason
from finview.cases.statement import balances
from finview.cases.timeline import note
from finview.db import audit, events
from finview.errors import NotFound, State
from finview.i18n import N_, sentences
from finview.money import Money, parse_minor

CODES = sentences({"PAYMENT_REVERSED": N_("This payment was reversed before.")})


def reverse_payment(session: Session, payment_id: int, reason: str, *, by: int | None) -> int:
    """Reverse a payment as of its day of receipt and return the id of its case.

    Everything is computed as if it had never been received; fees of the bank are added by hand. A
    case it closed opens again when something is open, a settlement it kept fails or runs on. Raises
    `NotFound`, `Required` without a reason, `State` (PAYMENT_REVERSED).
    """
    reason = given_reason(reason, ("input", "reason"))
    txn = session.get(LedgerTxn, payment_id)
    if txn is None or txn.kind != TxnKind.PAYMENT or txn.case_id is None:
        raise NotFound
    case = locked(session, txn.case_id)
    mirror = select(LedgerTxn.id).where(LedgerTxn.reverses_id == payment_id)
    if txn.reverses_id is not None or session.scalar(mirror) is not None:
        raise State("PAYMENT_REVERSED", path=("input", "paymentId"))
    ledger.reverse(session, [payment_id], by=by, reason=reason)
    recompute(session, [case.id], by=by)
    minor = parse_minor(txn.inputs["amount"], txn.inputs["currency"])
    told = {"minor": minor, "currency": case.currency}
    params = {"amount": told, "on": txn.effective_on.isoformat(), "reason": reason}
    note(session, "TIMELINE_PAYMENT_REVERSED", [case.id], by=by, params=params)
    audit.record(
        session, "payment.reverse", actor_id=by, subject=("case", case.id), payment=payment_id
    )
    if case.status == CaseStatus.CLOSED:
        _reopen(session, case.id, reason, by)
    broken_by_reversal(session, case.id, by=by)
    events.emit(
        session,
        "PAYMENT_REVERSED",
        case_id=case.id,
        payload={"payment_id": payment_id, **told},
        dedupe=f"payment-reversed:{payment_id}",
    )
    follow_up(session, case.id, by=by)
    return case.id


def _reopen(session: Session, case_id: int, reason: str, by: int | None) -> None:
    """Open a closed case again if the money leaves something open that was not given up."""
    case = locked(session, case_id)
    settled = case.close_reason == CloseReason.PAID_IN_SETTLEMENT
    today = clock.today(zone(session, case))
    left: Money = balances(session, [case_id], today)[case_id].open
    if settled or left.minor > 0:
        opened_again(session, case, reason, by=by)
