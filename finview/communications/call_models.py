"""The table of what call centres told: each thing once, whether or not it still counted."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from finview.communications.models import Outreach
from finview.db.base import Base, Id, Json, Scope, UtcDateTime


class CallReport(Base):
    """One outcome of one call; `counted` is false when it came after the call was over."""

    __tablename__ = "call_report"
    __table_args__ = (UniqueConstraint("outreach_id", "outcome_id", name="uq_call_report_once"),)
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    outreach_id: Mapped[int] = mapped_column(ForeignKey(Outreach.id))
    case_id: Mapped[int] = mapped_column(index=True)
    customer_id: Mapped[int] = mapped_column()
    portfolio_id: Mapped[int] = mapped_column()
    provider: Mapped[str] = mapped_column(String(100))
    outcome_id: Mapped[str] = mapped_column(String(100))
    result: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    call_back_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    promise: Mapped[dict[str, Any] | None] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Text, default="")
    counted: Mapped[bool] = mapped_column()
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor_id: Mapped[int | None] = mapped_column()
