"""Jobs: work that is not done inside the request; who watches it, runs it again, calls it off."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import strawberry
from sqlalchemy import ColumnElement, and_, false, or_, select

from finview.accounts.access import Action, find, may, visible
from finview.api.common import Node, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate, stored_error, user_error
from finview.api.engine.ids import encode, key_of, split
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON
from finview.api.engine.sources import Calc, Conn, Find, cols, root, source
from finview.api.engine.sources import Id as IdOf
from finview.db.jobs import Job as JobRow
from finview.db.jobs import State
from finview.errors import FinviewError, NotFound
from finview.jobs import control

TAGS = {
    "business_unit": "bu",
    "import": "imp",
    "case": "cas",
    "contact": "ctc",
    "customer": "cus",
    "debtor": "dbt",
    "workflow": "wf",
    "run": "run",
}
"""What a job may be about, and the tag of its public ids."""
_KINDS = {tag: kind for kind, tag in TAGS.items()}


@strawberry.enum(description="Where a job stands.")
class JobState(StrEnum):
    """Where a job stands."""

    READY = "READY"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@strawberry.type(description="Work that was accepted and goes on after the answer.")
class Job(Node):
    """Accepted work."""

    row: strawberry.Private[JobRow]
    kind: str = f(description="What it does.")
    queue: str = f(description="In which queue it waits for a worker.")
    state: JobState = f(description="Where it stands.")
    runs: int = f(description="How often it has been begun.")
    max_runs: int = f(description="How often it may fail before it is given up.")
    phase: str | None = f(description="What it is doing, as a stable code.")
    parked: bool = f(description="Waits for a person; `error` says for what.")
    progress_done: int = f(description="Rows done.")
    progress_total: int | None = f(description="Rows in all, once known.")
    result: JSON | None = f(description="What came of it, once it is done: counts, by kind of job.")
    created_at: datetime = f(description="When it was accepted.")
    finished_at: datetime | None = f(description="When it ended.")

    @classmethod
    def of(cls, row: JobRow) -> "Job":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("job", row.id)),
            row=row,
            kind=row.kind,
            queue=row.queue,
            state=JobState(State(row.state).public),
            runs=row.runs,
            max_runs=row.max_runs,
            phase=row.phase,
            parked=row.state == State.PARKED,
            progress_done=row.progress_done,
            progress_total=row.progress_total,
            result=None if row.result is None else JSON(row.result),
            created_at=row.created_at,
            finished_at=row.finished_at,
        )

    @strawberry.field(description="Why it failed, or what it waits for.")
    def error(self, info: Info) -> UserError | None:
        """Return the stored failure."""
        return _error(info.context, self.row.error_code, self.row.error_params)

    @strawberry.field(description="What it is about; null: nothing, or it is gone or not visible.")
    def subject(self, info: Info) -> Node | None:
        """Return the subject."""
        from finview.api.schema import NODES

        tag = TAGS.get(self.row.subject_kind or "")
        if tag not in NODES or self.row.subject_id is None:
            return None
        try:
            return NODES[tag](info.context, (self.row.subject_id,))
        except NotFound:
            return None


def _error(ctx: Context, code: str | None, params: dict[str, Any] | None) -> UserError | None:
    if code is None:
        return None
    return stored_error({"code": code, "params": params or {}}, ctx.locale)


@strawberry.type(description="A page of jobs.")
class JobConnection:
    """A page of jobs."""

    page: strawberry.Private[Page[JobRow]]
    nodes: list[Job] = f(description="The jobs of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.input(description="Which jobs; what is left out does not restrict.")
class JobWhere:
    """Which jobs."""

    state: list[JobState] | None = f(default=None, description="In one of the states.")
    kind: list[str] | None = f(default=None, description="Of one of the kinds.")
    queue: list[str] | None = f(default=None, description="In one of the queues.")
    parked: bool | None = f(default=None, description="Whether they wait for a person.")
    subject_id: strawberry.ID | None = f(default=None, description="About this object.")


def jobs(
    info: Info, first: int | None = 50, after: str | None = None, where: JobWhere | None = None
) -> JobConnection:
    """Return the visible jobs, newest first."""
    ctx = info.context
    wanted = visible(select(JobRow), ctx.who)
    condition = _wanted(where)
    if condition is not None:
        wanted = wanted.where(condition)
    found: Page[JobRow] = page(ctx.session, wanted, _order(), first=first, after=after)
    return JobConnection(
        page=found, nodes=[Job.of(row) for row in found.rows], page_info=PageInfo.of(found)
    )


def _order() -> list[Order]:
    return [Order(JobRow.id, descending=True)]


def _wanted(where: JobWhere | None = None) -> ColumnElement[bool] | None:
    if where is None:
        return None
    parts: list[ColumnElement[bool]] = []
    if where.state is not None:
        shown = {state.value for state in where.state}
        inner = [state.value for state in State if state.public in shown]
        parts.append(_one_of(JobRow.state, inner))
    if where.kind is not None:
        parts.append(_one_of(JobRow.kind, where.kind))
    if where.queue is not None:
        parts.append(_one_of(JobRow.queue, where.queue))
    if where.parked is not None:
        is_parked = JobRow.state == State.PARKED.value
        parts.append(is_parked if where.parked else ~is_parked)
    if where.subject_id is not None:
        tag, key = split(where.subject_id)
        about = _KINDS.get(tag, "")
        parts.append(
            and_(JobRow.subject_kind == about, JobRow.subject_id == (key[0] if key else 0))
        )
    return and_(True, *parts)


def _one_of(column: Any, values: list[str]) -> ColumnElement[bool]:
    return or_(false(), *(column == value for value in values))


source(
    Job,
    JobRow,
    id=IdOf("job"),
    state=Calc(lambda _, state: JobState(State(state).public), ("state",)),
    parked=Calc(lambda _, state: state == State.PARKED, ("state",)),
    error=Calc(_error, ("error_code", "error_params")),
    **cols(
        *("kind", "queue", "runs", "max_runs", "phase", "progress_done", "progress_total"),
        *("result", "created_at", "finished_at"),
    ),
)
root("job", Find("Job"))
root("jobs", Conn("Job", _order, where=_wanted))


def job_of(ctx: Context, job_id: int | None) -> Job | None:
    """Return a job the viewer may see."""
    if job_id is None:
        return None
    statement = visible(select(JobRow), ctx.who).where(JobRow.id == job_id)
    found = ctx.session.scalars(statement).one_or_none()
    return Job.of(found) if found is not None else None


@strawberry.type(description="The answer of a mutation of a job.")
class JobPayload:
    """The answer of a mutation."""

    job: Job | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="The answer of a mutation of many jobs.")
class JobsPayload:
    """The answer of a mutation."""

    count: int = f(default=0, description="How many it was done to.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type
class JobMutation:
    """What people may do with jobs."""

    @strawberry.mutation(
        description="Run a job again that failed, was cancelled or is parked; else `STATE`."
    )
    def job_retry(self, info: Info, id: strawberry.ID) -> JobPayload:  # noqa: A002  # the contract's word
        """Ready a job anew."""
        ctx = info.context

        def act() -> Job:
            key = _controlled(ctx, id)
            return Job.of(control.retry(ctx.session, key, by=ctx.who.user_id))

        return mutate(ctx, JobPayload, "job", act, name="jobRetry")

    @strawberry.mutation(
        description="Call a job off: at once when it has not begun, else after the rows it is at. "
        "What can't be stopped half-way ends as usual."
    )
    def job_cancel(self, info: Info, id: strawberry.ID) -> JobPayload:  # noqa: A002  # the contract's word
        """Call a job off."""
        ctx = info.context

        def act() -> Job:
            key = _controlled(ctx, id)
            return Job.of(control.cancel(ctx.session, ctx.services, key, by=ctx.who.user_id))

        return mutate(ctx, JobPayload, "job", act, name="jobCancel")

    @strawberry.mutation(
        description="Run every job again that failed or is parked, or, when `state` says so, was "
        "cancelled; at most 1,000 at a time."
    )
    def jobs_retry(self, info: Info, where: JobWhere) -> JobsPayload:
        """Ready many jobs anew."""
        ctx = info.context
        try:
            may(ctx.who, Action.CONTROL_JOBS)
        except FinviewError as failure:
            return JobsPayload(errors=[user_error(failure, ctx.locale)])
        wanted = _wanted(where)
        assert wanted is not None, "a filter was given"
        if where.state is None:
            wanted = and_(wanted, JobRow.state != State.CANCELLED.value)
        count = control.retry_all(ctx.session, wanted, by=ctx.who.user_id)
        return JobsPayload(count=count, errors=[])


def _controlled(ctx: Context, job_id: strawberry.ID) -> int:
    """Return the key of a visible job; raises `NotFound`, `Forbidden`."""
    row = find(ctx.session, JobRow, key_of(job_id, "job", "id"), ctx.who)
    may(ctx.who, Action.CONTROL_JOBS)
    return row.id
