"""What people do with runs: pause, resume, stop, and mend what needs a person."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.lifecycle import locked
from finview.cases.models import Case
from finview.cases.reasons import given_reason
from finview.cases.timeline import note
from finview.communications.outreach import hold, unhold, withdraw
from finview.db import audit
from finview.db.events import emit
from finview.db.jobs import Subject, enqueue
from finview.errors import Invalid, NotFound, State
from finview.i18n import N_, sentences
from finview.plugins.contracts.node import EventView
from finview.workflows.events import TIMER
from finview.workflows.graph import read
from finview.workflows.kinds import LASTING, choose
from finview.workflows.models import Run, RunStatus, RunStep, TimerKind, WorkflowVersion
from finview.workflows.runs import ACTING, OPEN, acting_run, arm, end_run

sentences(
    {
        "RUN_STATE": N_("This is not possible while the workflow is {status}."),
        "RUN_LASTS": N_(
            "This workflow lasts as long as its reason: end the breathing space, the payment plan "
            "or the hold instead."
        ),
        "RUN_PORT": N_("Node {node} has no port {port}; it has: {ports}."),
        "TIMELINE_RUN_PAUSED": N_("Workflow paused: {kind}."),
        "TIMELINE_RUN_UNPAUSED": N_("Workflow goes on: {kind}."),
        "TIMELINE_RUN_STOPPED": N_("Workflow stopped: {kind}. {reason}"),
        "TIMELINE_RUN_RETRIED": N_("Workflow tries node {node} again."),
        "TIMELINE_RUN_LED_ON": N_("Workflow leaves node {node} by {port}."),
        "RUN_ACTIVE": N_("active"),
        "RUN_WAITING": N_("waiting"),
        "RUN_PAUSED": N_("paused"),
        "RUN_SUSPENDED": N_("suspended"),
        "RUN_INCIDENT": N_("in need of a person"),
        "RUN_DONE": N_("at its end"),
        "RUN_STOPPED": N_("stopped"),
    }
)

STOPPED_BY_HAND = "stopped_by_hand"
S = RunStatus


def pause(session: Session, run_id: int, *, by: int | None) -> Run:
    """Pause a run: it hears nothing, and what it planned and has not begun to send is held.

    Timers fire and events come meanwhile; it hears of them when it goes on. Lower runs stay where
    they are. Raises `NotFound`, `State` (RUN_STATE).
    """
    _, run = _held(session, run_id, *ACTING, S.SUSPENDED)
    run.status = S.PAUSED
    session.flush()
    hold(session, run.id)
    _told(session, run, "pause", "TIMELINE_RUN_PAUSED", by=by)
    return run


def resume(session: Session, run_id: int, *, by: int | None) -> Run:
    """Let a paused run go on at the same node, or wait for its turn where a higher one acts.

    It hears what happened meanwhile: its timer, and every event it waits for. Raises `NotFound`,
    `State` (RUN_STATE).
    """
    case, run = _held(session, run_id, S.PAUSED)
    _told(session, run, "resume", "TIMELINE_RUN_UNPAUSED", by=by)
    _take_turn(session, case, run)
    if run.status == S.SUSPENDED:
        # As for every suspended run: its node asks again when its turn comes.
        withdraw(session, run.id)
    else:
        unhold(session, run.id)
    return run


def stop(session: Session, run_id: int, reason: str, *, by: int | None) -> Run:
    """Stop a run for good: its timers are void, what it has not sent and asked of people is undone.

    A run that lasts as long as its reason would begin anew: it can't be stopped by itself. Raises
    `NotFound`, `Required`, `Invalid` for the reason, `State` (RUN_STATE, RUN_LASTS).
    """
    text = given_reason(reason, ("reason",))
    _, run = _held(session, run_id, *OPEN)
    if run.kind in LASTING:
        raise State("RUN_LASTS", path=("id",), kind=f"KIND_{run.kind}")
    end_run(session, run, S.STOPPED, STOPPED_BY_HAND)
    _told(session, run, "stop", "TIMELINE_RUN_STOPPED", by=by, reason=text)
    _advance(session, run)
    return run


def retry(session: Session, run_id: int, port: str | None = None, *, by: int | None) -> Run:
    """Mend an incident: run its node again, or leave it by one of its ports.

    Raises `NotFound`, `State` (RUN_STATE), `Invalid` (RUN_PORT).
    """
    case, run = _held(session, run_id, S.INCIDENT)
    node = run.node_id or ""
    if port is None:
        _told(session, run, "retry", "TIMELINE_RUN_RETRIED", by=by, node=node)
    else:
        _leave(session, run, port)
        _told(session, run, "retry", "TIMELINE_RUN_LED_ON", by=by, node=node, port=port)
    run.outcome, run.wake_at, run.waits_for = None, None, []
    _take_turn(session, case, run)
    return run


def _leave(session: Session, run: Run, port: str) -> None:
    """Take a step by hand: into the node a port leads to."""
    graph = read(session.get_one(WorkflowVersion, run.version_id).graph)
    node = graph.nodes.get(run.node_id or graph.start)
    target = node.target(port) if node is not None else None
    if node is None or target is None:
        ports = sorted(node.ports) if node is not None else []
        raise Invalid("RUN_PORT", path=("port",), node=run.node_id or "", port=port, ports=ports)
    now = clock.now()
    run.seq += 1
    step = {"node_id": node.id, "visit": run.visits.get(node.id, 1), "outcome": port}
    session.add(RunStep(run_id=run.id, seq=run.seq, at=now, **step))
    run.visits = {**run.visits, target: run.visits.get(target, 0) + 1}
    run.node_id, run.entered_at = target, now
    session.flush()


def _held(session: Session, run_id: int, *statuses: RunStatus) -> tuple[Case, Run]:
    """Return a run as it is now, and its case, both held until the transaction ends."""
    case_id = session.scalar(select(Run.case_id).where(Run.id == run_id))
    if case_id is None:
        raise NotFound(path=("id",))
    case = locked(session, case_id)
    run = session.get_one(Run, run_id, populate_existing=True)
    if run.status not in statuses:
        raise State("RUN_STATE", path=("id",), status=f"RUN_{run.status}")
    return case, run


def _take_turn(session: Session, case: Case, run: Run) -> None:
    """Let the run of a case act whose turn it is; the advance that follows tells it what it missed."""
    run.status = S.SUSPENDED
    session.flush()
    heard = choose(session, case)
    acting = acting_run(session, case.id)
    if acting is not None:
        _tell(session, acting, heard)
    session.flush()
    _advance(session, run)


def _tell(session: Session, run: Run, heard: Sequence[EventView]) -> None:
    for event in heard:
        if event.type == TIMER:
            arm(session, run, TimerKind.WAKE, event.at)
        else:
            emit(session, event.type, case_id=run.case_id, payload={"run_id": run.id})


def _advance(session: Session, run: Run) -> None:
    enqueue(
        session,
        "workflow.advance",
        {"case_id": run.case_id},
        dedupe_key=f"advance:{run.case_id}",
        subject=Subject(
            kind="case",
            id=run.case_id,
            customer_id=run.customer_id,
            portfolio_id=run.portfolio_id,
        ),
    )


def _told(session: Session, run: Run, act: str, code: str, *, by: int | None, **facts: str) -> None:
    params = {"kind": f"KIND_{run.kind}", **facts}
    note(session, code, [run.case_id], by=by, params=params)
    audit.record(
        session,
        f"run.{act}",
        actor_id=by,
        subject=("run", run.id),
        reason=facts.pop("reason", None),
        case_id=run.case_id,
        details=facts,
    )
