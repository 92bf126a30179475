"""The one place for access: who is asking, what they may do, what they may see."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    cast,
    column,
    false,
    func,
    inspect,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.visitors import iterate

from finview.accounts.models import AccessGrant, AccountUser
from finview.db.base import Base, Scope
from finview.errors import Forbidden, NotFound

PORTFOLIOS_MAX = 8
"""How many portfolios a viewer knows one by one."""

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
    CONTROL_JOBS = "control_jobs"
    BIND_PLUGINS = "bind_plugins"
    GRANT_ENRICHMENT = "grant_enrichment"
    HOLD_OUTBOUND = "hold_outbound"
    MANAGE_USERS = "manage_users"
    READ_AUDIT = "read_audit"
    OWN_ACCOUNT = "own_account"


_ALLOWED = {
    Role.ADMIN: frozenset(Action),
    Role.OPERATOR: frozenset(
        {
            Action.IMPORT,
            Action.SET_UP,
            Action.WORK_CASES,
            Action.CONTROL_JOBS,
            Action.OWN_ACCOUNT,
        }
    ),
    Role.CUSTOMER_USER: frozenset({Action.OWN_ACCOUNT}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a customer's user was granted, as SQL compares it: keys, or a query that gives them.

    `all_customers` are those granted as a whole and those of granted portfolios; `all_portfolios`
    are those granted and those of customers granted as a whole, if they are known.
    """

    customers: Any
    all_customers: Any
    portfolios: Any
    all_portfolios: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The table through which another one is seen, what joins the two, and its columns in that."""

    inner: type[Base]
    link: Callable[[Any, Any], Any]
    columns: frozenset[str]


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
    all_portfolios: frozenset[int] = frozenset()
    """Every portfolio the viewer may see, where that is at most `PORTFOLIOS_MAX`; else nothing."""
    scopes: frozenset[str] | None = None
    """What the token allows of what the roles allow, by names of actions; None: all of it."""
    session_id: int | None = None

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
        """Tell whether any role of the viewer allows `action`, and the token too."""
        if self.scopes is not None and action not in self.scopes:
            return False
        return any(action in _ALLOWED[role] for role in self.roles)


def own_portfolios() -> Any:
    """Return a column for a statement over grants: a customer's portfolios, as text with commas.

    There are some where the customer is granted as a whole, and at most one more than
    `PORTFOLIOS_MAX`: a viewer is made for every request.
    """
    grants = AccessGrant.__table__.c
    whole = and_(_PORTFOLIO.c.customer_id == grants.customer_id, grants.portfolio_id == _ZERO)
    found = select(cast(_PORTFOLIO.c.id, Text).label("id")).where(whole)
    most = literal_column(str(PORTFOLIOS_MAX + 1), Integer)
    few = found.limit(most).offset(_ZERO).correlate(AccessGrant)  # no offset would be a bind
    between: Any = literal_column("','", Text)  # a text would be a bind
    joined = func.aggregate_strings(few.subquery().c.id, between)
    return select(joined).scalar_subquery().label("own_portfolios")


# The table is of a room above.
_PORTFOLIO = table("portfolio", column("id", BigInteger), column("customer_id", BigInteger))
_ZERO: ColumnElement[int] = literal_column("0", Integer)
# Written out: `false()` would swallow the conditions beside it, and the values they bind.
_NEVER: ColumnElement[bool] = literal_column("1", Integer) == _ZERO


def viewer_of(session: Session, user: AccountUser, *, locale: str | None = None) -> Viewer:
    """Build the viewer of a signed-in user from the user's grants."""
    rows = session.execute(
        select(
            AccessGrant.role,
            AccessGrant.customer_id,
            AccessGrant.portfolio_id,
            own_portfolios(),
        ).where(AccessGrant.user_id == user.id)
    ).all()
    return viewer_with(user, rows, locale=locale or user.locale)


def viewer_with(
    user: Any,
    grants: Iterable[Any],
    *,
    locale: str,
    scopes: Iterable[str] | None = None,
    session_id: int | None = None,
) -> Viewer:
    """Build the viewer of a user's columns (id, email, name) and the user's rows of grants."""
    rows = list(grants)
    # 0 is no customer: it stands in the grants of the agency's own people.
    theirs = [row for row in rows if row.role == Role.CUSTOMER_USER and row.customer_id]
    return Viewer(
        user_id=user.id,
        email=user.email,
        name=user.name,
        roles=frozenset(Role(row.role) for row in rows),
        locale=locale,
        customers=frozenset(r.customer_id for r in theirs if not r.portfolio_id),
        portfolios=frozenset(r.portfolio_id for r in theirs if r.portfolio_id),
        portfolio_customers=frozenset(r.customer_id for r in theirs if r.portfolio_id),
        all_portfolios=_all_portfolios(theirs),
        scopes=None if scopes is None else frozenset(scopes),
        session_id=session_id,
    )


def _all_portfolios(grants: Sequence[Any]) -> frozenset[int]:
    own = [key for row in grants for key in (row.own_portfolios or "").split(",") if key]
    found = frozenset({*map(int, own), *(r.portfolio_id for r in grants if r.portfolio_id)})
    return found if len(found) <= PORTFOLIOS_MAX else frozenset()


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
        return _NEVER
    if scope.through is not None:
        inner, link = scope.through()
        return select(1).where(link(entity, inner), condition(inner, granted)).exists()
    if granted.all_portfolios is not None and scope.portfolio and in_one_portfolio(model):
        among: ColumnElement[bool] = getattr(entity, scope.portfolio).in_(granted.all_portfolios)
        return among
    parts: list[ColumnElement[bool]] = []
    if scope.customer:
        wide = granted.customers if scope.portfolio else granted.all_customers
        parts.append(getattr(entity, scope.customer).in_(wide))
    if scope.portfolio:
        parts.append(getattr(entity, scope.portfolio).in_(granted.portfolios))
    return or_(*parts) if parts else false()


@cache
def in_one_portfolio(model: type[Base]) -> bool:
    """Tell whether each row is of a portfolio, and so of its customer: the column needs a value."""
    scope: Scope | None = model.__scope__
    if scope is None or scope.portfolio is None:
        return False
    found = inspect(model).columns[scope.portfolio]
    # A default stands for "none" (`AccessGrant`).
    return not found.nullable and found.default is None


@cache
def way(model: type[Base]) -> Way | None:
    """Return how the rows of a table are seen through another one, if they are."""
    scope: Scope | None = model.__scope__
    if scope is None or scope.through is None:
        return None
    inner, link = scope.through()
    own = inspect(inner).local_table
    found = iterate(link(model, inner))
    names = {one.key for one in found if isinstance(one, Column) and one.table is own}
    return Way(inner=inner, link=link, columns=frozenset(names))


def find(session: Session, entity: type[T], key: int | None, viewer: Viewer) -> T:
    """Return one visible row; a missing and a foreign one raise the same `NotFound`."""
    statement = visible(select(entity).where(entity.id == key), viewer)  # type: ignore[attr-defined]  # every table has an id
    row = session.scalars(statement).one_or_none() if key is not None else None
    if row is None:
        raise NotFound.row(key)
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
