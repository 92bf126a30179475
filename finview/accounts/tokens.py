"""Opaque bearer tokens: printed once, kept as a hash, compared in constant time."""

import hmac
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, bindparam, or_, select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Action, Viewer, own_portfolios, viewer_with
from finview.accounts.models import AccessGrant, AccountUser, ApiToken
from finview.accounts.names import checked_name
from finview.accounts.secrets import digest, new_secret
from finview.db import audit
from finview.db.base import table_of
from finview.db.glances import Glance
from finview.errors import Forbidden, Invalid, NotFound, Required
from finview.i18n import N_, sentences

sentences(
    {
        "TOKEN_NAME_REQUIRED": N_("A token needs a name."),
        "TOKEN_SCOPE_UNKNOWN": N_("There is no such scope: {scope}. Known scopes: {known}."),
        "TOKEN_SCOPE_REQUIRED": N_("A token needs at least one scope."),
        "TOKEN_SCOPE_WIDER": N_("A token can't give more than the one it is made with."),
        "TOKEN_EXPIRES_IN_PAST": N_("A token can't expire in the past."),
    }
)

PREFIX = "fv"
NAME_CHARS_MAX = 100
READ = "read"
SCOPES = (READ, *(action.value for action in Action))
"""What a token may be limited to: reading, and reading with one kind of action each."""
_TOKEN, _USER, _GRANT = (table_of(model) for model in (ApiToken, AccountUser, AccessGrant))
_SIGN_IN = (
    select(
        *(_TOKEN.c[name] for name in ("secret_sha256", "revoked_at", "expires_at", "scopes")),
        _TOKEN.c.last_used_at,
        _TOKEN.c.id.label("token_id"),
        *(_USER.c[name] for name in ("id", "email", "name", "locale", "active")),
        *(_GRANT.c[name] for name in ("role", "customer_id", "portfolio_id")),
        own_portfolios(),
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
    return new_token(session, user, name=name, expires_at=expires_at, by=by)[1]


def new_token(
    session: Session,
    user: AccountUser,
    *,
    name: str,
    scopes: Iterable[str] | None = None,
    expires_at: datetime | None = None,
    by: int | None,
    within: frozenset[str] | None = None,
) -> tuple[ApiToken, str]:
    """Create a token and return it with its secret, which can't be read again.

    `within` are the scopes of the token it is made with. Raises `Required` and `Invalid`.
    """
    shown = checked_name(name, "TOKEN_NAME_REQUIRED", path=("input", "name"), most=NAME_CHARS_MAX)
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid("TOKEN_EXPIRES_IN_PAST", path=("input", "expiresAt"))
    allowed = _checked(scopes, within)
    secret = new_secret()
    row = ApiToken(
        user_id=user.id,
        name=shown,
        secret_sha256=digest(secret),
        scopes=allowed,
        created_at=clock.now(),
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        "token.create",
        actor_id=by,
        subject=("user", user.id),
        token=row.id,
        scopes=allowed,
    )
    return row, f"{PREFIX}_{row.id}_{secret}"


def _checked(scopes: Iterable[str] | None, within: frozenset[str] | None) -> list[str] | None:
    """Return the scopes in our order; None is everything the person may do."""
    path = ("input", "scopes")
    if scopes is None:
        if within is not None:
            raise Forbidden("TOKEN_SCOPE_WIDER", path=path)
        return None
    wanted = set(scopes)
    if not wanted:
        raise Required("TOKEN_SCOPE_REQUIRED", path=path)
    for scope in sorted(wanted - set(SCOPES)):
        raise Invalid("TOKEN_SCOPE_UNKNOWN", path=path, scope=scope[:40], known=list(SCOPES))
    if within is not None and not wanted <= within | {READ}:
        raise Forbidden("TOKEN_SCOPE_WIDER", path=path)
    return [scope for scope in SCOPES if scope in wanted | {READ}]


def tokens_of(session: Session, user_id: int) -> Sequence[ApiToken]:
    """Return a person's tokens that still open something, oldest first."""
    live = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > clock.now())
    wanted = select(ApiToken).where(
        ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), live
    )
    return session.scalars(wanted.order_by(ApiToken.id)).all()


def revoke_token(session: Session, token_id: int, *, viewer: Viewer) -> ApiToken:
    """Make a token worthless from the next request on: one's own, or as MANAGE_USERS anybody's.

    Raises `NotFound` for a token of somebody else. Revoking twice changes nothing.
    """
    row = session.get(ApiToken, token_id)
    if row is None or (row.user_id != viewer.user_id and not viewer.can(Action.MANAGE_USERS)):
        raise NotFound.row(token_id)
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        session.flush()
        audit.record(
            session,
            "token.revoke",
            actor_id=viewer.user_id,
            subject=("user", row.user_id),
            token=row.id,
        )
    return row


def user_of(session: Session, token: str) -> AccountUser | None:
    """Return the active user a token belongs to, or nothing: unknown, expired and revoked alike."""
    rows = _rows(session, token)
    return session.get(AccountUser, rows[0].id) if rows else None


def viewer_by(
    session: Session | Glance,
    token: str,
    *,
    locale: Callable[[str], str] = str,
    seen: Callable[[str, int, Any], None] | None = None,
) -> Viewer | None:
    """Return the viewer of a token, by one statement, as every request asks; nothing as above.

    `locale` makes the language of the answer of the person's own; `seen` is told the token and when
    it was last used.
    """
    rows = _rows(session, token)
    if not rows:
        return None
    row = rows[0]
    if seen is not None:
        seen("token", row.token_id, row.last_used_at)
    grants = [one for one in rows if one.role is not None]
    return viewer_with(row, grants, locale=locale(row.locale), scopes=row.scopes)


def _rows(session: Session | Glance, token: str) -> Sequence[Any]:
    """Return the user with each grant of a valid token."""
    prefix, _, rest = token.partition("_")
    number, _, secret = rest.partition("_")
    plausible = prefix == PREFIX and number.isascii() and number.isdigit() and len(number) < 19
    given = {"token": int(number) if plausible else 0}
    rows = list(session.execute(_SIGN_IN, given))
    row = rows[0] if rows else None
    # The comparison runs for an unknown token too, so that timing tells nothing.
    same = hmac.compare_digest(digest(secret), row.secret_sha256 if row else digest(""))
    if row is None or not same or row.revoked_at is not None or not row.active:
        return ()
    if row.expires_at is not None and row.expires_at <= clock.now():
        return ()
    return rows
