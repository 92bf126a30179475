"""The table of holds: why a case rests, since when, and until when."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Scope, UtcDateTime


class HoldReason(StrEnum):
    """Why a case rests."""

    ON_HOLD = "ON_HOLD"
    INVESTIGATION = "INVESTIGATION"
    DISPUTE = "DISPUTE"
    MORATORIUM = "MORATORIUM"
    DEBT_ADVICE = "DEBT_ADVICE"


_OPEN = text("ended_at IS NULL")
_ENDING = text("ended_at IS NULL AND ends_at IS NOT NULL")


class CaseHold(Base):
    """One rest of a case; both days count, and without `until_on` it lasts until it is released.

    `ends_at` is the instant at which it expires by itself: the start of the day after the last.
    """

    __tablename__ = "case_hold"
    __table_args__ = (
        Index("case_hold_open", "case_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("case_hold_case", "case_id", "id"),
        Index("case_hold_due", "ends_at", sqlite_where=_ENDING, postgresql_where=_ENDING),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    customer_id: Mapped[int] = mapped_column(BigInteger)
    portfolio_id: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(16))
    from_on: Mapped[date]
    until_on: Mapped[date | None]
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    note: Mapped[str | None] = mapped_column(String(500))
    held_at: Mapped[datetime] = mapped_column(UtcDateTime)
    held_by: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_by: Mapped[int | None] = mapped_column(BigInteger)
