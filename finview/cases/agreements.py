"""What follows for a case from money received, or from the day an agreement was to be kept by."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.lifecycle import close, locked, zone
from finview.cases.models import AgreementState, CaseStatus, CloseReason, PaymentPlan, Settlement
from finview.cases.plans import progress
from finview.cases.settlement import lapse, settle
from finview.cases.statement import balances
from finview.db.jobs import on_tick

BATCH = 100


def follow_up(session: Session, case_id: int, *, by: int | None) -> None:
    """Close an open case that is paid or settled, and bring its plan to what was received.

    Paid in full comes first: then nothing is waived (money.md 10).
    """
    case = locked(session, case_id)
    if case.status == CaseStatus.CLOSED:
        return
    today = clock.today(zone(session, case))
    if balances(session, [case_id], today)[case_id].open.minor <= 0:
        progress(session, case, by=by, closing=True)
        close(session, [case_id], CloseReason.PAID_IN_FULL, by=by)
    elif not settle(session, case, by=by):
        progress(session, case, by=by)


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
