"""Tasks: what a person is asked to do about a case."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from sqlalchemy import ColumnElement, and_, false, not_, or_, select

from finview.accounts.access import visible
from finview.api.common import Node, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.ids import encode, key_of
from finview.api.engine.linked import linked
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.sources import CAP, Calc, Conn, Id, One, cols, root, source
from finview.api.enums import Role
from finview.cases.models import Case as CaseRow
from finview.cases.task_models import Task as TaskRow
from finview.errors import NotFound
from finview.i18n import sentence

if TYPE_CHECKING:
    from finview.api.cases import Case


@strawberry.type(description="Something a person is asked to do about a case.")
class Task(Node):
    """Something a person is asked to do."""

    row: strawberry.Private[TaskRow]
    title: str = f(description="What is to be done, in one sentence.")
    role: Role = f(description="Who shall do it.")
    due_on: date | None = f(description="By when.")
    outcomes: list[str] = f(description="How it can end: completing it names one of these.")
    outcome: str | None = f(description="How it ended; null while it is open, or withdrawn.")
    opened_at: datetime = f(description="Since when it is asked for.")
    completed_at: datetime | None = f(description="When it was completed.")
    withdrawn_at: datetime | None = f(description="When it was no longer needed.")

    @classmethod
    def of(cls, row: TaskRow, locale: str) -> "Task":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("tsk", row.id)),
            row=row,
            title=sentence(row.title, locale),
            role=Role(row.role),
            due_on=row.due_on,
            outcomes=list(row.outcomes),
            outcome=row.outcome,
            opened_at=row.opened_at,
            completed_at=row.completed_at,
            withdrawn_at=row.withdrawn_at,
        )

    @strawberry.field(description="The case it is about.")
    def case(self, info: Info) -> Annotated["Case", strawberry.lazy("finview.api.cases")]:
        """Return the case."""
        from finview.api.cases import Case

        return Case.of(linked(info.context, CaseRow, self.row.case_id))


@strawberry.type(description="A page of tasks.")
class TaskConnection:
    """A page of tasks."""

    page: strawberry.Private[Page[TaskRow]]
    nodes: list[Task] = f(description="The tasks of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.input(description="Which tasks; what is left out does not restrict.")
class TaskWhere:
    """Which tasks."""

    role: list[Role] | None = f(default=None, description="For one of the roles.")
    open: bool | None = f(default=None, description="Whether they are still to be done.")
    case_id: strawberry.ID | None = f(default=None, description="About this case.")
    due_before: date | None = f(default=None, description="Due on an earlier day than this.")


def tasks(
    info: Info, first: int | None = 50, after: str | None = None, where: TaskWhere | None = None
) -> TaskConnection:
    """Return the visible tasks, those due first first."""
    ctx = info.context
    wanted = visible(select(TaskRow), ctx.who)
    condition = _wanted(where)
    if condition is not None:
        wanted = wanted.where(condition)
    found: Page[TaskRow] = page(ctx.session, wanted, _order(), first=first, after=after)
    return TaskConnection(
        page=found,
        nodes=[Task.of(row, ctx.locale) for row in found.rows],
        page_info=PageInfo.of(found),
    )


def tasks_of(ctx: Context, case_id: int) -> list[Task]:
    """Return the tasks of a case, oldest first."""
    wanted = visible(select(TaskRow), ctx.who).where(TaskRow.case_id == case_id)
    rows = ctx.session.scalars(wanted.order_by(TaskRow.id).limit(CAP))
    return [Task.of(row, ctx.locale) for row in rows]


def _order() -> list[Order]:
    return [Order(TaskRow.ordered_on), Order(TaskRow.id)]


def _wanted(where: TaskWhere | None = None) -> ColumnElement[bool] | None:
    if where is None:
        return None
    parts: list[ColumnElement[bool]] = []
    if where.role is not None:
        parts.append(or_(false(), *(TaskRow.role == role.value for role in where.role)))
    if where.open is not None:
        still = and_(TaskRow.completed_at.is_(None), TaskRow.withdrawn_at.is_(None))
        parts.append(still if where.open else not_(still))
    if where.case_id is not None:
        try:
            key = key_of(where.case_id, "cas")
        except NotFound:
            key = 0
        parts.append(TaskRow.case_id == key)
    if where.due_before is not None:
        parts.append(TaskRow.due_on < where.due_before)
    return and_(True, *parts)


source(
    Task,
    TaskRow,
    id=Id("tsk"),
    title=Calc(lambda ctx, title: sentence(title, ctx.locale), ("title",)),
    case=One("Case", "case_id"),
    **cols("role", "due_on", "outcomes", "outcome", "opened_at", "completed_at", "withdrawn_at"),
)
root("tasks", Conn("Task", _order, where=_wanted))
