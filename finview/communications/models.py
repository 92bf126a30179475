"""Tables of the communications room."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Json, Scope, UtcDateTime


class OutreachState(StrEnum):
    """How far a contact has come; UNKNOWN means that nobody can tell whether it left.

    BLOCKED: the contact policy forbids it for good. A call that was ACCEPTED waits for its outcome;
    DELIVERED and RETURNED are what a provider reports later.
    """

    PLANNED = "PLANNED"
    SENDING = "SENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    CANCELLED = "CANCELLED"
    BLOCKED = "BLOCKED"
    DELIVERED = "DELIVERED"
    RETURNED = "RETURNED"


class Channel(StrEnum):
    """How a debtor is contacted."""

    EMAIL = "EMAIL"
    LETTER = "LETTER"
    SMS = "SMS"
    CALL = "CALL"


class Outreach(Base):
    """One contact of a debtor, planned by a workflow; its key is the same on every try.

    `not_before` is when the contact policy allows it; `held` while its run is paused or suspended.
    `settle_at` is when an UNKNOWN one is looked at again. `workflow_id` is that of its run.
    `outcome`, `reason` and `detail` are what came back: a call's result, a call-back instant, a
    promise. `params` are what the node asked for.
    """

    __tablename__ = "outreach"
    __table_args__ = (
        Index("outreach_once", "run_id", "node_id", "visit", "attempt", unique=True),
        Index("outreach_case", "case_id", "id"),
        Index(
            "outreach_settle",
            "settle_at",
            sqlite_where=text("state = 'UNKNOWN'"),
            postgresql_where=text("state = 'UNKNOWN'"),
        ),
        Index(
            "outreach_waiting",
            "id",
            sqlite_where=text("state = 'PLANNED'"),
            postgresql_where=text("state = 'PLANNED'"),
        ),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    customer_id: Mapped[int] = mapped_column()
    portfolio_id: Mapped[int] = mapped_column()
    run_id: Mapped[int] = mapped_column()
    node_id: Mapped[str] = mapped_column(String(60))
    visit: Mapped[int] = mapped_column()
    attempt: Mapped[int] = mapped_column(default=1)
    channel: Mapped[str] = mapped_column(String(10))
    template: Mapped[str] = mapped_column(String(60))
    idem_key: Mapped[str] = mapped_column(String(40), unique=True)
    state: Mapped[str] = mapped_column(String(12))
    provider: Mapped[str | None] = mapped_column(String(100))
    provider_ref: Mapped[str | None] = mapped_column(String(300))
    binding_id: Mapped[int | None] = mapped_column()
    planned_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sending_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    held: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    settle_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    workflow_id: Mapped[int | None] = mapped_column()
    point_id: Mapped[int | None] = mapped_column()
    params: Mapped[dict[str, Any] | None] = mapped_column(Json)
    outcome: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(60))
    detail: Mapped[dict[str, Any] | None] = mapped_column(Json)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
