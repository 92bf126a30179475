"""Who is signed in: viewer and users."""

from typing import TYPE_CHECKING, Annotated

import strawberry
from sqlalchemy import select

from finview.accounts.access import visible
from finview.accounts.models import AccountUser
from finview.api.common import Node, f
from finview.api.engine.context import Info
from finview.api.engine.ids import encode
from finview.api.engine.limits import PAGE_MAX
from finview.api.engine.scalars import LocaleCode
from finview.api.enums import Role
from finview.customers.models import Customer as CustomerRow

if TYPE_CHECKING:
    from finview.api.customers import Customer


@strawberry.type(description="A person who may sign in.")
class User(Node):
    """A person who may sign in."""

    email: str = f(description="The address the person signs in with.")
    name: str = f(description="First and last name.")
    locale: LocaleCode = f(description="The language the person reads.")

    @classmethod
    def of(cls, row: AccountUser) -> "User":
        """Return a user's row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("usr", row.id)),
            email=row.email,
            name=row.name,
            locale=LocaleCode(row.locale),
        )


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


def viewer(info: Info) -> Viewer | None:
    """Return who is signed in, if anybody is."""
    ctx = info.context
    if ctx.viewer is None:
        return None
    user = ctx.session.get_one(AccountUser, ctx.viewer.user_id)
    return Viewer(user=User.of(user), roles=sorted(ctx.viewer.roles), locale=LocaleCode(ctx.locale))
