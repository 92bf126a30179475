"""One advance of a case: fold what happened into its run, in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.financials import apply_charges
from finview.cases.lifecycle import close, end_breathing
from finview.cases.models import Case, CaseStatus, CloseReason
from finview.cases.timeline import note
from finview.communications.outreach import plan_email
from finview.db.events import EventInbox
from finview.db.jobs import SHORT, JobView, job
from finview.i18n import N_, sentences
from finview.plugins.contracts.node import CloseCase, EventView, PlanOutreach, PostCharges, Record
from finview.plugins.manager import Plugins
from finview.workflows.decide import Command, Decision, decide
from finview.workflows.graph import read
from finview.workflows.models import (
    Run,
    RunStatus,
    RunStep,
    Timer,
    TimerKind,
    TimerState,
    WorkflowKind,
    WorkflowVersion,
)
from finview.workflows.nodes import OUTREACH_DONE
from finview.workflows.runs import (
    acting_run,
    arm,
    end_run,
    ends,
    open_runs,
    resume,
    runner,
    start_runs,
    state_of,
    suspend,
    view_of,
)
from finview.workflows.shipped import version_for

sentences(
    {
        "TIMELINE_WORKFLOW_STARTED": N_("Workflow started: {kind}."),
        "TIMELINE_WORKFLOW_ENDED": N_("Workflow ended: {kind}."),
        "TIMELINE_WORKFLOW_SUSPENDED": N_("Workflow suspended: {kind}."),
        "TIMELINE_WORKFLOW_RESUMED": N_("Workflow resumed: {kind}."),
        "TIMELINE_WORKFLOW_INCIDENT": N_("A workflow needs a person at node {node}: {why}."),
        "KIND_MAIN": N_("main workflow"),
        "KIND_BREATHING_SPACE": N_("breathing space"),
        "KIND_PAYMENT_PLAN": N_("payment plan"),
        "KIND_ON_HOLD": N_("on hold"),
        "KIND_RETRY": N_("retry"),
        "TOO_MANY_STEPS": N_("too many steps without waiting"),
        "TOO_MANY_VISITS": N_("too many visits of one node"),
        "PORT_NOT_CONNECTED": N_("a port leads nowhere"),
    }
)


AGREED = (CaseStatus.PAYMENT_PLAN, CaseStatus.SETTLEMENT)
RESUMING = (CaseStatus.ACTIVE, CaseStatus.BREATHING_SPACE)
PRECEDENCE = tuple(WorkflowKind)


@dataclass(frozen=True, slots=True)
class _Happened:
    at: datetime
    id: int
    event: EventView
    run_id: int | None
    token: int | None = None


@job("workflow.advance", shape=SHORT, queue="default")
def advance_job(session: Session, view: JobView) -> None:
    """Advance the case of a job."""
    advance(session, view.services.get(Plugins), view.args["case_id"])


def advance(session: Session, plugins: Plugins, case_id: int) -> None:
    """Fold unconsumed events and fired timers into the case's acting run, oldest first.

    The case's row is locked first, so nothing that is written meanwhile is lost: its own job comes
    after this one.
    """
    case = session.scalars(
        select(Case)
        .where(Case.id == case_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if case is None:
        return
    events = _inbox(session, case_id)
    if case.status == CaseStatus.CLOSED:
        for run in open_runs(session, case_id):
            _stop(session, run)
        return
    missed = _heed_agreements(session, case)
    if missed:
        # The same outcome may still stand in the inbox; the next message has one of its own.
        events = [e for e in events if e.event.type != OUTREACH_DONE]
    for happened in [None, *missed, *events]:
        acting = acting_run(session, case_id)
        if acting is None:
            break
        _fold(session, plugins, case, acting, happened)


def _heed_agreements(session: Session, case: Case) -> list[_Happened]:
    """Suspend what would act while the debtor keeps an agreement; resume it when that is over.

    A breathing space goes on: it only waits for its day. Returns what a resumed run has missed.
    """
    acting = acting_run(session, case.id)
    if case.status in AGREED:
        if acting is not None and acting.kind != WorkflowKind.BREATHING_SPACE:
            suspend(session, acting)
            _noted(session, case.id, "TIMELINE_WORKFLOW_SUSPENDED", acting.kind)
        return []
    waiting = [r for r in open_runs(session, case.id) if r.status == RunStatus.SUSPENDED]
    if acting is not None or not waiting or case.status not in RESUMING:
        return []
    run = min(waiting, key=lambda r: PRECEDENCE.index(WorkflowKind(r.kind)))
    missed = resume(session, run)
    _noted(session, case.id, "TIMELINE_WORKFLOW_RESUMED", run.kind)
    return [_Happened(missed.at, 0, missed, run.id)] if missed is not None else []


def _inbox(session: Session, case_id: int) -> list[_Happened]:
    """Take what happened to the case since the last advance, in order."""
    rows = session.execute(
        select(EventInbox.id, EventInbox.at, EventInbox.type, EventInbox.payload)
        .where(EventInbox.case_id == case_id, EventInbox.consumed_seq.is_(None))
        .order_by(EventInbox.at, EventInbox.id)
    ).all()
    session.execute(
        update(EventInbox)
        .where(EventInbox.id.in_([row.id for row in rows]))
        .values(consumed_seq=0)
        .execution_options(synchronize_session=False)
    )
    timers = session.scalars(
        select(Timer)
        .where(Timer.case_id == case_id, Timer.state == TimerState.FIRED)
        .order_by(Timer.due_at, Timer.id)
    ).all()
    found = [
        _Happened(
            row.at,
            row.id,
            EventView(type=row.type, at=row.at, payload=row.payload),
            row.payload.get("run_id"),
        )
        for row in rows
    ]
    for timer in timers:
        timer.state = TimerState.DONE
        kind = "TIMER" if timer.kind == TimerKind.WAKE else timer.kind
        event = EventView(type=kind, at=timer.due_at)
        found.append(_Happened(timer.due_at, timer.id, event, timer.run_id, timer.token))
    session.flush()
    return sorted(found, key=lambda happened: (happened.at, happened.id))


def _fold(
    session: Session, plugins: Plugins, case: Case, run: Run, happened: _Happened | None
) -> None:
    event = happened.event if happened is not None else None
    if happened is not None and happened.run_id not in (None, run.id):
        return
    if event is not None and event.type == TimerKind.BREATHING_END:
        if run.kind == WorkflowKind.BREATHING_SPACE:
            _breathing_ended(session, plugins, case, run)
        return
    if happened is not None and happened.token not in (None, run.seq):
        return
    if event is None and (run.status != RunStatus.ACTIVE or run.node_id is not None):
        return
    version = session.get_one(WorkflowVersion, run.version_id)
    decision = decide(
        read(version.graph),
        state_of(run),
        view_of(session, case),
        event,
        run=runner(plugins),
        is_end=ends(plugins),
    )
    if decision.steps or decision.state.incident:
        _apply(session, case, run, decision)


def _apply(session: Session, case: Case, run: Run, decision: Decision) -> None:
    """Write a decision: steps, effects, the timer, the run's new state."""
    now = clock.now()
    for step in decision.steps:
        run.seq += 1
        session.add(
            RunStep(
                run_id=run.id,
                seq=run.seq,
                node_id=step.node,
                visit=step.visit,
                outcome=step.outcome,
                at=now,
            )
        )
    state = decision.state
    run.node_id, run.visits, run.entered_at = state.node, dict(state.visits), state.entered_at
    run.wake_at, run.waits_for = state.until, list(state.events)
    run.status = RunStatus.WAITING
    session.flush()
    for command in decision.commands:
        _carry_out(session, case, run, command)
    if state.incident:
        run.status, run.outcome = RunStatus.INCIDENT, state.incident
        params = {"node": state.node or "", "why": state.incident}
        note(session, "TIMELINE_WORKFLOW_INCIDENT", [case.id], by=None, params=params)
    elif state.ended:
        # A breathing space lasts until its day, whatever its graph says.
        if run.kind != WorkflowKind.BREATHING_SPACE:
            end_run(session, run, RunStatus.DONE, "end")
            _noted(session, case.id, "TIMELINE_WORKFLOW_ENDED", run.kind)
    elif state.until is not None:
        arm(session, run, TimerKind.WAKE, state.until)
    session.flush()


def _carry_out(session: Session, case: Case, run: Run, command: Command) -> None:
    effect = command.effect
    if isinstance(effect, PlanOutreach) and effect.channel == "EMAIL":
        plan_email(
            session,
            case,
            run_id=run.id,
            node=command.node,
            visit=command.visit,
            template=effect.template,
        )
    elif isinstance(effect, PostCharges):
        apply_charges(session, [case.id], on=clock.today())
    elif isinstance(effect, CloseCase):
        close(session, [case.id], CloseReason(effect.reason), by=None)
    elif isinstance(effect, Record):
        note(session, effect.code, [case.id], by=None, params=dict(effect.params))


def _breathing_ended(session: Session, plugins: Plugins, case: Case, run: Run) -> None:
    """Charge the case as of the true end, end the run, start the main workflow."""
    end_run(session, run, RunStatus.DONE, "breathing_space_over")
    session.flush()
    end_breathing(session, [case.id])
    session.refresh(case)
    start_main(session, case)
    _heed_agreements(session, case)
    main = acting_run(session, case.id)
    if main is not None:
        _fold(session, plugins, case, main, None)


def start_main(session: Session, case: Case) -> None:
    """Start the main workflow of one case."""
    version = version_for(session, WorkflowKind.MAIN, case.customer_id, case.bucket_id)
    start_runs(
        session,
        [(case.id, case.customer_id, case.portfolio_id, version)],
        WorkflowKind.MAIN,
        clock.now(),
    )
    _noted(session, case.id, "TIMELINE_WORKFLOW_STARTED", WorkflowKind.MAIN)


def _stop(session: Session, run: Run) -> None:
    end_run(session, run, RunStatus.STOPPED, "case_closed")
    _noted(session, run.case_id, "TIMELINE_WORKFLOW_ENDED", run.kind)


def _noted(session: Session, case_id: int, code: str, kind: str) -> None:
    note(session, code, [case_id], by=None, params={"kind": f"KIND_{kind}"})


def steps_of(session: Session, run_ids: list[int], limit: int = 200) -> dict[int, list[RunStep]]:
    """Return the newest steps of runs, oldest first, at most `limit` each."""
    rank = func.row_number().over(partition_by=RunStep.run_id, order_by=RunStep.seq.desc())
    ranked = (
        select(RunStep.run_id, RunStep.seq, rank.label("rank"))
        .where(RunStep.run_id.in_(run_ids))
        .subquery()
    )
    found: dict[int, list[RunStep]] = {run_id: [] for run_id in run_ids}
    rows: Any = session.scalars(
        select(RunStep)
        .join(ranked, (ranked.c.run_id == RunStep.run_id) & (ranked.c.seq == RunStep.seq))
        .where(ranked.c.rank <= limit)
        .order_by(RunStep.run_id, RunStep.seq)
    )
    for step in rows:
        found[step.run_id].append(step)
    return found
