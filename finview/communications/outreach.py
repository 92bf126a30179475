"""A contact from planned to answered; the rows workflows plan, and what became of them."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, or_, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case
from finview.cases.tasks import settle_task
from finview.cases.timeline import note
from finview.communications.models import Channel, Outreach, OutreachState
from finview.communications.policy import ContactOutcome, Verdict, look, store
from finview.db.events import emit
from finview.db.jobs import Subject, enqueue
from finview.i18n import N_, sentences
from finview.plugins.contracts.node import OutreachView

sentences(
    {
        "TIMELINE_EMAIL_ACCEPTED": N_("An e-mail was sent: {template}."),
        "TIMELINE_EMAIL_REJECTED": N_("An e-mail was refused: {template}."),
        "TIMELINE_EMAIL_UNKNOWN": N_("Nobody can tell whether an e-mail left: {template}."),
        "TIMELINE_EMAIL_CANCELLED": N_("An e-mail was cancelled: {template}."),
        "TIMELINE_EMAIL_BLOCKED": N_("An e-mail was not allowed: {template}."),
        "TIMELINE_SMS_ACCEPTED": N_("A text message was sent: {template}."),
        "TIMELINE_SMS_REJECTED": N_("A text message was refused: {template}."),
        "TIMELINE_SMS_UNKNOWN": N_("Nobody can tell whether a text message left: {template}."),
        "TIMELINE_SMS_CANCELLED": N_("A text message was cancelled: {template}."),
        "TIMELINE_SMS_BLOCKED": N_("A text message was not allowed: {template}."),
        "TIMELINE_LETTER_ACCEPTED": N_("A letter was sent: {template}."),
        "TIMELINE_LETTER_REJECTED": N_("A letter was refused: {template}."),
        "TIMELINE_LETTER_UNKNOWN": N_("Nobody can tell whether a letter left: {template}."),
        "TIMELINE_LETTER_CANCELLED": N_("A letter was cancelled: {template}."),
        "TIMELINE_LETTER_BLOCKED": N_("A letter was not allowed: {template}."),
        "MESSAGE_BREATHING_SPACE_NOTICE": N_("notice of the breathing space"),
        "MESSAGE_FIRST_DEMAND": N_("first demand"),
        "MESSAGE_REMINDER": N_("reminder"),
        "MESSAGE_PLAN_REMINDER": N_("reminder of an instalment"),
        "MESSAGE_PLAN_MISSED": N_("notice of a missed instalment"),
        "MESSAGE_CASE_CLOSED_PAID": N_("confirmation that all is paid"),
        "MESSAGE_CASE_CLOSED_SETTLED": N_("confirmation that the settlement is kept"),
    }
)

OUTREACH_DONE = "OUTREACH"
"""The event that tells a run how a contact it planned ended."""

_KEYS = uuid.UUID("6b1f3c60-3f0b-4f5e-9a55-0e1f4d1d7a10")
S = OutreachState
OPEN = (S.PLANNED, S.SENDING)
WITHDRAWN = "WITHDRAWN"
SETTLING = "SETTLING"
"""The reason of an UNKNOWN contact whose provider can still say, or take it again; its run waits."""

NO_OUTCOME = "NO_OUTCOME"
CALL_WITHDRAW = "communications.call_withdraw"
CALL_SILENT = "communications.call_silent"
CALL_TASK = "communications.call_task"
TASK_LIST = "task-list"
"""The call centre that is the agency's own people."""
OUTCOME_DAYS = 3
"""So long a call may stay without an outcome, unless its node says otherwise."""


def plan(
    session: Session,
    case: Case,
    channel: Channel,
    *,
    run_id: int,
    node: str,
    visit: int,
    template: str,
    params: Mapping[str, Any] | None = None,
    workflow_id: int | None = None,
) -> Outreach:
    """Plan one contact of a workflow's node in the caller's transaction, which holds the case.

    The first of a visit is attempt 1, each further one the next; the key follows from run, node,
    visit and attempt, so that planning the same one twice breaks on the database's constraint.
    The contact policy says when it is sent; without a known end it waits until somebody wakes it.
    """
    mine = (Outreach.run_id == run_id, Outreach.node_id == node, Outreach.visit == visit)
    attempt = (session.scalar(select(func.max(Outreach.attempt)).where(*mine)) or 0) + 1
    planned = Outreach(
        case_id=case.id,
        customer_id=case.customer_id,
        portfolio_id=case.portfolio_id,
        run_id=run_id,
        node_id=node,
        visit=visit,
        attempt=attempt,
        channel=channel,
        template=template,
        params=dict(params or {}),
        idem_key=str(uuid.uuid5(_KEYS, f"{run_id}/{node}/{visit}/{attempt}")),
        state=S.PLANNED,
        planned_at=clock.now(),
        held=False,
        workflow_id=workflow_id,
    )
    session.add(planned)
    session.flush()
    said = look(session, planned, case)
    if said.outcome == ContactOutcome.DELAY:
        store(session, planned, case, said)
        wait(session, planned, said)
    else:
        # What is forbidden is stored by the job, in a transaction that may tell the run of it.
        send_at(session, planned, None)
    return planned


def wait(session: Session, row: Outreach, said: Verdict) -> None:
    """Let a planned contact wait for the end of a delay, if it has one."""
    row.not_before, row.reason = said.send_at, said.reasons[0][:60]
    session.flush()
    if said.send_at is not None:
        send_at(session, row, said.send_at, again=f":{clock.to_ms(said.send_at)}")


def hold(session: Session, run_id: int) -> None:
    """Mark what a run has planned and not begun to send: it waits while the run is paused.

    A call that was asked for is taken back: the node asks again once the run goes on.
    """
    _mark(session, run_id, held=True)
    _take_back_calls(session, run_id)


def unhold(session: Session, run_id: int) -> None:
    """Let what a run has planned go on; the contact policy is asked again."""
    _mark(session, run_id, held=False)
    waiting = select(Outreach).where(Outreach.run_id == run_id, Outreach.state == S.PLANNED)
    for row in session.scalars(waiting.execution_options(populate_existing=True)):
        send_at(session, row, None, again=f":unheld:{clock.now_ms()}")


def _mark(session: Session, run_id: int, *, held: bool) -> None:
    session.execute(
        update(Outreach)
        .where(Outreach.run_id == run_id, Outreach.state == S.PLANNED)
        .values(held=held)
        .execution_options(synchronize_session="fetch")
    )


def send_at(session: Session, row: Outreach, at: datetime | None, *, again: str = "") -> None:
    """Enqueue the job that sends a planned contact, now or at an instant.

    `again` sets the job apart from one that is still open for the same contact.
    """
    enqueue(
        session,
        "communications.send",
        {"outreach_id": row.id},
        dedupe_key=f"send:{row.id}{again}",
        run_at=at,
        subject=_subject(row),
    )


def held_case(session: Session, row: Outreach) -> Case:
    """Lock the case of a contact and read both anew: whoever sends or tells of it holds the case."""
    case = session.scalars(
        select(Case)
        .where(Case.id == row.case_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    session.refresh(row)
    return case


def _subject(row: Outreach) -> Subject:
    return Subject(
        kind="case",
        id=row.case_id,
        customer_id=row.customer_id,
        portfolio_id=row.portfolio_id,
    )


def withdraw(session: Session, run_id: int) -> None:
    """Cancel what a run has planned and not begun to send, and take back calls without an outcome.

    A message that may have left is not sent again, whatever its provider promises.
    """
    session.execute(
        update(Outreach)
        .where(Outreach.run_id == run_id, Outreach.state == S.PLANNED)
        .values(state=S.CANCELLED, ended_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    unsettled = and_(Outreach.state == S.UNKNOWN, Outreach.reason == SETTLING)
    session.execute(
        update(Outreach)
        .where(
            Outreach.run_id == run_id,
            Outreach.channel != Channel.CALL,
            or_(Outreach.state == S.SENDING, unsettled),
        )
        .values(reason=WITHDRAWN)
        .execution_options(synchronize_session=False)
    )
    _take_back_calls(session, run_id)


def open_calls() -> Select[Outreach]:
    """Return the statement for calls that a call centre has or may have, and nobody answered yet."""
    return select(Outreach).where(
        Outreach.channel == Channel.CALL,
        Outreach.state.in_((S.SENDING, S.ACCEPTED, S.UNKNOWN)),
        Outreach.outcome.is_(None),
    )


def _take_back_calls(session: Session, run_id: int) -> None:
    asked = open_calls().where(Outreach.run_id == run_id)
    for row in session.scalars(asked.execution_options(populate_existing=True)).all():
        if row.state == S.SENDING:
            # It is being handed over right now; whoever does so takes it back.
            row.reason = WITHDRAWN
        else:
            take_back(session, row)


def take_back(session: Session, row: Outreach) -> None:
    """Take back a call that a call centre has or may have; what it tells later changes nothing.

    One that was silent for as long as it may counts as not reached.
    """
    if row.state != S.SENDING and clock.now() >= _silent_from(row):
        row.state, row.outcome, row.reason = S.ACCEPTED, "NOT_REACHED", NO_OUTCOME
        note(session, f"TIMELINE_CALL_{NO_OUTCOME}", [row.case_id], by=None)
    else:
        row.state, row.reason = S.CANCELLED, WITHDRAWN
        note(session, f"TIMELINE_CALL_{S.CANCELLED}", [row.case_id], by=None)
    row.ended_at = clock.now()
    end_tasks(session, row, None, by=None)
    enqueue(
        session,
        CALL_WITHDRAW,
        {"outreach_id": row.id},
        dedupe_key=f"call-withdraw:{row.id}",
        subject=_subject(row),
    )


def end_tasks(session: Session, row: Outreach, outcome: str | None, *, by: int | None) -> None:
    """End what people were asked about a call: with what came of it, or withdrawn."""
    for dedupe in task_keys(row.id):
        settle_task(session, dedupe, outcome, by=by)


def task_keys(outreach_id: int) -> tuple[str, str]:
    """Return what tells the tasks about a contact apart: to call, and to find out what happened."""
    return f"call:{outreach_id}", f"outreach:{outreach_id}:unknown"


def views_of(session: Session, run_id: int, node: str, visit: int) -> tuple[OutreachView, ...]:
    """Return what a visit of a node has planned so far, oldest first, as nodes see it."""
    rows: Sequence[Outreach] = session.scalars(
        select(Outreach)
        .where(Outreach.run_id == run_id, Outreach.node_id == node, Outreach.visit == visit)
        .order_by(Outreach.attempt)
    ).all()
    return tuple(
        OutreachView(
            attempt=row.attempt,
            channel=row.channel,
            state=S.SENDING if _is_settling(row) else row.state,
            at=row.sent_at or row.planned_at,
            outcome=row.outcome,
            outcome_at=row.ended_at if row.outcome else None,
            until=_until(row),
            reason=row.reason,
        )
        for row in rows
    )


def _is_settling(row: Outreach) -> bool:
    """Tell whether a message may still turn out to have left, or be sent again: nothing has ended."""
    return row.state == S.UNKNOWN and row.reason == SETTLING


def _until(row: Outreach) -> datetime | None:
    told = (row.detail or {}).get("until")
    return datetime.fromisoformat(told) if told else None


def finish(session: Session, row: Outreach, state: OutreachState, *, reason: str = "") -> None:
    """Store how sending ended, note it on the timeline, and let the run go on."""
    row.state = state
    row.reason = reason[:60] or row.reason
    if state == S.ACCEPTED:
        row.sent_at = clock.now()
    else:
        row.ended_at = clock.now()
    note(
        session,
        f"TIMELINE_{row.channel}_{state}",
        [row.case_id],
        by=None,
        params={"template": f"MESSAGE_{row.template.upper()}"},
    )
    session.flush()
    tell(session, row)
    if row.channel == Channel.CALL and state in (S.ACCEPTED, S.UNKNOWN):
        _expect_outcome(session, row)


def _expect_outcome(session: Session, row: Outreach) -> None:
    """See to it that a call does not stay without an outcome for ever."""
    if row.provider == TASK_LIST:
        enqueue(session, CALL_TASK, {"outreach_id": row.id}, subject=_subject(row))
    asked = row.sent_at or row.planned_at
    enqueue(
        session,
        CALL_SILENT,
        {"outreach_id": row.id, "asked": clock.to_ms(asked)},
        dedupe_key=f"call-silent:{row.id}:{clock.to_ms(asked)}",
        run_at=_silent_from(row),
        subject=_subject(row),
    )


def _silent_from(row: Outreach) -> datetime:
    """Return when a call without an outcome counts as not reached."""
    days = int((row.params or {}).get("outcome_days") or OUTCOME_DAYS)
    return (row.sent_at or row.planned_at) + timedelta(days=days)


def tell(session: Session, row: Outreach) -> None:
    """Write the event of a contact's state, once for each."""
    emit(
        session,
        OUTREACH_DONE,
        case_id=row.case_id,
        payload={"outreach_id": row.id, "run_id": row.run_id, "state": row.state},
        dedupe=f"outreach:{row.id}:{row.state}",
    )
