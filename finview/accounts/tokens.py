"""Opaque bearer tokens: printed once, kept as a hash, compared in constant time."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, bindparam, select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Viewer, viewer_with
from finview.accounts.models import AccessGrant, AccountUser, ApiToken
from finview.db import audit
from finview.db.base import table_of

PREFIX = "fv"
SECRET_BYTES = 32
_TOKEN, _USER, _GRANT = (table_of(model) for model in (ApiToken, AccountUser, AccessGrant))
_SIGN_IN = (
    select(
        *(_TOKEN.c[name] for name in ("secret_sha256", "revoked_at", "expires_at")),
        *(_USER.c[name] for name in ("id", "email", "name", "locale", "active")),
        *(_GRANT.c[name] for name in ("role", "customer_id", "portfolio_id")),
    )
    .select_from(_TOKEN.join(_USER, _USER.c.id == _TOKEN.c.user_id))
    .outerjoin(_GRANT, _GRANT.c.user_id == _USER.c.id)
    .where(_TOKEN.c.id == bindparam("token", type_=BigInteger))
)


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
    rows = _rows(session, token)
    return session.get(AccountUser, rows[0].id) if rows else None


def viewer_by(session: Session, token: str, *, locale: Callable[[str], str] = str) -> Viewer | None:
    """Return the viewer of a token, by one statement, as every request asks; nothing as above.

    `locale` makes the language of the answer of the person's own.
    """
    rows = _rows(session, token)
    if not rows:
        return None
    grants = [row for row in rows if row.role is not None]
    return viewer_with(rows[0], grants, locale=locale(rows[0].locale))


def _rows(session: Session, token: str) -> Sequence[Any]:
    """Return the user with each grant of a valid token."""
    prefix, _, rest = token.partition("_")
    number, _, secret = rest.partition("_")
    plausible = prefix == PREFIX and number.isascii() and number.isdigit() and len(number) < 19
    given = {"token": int(number) if plausible else 0}
    rows = session.connection().execute(_SIGN_IN, given).all()
    row = rows[0] if rows else None
    # The comparison runs for an unknown token too, so that timing tells nothing.
    same = hmac.compare_digest(_hash(secret), row.secret_sha256 if row else _hash(""))
    if row is None or not same or row.revoked_at is not None or not row.active:
        return ()
    if row.expires_at is not None and row.expires_at <= clock.now():
        return ()
    return rows


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
