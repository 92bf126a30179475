"""Which run of a case may act: started, suspended, resumed and ended by what the case is in."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.components import Breathing
from finview.cases.holds import HoldReason, open_hold
from finview.cases.lifecycle import HELD, at_rest, end_breathing, zone
from finview.cases.models import Case, CaseStatus
from finview.cases.plans import active_plan
from finview.cases.timeline import note
from finview.communications.outreach import withdraw
from finview.i18n import N_, sentences
from finview.plugins.contracts.node import EventView
from finview.workflows.decide import wanted
from finview.workflows.events import ENRICHMENT, PAYMENT
from finview.workflows.models import Run, RunStatus, TimerKind, WorkflowKind
from finview.workflows.runs import ACTING, arm, end_run, open_runs, resume, start_runs, state_of
from finview.workflows.runs import suspend as suspend_run
from finview.workflows.shipped import version_for

sentences(
    {
        "TIMELINE_WORKFLOW_STARTED": N_("Workflow started: {kind}."),
        "TIMELINE_WORKFLOW_ENDED": N_("Workflow ended: {kind}."),
        "TIMELINE_WORKFLOW_SUSPENDED": N_("Workflow suspended: {kind}."),
        "TIMELINE_WORKFLOW_RESUMED": N_("Workflow resumed: {kind}."),
        "KIND_MAIN": N_("main workflow"),
        "KIND_BREATHING_SPACE": N_("breathing space"),
        "KIND_PAYMENT_PLAN": N_("payment plan"),
        "KIND_ON_HOLD": N_("on hold"),
        "KIND_RETRY": N_("retry"),
    }
)

K, S = WorkflowKind, CaseStatus
PRECEDENCE = tuple(WorkflowKind)
LASTING = (K.BREATHING_SPACE, K.PAYMENT_PLAN, K.ON_HOLD)
"""These last as long as their reason, whatever their graphs say."""

MAY_ACT: Mapping[str, tuple[WorkflowKind, ...]] = MappingProxyType(
    {
        S.BREATHING_SPACE: (K.BREATHING_SPACE,),
        S.ACTIVE: (K.RETRY, K.MAIN),
        S.PAYMENT_PLAN: (K.PAYMENT_PLAN,),
        # No kind of its own: everything but the breathing space waits until it is kept or lapses.
        S.SETTLEMENT: (K.BREATHING_SPACE,),
        S.ON_HOLD: (K.ON_HOLD,),
        S.DISPUTED: (K.ON_HOLD,),
    }
)
"""Which kinds may act in a status of the case; of several the highest by precedence."""

CASE_CLOSED = "case_closed"
REOPENED = "case.reopened"


def settle(session: Session, case: Case, events: Sequence[EventView] = ()) -> None:
    """Start and end the runs that the state of a locked, open case calls for; none acts by that."""
    runs = {run.kind: run for run in open_runs(session, case.id)}
    if not runs and any(event.type == REOPENED for event in events):
        _opened_again(session, case)
        runs = {run.kind: run for run in open_runs(session, case.id)}
    breathing = runs.pop(K.BREATHING_SPACE, None)
    if breathing is not None and _is_over(session, case):
        _end_breathing(session, case, breathing)
    _plan(session, case, runs.get(K.PAYMENT_PLAN))
    held, on_hold = case.status in HELD, runs.get(K.ON_HOLD)
    if held and on_hold is None:
        start(session, case, K.ON_HOLD)
    elif not held and on_hold is not None:
        end(session, on_hold, "released")
    found = any(e.type == ENRICHMENT and e.payload.get("state") == "HIT" for e in events)
    if found and case.launched_at is not None and K.RETRY not in runs:
        hit = EventView(type=ENRICHMENT, at=clock.now())
        # A node that waits for the search takes it as its own.
        if not any(wanted(state_of(run), hit, hit.at) for run in open_runs(session, case.id)):
            start(session, case, K.RETRY)
    if any(event.type == PAYMENT for event in events):
        for run in open_runs(session, case.id):
            # A plan's own messages are looked at one by one: some are about what is still unpaid.
            if run.kind != K.PAYMENT_PLAN:
                withdraw(session, run.id)


def choose(session: Session, case: Case) -> list[EventView]:
    """Let the highest run that may act do so and no other; return what it is to hear first."""
    allowed = MAY_ACT.get(case.status, ())
    runs = open_runs(session, case.id)
    able = [run for run in runs if run.kind in allowed]
    best = min(able, key=lambda run: PRECEDENCE.index(K(run.kind)), default=None)
    for run in runs:
        if run.status in ACTING and run is not best:
            suspend_run(session, run)
            noted(session, case.id, "TIMELINE_WORKFLOW_SUSPENDED", run.kind)
    if best is None or best.status != RunStatus.SUSPENDED:
        return []
    if best.node_id is not None:
        noted(session, case.id, "TIMELINE_WORKFLOW_RESUMED", best.kind)
    return resume(session, best)


def start(
    session: Session, case: Case, kind: WorkflowKind, *, subject_id: int | None = None
) -> None:
    """Start a run of a case; it acts when its turn comes."""
    version = version_for(session, kind, case.customer_id, case.bucket_id)
    start_runs(
        session,
        [(case.id, case.customer_id, case.portfolio_id, version)],
        kind,
        clock.now(),
        status=RunStatus.SUSPENDED,
        subject_id=subject_id,
    )
    noted(session, case.id, "TIMELINE_WORKFLOW_STARTED", kind)


def end(session: Session, run: Run, outcome: str, status: RunStatus = RunStatus.DONE) -> None:
    """End a run and tell the timeline."""
    end_run(session, run, status, outcome)
    noted(session, run.case_id, "TIMELINE_WORKFLOW_ENDED", run.kind)


def stop_all(session: Session, case_id: int) -> None:
    """Stop every run of a case that is closed."""
    for run in open_runs(session, case_id):
        end(session, run, CASE_CLOSED, RunStatus.STOPPED)


def _plan(session: Session, case: Case, run: Run | None) -> None:
    """Let each plan have a run of its own, as long as it is kept."""
    if run is None and case.status != S.PAYMENT_PLAN:
        return
    plan = active_plan(session, case.id)
    if run is not None and (plan is None or plan.id != run.subject_id):
        end(session, run, "plan_ended")
        run = None
    if run is None and plan is not None and case.status == S.PAYMENT_PLAN:
        start(session, case, K.PAYMENT_PLAN, subject_id=plan.id)


def _is_over(session: Session, case: Case) -> bool:
    """Tell whether the last day of a case's breathing space has passed; a moratorium puts it off."""
    ends_on = Breathing.model_validate(case.breathing or {}).ends_on
    if case.charges_from is not None or ends_on is None:
        return True
    if clock.start_of(ends_on, zone(session, case)) > clock.now():
        return False
    hold = open_hold(session, case.id) if case.status in HELD else None
    return hold is None or hold.reason != HoldReason.MORATORIUM


def _end_breathing(session: Session, case: Case, run: Run) -> None:
    """Charge the case as of the true end, end the run, start the main workflow."""
    end_run(session, run, RunStatus.DONE, "breathing_space_over")
    session.flush()
    end_breathing(session, [case.id])
    session.refresh(case)
    start(session, case, K.MAIN)


def _opened_again(session: Session, case: Case) -> None:
    """Let the runs that closing stopped go on where they were; without one the main one starts."""
    if case.launched_at is None:
        return
    resting = at_rest(case)
    stopped = session.scalars(
        select(Run)
        .where(Run.case_id == case.id, Run.kind.in_((K.BREATHING_SPACE, K.MAIN, K.RETRY)))
        .order_by(Run.id)
    ).all()
    newest = {run.kind: run for run in stopped}
    for run in newest.values():
        breathing = run.kind == K.BREATHING_SPACE
        if run.outcome != CASE_CLOSED or (breathing and resting != S.BREATHING_SPACE):
            continue
        run.status, run.outcome, run.ended_at = RunStatus.SUSPENDED, None, None
        if breathing:
            ends_on = Breathing.model_validate(case.breathing or {}).ends_on
            assert ends_on is not None, "a case in its breathing space has dates"
            arm(session, run, TimerKind.BREATHING_END, clock.start_of(ends_on, zone(session, case)))
    session.flush()
    if resting == S.ACTIVE and K.MAIN not in newest:
        start(session, case, K.MAIN)


def noted(session: Session, case_id: int, code: str, kind: str) -> None:
    """Write a line about a run on the timeline."""
    note(session, code, [case_id], by=None, params={"kind": f"KIND_{kind}"})
