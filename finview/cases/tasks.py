"""Tasks: a person is asked to do something about a case, and says what came of it."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Role
from finview.cases.lifecycle import locked
from finview.cases.task_models import Task
from finview.cases.timeline import note
from finview.db import audit, events
from finview.errors import Invalid, NotFound, State
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "TASK_OUTCOME": N_("This task ends in one of: {outcomes}."),
        "TASK_COMPLETED": N_("The task is completed already."),
        "TASK_WITHDRAWN": N_("The task is not needed any more."),
        "TIMELINE_TASK_OPENED": N_("Task: {title}"),
        "TIMELINE_TASK_COMPLETED": N_("Task completed ({outcome}): {title}"),
        "TIMELINE_TASK_WITHDRAWN": N_("Task no longer needed: {title}"),
    }
)

TITLE_CHARS_MAX = 300
OUTCOME_CHARS_MAX = 60
TASK_DONE = "TASK"
"""The event that tells a run how a task it opened ended."""
_LAST = date.max


def open_task(
    session: Session,
    case_id: int,
    *,
    title: str,
    role: str = Role.OPERATOR,
    due_on: date | None = None,
    outcomes: Sequence[str] = ("done",),
    run_id: int | None = None,
    node_id: str | None = None,
    visit: int | None = None,
    dedupe: str | None = None,
) -> Task:
    """Ask a person to do something about a case; the same `dedupe` is the same task, for ever.

    `title` is the code of a registered sentence without places to fill, or plain words. Holds the
    case's row. Raises `NotFound` without the case, `ValueError` for a role or outcomes that no task
    can have: those of a graph were checked when it was saved.
    """
    names = list(dict.fromkeys(outcomes))
    if not names or not all(0 < len(name) <= OUTCOME_CHARS_MAX for name in names):
        raise ValueError("a task needs outcomes with names of 1 to 60 characters")
    case = locked(session, case_id)
    if dedupe is not None:
        found = session.scalars(select(Task).where(Task.dedupe == dedupe)).one_or_none()
        if found is not None:
            return found
    task = Task(
        case_id=case.id,
        customer_id=case.customer_id,
        portfolio_id=case.portfolio_id,
        title=title[:TITLE_CHARS_MAX],
        role=Role(role).value,
        due_on=due_on,
        ordered_on=due_on or _LAST,
        outcomes=names,
        run_id=run_id,
        node_id=node_id,
        visit=visit,
        dedupe=dedupe,
        opened_at=clock.now(),
    )
    session.add(task)
    session.flush()
    note(session, "TIMELINE_TASK_OPENED", [case_id], by=None, params={"title": task.title})
    return task


def complete_task(session: Session, task_id: int, outcome: str, *, by: int | None) -> Task:
    """Complete an open task with one of its outcomes; the run that opened it hears of it as `TASK`.

    Raises `NotFound`, `Invalid` (TASK_OUTCOME), `State` (TASK_COMPLETED, TASK_WITHDRAWN).
    """
    case_id = session.scalar(select(Task.case_id).where(Task.id == task_id))
    if case_id is None:
        raise NotFound(path=("id",))
    locked(session, case_id)
    task = session.get_one(Task, task_id, populate_existing=True)
    if task.completed_at is not None or task.withdrawn_at is not None:
        raise State("TASK_COMPLETED" if task.completed_at else "TASK_WITHDRAWN", path=("id",))
    if outcome not in task.outcomes:
        raise Invalid("TASK_OUTCOME", path=("outcome",), outcomes=list(task.outcomes))
    task.outcome, task.completed_at, task.completed_by = outcome, clock.now(), by
    session.flush()
    told = {"title": task.title, "outcome": outcome}
    note(session, "TIMELINE_TASK_COMPLETED", [case_id], by=by, params=told)
    audit.record(session, "task.complete", actor_id=by, subject=("task", task.id), case_id=case_id)
    if task.run_id is not None:
        waits = {"run_id": task.run_id, "node_id": task.node_id, "visit": task.visit}
        events.emit(
            session,
            TASK_DONE,
            case_id=case_id,
            payload={"task_id": task.id, "outcome": outcome, **waits},
            dedupe=f"task:{task.id}",
        )
    return task


def settle_task(session: Session, dedupe: str, outcome: str | None, *, by: int | None) -> None:
    """End the open task of a `dedupe`, if there is one: with an outcome, or withdrawn without.

    For whoever learns the answer in another way; no run is told.
    """
    task = session.scalars(select(Task).where(Task.dedupe == dedupe)).one_or_none()
    if task is None or task.completed_at is not None or task.withdrawn_at is not None:
        return
    told = {"title": task.title}
    if outcome is None:
        task.withdrawn_at = clock.now()
        note(session, "TIMELINE_TASK_WITHDRAWN", [task.case_id], by=by, params=told)
    else:
        task.outcome, task.completed_at, task.completed_by = outcome, clock.now(), by
        told["outcome"] = outcome
        note(session, "TIMELINE_TASK_COMPLETED", [task.case_id], by=by, params=told)
    session.flush()


def withdraw_tasks(session: Session, run_id: int) -> int:
    """Take back what a run still asks of people, as it has ended; return how many tasks."""
    wanted = select(Task.id, Task.case_id, Task.title).where(
        Task.run_id == run_id, Task.completed_at.is_(None), Task.withdrawn_at.is_(None)
    )
    found = session.execute(wanted.order_by(Task.id)).all()
    if not found:
        return 0
    session.execute(
        update(Task)
        .where(Task.id.in_([row.id for row in found]))
        .values(withdrawn_at=clock.now())
        .execution_options(synchronize_session="fetch")
    )
    for row in found:
        note(
            session, "TIMELINE_TASK_WITHDRAWN", [row.case_id], by=None, params={"title": row.title}
        )
    return len(found)
