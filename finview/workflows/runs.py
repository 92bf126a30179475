"""Runs: started with a pinned version, seen as plain values, written back, ended."""

from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, Debtor, DebtorKind
from finview.cases.statement import balances
from finview.communications.facts import address_of
from finview.communications.outreach import outcome_of, withdraw
from finview.customers.models import BusinessUnit, Customer
from finview.db.bulk import bulk_insert, reserve_ids
from finview.plugins.contracts.node import CaseView, EventView, Step
from finview.plugins.guard import call
from finview.plugins.manager import Plugins
from finview.workflows.decide import RunState
from finview.workflows.graph import Node
from finview.workflows.models import (
    Run,
    RunStatus,
    Timer,
    TimerKind,
    TimerState,
    WorkflowKind,
)
from finview.workflows.nodes import OUTREACH_DONE

ACTING = (RunStatus.ACTIVE, RunStatus.WAITING)
OPEN = (*ACTING, RunStatus.PAUSED, RunStatus.SUSPENDED, RunStatus.INCIDENT)


def start_runs(
    session: Session, cases: Iterable[tuple[int, int, int, int]], kind: WorkflowKind, at: datetime
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
                "status": RunStatus.ACTIVE,
                "seq": 0,
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
        ended=run.status in (RunStatus.DONE, RunStatus.STOPPED),
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


def end_run(session: Session, run: Run, status: RunStatus, outcome: str) -> None:
    """End a run: its timers are void, what it planned and has not sent is withdrawn."""
    run.status, run.outcome, run.ended_at = status, outcome, clock.now()
    run.wake_at, run.waits_for = None, []
    session.execute(
        update(Timer)
        .where(Timer.run_id == run.id, Timer.state != TimerState.DONE)
        .values(state=TimerState.DONE)
        .execution_options(synchronize_session=False)
    )
    withdraw(session, run.id)


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


def resume(session: Session, run: Run) -> EventView | None:
    """Let a suspended run go on where it was; return the outcome of its message, if it waits for one.

    Timers and events that came meanwhile found nobody: the timer is set anew.
    """
    run.status = RunStatus.WAITING if run.node_id is not None else RunStatus.ACTIVE
    session.flush()
    if run.wake_at is not None:
        arm(session, run, TimerKind.WAKE, run.wake_at)
    if OUTREACH_DONE not in run.waits_for or run.node_id is None:
        return None
    state = outcome_of(session, run.id, run.node_id, run.visits.get(run.node_id, 1))
    if state is None:
        return None
    return EventView(type=OUTREACH_DONE, at=clock.now(), payload={"state": state})


def view_of(session: Session, case: Case) -> CaseView:
    """Return what nodes may know of a case, read once per advance."""
    debtor = session.get_one(Debtor, case.debtor_id)
    unit = session.get_one(
        BusinessUnit, session.get_one(Customer, case.customer_id).business_unit_id
    )
    zone = str(unit.company.get("timeZone") or "Europe/Berlin")
    balance = balances(session, [case.id], clock.today(zone))[case.id]
    return CaseView(
        id=case.id,
        number=case.number,
        now=clock.now(),
        currency=case.currency,
        open_minor=balance.open.minor,
        balances={
            "PRINCIPAL": balance.principal.minor,
            "COST": balance.costs.minor,
            "INTEREST": balance.interest.minor,
        },
        status=case.status,
        debtor_kind="BUSINESS" if debtor.kind == DebtorKind.BUSINESS else "CONSUMER",
        locale=debtor.locale,
        zone=zone,
        opened_on=case.opened_at.date(),
        has_email=address_of(session, debtor.id) is not None,
    )


def runner(plugins: Plugins) -> Callable[[Node, CaseView], Step]:
    """Return the function that runs a node's type through the guard."""

    def run(node: Node, case: CaseView) -> Step:
        provider = plugins.node(node.type)
        config = provider.Settings.model_validate(dict(node.config))
        step: Step = call(provider, "run", (case, config))
        return step

    return run


def ends(plugins: Plugins) -> Callable[[Node], bool]:
    """Return the test for nodes that end a run: their type has no ports."""
    return lambda node: not plugins.node(node.type).ports
