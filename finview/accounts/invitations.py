"""Invitations: sent to a new contact with access, used once, expired after a week."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.models import AccountUser, Invitation
from finview.accounts.password_links import end_links, replace_password
from finview.accounts.secrets import digest, mailed_secret
from finview.accounts.users import known_locale
from finview.db import audit
from finview.db.jobs import Subject, enqueue
from finview.errors import TokenInvalid
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "INVITATION_UNKNOWN": N_("This link is not valid."),
        "INVITATION_EXPIRED": N_("This link has expired. Please ask for a new invitation."),
        "INVITATION_USED": N_("This link was used before or replaced by a newer one."),
    }
)

VALID_FOR = timedelta(days=7)


class InvitationState(StrEnum):
    """How far an invitation has come, as the public schema names it."""

    PENDING = "PENDING"
    SENT = "SENT"
    ACCEPTED = "ACCEPTED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


def invite(
    session: Session, *, contact_id: int, customer_id: int, user_id: int, by: int | None
) -> Invitation:
    """Order an invitation by e-mail in the caller's transaction; earlier ones are void."""
    void(session, contact_id)
    at = clock.now()
    row = Invitation(
        contact_id=contact_id,
        customer_id=customer_id,
        user_id=user_id,
        invited_by=by,
        nonce=secrets.token_hex(16),
        created_at=at,
        expires_at=at + VALID_FOR,
    )
    session.add(row)
    session.flush()
    audit.record(
        session, "invitation.create", actor_id=by, subject=("user", user_id), invitation=row.id
    )
    enqueue(
        session,
        "communications.invite",
        {"invitation_id": row.id},
        dedupe_key=f"invite:{row.id}",
        subject=Subject(kind="contact", id=contact_id, customer_id=customer_id, actor_id=by),
    )
    return row


def void(session: Session, contact_id: int) -> None:
    """Make every link of a contact that was not used yet worthless."""
    session.execute(
        update(Invitation)
        .where(
            Invitation.contact_id == contact_id,
            Invitation.accepted_at.is_(None),
            Invitation.voided_at.is_(None),
        )
        .values(voided_at=clock.now())
        .execution_options(synchronize_session="fetch")
    )


def state_of(row: Invitation, now: datetime) -> InvitationState:
    """Return how far an invitation has come at an instant; a void one counts as expired."""
    if row.accepted_at is not None:
        return InvitationState.ACCEPTED
    if row.voided_at is not None or row.expires_at <= now:
        return InvitationState.EXPIRED
    if row.sent_at is not None:
        return InvitationState.SENT
    return InvitationState.FAILED if row.failed_at is not None else InvitationState.PENDING


def newest(session: Session, contact_ids: Sequence[int]) -> dict[int, Invitation]:
    """Return the newest invitation of each contact that has one."""
    rows = session.scalars(
        select(Invitation).where(Invitation.contact_id.in_(contact_ids)).order_by(Invitation.id)
    )
    return {row.contact_id: row for row in rows}


def begin_sending(row: Invitation, key: str) -> str:
    """Return the token that goes into the mail, the same on every try; keeps its hash.

    `key` is the secret key of the installation. The week begins with the first try.
    """
    token = mailed_secret(key, "invitation", row.id, row.nonce)
    if row.sending_at is None:
        row.sending_at = clock.now()
        row.expires_at = row.sending_at + VALID_FOR
    row.token_sha256 = digest(token)
    return token


def opened(session: Session, token: str, *, lock: bool = False) -> Invitation:
    """Return the invitation a token opens.

    Raises `TokenInvalid` (INVITATION_UNKNOWN, INVITATION_USED, INVITATION_EXPIRED).
    """
    return opened_by(session, digest(token), lock=lock)


def opened_by(session: Session, token_sha256: str, *, lock: bool = False) -> Invitation:
    """Return the invitation that the token of a hash opens; raises as `opened`."""
    wanted = select(Invitation).where(Invitation.token_sha256 == token_sha256)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    row = session.scalars(wanted).one_or_none()
    user = session.get(AccountUser, row.user_id) if row is not None else None
    if row is None or user is None or not user.active:
        raise TokenInvalid("INVITATION_UNKNOWN", path=("token",))
    if row.accepted_at is not None or row.voided_at is not None:
        raise TokenInvalid("INVITATION_USED", path=("token",))
    if row.expires_at <= clock.now():
        raise TokenInvalid("INVITATION_EXPIRED", path=("token",))
    return row


def accept(
    session: Session, token: str, password_hash: str, *, locale: str | None = None
) -> AccountUser:
    """Set the password of the invited person, and the language; the link works once.

    Raises as `opened`, and `Invalid` for an unknown language.
    """
    row = opened(session, token, lock=True)
    user = session.get_one(AccountUser, row.user_id)
    if locale is not None:
        user.locale = known_locale(locale, path=("locale",))
    _use_up(session, row)
    replace_password(session, user, password_hash, by=user.id)
    return user


def accept_without_password(session: Session, row: Invitation) -> None:
    """Use up an opened, locked invitation of somebody who is known by other means.

    The person's other links are void, as after setting a password.
    """
    _use_up(session, row)
    end_links(session, row.user_id)


def _use_up(session: Session, row: Invitation) -> None:
    row.accepted_at = clock.now()
    session.flush()
    audit.record(
        session,
        "invitation.accept",
        actor_id=row.user_id,
        subject=("user", row.user_id),
        invitation=row.id,
    )
