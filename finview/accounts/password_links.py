"""Links by mail to set a password: after a reset was asked for, and for a new user."""

import secrets
from datetime import timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts import sessions, throttle
from finview.accounts.models import AccessGrant, AccountUser, Invitation, PasswordLink
from finview.accounts.secrets import digest, mailed_secret
from finview.accounts.users import find_user, normal_email
from finview.db import audit
from finview.db.jobs import Subject, enqueue
from finview.db.runtime import Services
from finview.errors import RateLimited, TokenInvalid
from finview.i18n import N_, sentences

sentences(
    {
        "LINK_UNKNOWN": N_("This link is not valid. Please ask for a new one."),
        "LINK_USED": N_("This link was used before or replaced by a newer one."),
        "LINK_EXPIRED": N_("This link has expired. Please ask for a new one."),
    }
)

RESET_FOR = timedelta(hours=1)
WELCOME_FOR = timedelta(days=7)
HOUR_S = 3600


def admitted(services: Services, email: str, client: str) -> None:
    """Count a request for a reset; raise `RateLimited` after too many for an account or client."""
    settings = services.settings
    with services.db.unit() as session:
        wait_s = throttle.spend(
            session,
            throttle.key_for(settings, "client", client),
            most=settings.sign_ins_client_max,
        ) or throttle.spend(
            session,
            throttle.key_for(settings, "reset", email),
            most=settings.resets_hour_max,
            window_s=HOUR_S,
        )
    if wait_s:
        raise RateLimited(seconds=wait_s)


def ask(services: Services, email: str, client: str) -> None:
    """Order a link for whoever has this address; an unknown one takes the same course.

    Raises `RateLimited` and, for what is no address, `Invalid`. Opens units of its own.
    """
    address = normal_email(email, path=("email",))
    admitted(services, address, client)
    with services.db.unit() as session:
        request_reset(session, address)


def request_reset(session: Session, email: str) -> None:
    """Order a link for whoever has this address; the same is written when nobody has it."""
    user = find_user(session, email)
    granted = _may_sign_in(session, user.id if user is not None else 0)
    order(session, user.id if user is not None and user.active and granted else None, by=None)


def order(
    session: Session, user_id: int | None, *, by: int | None, is_welcome: bool = False
) -> PasswordLink:
    """Order a mail with a link in the caller's transaction; earlier links of the user are void."""
    void(session, user_id)
    at = clock.now()
    row = PasswordLink(
        user_id=user_id,
        is_welcome=is_welcome,
        invited_by=by,
        nonce=secrets.token_hex(16),
        created_at=at,
        expires_at=at + (WELCOME_FOR if is_welcome else RESET_FOR),
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        "password.invite" if is_welcome else "password.request",
        actor_id=by,
        subject=("user", user_id or 0),
        link=row.id,
    )
    enqueue(
        session,
        "communications.password_link",
        {"link_id": row.id},
        dedupe_key=f"password-link:{row.id}",
        subject=Subject(kind="user", id=user_id or 0, actor_id=by),
    )
    return row


def void(session: Session, user_id: int | None) -> None:
    """Make every link of a user that was not used yet worthless."""
    session.execute(
        update(PasswordLink)
        .where(PasswordLink.user_id == (user_id or 0), _is_open())
        .values(voided_at=clock.now())
        .execution_options(synchronize_session="fetch")
    )


def begin_sending(row: PasswordLink, key: str) -> str:
    """Return the token that goes into the mail, the same on every try; keeps its hash."""
    token = mailed_secret(key, "password", row.id, row.nonce)
    if row.sending_at is None:
        row.sending_at = clock.now()
        row.expires_at = row.sending_at + (WELCOME_FOR if row.is_welcome else RESET_FOR)
    row.token_sha256 = digest(token)
    return token


def opened(session: Session, token: str, *, lock: bool = False) -> PasswordLink:
    """Return the link a token opens; raises `TokenInvalid` (LINK_UNKNOWN, _USED, _EXPIRED)."""
    wanted = select(PasswordLink).where(PasswordLink.token_sha256 == digest(token))
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    row = session.scalars(wanted).one_or_none()
    user = session.get(AccountUser, row.user_id) if row is not None and row.user_id else None
    if row is None or user is None or not user.active:
        raise TokenInvalid("LINK_UNKNOWN", path=("token",))
    if row.used_at is not None or row.voided_at is not None:
        raise TokenInvalid("LINK_USED", path=("token",))
    if row.expires_at <= clock.now():
        raise TokenInvalid("LINK_EXPIRED", path=("token",))
    return row


def set_password(session: Session, token: str, password_hash: str) -> AccountUser:
    """Set the password of the link's person and end their sessions; the link works once.

    Raises as `opened`.
    """
    row = opened(session, token, lock=True)
    user = session.get_one(AccountUser, row.user_id)
    row.used_at = clock.now()
    replace_password(session, user, password_hash, by=user.id)
    return user


def replace_password(session: Session, user: AccountUser, password_hash: str, *, by: int) -> None:
    """Give a user another password: every session and every open link and invitation ends."""
    user.password_hash = password_hash
    user.lock_version += 1
    session.flush()
    end_links(session, user.id)
    audit.record(session, "password.set", actor_id=by, subject=("user", user.id))
    sessions.end_all(session, user.id, by=by, reason="password.set")


def end_links(session: Session, user_id: int) -> None:
    """Make every open link and invitation of a user worthless."""
    void(session, user_id)
    session.execute(
        update(Invitation)
        .where(
            Invitation.user_id == user_id,
            Invitation.accepted_at.is_(None),
            Invitation.voided_at.is_(None),
        )
        .values(voided_at=clock.now())
        .execution_options(synchronize_session="fetch")
    )


def _is_open() -> ColumnElement[bool]:
    return PasswordLink.used_at.is_(None) & PasswordLink.voided_at.is_(None)


def _may_sign_in(session: Session, user_id: int) -> bool:
    wanted = select(AccessGrant.id).where(AccessGrant.user_id == user_id).limit(1)
    return session.scalar(wanted) is not None
