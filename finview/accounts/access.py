"""The one place for access: who is asking, what they may do, what they may see."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, false, inspect, or_, select
from sqlalchemy.orm import Session

from finview.accounts.models import AccessGrant, AccountUser
from finview.db.base import Base, Scope
from finview.errors import Forbidden, NotFound

T = TypeVar("T", bound=Base)
S = TypeVar("S", bound=Select[Any])


class Role(StrEnum):
    """What a user is to the agency."""

    ADMIN = "ADMIN"
    OPERATOR = "OPERATOR"
    CUSTOMER_USER = "CUSTOMER_USER"


class Action(StrEnum):
    """What a role may be allowed to do; reading is governed by `visible` alone."""

    IMPORT = "import"
    SET_UP = "set_up"
    WORK_CASES = "work_cases"
    BIND_PLUGINS = "bind_plugins"
    GRANT_ENRICHMENT = "grant_enrichment"
    MANAGE_USERS = "manage_users"


_ALLOWED = {
    Role.ADMIN: frozenset(Action),
    Role.OPERATOR: frozenset({Action.IMPORT, Action.SET_UP, Action.WORK_CASES}),
    Role.CUSTOMER_USER: frozenset[Action](),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a customer's user was granted, as SQL compares it: keys, or a query that gives them.

    `all_customers` are those granted as a whole and those of granted portfolios.
    """

    customers: Any
    all_customers: Any
    portfolios: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who is asking: built once per request, passed down, never looked up again."""

    user_id: int
    email: str
    name: str
    roles: frozenset[Role]
    locale: str
    customers: frozenset[int] = frozenset()
    portfolios: frozenset[int] = frozenset()
    portfolio_customers: frozenset[int] = frozenset()

    @property
    def staff(self) -> bool:
        """Tell whether this is one of the agency's own people, who see every customer."""
        return bool(self.roles & {Role.ADMIN, Role.OPERATOR})

    @property
    def granted(self) -> Granted:
        """Return the viewer's grants as `condition` takes them."""
        return Granted(
            customers=self.customers,
            all_customers=self.customers | self.portfolio_customers,
            portfolios=self.portfolios,
        )

    def can(self, action: Action) -> bool:
        """Tell whether any role of the viewer allows `action`."""
        return any(action in _ALLOWED[role] for role in self.roles)


def viewer_of(session: Session, user: AccountUser, *, locale: str | None = None) -> Viewer:
    """Build the viewer of a signed-in user from the user's grants."""
    rows = session.execute(
        select(AccessGrant.role, AccessGrant.customer_id, AccessGrant.portfolio_id).where(
            AccessGrant.user_id == user.id
        )
    ).all()
    return viewer_with(user, rows, locale=locale or user.locale)


def viewer_with(user: Any, grants: Iterable[Any], *, locale: str) -> Viewer:
    """Build the viewer of a user's columns (id, email, name) and the user's rows of grants."""
    rows = list(grants)
    theirs = [row for row in rows if row.role == Role.CUSTOMER_USER]
    return Viewer(
        user_id=user.id,
        email=user.email,
        name=user.name,
        roles=frozenset(Role(row.role) for row in rows),
        locale=locale,
        customers=frozenset(r.customer_id for r in theirs if not r.portfolio_id),
        portfolios=frozenset(r.portfolio_id for r in theirs if r.portfolio_id),
        portfolio_customers=frozenset(r.customer_id for r in theirs if r.portfolio_id),
    )


def may(viewer: Viewer, action: Action) -> None:
    """Raise `Forbidden` unless a role of the viewer allows `action`."""
    if not viewer.can(action):
        raise Forbidden


def visible(statement: S, viewer: Viewer) -> S:
    """Restrict every entity a statement selects from to the rows `viewer` may see."""
    if viewer.staff:
        return statement
    conditions = [
        condition(entity, viewer.granted)
        for entity in {d["entity"] for d in statement.column_descriptions if d.get("entity")}
    ]
    return statement.where(*conditions)


def condition(entity: type[Base], granted: Granted) -> ColumnElement[bool]:
    """Return the SQL condition under which a customer's user may see a row of `entity`.

    A table without a declared scope belongs to the agency alone.
    """
    mapped = inspect(entity)
    model: type[Base] = mapped.class_
    scope: Scope | None = model.__scope__
    if scope is None:
        return false()
    if scope.through is not None:
        inner, link = scope.through()
        return select(1).where(link(entity, inner), condition(inner, granted)).exists()
    parts: list[ColumnElement[bool]] = []
    if scope.customer:
        wide = granted.customers if scope.portfolio else granted.all_customers
        parts.append(getattr(entity, scope.customer).in_(wide))
    if scope.portfolio:
        parts.append(getattr(entity, scope.portfolio).in_(granted.portfolios))
    return or_(*parts) if parts else false()


def find(session: Session, entity: type[T], key: int | None, viewer: Viewer) -> T:
    """Return one visible row; a missing and a foreign one raise the same `NotFound`."""
    statement = visible(select(entity).where(entity.id == key), viewer)  # type: ignore[attr-defined]  # every table has an id
    row = session.scalars(statement).one_or_none() if key is not None else None
    if row is None:
        raise NotFound
    return row


def grant(
    session: Session,
    user_id: int,
    role: Role,
    *,
    customer_id: int = 0,
    portfolio_ids: Iterable[int] = (),
) -> None:
    """Give a role once; a CUSTOMER_USER without portfolios sees the whole customer."""
    have = set(
        session.execute(
            select(AccessGrant.customer_id, AccessGrant.portfolio_id).where(
                AccessGrant.user_id == user_id, AccessGrant.role == role
            )
        ).all()
    )
    for portfolio_id in sorted(set(portfolio_ids)) or [0]:
        if (customer_id, portfolio_id) not in have:
            session.add(
                AccessGrant(
                    user_id=user_id, role=role, customer_id=customer_id, portfolio_id=portfolio_id
                )
            )
    session.flush()


def revoke(session: Session, user_id: int, *, customer_id: int) -> None:
    """Take every right at one customer from a user."""
    for row in session.scalars(
        select(AccessGrant).where(
            AccessGrant.user_id == user_id,
            AccessGrant.role == Role.CUSTOMER_USER,
            AccessGrant.customer_id == customer_id,
        )
    ):
        session.delete(row)
    session.flush()
