"""One-time codes of an app (RFC 6238) as a second factor, and the codes for the day it is lost."""

import secrets

import pyotp
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.models import AccountUser, RecoveryCode, SecondFactor
from finview.accounts.secrets import digest, locked, unlocked
from finview.db import audit
from finview.errors import Invalid, State
from finview.i18n import N_, sentences

sentences(
    {
        "SECOND_FACTOR_ON": N_("The second factor is on already."),
        "SECOND_FACTOR_OFF": N_("The second factor is not on."),
        "SESSION_REQUIRED": N_("Please do this signed in with a browser, not with a token."),
        "ONE_TIME_CODE_WRONG": N_("This one-time code is not right, or was used before."),
    }
)

ISSUER = "finview"
DRIFT_STEPS = 1
"""A clock may be wrong by one step of 30 seconds, as RFC 6238 recommends."""
RECOVERY_CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like another
_GROUP = 5


def start(session: Session, user: AccountUser, key: str) -> tuple[str, str]:
    """Make a secret for the app, not valid before `confirm`; return it and its otpauth address.

    Raises `State` (SECOND_FACTOR_ON).
    """
    row = _row(session, user.id, lock=True)
    if row is not None and row.confirmed_at is not None:
        raise State("SECOND_FACTOR_ON")
    secret = pyotp.random_base32()
    if row is None:
        row = SecondFactor(user_id=user.id, secret="", created_at=clock.now())
        session.add(row)
    row.secret, row.created_at = locked(key, secret), clock.now()
    session.flush()
    audit.record(session, "second_factor.start", actor_id=user.id, subject=("user", user.id))
    return secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)


def confirm(session: Session, user: AccountUser, code: str, key: str) -> list[str]:
    """Turn the second factor on with a first code; return the recovery codes, shown once.

    Raises `State` (SECOND_FACTOR_OFF, SECOND_FACTOR_ON) and `Invalid` (ONE_TIME_CODE_WRONG).
    """
    row = _row(session, user.id, lock=True)
    if row is None:
        raise State("SECOND_FACTOR_OFF")
    if row.confirmed_at is not None:
        raise State("SECOND_FACTOR_ON")
    if not _fits(row, code, key):
        raise Invalid("ONE_TIME_CODE_WRONG", path=("code",))
    row.confirmed_at = clock.now()
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    session.add_all(
        RecoveryCode(user_id=user.id, code_sha256=_kept(user.id, code)) for code in codes
    )
    session.flush()
    audit.record(session, "second_factor.confirm", actor_id=user.id, subject=("user", user.id))
    return codes


def remove(session: Session, user: AccountUser, *, by: int) -> None:
    """Turn the second factor off; raises `State` (SECOND_FACTOR_OFF) where there is none."""
    row = _row(session, user.id, lock=True)
    if row is None or row.confirmed_at is None:
        raise State("SECOND_FACTOR_OFF")
    session.delete(row)
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    session.flush()
    audit.record(session, "second_factor.remove", actor_id=by, subject=("user", user.id))


def is_on(session: Session, user_id: int) -> bool:
    """Tell whether a person signs in with a one-time code."""
    row = _row(session, user_id)
    return row is not None and row.confirmed_at is not None


def accepts(session: Session, user_id: int, code: str, key: str) -> bool:
    """Tell whether a one-time or recovery code is right, and use it up."""
    row = _row(session, user_id, lock=True)
    if row is None or row.confirmed_at is None:
        return False
    if _fits(row, code, key):
        session.flush()
        return True
    used = session.execute(
        update(RecoveryCode)
        .where(RecoveryCode.code_sha256 == _kept(user_id, code), RecoveryCode.used_at.is_(None))
        .values(used_at=clock.now())
        .returning(RecoveryCode.id)
        .execution_options(synchronize_session=False)
    ).all()
    if used:
        audit.record(session, "second_factor.recover", actor_id=user_id, subject=("user", user_id))
    return bool(used)


def _fits(row: SecondFactor, code: str, key: str) -> bool:
    """Compare with every step that may be meant; an accepted one is never accepted again."""
    given = "".join(code.split())
    app = pyotp.TOTP(unlocked(key, row.secret))
    step = clock.now_ms() // 1000 // app.interval
    for one in range(step - DRIFT_STEPS, step + DRIFT_STEPS + 1):
        if one > row.last_step and pyotp.utils.strings_equal(given, app.generate_otp(one)):
            row.last_step = one
            return True
    return False


def _row(session: Session, user_id: int, *, lock: bool = False) -> SecondFactor | None:
    wanted = select(SecondFactor).where(SecondFactor.user_id == user_id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    return session.scalars(wanted).one_or_none()


def _recovery_code() -> str:
    signs = [secrets.choice(_ALPHABET) for _ in range(2 * _GROUP)]
    return "".join(signs[:_GROUP]) + "-" + "".join(signs[_GROUP:])


def _kept(user_id: int, code: str) -> str:
    plain = "".join(sign for sign in code.lower() if sign.isalnum())
    return digest(f"recovery:{user_id}:{plain}")
