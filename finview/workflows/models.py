"""Tables of the workflows room."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Json, Scope, UtcDateTime, forbid


class WorkflowKind(StrEnum):
    """What a workflow is for; the order is the precedence of runs, highest first."""

    ON_HOLD = "ON_HOLD"
    PAYMENT_PLAN = "PAYMENT_PLAN"
    BREATHING_SPACE = "BREATHING_SPACE"
    RETRY = "RETRY"
    MAIN = "MAIN"


class VersionStatus(StrEnum):
    """A draft may change, a published version never does."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    RETIRED = "RETIRED"


class RunStatus(StrEnum):
    """Where a run stands."""

    ACTIVE = "ACTIVE"
    WAITING = "WAITING"
    PAUSED = "PAUSED"
    SUSPENDED = "SUSPENDED"
    INCIDENT = "INCIDENT"
    DONE = "DONE"
    STOPPED = "STOPPED"


class TimerKind(StrEnum):
    """What a timer is for."""

    WAKE = "WAKE"
    BREATHING_END = "BREATHING_END"
    REMINDER = "REMINDER"
    OVERDUE = "OVERDUE"


class TimerState(StrEnum):
    """A timer waits, fires once, and is folded into one step."""

    WAITING = "WAITING"
    FIRED = "FIRED"
    DONE = "DONE"


class Workflow(Base):
    """A named workflow of one customer, or of the whole agency when it has no customer."""

    __tablename__ = "workflow"
    __table_args__ = (Index("workflow_key", "key", unique=True),)
    __scope__: ClassVar = Scope(customer="customer_id")

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"), index=True)
    lock_version: Mapped[int] = mapped_column(default=1, server_default=text("1"))


class WorkflowVersion(Base):
    """One version of a workflow's graph; runs pin the version they started with."""

    __tablename__ = "workflow_version"
    __table_args__ = (
        Index("workflow_version_once", "workflow_id", "n", unique=True),
        Index(
            "workflow_version_draft",
            "workflow_id",
            unique=True,
            sqlite_where=text("status = 'DRAFT'"),
            postgresql_where=text("status = 'DRAFT'"),
        ),
        Index(
            "workflow_version_published",
            "workflow_id",
            unique=True,
            sqlite_where=text("status = 'PUBLISHED'"),
            postgresql_where=text("status = 'PUBLISHED'"),
        ),
    )

    id: Mapped[Id]
    workflow_id: Mapped[int] = mapped_column(ForeignKey("workflow.id"))
    n: Mapped[int] = mapped_column()
    graph: Mapped[dict[str, Any]] = mapped_column(Json)
    sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(12))


forbid(
    WorkflowVersion,
    "workflow_version_immutable",
    on="UPDATE",
    message="a published workflow version never changes",
    when="OLD.status <> 'DRAFT' AND (NEW.sha256 IS DISTINCT FROM OLD.sha256 "
    "OR NEW.n IS DISTINCT FROM OLD.n OR NEW.workflow_id IS DISTINCT FROM OLD.workflow_id "
    "OR NEW.graph IS DISTINCT FROM OLD.graph OR NEW.status = 'DRAFT')",
)
forbid(
    WorkflowVersion,
    "workflow_version_kept",
    on="DELETE",
    message="a published workflow version is kept",
    when="OLD.status <> 'DRAFT'",
)

_ACTING = text("status IN ('ACTIVE','WAITING')")
_OPEN = text("status IN ('ACTIVE','WAITING','PAUSED','SUSPENDED','INCIDENT')")


class Run(Base):
    """One workflow running for one case; `seq` grows with every step and fences the next.

    `subject_id` is the payment plan that a run of the kind PAYMENT_PLAN is about.
    """

    __tablename__ = "run"
    __table_args__ = (
        Index("run_acting", "case_id", unique=True, sqlite_where=_ACTING, postgresql_where=_ACTING),
        Index(
            "run_open", "case_id", "kind", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
        ),
        Index("run_case", "case_id", "id"),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    customer_id: Mapped[int] = mapped_column()
    portfolio_id: Mapped[int] = mapped_column()
    kind: Mapped[str] = mapped_column(String(20))
    version_id: Mapped[int] = mapped_column(ForeignKey("workflow_version.id"))
    node_id: Mapped[str | None] = mapped_column(String(60))
    visits: Mapped[dict[str, int]] = mapped_column(Json)
    entered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(12))
    seq: Mapped[int] = mapped_column(default=0)
    wake_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    waits_for: Mapped[list[str]] = mapped_column(Json)
    subject_id: Mapped[int | None] = mapped_column(BigInteger)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(60))


class RunStep(Base):
    """One step a run took: the node it left and how.

    `settings` are those the node looked at: name to value and source.
    """

    __tablename__ = "run_step"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[str] = mapped_column(String(60))
    visit: Mapped[int] = mapped_column()
    outcome: Mapped[str] = mapped_column(String(60))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    settings: Mapped[dict[str, Any] | None] = mapped_column(Json)


class Timer(Base):
    """An instant at which a run goes on; its token is the run's `seq` when it was set."""

    __tablename__ = "timer"
    __table_args__ = (
        Index(
            "timer_due",
            "due_at",
            "id",
            sqlite_where=text("state = 'WAITING'"),
            postgresql_where=text("state = 'WAITING'"),
        ),
        Index("timer_run", "run_id"),
    )

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    case_id: Mapped[int] = mapped_column()
    token: Mapped[int] = mapped_column()
    kind: Mapped[str] = mapped_column(String(20))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(10))
