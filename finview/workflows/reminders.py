"""A payment plan's own messages: a reminder before each instalment, a notice when one was missed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.lifecycle import zone
from finview.cases.models import Case, PaymentPlan
from finview.cases.plans import plan_of, remind_on, tolerance_of
from finview.communications.facts import email_of, phone_of, postal_of
from finview.communications.instalments import Due, left_of
from finview.communications.models import Channel, Outreach, OutreachState
from finview.communications.outreach import plan as plan_contact
from finview.customers.models import Bucket, Customer
from finview.customers.preferences import chain, effective
from finview.workflows.models import Run, TimerKind, WorkflowVersion
from finview.workflows.runs import ACTING, arm, disarm

REMINDER, MISSED = "plan:reminder", "plan:missed"
"""Nodes of no graph: their visit is the number of the instalment."""

_MESSAGES = {REMINDER: "plan_reminder", MISSED: "plan_missed"}
_CHANNELS = {
    REMINDER: (Channel.EMAIL, Channel.SMS),
    MISSED: (Channel.EMAIL, Channel.LETTER),
}
_POINTS = {Channel.EMAIL: email_of, Channel.SMS: phone_of, Channel.LETTER: postal_of}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Something to be sent on a day, or once it has come."""

    on: date
    node: str
    due: Due


def check(session: Session, case: Case, run: Run) -> None:
    """Send what is due of a plan's messages, each once, and set the timer of the next one.

    Everything follows from the plan, the money received and the settings as they are now, so a
    changed setting, a payment or a late wake need nothing of their own. The case is locked.
    """
    row = session.get(PaymentPlan, run.subject_id) if run.subject_id is not None else None
    if row is None or run.status not in ACTING:
        return
    told, tolerance = plan_of(session, row), tolerance_of(session, case)
    left = left_of(told, tolerance.minor)
    _forget_paid(session, run, left)
    sent = _sent(session, run)
    at = zone(session, case)
    today, days = clock.today(at), _days(session, case)
    ahead: list[_Step] = []
    for part in told.parts:
        if part.number not in left:
            continue
        due = Due(
            plan_id=row.id,
            number=part.number,
            count=len(told.parts),
            minor=left[part.number],
            due_on=part.due_on,
            new_date=max(part.due_on + timedelta(days=tolerance.days), today),
        )
        reminder = _Step(on=remind_on(part.due_on, days, row.agreed_on), node=REMINDER, due=due)
        missed = _Step(on=part.due_on + timedelta(days=1), node=MISSED, due=due)
        for step in (reminder, missed):
            if step.on > today:
                ahead.append(step)
            elif (step.node, part.number) not in sent and (step is missed or today <= part.due_on):
                _send(session, case, run, step)
    _set_timer(session, run, ahead, at)


def _days(session: Session, case: Case) -> int:
    """Return how many days before its due day an instalment is reminded of, read live."""
    customer = session.get_one(Customer, case.customer_id)
    bucket = session.get(Bucket, case.bucket_id) if case.bucket_id else None
    found = effective(session, chain(customer, bucket), "workflow")
    return int(found["payment_plan_reminder_days"].value)


def _sent(session: Session, run: Run) -> set[tuple[str, int]]:
    """Return which messages were planned; one taken back by a hold, and not by money, may go again."""
    rows = session.execute(
        select(Outreach.node_id, Outreach.visit).where(
            Outreach.run_id == run.id,
            Outreach.node_id.in_((REMINDER, MISSED)),
            Outreach.state != OutreachState.CANCELLED,
        )
    )
    return {(row.node_id, row.visit) for row in rows}


def _forget_paid(session: Session, run: Run, left: Iterable[int]) -> None:
    """Cancel what was planned for instalments that are covered meanwhile."""
    session.execute(
        update(Outreach)
        .where(
            Outreach.run_id == run.id,
            Outreach.node_id.in_((REMINDER, MISSED)),
            Outreach.state == OutreachState.PLANNED,
            Outreach.visit.not_in(list(left)),
        )
        .values(state=OutreachState.CANCELLED, ended_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def _send(session: Session, case: Case, run: Run, step: _Step) -> None:
    """Plan a message by the first of its channels on which the debtor can be reached."""
    able = [c for c in _CHANNELS[step.node] if _POINTS[c](session, case.debtor_id) is not None]
    if not able:
        return
    plan_contact(
        session,
        case,
        able[0],
        run_id=run.id,
        node=step.node,
        visit=step.due.number,
        template=_MESSAGES[step.node],
        params=step.due.params(),
        workflow_id=session.get_one(WorkflowVersion, run.version_id).workflow_id,
    )


def _set_timer(session: Session, run: Run, ahead: list[_Step], at: str) -> None:
    disarm(session, run, TimerKind.REMINDER, TimerKind.OVERDUE)
    soonest = min(ahead, key=lambda step: step.on, default=None)
    if soonest is not None:
        kind = TimerKind.REMINDER if soonest.node == REMINDER else TimerKind.OVERDUE
        arm(session, run, kind, clock.start_of(soonest.on, at))
