"""Tables of the enrichment room."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

import finview.cases.models  # noqa: F401  # attempts point at cases
from finview.db.base import Base, Id, Json, MinorUnits, Scope, UtcDateTime


class AttemptState(StrEnum):
    """How far an attempt has come; UNKNOWN means that nobody can tell whether it was charged."""

    PLANNED = "PLANNED"
    QUEUED = "QUEUED"
    SENDING = "SENDING"
    PENDING = "PENDING"
    FOUND = "FOUND"
    NOT_FOUND = "NOT_FOUND"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    SKIPPED = "SKIPPED"


class EnrichmentAttempt(Base):
    """One use of the tracing service for a case, and its cost: the row is the cost row.

    `due_at` is a business time. `key` is the same on every try. `settings` are the values that
    counted when it was due, with their sources; `quoted` is the price that was told before.
    `requested` says that a workflow waits for it. `found` counts contact points the provider gave,
    `added` those that were new. `sending_at` is when it was first handed over, `asked_at` when a
    provider last didn't know its key.
    """

    __tablename__ = "enrichment_attempt"
    __table_args__ = (
        Index("enrichment_attempt_once", "case_id", "n", unique=True),
        Index(
            "enrichment_attempt_due",
            "due_at",
            "id",
            sqlite_where=text("state = 'PLANNED'"),
            postgresql_where=text("state = 'PLANNED'"),
        ),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    customer_id: Mapped[int] = mapped_column(BigInteger)
    portfolio_id: Mapped[int] = mapped_column(BigInteger)
    n: Mapped[int]
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str | None] = mapped_column(String(40))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    requested: Mapped[bool] = mapped_column(default=False)
    key: Mapped[str] = mapped_column(String(40))
    provider: Mapped[str | None] = mapped_column(String(64))
    binding_id: Mapped[int | None] = mapped_column(BigInteger)
    settings: Mapped[dict[str, Any] | None] = mapped_column(Json)
    quoted: Mapped[dict[str, Any] | None] = mapped_column(Json)
    cost_minor: Mapped[int | None] = mapped_column(MinorUnits)
    currency: Mapped[str | None] = mapped_column(String(3))
    reference: Mapped[str | None] = mapped_column(String(300))
    sending_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    found: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EnrichmentPrice(Base):
    """What the provider of a binding quoted last; void when the binding has another version."""

    __tablename__ = "enrichment_price"

    binding_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int]
    cost_minor: Mapped[int] = mapped_column(MinorUnits)
    currency: Mapped[str] = mapped_column(String(3))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
