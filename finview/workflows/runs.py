"""Runs: started with a pinned version, seen as plain values, suspended, resumed, ended."""

from collections.abc import Callable, Iterable
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.tasks import withdraw_tasks
from finview.communications.outreach import withdraw
from finview.db.bulk import bulk_insert, reserve_ids
from finview.db.jobs import Misconfigured, Rejected, RetryLater
from finview.errors import NotFound, PluginMisconfigured, ProviderFailedError
from finview.plugins.contracts.node import CaseView, EventView, Step
from finview.plugins.guard import call
from finview.plugins.manager import Plugins
from finview.workflows.decide import NodeFailed, RunState
from finview.workflows.events import RESUMED, TIMER
from finview.workflows.graph import Node
from finview.workflows.models import (
    Run,
    RunStatus,
    Timer,
    TimerKind,
    TimerState,
    WorkflowKind,
)

ACTING = (RunStatus.ACTIVE, RunStatus.WAITING)
RESTING = (RunStatus.PAUSED, RunStatus.SUSPENDED)
OPEN = (*ACTING, *RESTING, RunStatus.INCIDENT)
ENDED = "end"
"""The outcome of a run whose graph has ended, while the run itself lasts as long as its reason."""


def start_runs(
    session: Session,
    cases: Iterable[tuple[int, int, int, int]],
    kind: WorkflowKind,
    at: datetime,
    *,
    status: RunStatus = RunStatus.ACTIVE,
    subject_id: int | None = None,
) -> list[int]:
    """Start one run per (case, customer, portfolio, version) in bulk; a case has one per kind."""
    listed = list(cases)
    ids = reserve_ids(session, Run, len(listed))
    bulk_insert(
        session,
        Run,
        [
            {
                "id": run_id,
                "case_id": case_id,
                "customer_id": customer_id,
                "portfolio_id": portfolio_id,
                "kind": kind,
                "version_id": version_id,
                "visits": {},
                "waits_for": [],
                "status": status,
                "seq": 0,
                "subject_id": subject_id,
                "started_at": at,
            }
            for run_id, (case_id, customer_id, portfolio_id, version_id) in zip(
                ids, listed, strict=True
            )
        ],
    )
    return list(ids)


def state_of(run: Run) -> RunState:
    """Return a run as the pure step sees it."""
    return RunState(
        node=run.node_id,
        visits=run.visits,
        entered_at=run.entered_at,
        until=run.wake_at,
        events=tuple(run.waits_for),
        ended=run.status in (RunStatus.DONE, RunStatus.STOPPED) or run.outcome == ENDED,
    )


def arm(session: Session, run: Run, kind: TimerKind, due_at: datetime) -> None:
    """Set a timer of a run; an older one of the same kind is dropped by its token."""
    session.add(
        Timer(
            run_id=run.id,
            case_id=run.case_id,
            token=run.seq,
            kind=kind,
            due_at=due_at,
            state=TimerState.WAITING,
        )
    )


def disarm(session: Session, run: Run, *kinds: TimerKind) -> None:
    """Drop the timers of a run, all or those of some kinds."""
    mine = [Timer.run_id == run.id, Timer.state != TimerState.DONE]
    if kinds:
        mine.append(Timer.kind.in_(kinds))
    session.execute(
        update(Timer)
        .where(*mine)
        .values(state=TimerState.DONE)
        .execution_options(synchronize_session=False)
    )


def end_run(session: Session, run: Run, status: RunStatus, outcome: str) -> None:
    """End a run: its timers and tasks are void, what it planned and has not sent is withdrawn."""
    run.status, run.outcome, run.ended_at = status, outcome, clock.now()
    run.wake_at, run.waits_for = None, []
    session.flush()
    disarm(session, run)
    withdraw(session, run.id)
    withdraw_tasks(session, run.id)


def acting_run(session: Session, case_id: int) -> Run | None:
    """Return the one run of a case that may act."""
    statement = select(Run).where(Run.case_id == case_id, Run.status.in_(ACTING))
    return session.scalars(statement).one_or_none()


def open_runs(session: Session, case_id: int) -> list[Run]:
    """Return the runs of a case that are not over, oldest first."""
    statement = select(Run).where(Run.case_id == case_id, Run.status.in_(OPEN)).order_by(Run.id)
    return list(session.scalars(statement))


def suspend(session: Session, run: Run) -> None:
    """Let a run wait for a higher one or an agreement; what it has not sent yet is withdrawn."""
    run.status = RunStatus.SUSPENDED
    session.flush()
    withdraw(session, run.id)


def resume(session: Session, run: Run) -> list[EventView]:
    """Let a suspended run go on where it was; return what its node is to hear first.

    Its timer found nobody meanwhile: it is set anew, or heard now if its time is past.
    """
    run.status = RunStatus.WAITING if run.node_id is not None else RunStatus.ACTIVE
    session.flush()
    if run.node_id is None:
        return []
    heard = [EventView(type=RESUMED, at=clock.now())]
    if run.wake_at is not None and run.wake_at <= clock.now():
        heard.append(EventView(type=TIMER, at=run.wake_at))
    elif run.wake_at is not None:
        arm(session, run, TimerKind.WAKE, run.wake_at)
    return heard


def runner(plugins: Plugins) -> Callable[[Node, CaseView], Step]:
    """Return the function that runs a node's type through the guard; it raises `NodeFailed`."""

    def run(node: Node, case: CaseView) -> Step:
        try:
            provider = plugins.node(node.type)
        except (NotFound, PluginMisconfigured, Misconfigured, ProviderFailedError):
            raise NodeFailed("NODE_TYPE_GONE", node.type) from None
        try:
            config = provider.Settings.model_validate(dict(node.config))
        except ValidationError as error:
            raise NodeFailed("NODE_SETTINGS", str(error.errors()[0]["msg"])[:200]) from None
        try:
            step: Step = call(provider, "run", (case, config))
        except (ProviderFailedError, RetryLater, Rejected, Misconfigured) as failure:
            raise NodeFailed("NODE_FAILED", str(failure)[:200]) from None
        return step

    return run
