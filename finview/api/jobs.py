"""Jobs: work that is not done inside the request."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import strawberry
from sqlalchemy import select

from finview.accounts.access import visible
from finview.api.common import Node, f
from finview.api.engine.context import Context
from finview.api.engine.errors import UserError, stored_error
from finview.api.engine.ids import encode
from finview.api.engine.sources import Calc, Find, Id, cols, root, source
from finview.db.jobs import Job as JobRow
from finview.db.jobs import State


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
    state: JobState = f(description="Where it stands.")
    progress_done: int = f(description="Rows done.")
    progress_total: int | None = f(description="Rows in all, once known.")
    created_at: datetime = f(description="When it was accepted.")
    finished_at: datetime | None = f(description="When it ended.")

    @classmethod
    def of(cls, row: JobRow) -> "Job":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("job", row.id)),
            row=row,
            kind=row.kind,
            state=JobState(State(row.state).public),
            progress_done=row.progress_done,
            progress_total=row.progress_total,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )

    @strawberry.field(description="Why it failed, or what it waits for.")
    def error(self, info: strawberry.Info[Context, None]) -> UserError | None:
        """Return the stored failure."""
        return _error(info.context, self.row.error_code, self.row.error_params)


def _error(ctx: Context, code: str | None, params: dict[str, Any] | None) -> UserError | None:
    if code is None:
        return None
    return stored_error({"code": code, "params": params or {}}, ctx.locale)


source(
    Job,
    JobRow,
    id=Id("job"),
    state=Calc(lambda _, state: JobState(State(state).public), ("state",)),
    error=Calc(_error, ("error_code", "error_params")),
    **cols("kind", "progress_done", "progress_total", "created_at", "finished_at"),
)
root("job", Find("Job"))


def job_of(ctx: Context, job_id: int | None) -> Job | None:
    """Return a job the viewer may see."""
    if job_id is None:
        return None
    statement = visible(select(JobRow), ctx.who).where(JobRow.id == job_id)
    found = ctx.session.scalars(statement).one_or_none()
    return Job.of(found) if found is not None else None
