"""Tables of the communications room."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Scope, UtcDateTime


class OutreachState(StrEnum):
    """How far a message has come; UNKNOWN means that nobody can tell whether it left."""

    PLANNED = "PLANNED"
    SENDING = "SENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    CANCELLED = "CANCELLED"


class Outreach(Base):
    """One message to a debtor, planned by a workflow; its key is the same on every try."""

    __tablename__ = "outreach"
    __table_args__ = (
        Index("outreach_once", "run_id", "node_id", "visit", "attempt", unique=True),
        Index("outreach_case", "case_id", "id"),
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
    planned_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sending_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
