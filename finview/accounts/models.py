"""Tables of the accounts room."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Scope, UtcDateTime


class AccountUser(Base):
    """A person who may sign in; what they may do stands in their grants."""

    __tablename__ = "account_user"
    __scope__: ClassVar = Scope(through=lambda: (AccessGrant, _holds))

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    locale: Mapped[str] = mapped_column(String(8), default="en")
    active: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lock_version: Mapped[int] = mapped_column(default=1)


class ApiToken(Base):
    """A bearer token `fv_<id>_<secret>`: only the SHA-256 of the secret is kept.

    Without `scopes` it allows whatever its person may do.
    """

    __tablename__ = "api_token"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str] | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def _holds(user: Any, grant: Any) -> Any:
    """Join a user to the grants: whoever works for the same customer or portfolio is seen."""
    return grant.user_id == user.id


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


class SignInSession(Base):
    """A person signed in with a browser; of the cookie's secret only the SHA-256 is kept."""

    __tablename__ = "sign_in_session"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"), index=True)
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    user_agent: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OidcIdentity(Base):
    """Whom an OpenID Connect provider means by a subject: kept when it first signs somebody in."""

    __tablename__ = "oidc_identity"
    __table_args__ = (
        Index("oidc_identity_once", "issuer", "subject", unique=True),
        Index("oidc_identity_user", "user_id", "issuer", unique=True),
    )

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"))
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OidcTrip(Base):
    """A browser on its way to the provider and back; of its cookie only the SHA-256 is kept."""

    __tablename__ = "oidc_trip"

    id: Mapped[Id]
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    invitation_sha256: Mapped[str | None] = mapped_column(String(64))
    locale: Mapped[str] = mapped_column(String(8))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class PasswordLink(Base):
    """One link by mail to set a password: after a reset was asked for, or for a new user.

    A request for an unknown address has a row too, without a user, so that it costs the same. The
    token is made from `nonce` with the installation's secret key when the mail is sent.
    """

    __tablename__ = "password_link"

    id: Mapped[Id]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("account_user.id"), index=True)
    is_welcome: Mapped[bool] = mapped_column(default=False)
    invited_by: Mapped[int | None]
    nonce: Mapped[str] = mapped_column(String(32))
    token_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    sending_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    voided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SecondFactor(Base):
    """The one-time codes of a person's app (RFC 6238); valid once confirmed with a first code."""

    __tablename__ = "second_factor"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"), unique=True)
    secret: Mapped[str]
    """Encrypted with the installation's secret key."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_step: Mapped[int] = mapped_column(default=0)
    """The time step of the last accepted code: it and older ones are refused."""


class RecoveryCode(Base):
    """A code that stands for a one-time code once, when the app is lost."""

    __tablename__ = "recovery_code"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"), index=True)
    code_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Attempts(Base):
    """How often something was tried lately, under an HMAC of what is counted."""

    __tablename__ = "attempts"

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(64), unique=True)
    hits: Mapped[int]
    strikes: Mapped[int]
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    blocked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
