"""Signing in with a password: counted, compared and recorded alike for every address."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts import second_factor, throttle
from finview.accounts.models import AccessGrant, AccountUser
from finview.accounts.passwords import checked_password
from finview.accounts.users import normal_email
from finview.db import audit
from finview.db.runtime import Services
from finview.errors import FinviewError, RateLimited, SecondFactorRequired, SignInFailed
from finview.i18n import N_, sentences

sentences({"PASSWORD_WRONG": N_("This is not your password.")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What somebody gives to sign in; `client` is the network address they come from."""

    email: str
    password: str
    one_time_code: str | None = None
    client: str = ""


def prove(services: Services, attempt: Attempt) -> int:
    """Return the id of the user who an attempt proves to be; opens units of its own.

    Raises `RateLimited`, `SignInFailed`, `SecondFactorRequired`. An unknown address, a wrong
    password and a closed account read the same and cost the same: one comparison of a hash, the
    same statements. Slow: call it with no session open.
    """
    settings = services.settings
    account = throttle.key_for(settings, "sign-in", attempt.email)
    admitted(services, attempt.client, account=account)
    with services.db.reading() as session:
        known = session.execute(
            select(AccountUser.id, AccountUser.password_hash, AccountUser.active).where(
                AccountUser.email == _address(attempt.email)
            )
        ).one_or_none()
    stored = known.password_hash if known is not None and known.active else None
    right, renewed = checked_password(attempt.password, stored, settings)
    with services.db.unit() as session:
        user_id = known.id if known is not None else 0
        failure = _refused(session, user_id, attempt, settings.key) if right else SignInFailed()
        if failure is None:
            throttle.forgive(session, account)
            if renewed is not None:
                session.get_one(AccountUser, user_id).password_hash = renewed
        else:
            audit.record(
                session,
                "session.refuse",
                actor_id=None,
                subject=("user", user_id),
                reason=failure.code,
                account=account[:16],
            )
    if failure is not None:
        raise failure
    return int(user_id)


def known_by(services: Services, user_id: int, password: str, *, client: str) -> None:
    """Raise `SignInFailed` unless this is the password of a user; counted as a sign-in is."""
    account = throttle.key_for(services.settings, "password", str(user_id))
    admitted(services, client, account=account)
    with services.db.reading() as session:
        stored = session.get_one(AccountUser, user_id).password_hash
    if not checked_password(password, stored, services.settings)[0]:
        raise SignInFailed("PASSWORD_WRONG", path=("input", "current"))


def _address(email: str) -> str:
    """Return an address as it is kept; what can't be one is nobody's."""
    try:
        return normal_email(email)
    except FinviewError:
        return ""


def admitted(services: Services, client: str, *, account: str | None = None) -> None:
    """Count an attempt of a client, and of an account; raise `RateLimited` after too many.

    The count is kept, whatever becomes of the attempt.
    """
    settings = services.settings
    with services.db.unit() as session:
        key = throttle.key_for(settings, "client", client)
        wait_s = throttle.spend(session, key, most=settings.sign_ins_client_max)
        if not wait_s and account is not None:
            wait_s = throttle.spend(session, account, most=settings.sign_ins_account_max)
    if wait_s:
        raise RateLimited(seconds=wait_s)


def _refused(session: Session, user_id: int, attempt: Attempt, key: str) -> FinviewError | None:
    """Return why somebody with the right password may still not sign in."""
    user = session.get_one(AccountUser, user_id, with_for_update=True)
    granted = session.scalar(select(AccessGrant.id).where(AccessGrant.user_id == user_id).limit(1))
    if not user.active or granted is None:
        return SignInFailed()
    if second_factor.is_on(session, user_id):
        if not (attempt.one_time_code or "").strip():
            return SecondFactorRequired()
        if not second_factor.accepts(session, user_id, attempt.one_time_code or "", key):
            return SecondFactorRequired("ONE_TIME_CODE_WRONG")
    user.last_seen_at = clock.now()
    return None
