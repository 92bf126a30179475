"""Opaque bearer tokens: printed once, kept as a hash, compared in constant time."""

import hashlib
import hmac
import secrets
from datetime import datetime

from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.models import AccountUser, ApiToken
from finview.db import audit

PREFIX = "fv"
SECRET_BYTES = 32


def create_token(
    session: Session,
    user: AccountUser,
    *,
    name: str = "api",
    expires_at: datetime | None = None,
    by: int | None = None,
) -> str:
    """Create a token and return it: this is the only time it can be read."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = ApiToken(
        user_id=user.id,
        name=name,
        secret_sha256=_hash(secret),
        created_at=clock.now(),
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    audit.record(session, "token.create", actor_id=by, subject=("user", user.id), token=row.id)
    return f"{PREFIX}_{row.id}_{secret}"


def user_of(session: Session, token: str) -> AccountUser | None:
    """Return the active user a token belongs to, or nothing: unknown, expired and revoked alike."""
    prefix, _, rest = token.partition("_")
    number, _, secret = rest.partition("_")
    plausible = prefix == PREFIX and number.isascii() and number.isdigit() and len(number) < 19
    row = session.get(ApiToken, int(number)) if plausible else None
    # The comparison runs for an unknown token too, so that timing tells nothing.
    same = hmac.compare_digest(_hash(secret), row.secret_sha256 if row else _hash(""))
    if row is None or not same or row.revoked_at is not None:
        return None
    if row.expires_at is not None and row.expires_at <= clock.now():
        return None
    user = session.get(AccountUser, row.user_id)
    return user if user is not None and user.active else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
