"""Tables of the accounts room."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Scope, UtcDateTime


class AccountUser(Base):
    """A person who may sign in; what they may do stands in their grants."""

    __tablename__ = "account_user"

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    locale: Mapped[str] = mapped_column(String(8), default="en")
    active: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lock_version: Mapped[int] = mapped_column(default=1)


class ApiToken(Base):
    """A bearer token `fv_<id>_<secret>`: only the SHA-256 of the secret is kept."""

    __tablename__ = "api_token"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccessGrant(Base):
    """A role of a user; a CUSTOMER_USER's names the customer, and perhaps one portfolio of it."""

    __tablename__ = "access_grant"
    __table_args__ = (
        Index("access_grant_once", "user_id", "role", "customer_id", "portfolio_id", unique=True),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"))
    role: Mapped[str] = mapped_column(String(20))
    # 0 stands for "none": NULLs would dodge the unique index.
    customer_id: Mapped[int] = mapped_column(default=0)
    portfolio_id: Mapped[int] = mapped_column(default=0)


class Invitation(Base):
    """One invitation of a contact to set a password; of its token only the SHA-256 is kept.

    The token is made from `nonce` with the installation's secret key when the mail is sent, so it
    stands in no row and no job. `contact_id` names a contact of the room above.
    """

    __tablename__ = "invitation"
    __table_args__ = (Index("invitation_contact", "contact_id", "id"),)
    __scope__: ClassVar = Scope(customer="customer_id")

    id: Mapped[Id]
    contact_id: Mapped[int]
    customer_id: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"), index=True)
    invited_by: Mapped[int | None]
    nonce: Mapped[str] = mapped_column(String(32))
    token_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sending_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    voided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
