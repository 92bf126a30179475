"""One advance of a case: fold what happened into its runs, in one transaction."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, CaseStatus
from finview.cases.timeline import note
from finview.communications.holds import stopped
from finview.db.jobs import SHORT, JobView, job
from finview.i18n import N_, sentences
from finview.plugins.contracts.node import EventView
from finview.plugins.manager import Plugins
from finview.workflows import reminders
from finview.workflows.decide import Decision, RunState, decide, wanted
from finview.workflows.effects import carry_out, refused
from finview.workflows.graph import Graph, read
from finview.workflows.inbox import Happened, Inbox
from finview.workflows.kinds import LASTING, choose, end, settle, stop_all
from finview.workflows.models import (
    Run,
    RunStatus,
    RunStep,
    TimerKind,
    WorkflowKind,
    WorkflowVersion,
)
from finview.workflows.runs import ENDED, acting_run, arm, open_runs, runner, state_of
from finview.workflows.views import Needs, Seen, needs_of, view_of

sentences(
    {
        "TIMELINE_WORKFLOW_INCIDENT": N_("A workflow needs a person at node {node}: {why}."),
        "TIMELINE_WORKFLOW_INCIDENT_WHY": N_(
            "A workflow needs a person at node {node}: {why} ({detail})."
        ),
        "TOO_MANY_STEPS": N_("too many steps without waiting"),
        "TOO_MANY_VISITS": N_("too many visits of one node"),
        "PORT_NOT_CONNECTED": N_("a port leads nowhere"),
        "NODE_GONE": N_("the graph has no such node"),
        "NODE_TYPE_GONE": N_("its type is not installed or not working"),
        "NODE_SETTINGS": N_("its settings are not valid any more"),
        "NODE_FAILED": N_("its type failed"),
        "EFFECT_REFUSED": N_("it asks for what can't be done"),
    }
)

HEARD_MAX = 200
"""So many events and resumptions are folded at most in one transaction; the rest comes after."""


@job("workflow.advance", shape=SHORT, queue="default")
def advance_job(session: Session, view: JobView) -> None:
    """Advance the case of a job."""
    advance(session, view.services.get(Plugins), view.args["case_id"])


def advance(session: Session, plugins: Plugins, case_id: int) -> None:
    """Bring a case's runs to what happened to it, oldest first.

    The case's row is locked first, so nothing that is written meanwhile is lost: its own job comes
    after this one. A stop of everything outgoing leaves what happened unread.
    """
    case = session.scalars(
        select(Case)
        .where(Case.id == case_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if case is None:
        return
    inbox = Inbox.open(session, case_id)
    if case.status == CaseStatus.CLOSED:
        stop_all(session, case_id)
        inbox.close(case_id, (), ())
        return
    events = [one.event for one in inbox.events]
    settle(session, case, events)
    if _is_stopped(session, case):
        return
    heard, unheard = _fold_all(session, plugins, case, inbox.listed)
    runs = open_runs(session, case_id)
    inbox.close(case_id, heard, runs, unheard)
    for run in runs:
        if run.kind == WorkflowKind.PAYMENT_PLAN and run.status != RunStatus.INCIDENT:
            reminders.check(session, case, run)
    session.flush()


def _is_stopped(session: Session, case: Case) -> bool:
    """Tell whether a stop covers the workflow that would act now."""
    run = acting_run(session, case.id)
    workflow = session.get_one(WorkflowVersion, run.version_id).workflow_id if run else None
    return stopped(session, case, workflow_id=workflow)


def _fold_all(
    session: Session, plugins: Plugins, case: Case, happened: Sequence[Happened]
) -> tuple[list[Happened], list[Happened]]:
    """Fold everything into whichever run may act; return what was heard, and what is left."""
    heard: list[Happened] = []
    queue = deque[Happened | None]([None, *happened])
    _hear(queue, choose(session, case))
    for _ in range(HEARD_MAX + len(happened)):
        if not queue:
            break
        one = queue.popleft()
        run = acting_run(session, case.id)
        if run is None or (one is not None and not one.is_for(run)):
            continue
        decision = _decided(session, plugins, case, run, one.event if one is not None else None)
        if decision is None:
            continue
        if one is not None:
            heard.append(one)
        _hear(queue, _apply(session, case, run, decision))
        if case.status == CaseStatus.CLOSED:
            stop_all(session, case.id)
            queue.clear()
            break
        if run.status == RunStatus.DONE:
            _hear(queue, choose(session, case))
            queue.appendleft(None)
    return heard, [one for one in queue if one is not None]


def _hear(queue: deque[Happened | None], events: Sequence[EventView]) -> None:
    """Put what a run is to hear before everything else."""
    for event in reversed(events):
        queue.appendleft(Happened(event=event, at=event.at))


_Worked = tuple[Decision, Seen, int]


def _decided(
    session: Session, plugins: Plugins, case: Case, run: Run, event: EventView | None
) -> _Worked | None:
    """Return what a run makes of an event, with the view it saw; None when it waits for another."""
    state = state_of(run)
    if state.ended or not wanted(state, event, clock.now()):
        return None
    version = session.get_one(WorkflowVersion, run.version_id)
    graph, needs = _graph(version)
    seen = view_of(session, case, run, needs)
    decision = decide(graph, state, seen.view, event, run=runner(plugins))
    for command in decision.commands:
        if why := refused(command.effect):
            stopped_at = replace(
                state, node=command.node, incident="EFFECT_REFUSED", why=why, until=None, events=()
            )
            decision = Decision(state=stopped_at, steps=decision.steps)
            break
    return decision, seen, version.workflow_id


def _graph(version: WorkflowVersion) -> tuple[Graph, Needs]:
    """Return a version's graph as it is run; one text is one graph, and many cases share it."""
    known = _GRAPHS.get(version.sha256)
    if known is None:
        graph = read(version.graph)
        if len(_GRAPHS) >= GRAPHS_MAX:
            _GRAPHS.clear()
        known = _GRAPHS[version.sha256] = graph, needs_of(graph)
    return known


_GRAPHS: dict[str, tuple[Graph, Needs]] = {}
GRAPHS_MAX = 256


def _apply(session: Session, case: Case, run: Run, worked: _Worked) -> list[EventView]:
    """Write a decision: steps, effects, the timer, the run's new state; return what follows at once."""
    decision, seen, workflow_id = worked
    state = decision.state
    if not decision.steps and not state.incident:
        if state.until is not None:
            # Heard too early or once more: its timer is spent, so it is set again.
            arm(session, run, TimerKind.WAKE, state.until)
        return []
    _write_steps(session, run, decision, seen)
    run.node_id, run.visits, run.entered_at = state.node, dict(state.visits), state.entered_at
    run.wake_at, run.waits_for = state.until, list(state.events)
    run.status, run.outcome = RunStatus.WAITING, None
    session.flush()
    follows: list[EventView] = []
    for command in decision.commands:
        follows += carry_out(
            session, case, run, command, zone=seen.view.zone, workflow_id=workflow_id
        )
    if state.incident:
        _incident(session, case, run, state)
    elif state.ended and run.kind in LASTING:
        run.outcome = ENDED
    elif state.ended:
        end(session, run, ENDED)
    elif state.until is not None:
        arm(session, run, TimerKind.WAKE, state.until)
    session.flush()
    return follows


def _write_steps(session: Session, run: Run, decision: Decision, seen: Seen) -> None:
    now = clock.now()
    for step in decision.steps:
        run.seq += 1
        used = {
            name: {"value": _shown(seen.view.settings[name]), "source": seen.sources[name]}
            for name in step.settings
        }
        session.add(
            RunStep(
                run_id=run.id,
                seq=run.seq,
                node_id=step.node,
                visit=step.visit,
                outcome=step.outcome,
                settings=used or None,
                at=now,
            )
        )


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _incident(session: Session, case: Case, run: Run, state: RunState) -> None:
    run.status, run.outcome = RunStatus.INCIDENT, state.incident
    params = {"node": state.node or "", "why": state.incident}
    code = "TIMELINE_WORKFLOW_INCIDENT"
    if state.why:
        code, params = f"{code}_WHY", {**params, "detail": state.why}
    note(session, code, [case.id], by=None, params=params)


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
