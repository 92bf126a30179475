"""Tables of the contact policy: rules by country, decisions, people's wishes, and general stops."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from finview.cases.models import Debtor
from finview.communications.models import Outreach
from finview.db.base import Base, Id, Json, Scope, UtcDateTime, append_only


class ContactOutcome(StrEnum):
    """What the gate says: go, wait, or never."""

    ALLOW = "ALLOW"
    DELAY = "DELAY"
    DENY = "DENY"


class ContactPolicy(Base):
    """When people of a country may be contacted, as one version of its law pack has it.

    `country` is empty for the strictest default. `windows` are by channel the hours of seven days,
    Monday first; `calendar` is the country whose public holidays are closed. `sources` say where
    each rule stands. Written when a version is first needed, and never changed.
    """

    __tablename__ = "contact_policy"
    __table_args__ = (
        Index("contact_policy_once", "country", "debtor_kind", "version", unique=True),
    )

    id: Mapped[Id]
    country: Mapped[str] = mapped_column(String(2))
    debtor_kind: Mapped[str] = mapped_column(String(8))
    tz: Mapped[str | None] = mapped_column(String(60))
    windows: Mapped[dict[str, Any]] = mapped_column(Json)
    calendar: Mapped[str | None] = mapped_column(String(2))
    max_calls: Mapped[int]
    per_days: Mapped[int]
    talk_gap_days: Mapped[int]
    sources: Mapped[list[Any]] = mapped_column(Json)
    version: Mapped[str] = mapped_column(String(40))
    verified_on: Mapped[date | None]


class ContactDecision(Base):
    """One answer of the gate about one planned contact, with every reason there was."""

    __tablename__ = "contact_decision"
    __table_args__ = (
        Index("contact_decision_case", "case_id", "id"),
        Index("contact_decision_outreach", "outreach_id", "id"),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    customer_id: Mapped[int] = mapped_column(BigInteger)
    portfolio_id: Mapped[int] = mapped_column(BigInteger)
    debtor_id: Mapped[int] = mapped_column(BigInteger)
    outreach_id: Mapped[int] = mapped_column(ForeignKey(Outreach.id))
    channel: Mapped[str] = mapped_column(String(10))
    outcome: Mapped[str] = mapped_column(String(8))
    reasons: Mapped[list[str]] = mapped_column(Json)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    policy_version: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


append_only(ContactDecision)


class ContactPreference(Base):
    """Whether a debtor wants no contact by a channel; `by` is the user who entered it last."""

    __tablename__ = "contact_preference"
    __table_args__ = (Index("contact_preference_once", "debtor_id", "channel", unique=True),)

    id: Mapped[Id]
    debtor_id: Mapped[int] = mapped_column(ForeignKey(Debtor.id, ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(10))
    opt_out: Mapped[bool]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[int | None] = mapped_column(BigInteger)


class Conversation(Base):
    """One time a debtor was spoken to about a debt; `inbound`: it was the debtor who called."""

    __tablename__ = "conversation"
    __table_args__ = (Index("conversation_case", "case_id", "at"),)
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    customer_id: Mapped[int] = mapped_column(BigInteger)
    portfolio_id: Mapped[int] = mapped_column(BigInteger)
    debtor_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    inbound: Mapped[bool]
    outreach_id: Mapped[int | None] = mapped_column(BigInteger)


_RUNNING = text("ended_at IS NULL")


class OutboundHold(Base):
    """Nothing goes out in a scope, by one channel or by any, until it is ended.

    `scope_kind` is SYSTEM, BUSINESS_UNIT, CUSTOMER, PORTFOLIO, BUCKET or WORKFLOW.
    """

    __tablename__ = "outbound_hold"
    __table_args__ = (
        Index("outbound_hold_running", "id", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
    )

    id: Mapped[Id]
    scope_kind: Mapped[str] = mapped_column(String(15))
    scope_id: Mapped[int | None] = mapped_column(BigInteger)
    channel: Mapped[str | None] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(500))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
