"""The mail that tells a debtor that a case was paid, in full or in settlement: once, if set."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.cases.models import Case, CloseReason
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import plan
from finview.customers.models import Bucket, Customer
from finview.customers.preferences import chain, effective
from finview.db.jobs import SHORT, JobView, job

NODE = "closed"
# Setting, its template, and what is sent where no template was chosen.
MAILS = {
    CloseReason.PAID_IN_FULL: ("paid_in_full_mail", "paid_in_full_template", "case_closed_paid"),
    CloseReason.PAID_IN_SETTLEMENT: (
        "paid_in_settlement_mail",
        "paid_in_settlement_template",
        "case_closed_settled",
    ),
}


@job("communications.completion", shape=SHORT, queue="outreach")
def completion_job(session: Session, view: JobView) -> None:
    """Plan the mail of one closing."""
    plan_completion(session, view.args["case_id"])


def plan_completion(session: Session, case_id: int) -> None:
    """Plan the mail of a case that was paid, once per closing; never after a write-off.

    The setting is that of the bucket, else of the customer and so on. A case that was opened again
    meanwhile gets none.
    """
    case = session.scalars(select(Case).where(Case.id == case_id).with_for_update()).one_or_none()
    if case is None or case.closed_at is None or case.close_reason is None:
        return
    if case.launched_at is None:
        # Nobody wrote to this debtor yet, and its import can still be reverted.
        return
    found = MAILS.get(CloseReason(case.close_reason))
    if found is None:
        return
    switch, chosen, usual = found
    customer = session.get_one(Customer, case.customer_id)
    bucket = session.get(Bucket, case.bucket_id) if case.bucket_id else None
    settings = effective(session, chain(customer, bucket), "communication")
    if not settings[switch].value:
        return
    last = select(func.max(Outreach.planned_at)).where(
        Outreach.case_id == case_id, Outreach.node_id == NODE
    )
    before = session.scalar(last)
    if before is not None and before >= case.closed_at:
        return
    times = select(func.count()).where(Outreach.case_id == case_id, Outreach.node_id == NODE)
    plan(
        session,
        case,
        Channel.EMAIL,
        # No run plans it: each case is its own, below every run's id.
        run_id=-case_id,
        node=NODE,
        visit=1 + (session.scalar(times) or 0),
        template=str(settings[chosen].value or usual),
    )
