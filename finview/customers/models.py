"""Tables of the customers room."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Json, Scope, UtcDateTime
from finview.db.files import StoredFile


class BusinessUnit(Base):
    """A face of the agency: sender, bank, footers; only an active one can be chosen."""

    __tablename__ = "business_unit"
    __scope__: ClassVar = Scope(
        through=lambda: (Customer, lambda unit, customer: customer.business_unit_id == unit.id)
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=False)
    company: Mapped[dict[str, Any]] = mapped_column(Json)
    email_settings: Mapped[dict[str, Any]] = mapped_column(Json)
    invoice_settings: Mapped[dict[str, Any]] = mapped_column(Json)
    email_footers: Mapped[dict[str, Any]] = mapped_column(Json)
    bank: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    base_rate_source: Mapped[str | None] = mapped_column(String(60))
    logo_file_id: Mapped[int | None] = mapped_column(ForeignKey(StoredFile.id))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lock_version: Mapped[int] = mapped_column(default=1)


class Customer(Base):
    """The creditor who gives the mandate."""

    __tablename__ = "customer"
    __scope__: ClassVar = Scope(customer="id")

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str] = mapped_column(String(200), index=True)
    business_unit_id: Mapped[int] = mapped_column(ForeignKey("business_unit.id"), index=True)
    currency: Mapped[str] = mapped_column(String(3))
    locale: Mapped[str] = mapped_column(String(8))
    company: Mapped[dict[str, Any]] = mapped_column(Json)
    responsible_user_id: Mapped[int | None] = mapped_column(ForeignKey("account_user.id"))
    enrichment_granted: Mapped[bool] = mapped_column(default=False)
    settings_saved: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lock_version: Mapped[int] = mapped_column(default=1)


class CustomerContact(Base):
    """A person's link to a customer: what they are to it, and whether they may sign in.

    One commercial contact of a customer is the primary one. `notice_at` is when the notice about
    the link began to leave.
    """

    __tablename__ = "customer_contact"
    __table_args__ = (
        Index("customer_contact_once", "customer_id", "user_id", unique=True),
        Index(
            "customer_contact_primary",
            "customer_id",
            unique=True,
            sqlite_where=text("is_primary"),
            postgresql_where=text("is_primary"),
        ),
        CheckConstraint("is_commercial OR NOT is_primary", name="primary_is_commercial"),
    )
    __scope__: ClassVar = Scope(customer="customer_id")

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"), index=True)
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str | None] = mapped_column(String(20))
    locale: Mapped[str] = mapped_column(String(8))
    is_commercial: Mapped[bool] = mapped_column(default=False)
    is_primary: Mapped[bool] = mapped_column(default=False)
    is_operational: Mapped[bool] = mapped_column(default=False)
    has_access: Mapped[bool] = mapped_column(default=False)
    portfolio_ids: Mapped[list[int]] = mapped_column(Json)
    notice_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lock_version: Mapped[int] = mapped_column(default=1)


class Portfolio(Base):
    """A customer's book of cases."""

    __tablename__ = "portfolio"
    __table_args__ = (Index("portfolio_name", "customer_id", "name", unique=True),)
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="id")

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lock_version: Mapped[int] = mapped_column(default=1)


class Bucket(Base):
    """A part of a portfolio, with the financial components its cases get."""

    __tablename__ = "bucket"
    __table_args__ = (Index("bucket_name", "portfolio_id", "name", unique=True),)
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), index=True)
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolio.id"))
    name: Mapped[str] = mapped_column(String(200))
    financials: Mapped[dict[str, Any]] = mapped_column(Json)
    # The workflows room lies above this one; the edge checks that the id is one the user may see.
    workflow_id: Mapped[int | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lock_version: Mapped[int] = mapped_column(default=1)


class Setting(Base):
    """One value of the cascade at one scope; no row means that the scope inherits."""

    __tablename__ = "setting"
    __table_args__ = (Index("setting_once", "scope_kind", "scope_id", "name", unique=True),)

    id: Mapped[Id]
    scope_kind: Mapped[str] = mapped_column(String(20))
    scope_id: Mapped[int] = mapped_column()
    name: Mapped[str] = mapped_column(String(60))
    value: Mapped[Any] = mapped_column(Json)
