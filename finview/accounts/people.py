"""The people of the agency: invited, changed, closed; an administrator always remains."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from finview.accounts import oidc, password_links, sessions
from finview.accounts.access import Role, grant
from finview.accounts.models import AccessGrant, AccountUser
from finview.accounts.names import checked_name
from finview.accounts.users import (
    COMMAND_LINE,
    create_user,
    find_user,
    known_locale,
    normal_email,
)
from finview.db import audit
from finview.errors import Duplicate, Invalid, State
from finview.i18n import N_, sentences

sentences(
    {
        "LAST_ADMINISTRATOR": N_(
            "This is the last administrator. Please make somebody else one first."
        ),
        "USER_ROLE_BY_CONTACT": N_("Users of a customer are created as contacts of that customer."),
    }
)

STAFF = (Role.ADMIN, Role.OPERATOR)


def roles_of(session: Session, user_ids: Iterable[int]) -> dict[int, list[Role]]:
    """Return each user's roles, in the order of their names; users without any are left out."""
    found: dict[int, set[Role]] = {}
    wanted = select(AccessGrant.user_id, AccessGrant.role).where(
        AccessGrant.user_id.in_(list(user_ids))
    )
    for user_id, role in session.execute(wanted.distinct()):
        found.setdefault(user_id, set()).add(Role(role))
    return {user_id: sorted(roles) for user_id, roles in found.items()}


def invite_user(
    session: Session, *, email: str, name: str, role: Role, locale: str, by: int
) -> AccountUser:
    """Create one of the agency's people and mail them a link to choose a password.

    Raises `Duplicate` (USER_EXISTS) and `Invalid` (USER_ROLE_BY_CONTACT, EMAIL_NOT_VALID, …).
    """
    _staff_role(role)
    user = create_user(session, email=email, name=name, role=role, locale=locale, by=by)
    password_links.order(session, user.id, by=by, is_welcome=True)
    return user


def update_user(
    session: Session, user: AccountUser, changes: Mapping[str, Any], *, by: int
) -> AccountUser:
    """Change e-mail, name, language, role and whether a user may sign in at all.

    Another address, role or a closed account ends every session. Raises `Duplicate` (USER_EXISTS),
    `State` (LAST_ADMINISTRATOR) where nobody could manage users any more, `Invalid`, `Required`.
    """
    was = _shown(session, user)
    if changes.get("email") is not None:
        _readdress(session, user, changes["email"])
    if "name" in changes:
        user.name = checked_name(changes["name"], "USER_NAME_REQUIRED", path=("input", "name"))
    if changes.get("locale") is not None:
        user.locale = known_locale(changes["locale"])
    if changes.get("active") is not None:
        user.active = changes["active"]
    if changes.get("role") is not None:
        _set_role(session, user, changes["role"])
    user.lock_version += 1
    session.flush()
    now = _shown(session, user)
    if "ADMIN" in was["roles"] and was["active"]:
        _keep_an_administrator(session, changes)
    audit.record(
        session, "user.update", actor_id=by, subject=("user", user.id), before=was, after=now
    )
    if any(was[name] != now[name] for name in ("email", "active", "roles")):
        sessions.end_all(session, user.id, by=by, reason="user.update")
        password_links.void(session, user.id)
    return user


def _shown(session: Session, user: AccountUser) -> dict[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "locale": user.locale,
        "active": user.active,
        "roles": [str(role) for role in roles_of(session, [user.id]).get(user.id, [])],
    }


def _readdress(session: Session, user: AccountUser, email: str) -> None:
    address = normal_email(email)
    other = find_user(session, address)
    if other is not None and other.id != user.id:
        raise Duplicate("USER_EXISTS", path=("input", "email"))
    if user.email != address:
        oidc.unlink(session, user.id)  # the identity was that of whoever had the old address
    user.email = address


def _staff_role(role: Role) -> None:
    if role not in STAFF:
        raise Invalid("USER_ROLE_BY_CONTACT", path=("input", "role"))


def _set_role(session: Session, user: AccountUser, role: Role) -> None:
    """Give another role at the agency; what a user sees as a customer's contact stays."""
    _staff_role(role)
    session.execute(
        delete(AccessGrant).where(
            AccessGrant.user_id == user.id,
            AccessGrant.role.in_([str(one) for one in STAFF if one != role]),
        )
    )
    grant(session, user.id, role)


def _keep_an_administrator(session: Session, changes: Mapping[str, Any]) -> None:
    """Refuse to lose the last administrator; two who leave at once wait for each other."""
    rows = session.execute(
        select(AccountUser.id, AccountUser.active)
        .join(AccessGrant, AccessGrant.user_id == AccountUser.id)
        .where(AccessGrant.role == Role.ADMIN, AccountUser.email != COMMAND_LINE)
        .order_by(AccountUser.id)
        .with_for_update()
    ).all()
    if not any(row.active for row in rows):
        place = "active" if changes.get("active") is False else "role"
        raise State("LAST_ADMINISTRATOR", path=("input", place))
