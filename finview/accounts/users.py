"""Users: created once per e-mail address, found by it."""

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Role, grant
from finview.accounts.models import AccountUser
from finview.accounts.names import checked_name
from finview.db import audit
from finview.errors import Duplicate, Invalid, NotFound, Required
from finview.i18n import LOCALES, N_, sentences

COMMAND_LINE = "terminal@finview.test"
"""The user as whom `finview` in a terminal acts: an administrator without a way to sign in."""

sentences(
    {
        "EMAIL_NOT_VALID": N_("This e-mail address is not valid: {email}."),
        "USER_EXISTS": N_("There is already a user with this e-mail address."),
        "USER_NAME_REQUIRED": N_("A user needs a name."),
        "USER_UNKNOWN": N_("There is no user with this e-mail address: {email}."),
        "LOCALE_NOT_SHIPPED": N_("This language is not available: {locale}."),
    }
)


def normal_email(email: str, *, path: tuple[str, ...] = ("input", "email")) -> str:
    """Return the canonical form of an address; raise `Invalid` when it can't be one."""
    if not email.strip():
        raise Required(path=path)
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise Invalid("EMAIL_NOT_VALID", path=path, email=email) from None
    return checked.normalized.lower()


def known_locale(locale: str, *, path: tuple[str, ...] = ("input", "locale")) -> str:
    """Return a shipped language; raise `Invalid` for any other."""
    if locale not in LOCALES:
        raise Invalid("LOCALE_NOT_SHIPPED", path=path, locale=locale)
    return locale


def find_user(session: Session, email: str) -> AccountUser | None:
    """Return the user with this address, if there is one."""
    statement = select(AccountUser).where(AccountUser.email == email.strip().lower())
    return session.scalars(statement).one_or_none()


def user_named(session: Session, email: str) -> AccountUser:
    """Return the user with this address; raise `NotFound` otherwise."""
    user = find_user(session, email)
    if user is None:
        raise NotFound("USER_UNKNOWN", email=email)
    return user


def create_user(
    session: Session,
    *,
    email: str,
    name: str,
    role: Role | None = None,
    locale: str = "en",
    by: int | None = None,
) -> AccountUser:
    """Create a user; raise `Duplicate` when the address is taken."""
    address = normal_email(email)
    shown = checked_name(name, "USER_NAME_REQUIRED", path=("input", "name"))
    if find_user(session, address) is not None:
        raise Duplicate("USER_EXISTS", path=("input", "email"))
    user = AccountUser(
        email=address, name=shown, locale=known_locale(locale), created_at=clock.now()
    )
    session.add(user)
    session.flush()
    if role is not None:
        grant(session, user.id, role)
    audit.record(session, "user.create", actor_id=by, subject=("user", user.id), role=role)
    return user
