"""Overpaid money given back to the debtor: never more than there is in trust."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases import ledger
from finview.cases.allocation import recompute
from finview.cases.ledger_models import AccountKind, LedgerTxn, TxnKind
from finview.cases.lifecycle import locked, zone
from finview.cases.models import Case
from finview.cases.payments import payments_of
from finview.cases.postings import account
from finview.cases.reading import read_claims
from finview.cases.reasons import given_reason
from finview.cases.received import check_amount
from finview.cases.timeline import note
from finview.customers.models import Customer
from finview.db import audit, events
from finview.errors import Invalid, State
from finview.i18n import N_, sentences
from finview.money import Money, minor_text, parse_minor

CODES = sentences(
    {
        "REFUND_NOTHING": N_("There is nothing in trust that was overpaid on this case."),
        "REFUND_ABOVE_OVERPAID": N_("Not more than what was overpaid can be refunded: {overpaid}."),
    }
)

RULE = "refund.overpaid"


def refund_overpaid(
    session: Session, case_id: int, amount: Money | None, reason: str, *, key: str, by: int | None
) -> int:
    """Refund overpaid money of a case, all of it or an amount, and return the transaction's id.

    Effective today; from then on the money pays no claim of the case. What the customer received
    itself it refunds itself. The same key refunds once. Raises `State` (REFUND_NOTHING), `Invalid`
    (AMOUNT_…, REFUND_ABOVE_OVERPAID), `Required` without a reason.
    """
    reason = given_reason(reason, ("input", "reason"))
    case = locked(session, case_id)
    name = f"refund:{ledger.key_of(by, key)}"
    earlier = session.scalar(select(LedgerTxn.id).where(LedgerTxn.idem_key == name))
    if earlier is not None:
        return earlier
    if amount is not None:
        check_amount(case, amount)
    there = refundable(session, case)
    if there.minor <= 0:
        raise State("REFUND_NOTHING", path=("input", "caseId"))
    given = amount or there
    if given.minor > there.minor:
        told = f"{there.text} {there.currency}"
        raise Invalid("REFUND_ABOVE_OVERPAID", path=("input", "amount", "amount"), overpaid=told)
    (made,) = ledger.post(session, [_posting(session, case, given, reason, name)], by=by)
    recompute(session, [case_id], by=by)
    paid = {"minor": given.minor, "currency": given.currency}
    params = {"amount": paid, "reason": reason}
    note(session, "TIMELINE_REFUNDED", [case_id], by=by, params=params)
    audit.record(session, "payment.refund", actor_id=by, subject=("case", case_id), refund=made)
    payload = {"txn_id": made, **paid}
    events.emit(
        session, "payment.refunded", case_id=case_id, payload=payload, dedupe=f"refund:{made}"
    )
    return made


def refundable(session: Session, case: Case) -> Money:
    """Return what was overpaid on a case, lies in trust, and was not refunded."""
    claims = read_claims(session, [case.id], as_of=date.max)[case.id]
    over = -sum(row.amount for row in claims.lines if row.account == AccountKind.OVERPAID)
    return Money(over - _direct_overpaid(session, case), case.currency)


def _direct_overpaid(session: Session, case: Case) -> int:
    """Return what of the money the customer received itself paid nothing."""
    payments = payments_of(session, [case.id])[case.id]
    direct = _direct(session, [payment.id for payment in payments])
    return sum(
        parse_minor(payment.allocation["overpaid"], case.currency)
        for payment in payments
        if payment.id in direct
    )


def _direct(session: Session, payment_ids: Sequence[int]) -> set[int]:
    wanted = select(LedgerTxn.id).where(
        LedgerTxn.id.in_(payment_ids), LedgerTxn.rule == "payment.direct"
    )
    return set(session.scalars(wanted))


def _posting(
    session: Session, case: Case, amount: Money, reason: str, idem_key: str
) -> ledger.Posting:
    unit = session.get_one(Customer, case.customer_id).business_unit_id
    claims = read_claims(session, [case.id], as_of=date.max)[case.id]
    bank = ledger.Account(
        kind=AccountKind.BANK_TRUST, currency=case.currency, business_unit_id=unit
    )
    return ledger.Posting(
        case_id=case.id,
        kind=TxnKind.REFUND,
        effective_on=clock.today(zone(session, case)),
        idem_key=idem_key,
        lines=((account(claims, AccountKind.OVERPAID), amount.minor), (bank, -amount.minor)),
        rule=RULE,
        inputs={"amount": minor_text(amount.minor, amount.currency), "currency": amount.currency},
        reason=reason,
    )
