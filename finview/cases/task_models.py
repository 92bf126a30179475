"""The table of tasks: what a person is asked to do about a case."""

from datetime import date, datetime
from typing import ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

import finview.cases.models  # noqa: F401  # tasks point at cases
from finview.db.base import Base, Id, Scope, UtcDateTime

_OPEN = text("completed_at IS NULL AND withdrawn_at IS NULL")


class Task(Base):
    """One thing a person is asked to do; open until it is completed or withdrawn.

    `title` is the code of a sentence or the words of a workflow's author, `outcomes` the answers
    to choose from. `run_id`, `node_id` and `visit` name the node that waits for it, if one does.
    `ordered_on` is `due_on`, or a day after all others: lists go by it.
    """

    __tablename__ = "task"
    __table_args__ = (
        Index("task_case", "case_id", "id"),
        Index("task_run", "run_id"),
        Index("task_order", "ordered_on", "id"),
        Index("task_open", "ordered_on", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    customer_id: Mapped[int] = mapped_column(BigInteger)
    portfolio_id: Mapped[int] = mapped_column(BigInteger)
    title: Mapped[str] = mapped_column(String(300))
    role: Mapped[str] = mapped_column(String(20))
    due_on: Mapped[date | None]
    ordered_on: Mapped[date]
    outcomes: Mapped[list[str]]
    outcome: Mapped[str | None] = mapped_column(String(60))
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    node_id: Mapped[str | None] = mapped_column(String(60))
    visit: Mapped[int | None]
    dedupe: Mapped[str | None] = mapped_column(String(200), unique=True)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    completed_by: Mapped[int | None] = mapped_column(BigInteger)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
