"""Who is signed in, and the users: viewer, sessions, tokens, people."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select

from finview.accounts import second_factor, sessions, tokens
from finview.accounts.access import Action, may, visible
from finview.accounts.models import AccessGrant, AccountUser
from finview.accounts.models import ApiToken as TokenRow
from finview.accounts.models import SignInSession as SessionRow
from finview.accounts.people import roles_of
from finview.accounts.users import COMMAND_LINE
from finview.api.common import Node, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.ids import encode
from finview.api.engine.limits import PAGE_MAX
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import LocaleCode
from finview.api.engine.sources import Bulk, Calc, Conn, Id, cols, root, source
from finview.api.enums import Role
from finview.customers.models import Customer as CustomerRow
from finview.db.lists import one_of
from finview.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from finview.api.customers import Customer


@strawberry.type(description="A person who may sign in.")
class User(Node):
    """A person who may sign in."""

    email: str = f(description="The address the person signs in with.")
    name: str = f(description="First and last name.")
    locale: LocaleCode = f(description="The language the person reads.")
    roles: list[Role] = f(description="What the person is to the agency.")
    active: bool = f(description="Whether the person may sign in at all.")
    last_seen_at: datetime | None = f(
        description="When the person was last here, to the minute; for the agency and oneself."
    )
    lock_version: int = f(description="Goes up with every change.")

    @classmethod
    def of(cls, ctx: Context, row: AccountUser, roles: Iterable[Role]) -> "User":
        """Return a user's row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("usr", row.id)),
            email=row.email,
            name=row.name,
            locale=LocaleCode(row.locale),
            roles=sorted(roles),
            active=row.active,
            last_seen_at=_last_seen(ctx, row.id, row.last_seen_at),
            lock_version=row.lock_version,
        )


def people(ctx: Context, user_ids: Sequence[int]) -> dict[int, User]:
    """Return users that others point at, by their keys; one statement."""
    wanted = (
        select(AccountUser, AccessGrant.role)
        .outerjoin(AccessGrant, AccessGrant.user_id == AccountUser.id)
        .where(one_of(AccountUser.id, list(user_ids)))
    )
    rows: dict[int, AccountUser] = {}
    roles: dict[int, set[Role]] = defaultdict(set)
    for row, role in ctx.session.execute(wanted):
        rows[row.id] = row
        roles[row.id] |= {Role(role)} if role else set()
    return {key: User.of(ctx, row, roles[key]) for key, row in rows.items()}


def shown(ctx: Context, row: AccountUser) -> User:
    """Return one user as the API shows it."""
    return User.of(ctx, row, _roles(ctx, [row.id])[row.id])


def _roles(ctx: Context, user_ids: Sequence[int]) -> dict[int, list[Role]]:
    found = roles_of(ctx.session, user_ids)
    return {user_id: found.get(user_id, []) for user_id in user_ids}


def _last_seen(ctx: Context, user_id: int, at: datetime | None) -> datetime | None:
    who = ctx.viewer
    return at if who is not None and (who.staff or user_id == who.user_id) else None


source(
    User,
    AccountUser,
    id=Id("usr"),
    roles=Bulk(_roles),
    last_seen_at=Calc(_last_seen, ("id", "last_seen_at")),
    **cols("email", "name", "locale", "active", "lock_version"),
)


@strawberry.type(description="A page of users.")
class UserConnection:
    """A page of users."""

    page: strawberry.Private[Page[AccountUser]]
    nodes: list[User] = f(description="The users of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.input(description="Which users; what is left out does not restrict.")
class UserWhere:
    """Which users."""

    text: str | None = f(default=None, description="A part of the name or the e-mail address.")
    has_access: bool | None = f(
        default=None, description="Whether they may sign in: active, and with a role."
    )
    role: list[Role] | None = f(default=None, description="With one of these roles.")


def users(
    info: Info, first: int | None = 50, after: str | None = None, where: UserWhere | None = None
) -> UserConnection:
    """Return the users a viewer sees: the agency all, others who works for the same customers."""
    ctx = info.context
    wanted = visible(select(AccountUser), ctx.who).where(_wanted(where))
    found: Page[AccountUser] = page(ctx.session, wanted, _order(), first=first, after=after)
    roles = _roles(ctx, [row.id for row in found.rows])
    nodes = [User.of(ctx, row, roles[row.id]) for row in found.rows]
    return UserConnection(page=found, nodes=nodes, page_info=PageInfo.of(found))


def _order() -> list[Order]:
    return [Order(AccountUser.name), Order(AccountUser.id)]


def _wanted(where: UserWhere | None = None) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [AccountUser.email != COMMAND_LINE]
    where = where or UserWhere()
    if where.text and where.text.strip():
        text = where.text.strip().lower()
        parts.append(
            or_(
                func.lower(AccountUser.name).contains(text, autoescape=True),
                AccountUser.email.contains(text, autoescape=True),
            )
        )
    if where.has_access is not None:
        granted = select(AccessGrant.user_id).where(AccessGrant.user_id == AccountUser.id).exists()
        able = and_(AccountUser.active, granted)
        parts.append(able if where.has_access else not_(able))
    if where.role is not None:
        roles = [AccessGrant.role == role.value for role in where.role]
        having = select(AccessGrant.user_id).where(
            AccessGrant.user_id == AccountUser.id, or_(false(), *roles)
        )
        parts.append(having.exists())
    return and_(*parts)


root("users", Conn("User", order=_order, where=_wanted))


def user_node(ctx: Context, key: tuple[int, ...]) -> Node:
    """Return one visible user, or oneself; raises `NotFound`."""
    own = key[0] == ctx.who.user_id
    one = select(AccountUser).where(AccountUser.id == key[0])
    found = ctx.session.scalars(one if own else visible(one, ctx.who)).one_or_none()
    if found is None:
        raise NotFound
    return shown(ctx, found)


@strawberry.type(description="A browser in which somebody is signed in.")
class Session(Node):
    """A browser in which somebody is signed in."""

    created_at: datetime = f(description="When the person signed in.")
    last_seen_at: datetime = f(description="When it was last used, to the minute.")
    user_agent: str | None = f(description="How the browser calls itself.")
    current: bool = f(description="Whether it is the one that asks.")

    @classmethod
    def of(cls, row: SessionRow, *, current: bool) -> "Session":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("ses", row.id)),
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            user_agent=row.user_agent,
            current=current,
        )


def session_node(ctx: Context, key: tuple[int, ...]) -> Node:
    """Return one of the viewer's own sessions; raises `NotFound`."""
    row = ctx.session.get(SessionRow, key[0])
    if row is None or row.user_id != ctx.who.user_id:
        raise NotFound
    return Session.of(row, current=row.id == ctx.who.session_id)


@strawberry.type(description="A token for a program, `fv_…`; its secret was shown once.")
class ApiToken(Node):
    """A token for a program."""

    name: str = f(description="What it is for.")
    scopes: list[str] = f(description="What it allows, of what its person may do.")
    created_at: datetime = f(description="When it was made.")
    expires_at: datetime | None = f(description="When it ends by itself; null: never.")
    last_used_at: datetime | None = f(description="When it was last used, to the minute.")

    @classmethod
    def of(cls, row: TokenRow) -> "ApiToken":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("tok", row.id)),
            name=row.name,
            scopes=list(tokens.SCOPES if row.scopes is None else row.scopes),
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )


def token_node(ctx: Context, key: tuple[int, ...]) -> Node:
    """Return one of the viewer's own tokens; raises `NotFound`."""
    row = ctx.session.get(TokenRow, key[0])
    if row is None or row.user_id != ctx.who.user_id:
        raise NotFound
    return ApiToken.of(row)


@strawberry.type(description="Who is asking, and what they may see.")
class Viewer:
    """Who is asking."""

    user: User = f(description="The person.")
    roles: list[Role] = f(description="The person's roles.")
    locale: LocaleCode = f(description="The language of this answer.")

    @strawberry.field(description="The customers this person sees, by name; at most 200.")
    def customers(
        self, info: Info
    ) -> list[Annotated["Customer", strawberry.lazy("finview.api.customers")]]:
        """Return the visible customers."""
        from finview.api.customers import Customer

        ctx = info.context
        statement = visible(select(CustomerRow), ctx.who).order_by(CustomerRow.name)
        return [Customer.of(row) for row in ctx.session.scalars(statement.limit(PAGE_MAX))]

    @strawberry.field(description="Where the person is signed in, the latest first; at most 200.")
    def sessions(self, info: Info) -> list[Session]:
        """Return the sessions that still open something."""
        ctx = info.context
        rows = sessions.sessions_of(ctx.session, ctx.who.user_id, ctx.services.settings)
        return [Session.of(r, current=r.id == ctx.who.session_id) for r in rows[:PAGE_MAX]]

    @strawberry.field(description="The person's tokens, oldest first; at most 200.")
    def tokens(self, info: Info) -> list[ApiToken]:
        """Return the tokens that still open something."""
        ctx = info.context
        rows = tokens.tokens_of(ctx.session, ctx.who.user_id)
        return [ApiToken.of(row) for row in rows[:PAGE_MAX]]

    @strawberry.field(description="Whether the person signs in with a one-time code as well.")
    def second_factor(self, info: Info) -> bool:
        """Tell whether the second factor is on."""
        return second_factor.is_on(info.context.session, info.context.who.user_id)


def viewer(info: Info) -> Viewer | None:
    """Return who is signed in, if anybody is."""
    ctx = info.context
    if ctx.viewer is None:
        return None
    user = ctx.session.get_one(AccountUser, ctx.viewer.user_id)
    roles = sorted(ctx.viewer.roles)
    return Viewer(user=User.of(ctx, user, roles), roles=roles, locale=LocaleCode(ctx.locale))


def own_row(ctx: Context) -> AccountUser:
    """Return the viewer's own row."""
    return ctx.session.get_one(AccountUser, ctx.who.user_id)


def in_person(ctx: Context) -> None:
    """Refuse a program: a stolen token must not lock its person out."""
    may(ctx.who, Action.OWN_ACCOUNT)
    if ctx.who.session_id is None:
        raise Forbidden("SESSION_REQUIRED")
