"""Tables of debtors, cases, invoices, numbers and the timeline."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

import finview.cases.client_models
import finview.cases.hold_models
import finview.cases.ledger_models  # its tables come with this room's
import finview.customers.models  # noqa: F401  # cases point at customers
from finview.db.base import Base, Id, Json, MinorUnits, Scope, UtcDateTime, forbid


class DebtorKind(StrEnum):
    """Consumers are protected by law in ways businesses are not; the two never merge."""

    CONSUMER = "CONSUMER"
    BUSINESS = "BUSINESS"


class PointState(StrEnum):
    """What is known about an address, an e-mail or a phone of a debtor."""

    NOT_CONFIRMED = "NOT_CONFIRMED"
    VALID = "VALID"
    CONFIRMED = "CONFIRMED"
    INVALID = "INVALID"
    NON_RESPONSIVE = "NON_RESPONSIVE"


class CaseStatus(StrEnum):
    """Where a case stands, as the public schema names it."""

    NEW = "NEW"
    BREATHING_SPACE = "BREATHING_SPACE"
    ACTIVE = "ACTIVE"
    PAYMENT_PLAN = "PAYMENT_PLAN"
    SETTLEMENT = "SETTLEMENT"
    ON_HOLD = "ON_HOLD"
    DISPUTED = "DISPUTED"
    CLOSED = "CLOSED"


class CloseReason(StrEnum):
    """Why a case was closed."""

    PAID_IN_FULL = "PAID_IN_FULL"
    PAID_IN_SETTLEMENT = "PAID_IN_SETTLEMENT"
    WRITTEN_OFF = "WRITTEN_OFF"
    WITHDRAWN = "WITHDRAWN"


def _through_cases() -> tuple[type[Base], Any]:
    return Case, lambda outer, inner: inner.debtor_id == outer.id


def _through_debtor() -> tuple[type[Base], Any]:
    """Contact points are a debtor's, but what another customer's file told stays that customer's."""
    return (
        Case,
        lambda outer, inner: (
            (inner.debtor_id == outer.debtor_id)
            & (outer.import_id.is_(None) | (inner.import_id == outer.import_id))
        ),
    )


class Debtor(Base):
    """A person or company that owes; seen by a customer through its cases only.

    `import_id` names the import that created the debtor, null when made by hand. `match_stale`
    asks matching to read the debtor again; every change of name, numbers or contact points sets it.
    `reference` is the number an earlier system gave the debtor.
    """

    __tablename__ = "debtor"
    __table_args__ = (
        Index("ix_debtor_stale", "match_stale", "id"),
        Index("ix_debtor_name", "name"),
        Index("ix_debtor_reference", "reference"),
    )
    __scope__: ClassVar = Scope(through=_through_cases)

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(20), unique=True)
    kind: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(300))
    first_name: Mapped[str | None] = mapped_column(String(150))
    last_name: Mapped[str | None] = mapped_column(String(150))
    company_name: Mapped[str | None] = mapped_column(String(300))
    date_of_birth: Mapped[date | None]
    vat_id: Mapped[str | None] = mapped_column(String(30))
    register_no: Mapped[str | None] = mapped_column(String(60))
    reference: Mapped[str | None] = mapped_column(String(100))
    locale: Mapped[str] = mapped_column(String(8), default="de")
    employment: Mapped[str | None] = mapped_column(String(200))
    identity_no: Mapped[str | None] = mapped_column(String(60))
    industry: Mapped[str | None] = mapped_column(String(200))
    match_stale: Mapped[bool] = mapped_column(default=True)
    import_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lock_version: Mapped[int] = mapped_column(default=1)


class Address(Base):
    """One postal address of a debtor, with the source it was learnt from (GDPR Art. 14)."""

    __tablename__ = "address"
    __scope__: ClassVar = Scope(through=_through_debtor)

    id: Mapped[Id]
    debtor_id: Mapped[int] = mapped_column(ForeignKey("debtor.id"), index=True)
    street: Mapped[str | None] = mapped_column(String(200))
    house_no: Mapped[str | None] = mapped_column(String(30))
    postcode: Mapped[str | None] = mapped_column(String(20))
    city: Mapped[str | None] = mapped_column(String(120))
    country: Mapped[str | None] = mapped_column(String(2))
    state: Mapped[str] = mapped_column(String(16), default=PointState.NOT_CONFIRMED)
    source: Mapped[str] = mapped_column(String(30))
    import_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EmailPoint(Base):
    """One e-mail address of a debtor."""

    __tablename__ = "email_point"
    __scope__: ClassVar = Scope(through=_through_debtor)

    id: Mapped[Id]
    debtor_id: Mapped[int] = mapped_column(ForeignKey("debtor.id"), index=True)
    address: Mapped[str] = mapped_column(String(254), index=True)
    state: Mapped[str] = mapped_column(String(16), default=PointState.NOT_CONFIRMED)
    source: Mapped[str] = mapped_column(String(30))
    import_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PhonePoint(Base):
    """One phone number of a debtor: the text of the file, and the number in E.164 (U3)."""

    __tablename__ = "phone_point"
    __scope__: ClassVar = Scope(through=_through_debtor)

    id: Mapped[Id]
    debtor_id: Mapped[int] = mapped_column(ForeignKey("debtor.id"), index=True)
    raw: Mapped[str] = mapped_column(String(80))
    e164: Mapped[str] = mapped_column(String(20), index=True)
    state: Mapped[str] = mapped_column(String(16), default=PointState.NOT_CONFIRMED)
    source: Mapped[str] = mapped_column(String(30))
    import_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BankAccount(Base):
    """A bank account of a debtor, by IBAN without blanks."""

    __tablename__ = "bank_account"
    __scope__: ClassVar = Scope(through=_through_debtor)

    id: Mapped[Id]
    debtor_id: Mapped[int] = mapped_column(ForeignKey("debtor.id"), index=True)
    iban: Mapped[str] = mapped_column(String(34), index=True)
    state: Mapped[str] = mapped_column(String(16), default=PointState.NOT_CONFIRMED)
    source: Mapped[str] = mapped_column(String(30))
    import_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Case(Base):
    """One file of debt of one debtor for one customer in one currency.

    `interest_free` are windows without interest, such as a statutory moratorium: ISO days, the
    first counts, the last doesn't.

    `financials` and `breathing` are the snapshot of the bucket link. `charges_from`
    is the first day on which costs and interest show; null while nothing is charged. `charge_round`
    counts how often charges were withdrawn, so that linking anew may post again. `launched_at`,
    once set, never changes: triggers keep the ledger of a launched case for good.
    """

    __tablename__ = "case_file"
    __table_args__ = (
        Index("ix_case_file_scope", "portfolio_id", "id"),
        Index("ix_case_file_customer_number", "customer_id", "customer_case_number_norm"),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(20), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolio.id"))
    bucket_id: Mapped[int | None] = mapped_column(ForeignKey("bucket.id"), index=True)
    debtor_id: Mapped[int] = mapped_column(ForeignKey("debtor.id"), index=True)
    import_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    customer_case_number: Mapped[str | None] = mapped_column(String(100))
    customer_case_number_norm: Mapped[str | None] = mapped_column(String(100))
    customer_client_number: Mapped[str | None] = mapped_column(String(100))
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(16), default=CaseStatus.NEW)
    close_reason: Mapped[str | None] = mapped_column(String(20))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    launched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    financials: Mapped[dict[str, Any] | None] = mapped_column(Json)
    breathing: Mapped[dict[str, Any] | None] = mapped_column(Json)
    charges_from: Mapped[date | None]
    charge_round: Mapped[int] = mapped_column(default=0)
    interest_free: Mapped[list[Any] | None] = mapped_column(Json)
    contract_subject: Mapped[str | None] = mapped_column(String(300))
    contract_date: Mapped[date | None]
    origin: Mapped[str | None] = mapped_column(String(300))
    notes: Mapped[str | None] = mapped_column(Text)
    lock_version: Mapped[int] = mapped_column(default=1)


class Invoice(Base):
    """One claim of a case, as the customer stated it; what is open of it stands in the ledger.

    `costs_minor` and `interest_minor` are the creditor's own earlier charges, `paid_minor` what the
    debtor had paid before the claim was handed over. `row_no` is the row of the import.
    """

    __tablename__ = "invoice"
    __table_args__ = (Index("ix_invoice_number", "customer_id", "number_norm"),)
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"), index=True)
    customer_id: Mapped[int] = mapped_column(BigInteger)
    portfolio_id: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[str | None] = mapped_column(String(100))
    number_norm: Mapped[str | None] = mapped_column(String(100))
    issued_on: Mapped[date | None]
    due_on: Mapped[date | None]
    amount_minor: Mapped[int] = mapped_column(MinorUnits)
    currency: Mapped[str] = mapped_column(String(3))
    costs_minor: Mapped[int] = mapped_column(MinorUnits, default=0)
    interest_minor: Mapped[int] = mapped_column(MinorUnits, default=0)
    paid_minor: Mapped[int] = mapped_column(MinorUnits, default=0)
    description: Mapped[str | None] = mapped_column(String(500))
    row_no: Mapped[int | None]


class AgreementState(StrEnum):
    """How an agreement with the debtor goes: kept, broken, or ended by something else."""

    ACTIVE = "ACTIVE"
    KEPT = "KEPT"
    BROKEN = "BROKEN"
    ENDED = "ENDED"


_RUNNING = text("state = 'ACTIVE'")


class PaymentPlan(Base):
    """An agreement to pay in parts; what of it is paid follows from the money received since.

    Money counts from the ledger transactions after `after_txn_id`: the earlier ones were known when
    the parts were made. At `check_at` the earliest part that is not covered has waited too long.
    """

    __tablename__ = "payment_plan"
    __table_args__ = (
        Index(
            "payment_plan_active",
            "case_id",
            unique=True,
            sqlite_where=_RUNNING,
            postgresql_where=_RUNNING,
        ),
        Index("payment_plan_case", "case_id", "id"),
        Index("payment_plan_due", "check_at", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    customer_id: Mapped[int] = mapped_column(BigInteger)
    portfolio_id: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(8), default=AgreementState.ACTIVE)
    currency: Mapped[str] = mapped_column(String(3))
    total_minor: Mapped[int] = mapped_column(MinorUnits)
    agreed_on: Mapped[date]
    agreed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    agreed_by: Mapped[int | None] = mapped_column(BigInteger)
    after_txn_id: Mapped[int] = mapped_column(BigInteger)
    check_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Instalment(Base):
    """One part of a payment plan."""

    __tablename__ = "instalment"
    __table_args__ = (Index("instalment_number", "plan_id", "number", unique=True),)
    __scope__: ClassVar = Scope(
        through=lambda: (PaymentPlan, lambda part, plan: part.plan_id == plan.id)
    )

    id: Mapped[Id]
    plan_id: Mapped[int] = mapped_column(ForeignKey("payment_plan.id"))
    number: Mapped[int]
    due_on: Mapped[date]
    amount_minor: Mapped[int] = mapped_column(MinorUnits)


class Settlement(Base):
    """An agreement that a smaller amount, received by a day, ends the case."""

    __tablename__ = "settlement"
    __table_args__ = (
        Index(
            "settlement_active",
            "case_id",
            unique=True,
            sqlite_where=_RUNNING,
            postgresql_where=_RUNNING,
        ),
        Index("settlement_case", "case_id", "id"),
        Index("settlement_due", "check_at", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    customer_id: Mapped[int] = mapped_column(BigInteger)
    portfolio_id: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(8), default=AgreementState.ACTIVE)
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[int] = mapped_column(MinorUnits)
    pay_by: Mapped[date]
    agreed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    agreed_by: Mapped[int | None] = mapped_column(BigInteger)
    after_txn_id: Mapped[int] = mapped_column(BigInteger)
    check_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class NumberSeries(Base):
    """The next number of a series; it only grows, so that no number is ever used twice."""

    __tablename__ = "number_series"

    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    next_value: Mapped[int] = mapped_column(BigInteger)


class TimelineEntry(Base):
    """One thing that happened to a case, or else to a debtor; the sentence is made on reading."""

    __tablename__ = "timeline"
    __table_args__ = (
        Index("ix_timeline_case", "case_id", "id"),
        Index(
            "ix_timeline_debtor",
            "debtor_id",
            sqlite_where=text("debtor_id IS NOT NULL"),
            postgresql_where=text("debtor_id IS NOT NULL"),
        ),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case_file.id"))
    debtor_id: Mapped[int | None] = mapped_column(BigInteger)
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    portfolio_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    code: Mapped[str] = mapped_column(String(40))
    params: Mapped[dict[str, Any]] = mapped_column(Json)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)


forbid(
    Case,
    "case_file_launched",
    on="UPDATE",
    message="case_file: launched once and for ever",
    when="OLD.launched_at IS NOT NULL AND NEW.launched_at IS DISTINCT FROM OLD.launched_at",
)
forbid(
    Case,
    "case_file_delete",
    on="DELETE",
    message="case_file: a launched case stays",
    when="OLD.launched_at IS NOT NULL",
)
