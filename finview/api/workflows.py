"""Workflows and their runs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import ColumnElement, Select, and_, false, or_, select

from finview.accounts.access import visible
from finview.api.common import Node, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, user_error
from finview.api.engine.ids import encode, key_of
from finview.api.engine.linked import linked_if_seen
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON
from finview.api.engine.sources import Bulk, Calc, Col, Conn, Find, Id, One, cols, root, source
from finview.api.enums import WorkflowKind, WorkflowState
from finview.customers.models import Customer as CustomerRow
from finview.db.lists import one_of
from finview.errors import NotFound
from finview.i18n import translate
from finview.plugins.manager import Plugins
from finview.workflows.advance import steps_of
from finview.workflows.checks import problems
from finview.workflows.definitions import Versions, versions_of, workflows_of
from finview.workflows.models import Run, WorkflowVersion
from finview.workflows.models import Workflow as WorkflowRow

if TYPE_CHECKING:
    from finview.api.customers import Customer


@strawberry.type(description="What happens to a case and when, as a versioned graph.")
class Workflow(Node):
    """A workflow."""

    row: strawberry.Private[WorkflowRow]
    versions: strawberry.Private[Versions]
    name: str = f(description="Its name.")
    kind: WorkflowKind = f(description="What it is for.")
    state: WorkflowState = f(description="Whether it was published.")
    version: int = f(description="The number of the published version; before, of the draft.")
    graph: JSON = f(description="The published version's graph; before the first, the draft's.")
    draft: JSON | None = f(description="What was saved since the last publishing.")
    lock_version: int = f(description="Grows with every change; an update names it.")

    @strawberry.field(description="Whose it is; null: the agency's, for every customer.")
    def customer(
        self, info: Info
    ) -> Annotated["Customer", strawberry.lazy("finview.api.customers")] | None:
        """Return the customer."""
        from finview.api.customers import Customer

        found = linked_if_seen(info.context, CustomerRow, self.row.customer_id)
        return Customer.of(found) if found is not None else None

    @strawberry.field(
        description="What refuses publishing: of the draft, else of the published graph, for "
        "plugins change. `path` starts with the node."
    )
    def problems(self, info: Info) -> list[UserError]:
        """Return the problems."""
        return _problems(info.context, self.versions, self.kind)


def shown(ctx: Context, rows: Sequence[WorkflowRow]) -> dict[int, Workflow]:
    """Return workflows as the API shows them, with one statement for all their versions."""
    found = versions_of(ctx.session, [row.id for row in rows])
    return {row.id: _shown(ctx, row, found[row.id]) for row in rows}


def _shown(ctx: Context, row: WorkflowRow, versions: Versions) -> Workflow:
    draft = versions.draft
    return Workflow(
        id=strawberry.ID(encode("wf", row.id)),
        row=row,
        versions=versions,
        name=translate(row.name, ctx.locale),
        kind=WorkflowKind(row.kind),
        state=WorkflowState(versions.status),
        version=versions.shown.n,
        graph=JSON(versions.shown.graph),
        draft=JSON(draft.graph) if draft is not None else None,
        lock_version=row.lock_version,
    )


def _problems(ctx: Context, versions: Versions, kind: WorkflowKind) -> list[UserError]:
    found = problems(versions.checked.graph, kind, ctx.services.get(Plugins))
    return [user_error(one, ctx.locale) for one in found]


def _read(ctx: Context, keys: Sequence[int]) -> Mapping[int, Versions]:
    """Read the versions of a page once, whatever of them is selected."""
    known = ("versions", *keys)
    if known not in ctx.cache:
        ctx.cache[known] = versions_of(ctx.session, keys)
    found: Mapping[int, Versions] = ctx.cache[known]
    return found


def _of(make: Callable[[Versions], Any]) -> Bulk:
    return Bulk(lambda ctx, keys: {k: make(one) for k, one in _read(ctx, keys).items()})


def _problems_of(ctx: Context, keys: Sequence[int]) -> dict[int, list[UserError]]:
    kinds = select(WorkflowRow.id, WorkflowRow.kind).where(one_of(WorkflowRow.id, list(keys)))
    kind_of = {row.id: WorkflowKind(row.kind) for row in ctx.session.execute(kinds)}
    return {k: _problems(ctx, one, kind_of[k]) for k, one in _read(ctx, keys).items()}


@strawberry.type(description="One step a run took.")
class WorkflowStep:
    """One step a run took."""

    at: datetime = f(description="When.")
    node: str = f(description="The node it left, or waits in.")
    outcome: str = f(description="The port it left by, wait, or end.")
    settings: JSON = f(description="The effective settings the node looked at, with source.")


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
        return _workflows_of(info.context, [self.row.version_id])[self.row.version_id]

    @strawberry.field(description="The newest 200 steps, oldest first.")
    def steps(self, info: Info) -> list[WorkflowStep]:
        """Return the steps."""
        return _steps(info.context, [self.row.id])[self.row.id]


def _workflows_of(ctx: Context, version_ids: Sequence[int]) -> dict[int, Workflow]:
    """Return the workflows of versions; who sees a run sees what it runs."""
    found = workflows_of(ctx.session, version_ids)
    workflows = shown(ctx, list({row.id: row for row in found.values()}.values()))
    return {version: workflows[row.id] for version, row in found.items()}


def _steps(ctx: Context, run_ids: Sequence[int]) -> dict[int, list[WorkflowStep]]:
    return {
        key: [
            WorkflowStep(
                at=s.at, node=s.node_id, outcome=s.outcome, settings=JSON(s.settings or {})
            )
            for s in steps
        ]
        for key, steps in steps_of(ctx.session, list(run_ids)).items()
    }


source(
    WorkflowRun,
    Run,
    id=Id("run"),
    state=Col("status"),
    node=Col("node_id"),
    workflow=Bulk(_workflows_of, "version_id"),
    steps=Bulk(_steps),
    **cols("kind", "started_at", "wake_at"),
)
source(
    Workflow,
    WorkflowRow,
    id=Id("wf"),
    name=Calc(lambda ctx, name: translate(name, ctx.locale), ("name",)),
    state=_of(lambda versions: WorkflowState(versions.status)),
    version=_of(lambda versions: versions.shown.n),
    graph=_of(lambda versions: JSON(versions.shown.graph)),
    draft=_of(lambda versions: versions.draft and JSON(versions.draft.graph)),
    problems=Bulk(_problems_of),
    customer=One("Customer", "customer_id", lost=True),
    **cols("kind", "lock_version"),
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


@strawberry.type(description="A page of workflow runs.")
class WorkflowRunConnection:
    """A page of runs."""

    page: strawberry.Private[Page[Run]]
    nodes: list[WorkflowRun] = f(description="The runs of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.input(description="Which runs; what is left out does not restrict.")
class WorkflowRunWhere:
    """Which runs."""

    case_id: strawberry.ID | None = f(default=None, description="Of this case.")
    workflow_id: strawberry.ID | None = f(
        default=None, description="Of this workflow, in any version."
    )
    kind: list[WorkflowKind] | None = f(default=None, description="Of one of the kinds.")
    state: list[str] | None = f(default=None, description="In one of the states.")


def workflow_runs(
    info: Info,
    first: int | None = 50,
    after: str | None = None,
    where: WorkflowRunWhere | None = None,
) -> WorkflowRunConnection:
    """Return the visible runs, newest first."""
    ctx = info.context
    wanted = visible(select(Run), ctx.who)
    condition = _wanted_runs(where)
    if condition is not None:
        wanted = wanted.where(condition)
    found: Page[Run] = page(ctx.session, wanted, _newest(), first=first, after=after)
    return WorkflowRunConnection(
        page=found, nodes=[run_type(row) for row in found.rows], page_info=PageInfo.of(found)
    )


def _newest() -> list[Order]:
    return [Order(Run.id, descending=True)]


def _wanted_runs(where: WorkflowRunWhere | None = None) -> ColumnElement[bool] | None:
    if where is None:
        return None
    parts: list[ColumnElement[bool]] = []
    if where.case_id is not None:
        parts.append(Run.case_id == _key(where.case_id, "cas"))
    if where.workflow_id is not None:
        versions = select(WorkflowVersion.id).where(
            WorkflowVersion.workflow_id == _key(where.workflow_id, "wf")
        )
        parts.append(Run.version_id.in_(versions))
    if where.kind is not None:
        parts.append(or_(false(), *(Run.kind == kind.value for kind in where.kind)))
    if where.state is not None:
        parts.append(or_(false(), *(Run.status == state for state in where.state)))
    return and_(True, *parts)


def _key(value: str, tag: str) -> int:
    try:
        return key_of(value, tag)
    except NotFound:
        return 0


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
        nodes=list(shown(ctx, found.rows).values()),
        page_info=PageInfo.of(found),
    )


def _serving(customer_id: strawberry.ID | None = None) -> ColumnElement[bool] | None:
    if customer_id is None:
        return None
    key = _key(customer_id, "cus")
    return or_(WorkflowRow.customer_id == key, WorkflowRow.customer_id.is_(None))


root("workflows", Conn("Workflow", lambda: [Order(WorkflowRow.id)], where=_serving))
root("workflow", Find("Workflow"))
root("workflow_runs", Conn("WorkflowRun", _newest, where=_wanted_runs))


def workflow_of(ctx: Context, key: int) -> Workflow | None:
    """Return a workflow the viewer may see."""
    row = ctx.session.scalars(visible_workflows(ctx).where(WorkflowRow.id == key)).one_or_none()
    return shown(ctx, [row])[row.id] if row is not None else None


def workflow(info: Info, id: strawberry.ID) -> Workflow | None:  # noqa: A002  # the contract's word
    """Return one workflow."""
    return workflow_of(info.context, _key(id, "wf"))
