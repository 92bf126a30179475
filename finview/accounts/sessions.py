"""Sessions of people in browsers: opaque, kept on the server, ended at once when they must be."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts import throttle
from finview.accounts.access import Viewer, own_portfolios, viewer_with
from finview.accounts.models import AccessGrant, AccountUser, PasswordLink, SignInSession
from finview.accounts.secrets import digest, new_secret
from finview.db import audit
from finview.db.base import table_of
from finview.db.glances import Glance
from finview.errors import NotFound
from finview.settings import Settings

KEPT = timedelta(days=30)
AGENT_CHARS_MAX = 300
_SESSION, _USER, _GRANT = (table_of(model) for model in (SignInSession, AccountUser, AccessGrant))
_SIGNED_IN = (
    select(
        _SESSION.c.id.label("session_id"),
        _SESSION.c.last_seen_at,
        *(_USER.c[name] for name in ("id", "email", "name", "locale")),
        *(_GRANT.c[name] for name in ("role", "customer_id", "portfolio_id")),
        own_portfolios(),
    )
    .select_from(_SESSION.join(_USER, _USER.c.id == _SESSION.c.user_id))
    .outerjoin(_GRANT, _GRANT.c.user_id == _USER.c.id)
    .where(
        _SESSION.c.secret_sha256 == bindparam("digest"),
        _SESSION.c.ended_at.is_(None),
        _SESSION.c.expires_at > bindparam("now", type_=BigInteger),
        _SESSION.c.last_seen_at > bindparam("idle_since", type_=BigInteger),
        _USER.c.active,
    )
)


def begin(
    session: Session,
    user: AccountUser,
    settings: Settings,
    *,
    user_agent: str | None,
    instead_of: str | None = None,
    means: str = "password",
) -> tuple[SignInSession, str]:
    """Begin a session with a secret of its own and return both; the secret can't be read again.

    `instead_of` is the secret the browser came with: whatever it opened is ended, never taken over.
    `means` is what the person proved to be themselves by, for the audit log.
    """
    now = clock.now()
    if instead_of is not None:
        _end(session, SignInSession.secret_sha256 == digest(instead_of))
    secret = new_secret()
    row = SignInSession(
        user_id=user.id,
        secret_sha256=digest(secret),
        user_agent=(user_agent or "")[:AGENT_CHARS_MAX] or None,
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(seconds=settings.session_s_max),
    )
    session.add(row)
    user.last_seen_at = now
    session.flush()
    audit.record(
        session,
        "session.begin",
        actor_id=user.id,
        subject=("user", user.id),
        session_id=row.id,
        means=means,
    )
    _sweep(session)
    return row, secret


def viewer_by_session(
    session: Session | Glance,
    secret: str,
    settings: Settings,
    *,
    locale: Callable[[str], str] = str,
    seen: Callable[[str, int, Any], None] | None = None,
) -> Viewer | None:
    """Return the viewer of a session's secret by one statement; nothing when it has ended.

    `seen` is told the session and when it was last seen.
    """
    now = clock.now()
    given = {
        "digest": digest(secret),
        "now": clock.to_ms(now),
        "idle_since": clock.to_ms(now) - settings.session_idle_s_max * 1000,
    }
    rows = list(session.execute(_SIGNED_IN, given))
    if not rows:
        return None
    if seen is not None:
        seen("session", rows[0].session_id, rows[0].last_seen_at)
    grants = [row for row in rows if row.role is not None]
    return viewer_with(
        rows[0], grants, locale=locale(rows[0].locale), session_id=rows[0].session_id
    )


def sessions_of(session: Session, user_id: int, settings: Settings) -> Sequence[SignInSession]:
    """Return a person's sessions that still open something, the latest first."""
    now = clock.now()
    wanted = select(SignInSession).where(
        SignInSession.user_id == user_id,
        SignInSession.ended_at.is_(None),
        SignInSession.expires_at > now,
        SignInSession.last_seen_at > now - timedelta(seconds=settings.session_idle_s_max),
    )
    return session.scalars(wanted.order_by(SignInSession.id.desc())).all()


def end(session: Session, session_id: int | None, *, viewer: Viewer) -> SignInSession | None:
    """End one session of the viewer and return it, or with None all of them.

    Raises `NotFound` for a session of somebody else.
    """
    if session_id is None:
        end_all(session, viewer.user_id, by=viewer.user_id)
        return None
    row = session.get(SignInSession, session_id)
    if row is None or row.user_id != viewer.user_id:
        raise NotFound.row(session_id)
    if _end(session, SignInSession.id == int(session_id)):
        audit.record(
            session,
            "session.end",
            actor_id=viewer.user_id,
            subject=("user", row.user_id),
            session_id=row.id,
        )
    session.refresh(row)
    return row


def end_all(session: Session, user_id: int, *, by: int | None, reason: str | None = None) -> int:
    """End every session of a user and return how many there were."""
    ended = _end(session, SignInSession.user_id == user_id)
    if ended:
        audit.record(
            session,
            "session.end",
            actor_id=by,
            subject=("user", user_id),
            reason=reason,
            sessions=ended,
        )
    return ended


def _end(session: Session, which: Any) -> int:
    ended = session.execute(
        update(SignInSession)
        .where(which, SignInSession.ended_at.is_(None))
        .values(ended_at=clock.now())
        .returning(SignInSession.id)
        .execution_options(synchronize_session=False)
    )
    return len(ended.all())


def _sweep(session: Session) -> None:
    """Delete what opens nothing any more, as somebody signs in anyway."""
    long_ago = clock.now() - KEPT
    session.execute(
        delete(SignInSession).where(
            or_(SignInSession.expires_at < long_ago, SignInSession.ended_at < long_ago)
        )
    )
    session.execute(delete(PasswordLink).where(PasswordLink.expires_at < long_ago))
    throttle.sweep(session)
