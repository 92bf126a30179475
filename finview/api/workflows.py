"""Workflows and their runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import ColumnElement, Select, or_, select

from finview.accounts.access import visible
from finview.api.common import Node, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.ids import encode, key_of
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON
from finview.api.engine.sources import Bulk, Calc, Col, Conn, Find, Id, cols, root, source
from finview.api.enums import WorkflowKind
from finview.errors import NotFound
from finview.i18n import translate
from finview.workflows.advance import steps_of
from finview.workflows.models import Run, VersionStatus, WorkflowVersion
from finview.workflows.models import Workflow as WorkflowRow


@strawberry.type(description="What happens to a case and when, as a versioned graph.")
class Workflow(Node):
    """A workflow."""

    row: strawberry.Private[WorkflowRow]
    name: str = f(description="Its name.")
    kind: WorkflowKind = f(description="What it is for.")

    @classmethod
    def of(cls, row: WorkflowRow, locale: str) -> "Workflow":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("wf", row.id)),
            row=row,
            name=translate(row.name, locale),
            kind=WorkflowKind(row.kind),
        )

    @strawberry.field(description="The number of the published version.")
    def version(self, info: Info) -> int:
        """Return the published version's number, 0 without one."""
        found = _published(info.context, self.row.id)
        return found.n if found is not None else 0

    @strawberry.field(description="The published version's graph.")
    def graph(self, info: Info) -> JSON:
        """Return the graph."""
        found = _published(info.context, self.row.id)
        return JSON(found.graph if found is not None else {})


def _published(ctx: Context, workflow_id: int) -> WorkflowVersion | None:
    key = ("published", workflow_id)
    if key not in ctx.cache:
        ctx.cache[key] = ctx.session.scalars(
            select(WorkflowVersion).where(
                WorkflowVersion.workflow_id == workflow_id,
                WorkflowVersion.status == VersionStatus.PUBLISHED,
            )
        ).one_or_none()
    found: WorkflowVersion | None = ctx.cache[key]
    return found


@strawberry.type(description="One step a run took.")
class WorkflowStep:
    """One step a run took."""

    at: datetime = f(description="When.")
    node: str = f(description="The node it left, or waits in.")
    outcome: str = f(description="The port it left by, wait, or end.")


@strawberry.type(description="A workflow running for a case.")
class WorkflowRun(Node):
    """A workflow running for a case."""

    row: strawberry.Private[Run]
    kind: WorkflowKind = f(description="What it is for.")
    state: str = f(description="ACTIVE, WAITING, PAUSED, SUSPENDED, INCIDENT, DONE or STOPPED.")
    node: str | None = f(description="The node it is in.")
    started_at: datetime = f(description="When it started.")
    wake_at: datetime | None = f(description="When it goes on by itself.")

    @strawberry.field(description="The workflow it runs.")
    def workflow(self, info: Info) -> Workflow:
        """Return the workflow."""
        session = info.context.session
        version = session.get_one(WorkflowVersion, self.row.version_id)
        row = session.get_one(WorkflowRow, version.workflow_id)
        return Workflow.of(row, info.context.locale)

    @strawberry.field(description="The newest 200 steps, oldest first.")
    def steps(self, info: Info) -> list[WorkflowStep]:
        """Return the steps."""
        return _steps(info.context, [self.row.id])[self.row.id]


def _steps(ctx: Context, run_ids: Sequence[int]) -> dict[int, list[WorkflowStep]]:
    return {
        key: [WorkflowStep(at=s.at, node=s.node_id, outcome=s.outcome) for s in steps]
        for key, steps in steps_of(ctx.session, list(run_ids)).items()
    }


source(
    WorkflowRun,
    Run,
    id=Id("run"),
    state=Col("status"),
    node=Col("node_id"),
    steps=Bulk(_steps),
    **cols("kind", "started_at", "wake_at"),
)
source(
    Workflow,
    WorkflowRow,
    id=Id("wf"),
    name=Calc(lambda ctx, name: translate(name, ctx.locale), ("name",)),
    **cols("kind"),
)


def run_type(row: Run) -> WorkflowRun:
    """Return a run's row as the API shows it."""
    return WorkflowRun(
        id=strawberry.ID(encode("run", row.id)),
        row=row,
        kind=WorkflowKind(row.kind),
        state=row.status,
        node=row.node_id,
        started_at=row.started_at,
        wake_at=row.wake_at,
    )


def runs_of(ctx: Context, case_id: int) -> list[WorkflowRun]:
    """Return the runs of a case, oldest first."""
    wanted = visible(select(Run), ctx.who).where(Run.case_id == case_id).order_by(Run.id)
    return [run_type(row) for row in ctx.session.scalars(wanted.limit(200))]


@strawberry.type(description="A page of workflows.")
class WorkflowConnection:
    """A page of workflows."""

    page: strawberry.Private[Page[WorkflowRow]]
    nodes: list[Workflow] = f(description="The workflows of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


def visible_workflows(ctx: Context) -> Select[Any]:
    """Return the workflows of the viewer's customers; the agency's own are for its people."""
    return visible(select(WorkflowRow), ctx.who)


def workflows(
    info: Info,
    first: int | None = 50,
    after: str | None = None,
    customer_id: strawberry.ID | None = None,
) -> WorkflowConnection:
    """Return the workflows; with a customer, those that serve it."""
    ctx = info.context
    wanted = visible_workflows(ctx)
    condition = _serving(customer_id)
    if condition is not None:
        wanted = wanted.where(condition)
    order = [Order(WorkflowRow.id)]
    found: Page[WorkflowRow] = page(ctx.session, wanted, order, first=first, after=after)
    return WorkflowConnection(
        page=found,
        nodes=[Workflow.of(row, ctx.locale) for row in found.rows],
        page_info=PageInfo.of(found),
    )


def _serving(customer_id: strawberry.ID | None = None) -> ColumnElement[bool] | None:
    if customer_id is None:
        return None
    try:
        key = key_of(customer_id, "cus")
    except NotFound:
        key = 0
    return or_(WorkflowRow.customer_id == key, WorkflowRow.customer_id.is_(None))


root("workflows", Conn("Workflow", lambda: [Order(WorkflowRow.id)], where=_serving))
root("workflow", Find("Workflow"))


def workflow(info: Info, id: strawberry.ID) -> Workflow | None:  # noqa: A002  # the contract's word
    """Return one workflow."""
    ctx = info.context
    try:
        key = key_of(id, "wf")
    except NotFound:
        return None
    found = ctx.session.scalars(visible_workflows(ctx).where(WorkflowRow.id == key)).one_or_none()
    return Workflow.of(found, ctx.locale) if found is not None else None
