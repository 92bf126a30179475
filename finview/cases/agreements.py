"""What follows for a case from money received, or from the day an agreement was to be kept by."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.ledger_models import TxnKind
from finview.cases.lifecycle import close, locked, zone
from finview.cases.models import (
    AgreementState,
    Case,
    CaseStatus,
    CloseReason,
    PaymentPlan,
    Settlement,
)
from finview.cases.plans import progress
from finview.cases.received import newest_txn
from finview.cases.settlement import lapse, settle
from finview.cases.statement import balances
from finview.cases.timeline import note
from finview.cases.waivers import give_up
from finview.customers.models import Customer
from finview.customers.preferences import chain, effective
from finview.db.jobs import on_tick
from finview.money import Money

BATCH = 100
SMALL = "waiver.small_balance"
SMALL_MAX = 10_000_000
"""More minor units than the setting ever allows: above it the setting is not even read."""


def follow_up(session: Session, case_id: int, *, by: int | None) -> None:
    """Close an open case that is paid or settled, and bring its plan to what was received.

    Paid in full comes first: then nothing is waived (money.md 10).
    """
    case = locked(session, case_id)
    if case.status == CaseStatus.CLOSED:
        return
    today = clock.today(zone(session, case))
    left = balances(session, [case_id], today)[case_id].open.minor
    if 0 < left <= SMALL_MAX and left <= _small_balance(session, case):
        told = {"minor": left, "currency": case.currency}
        key = f"{SMALL}:{case_id}:{newest_txn(session, case_id)}"
        left -= give_up(
            session,
            case,
            kind=TxnKind.WAIVER,
            rule=SMALL,
            key=key,
            on=today,
            reason="SMALL_BALANCE",
            by=by,
        )
        note(session, "TIMELINE_REST_WAIVED", [case_id], by=by, params={"amount": told})
    if left <= 0:
        progress(session, case, by=by, closing=True)
        close(session, [case_id], CloseReason.PAID_IN_FULL, by=by)
    elif not settle(session, case, by=by):
        planned = case.status == CaseStatus.PAYMENT_PLAN
        progress(session, case, by=by)
        if planned:
            _close_if_paid(session, case, today, by)


def _close_if_paid(session: Session, case: Case, today: date, by: int | None) -> None:
    """Close a case of which nothing is left because a kept plan waived its interest."""
    still = balances(session, [case.id], today)[case.id].open.minor
    if still <= 0:
        close(session, [case.id], CloseReason.PAID_IN_FULL, by=by)


def _small_balance(session: Session, case: Case) -> int:
    """Return up to which rest a case counts as paid, by the setting of its customer."""
    customer = session.get_one(Customer, case.customer_id)
    setting = effective(session, chain(customer), "payments")["small_balance"]
    return int(Money.floor(setting.value, case.currency).minor)


@on_tick("cases.agreements")
def check_due(session: Session) -> int:
    """End settlements and plans whose day has passed without the money; return how many were due.

    The case is locked before its agreement is read again, as everywhere.
    """
    due: set[int] = set()
    for agreement in (PaymentPlan, Settlement):
        due |= set(
            session.scalars(
                select(agreement.case_id)
                .where(agreement.state == AgreementState.ACTIVE, agreement.check_at <= clock.now())
                .order_by(agreement.check_at)
                .limit(BATCH)
            )
        )
    for case_id in sorted(due):
        case = locked(session, case_id)
        if not settle(session, case, by=None):
            lapse(session, case)
            progress(session, case, by=None)
    return len(due)
