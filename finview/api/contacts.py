"""Contacts of a customer: the people, their roles, their portfolios."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from sqlalchemy import select

from finview.accounts.access import visible
from finview.accounts.invitations import newest, state_of
from finview.accounts.models import AccountUser
from finview.accounts.models import Invitation as InvitationRow
from finview.api.accounts import User, people
from finview.api.common import Node, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.ids import encode
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import LocaleCode, PhoneNumber
from finview.api.engine.sources import Bulk, Col, Id, cols, source
from finview.api.enums import InvitationState
from finview.clock import now
from finview.customers.models import CustomerContact
from finview.customers.models import Portfolio as PortfolioRow

if TYPE_CHECKING:
    from finview.api.customers import Portfolio


@strawberry.type(description="An invitation to sign in for the first time.")
class Invitation:
    """An invitation."""

    state: InvitationState = f(description="How far it has come.")
    sent_at: datetime | None = f(description="When it was sent.")
    expires_at: datetime = f(description="When its link ends.")

    @classmethod
    def of(cls, row: InvitationRow) -> "Invitation":
        """Return a row as the API shows it."""
        return cls(
            state=InvitationState(state_of(row, now())),
            sent_at=row.sent_at,
            expires_at=row.expires_at,
        )


@strawberry.type(description="A person's link to a customer.")
class Contact(Node):
    """A person's link to a customer."""

    row: strawberry.Private[CustomerContact]
    first_name: str = f(description="First name.")
    last_name: str = f(description="Last name.")
    phone: PhoneNumber | None = f(description="Phone number.")
    is_commercial: bool = f(description="First address for the agreement; gets our invoices.")
    is_primary: bool = f(description="The commercial contact that comes first; there is one.")
    is_operational: bool = f(description="Gets the automatic mail of cases and workflows.")
    has_access: bool = f(description="May sign in.")
    locale: LocaleCode = f(description="The language of mails to this contact.")
    lock_version: int = f(description="Grows with every change; an update names it.")

    @classmethod
    def of(cls, row: CustomerContact) -> "Contact":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("ctc", row.id)),
            row=row,
            first_name=row.first_name,
            last_name=row.last_name,
            phone=PhoneNumber(row.phone) if row.phone else None,
            is_commercial=row.is_commercial,
            is_primary=row.is_primary,
            is_operational=row.is_operational,
            has_access=row.has_access,
            locale=LocaleCode(row.locale),
            lock_version=row.lock_version,
        )

    @strawberry.field(description="The address the person signs in with.")
    def email(self, info: Info) -> str:
        """Return the user's address."""
        return _emails(info.context, [self.row.user_id])[self.row.user_id]

    @strawberry.field(description="The person, who may be a contact of several customers.")
    def user(self, info: Info) -> User:
        """Return the user."""
        return people(info.context, [self.row.user_id])[self.row.user_id]

    @strawberry.field(description="The newest invitation, if one was ever ordered.")
    def invitation(self, info: Info) -> Invitation | None:
        """Return the newest invitation."""
        return _invitations(info.context, [self.row.id]).get(self.row.id)

    @strawberry.field(description="The portfolios the person is linked to.")
    def portfolios(
        self, info: Info
    ) -> list[Annotated["Portfolio", strawberry.lazy("finview.api.customers")]]:
        """Return the linked portfolios that the viewer may see."""
        from finview.api.customers import Portfolio

        statement = visible(select(PortfolioRow), info.context.who).where(
            PortfolioRow.id.in_(self.row.portfolio_ids)
        )
        rows = info.context.session.scalars(statement.order_by(PortfolioRow.name))
        return [Portfolio.of(row) for row in rows]


def _emails(ctx: Context, user_ids: Sequence[int]) -> dict[int, str]:
    users = select(AccountUser.id, AccountUser.email).where(AccountUser.id.in_(user_ids))
    return dict(ctx.session.execute(users).all())


def _invitations(ctx: Context, contact_ids: Sequence[int]) -> dict[int, Invitation]:
    found = newest(ctx.session, contact_ids)
    return {key: Invitation.of(row) for key, row in found.items()}


FLAGS = ("is_commercial", "is_primary", "is_operational", "has_access")
source(
    Contact,
    CustomerContact,
    id=Id("ctc"),
    phone=Col("phone", empty=True),
    email=Bulk(_emails, "user_id"),
    invitation=Bulk(_invitations),
    user=Bulk(people, "user_id"),
    **cols("first_name", "last_name", "locale", "lock_version", *FLAGS),
)


@strawberry.type(description="A page of contacts.")
class ContactConnection:
    """A page of contacts."""

    page: strawberry.Private[Page[CustomerContact]]
    nodes: list[Contact] = f(description="The contacts of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


def contacts_of(
    ctx: Context, customer_id: int, first: int | None, after: str | None
) -> ContactConnection:
    """Return a page of a customer's contacts."""
    statement = visible(select(CustomerContact), ctx.who).where(
        CustomerContact.customer_id == customer_id
    )
    order = [Order(CustomerContact.id)]
    found: Page[CustomerContact] = page(ctx.session, statement, order, first=first, after=after)
    return ContactConnection(
        page=found, nodes=[Contact.of(r) for r in found.rows], page_info=PageInfo.of(found)
    )
