"""Contacts of a customer: the people, their roles, their portfolios."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import select
from strawberry import UNSET

from finview.accounts.access import Action, find, may, visible
from finview.accounts.invitations import newest, state_of
from finview.accounts.models import AccountUser
from finview.accounts.models import Invitation as InvitationRow
from finview.api.common import Node, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import encode, key_of
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import CountryCode, LocaleCode, PhoneNumber
from finview.api.engine.sources import Bulk, Col, Id, cols, source
from finview.api.enums import InvitationState
from finview.clock import now
from finview.customers import contacts as verbs
from finview.customers.models import Customer as CustomerRow
from finview.customers.models import CustomerContact
from finview.customers.models import Portfolio as PortfolioRow
from finview.errors import NotFound

if TYPE_CHECKING:
    from finview.api.customers import Portfolio

KEY = "The same key with the same input has one effect and one answer; kept for a week."


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
    is_operational: bool = f(description="Gets the automatic mail of cases and workflows.")
    has_access: bool = f(description="May sign in.")

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
            is_operational=row.is_operational,
            has_access=row.has_access,
        )

    @strawberry.field(description="The address the person signs in with.")
    def email(self, info: Info) -> str:
        """Return the user's address."""
        return _emails(info.context, [self.row.user_id])[self.row.user_id]

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


FLAGS = ("is_commercial", "is_operational", "has_access")
source(
    Contact,
    CustomerContact,
    id=Id("ctc"),
    phone=Col("phone", empty=True),
    email=Bulk(_emails, "user_id"),
    invitation=Bulk(_invitations),
    **cols("first_name", "last_name", *FLAGS),
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


@strawberry.input(description="A new person at a customer.")
class ContactCreateInput:
    """A new person at a customer."""

    customer_id: strawberry.ID = f(description="The customer.")
    first_name: str = f(description="First name.")
    last_name: str = f(description="Last name.")
    email: str = f(description="E-mail address; unknown so far.")
    phone: str | None = f(default=None, description="Phone number.")
    phone_country: CountryCode | None = f(default=None, description="For numbers without +.")
    is_commercial: bool = f(description="Commercial contact.")
    is_operational: bool = f(description="Operational contact.")
    has_access: bool = f(description="May sign in.")
    portfolio_ids: list[strawberry.ID] | None = f(default=None, description="Linked portfolios.")
    locale: LocaleCode | None = f(default=None, description="The person's language.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="A known user to link to a customer.")
class ContactLinkInput:
    """A known user to link."""

    customer_id: strawberry.ID = f(description="The customer.")
    user_id: strawberry.ID = f(description="The user.")
    is_commercial: bool = f(description="Commercial contact.")
    is_operational: bool = f(description="Operational contact.")
    portfolio_ids: list[strawberry.ID] | None = f(default=None, description="Linked portfolios.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="What to change of a contact; what is left out stays.")
class ContactUpdateInput:
    """What to change of a contact."""

    first_name: str | None = f(default=UNSET, description="First name.")
    last_name: str | None = f(default=UNSET, description="Last name.")
    phone: str | None = f(default=UNSET, description="Phone number with +.")
    is_commercial: bool | None = f(default=UNSET, description="Commercial contact.")
    is_operational: bool | None = f(default=UNSET, description="Operational contact.")
    has_access: bool | None = f(default=UNSET, description="May sign in.")
    portfolio_ids: list[strawberry.ID] | None = f(default=UNSET, description="Linked portfolios.")


@strawberry.type(description="The answer of a mutation of a contact.")
class ContactPayload:
    """The answer of a mutation."""

    contact: Contact | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def _portfolios(ids: Any) -> list[int]:
    return [key_of(i, "pf", "input", "portfolioIds") for i in ids or ()]


def _customer(ctx: Context, value: str) -> CustomerRow:
    found = find(ctx.session, CustomerRow, key_of(value, "cus", "input", "customerId"), ctx.who)
    may(ctx.who, Action.SET_UP)
    return found


@dataclass(frozen=True, slots=True)
class _Invite:
    """The arguments of `contactInvite`, as idempotency compares them."""

    id: str
    idempotency_key: str | None


@strawberry.type
class ContactMutation:
    """The people of customers."""

    @strawberry.mutation(description="The articles' 'Create new employee'.")
    def contact_create(self, info: Info, input: ContactCreateInput) -> ContactPayload:  # noqa: A002  # the contract's word
        """Create a person and link it."""
        ctx = info.context

        def act() -> Contact:
            customer = _customer(ctx, input.customer_id)
            return Contact.of(
                verbs.create_contact(
                    ctx.session,
                    customer,
                    first_name=input.first_name,
                    last_name=input.last_name,
                    email=input.email,
                    phone=input.phone,
                    phone_country=input.phone_country,
                    is_commercial=input.is_commercial,
                    is_operational=input.is_operational,
                    has_access=input.has_access,
                    portfolio_ids=_portfolios(input.portfolio_ids),
                    locale=input.locale,
                    by=ctx.who.user_id,
                )
            )

        return mutate(
            ctx,
            ContactPayload,
            "contact",
            act,
            name="contactCreate",
            given=input,
            again=lambda i: Contact.of(ctx.session.get_one(CustomerContact, key_of(i, "ctc"))),
        )

    @strawberry.mutation(description="The articles' 'Select existing employee'.")
    def contact_link(self, info: Info, input: ContactLinkInput) -> ContactPayload:  # noqa: A002  # the contract's word
        """Link an existing user."""
        ctx = info.context

        def act() -> Contact:
            customer = _customer(ctx, input.customer_id)
            user = ctx.session.get(AccountUser, key_of(input.user_id, "usr", "input", "userId"))
            if user is None:
                raise NotFound(path=("input", "userId"))
            return Contact.of(
                verbs.link_contact(
                    ctx.session,
                    customer,
                    user,
                    is_commercial=input.is_commercial,
                    is_operational=input.is_operational,
                    portfolio_ids=_portfolios(input.portfolio_ids),
                    by=ctx.who.user_id,
                )
            )

        return mutate(
            ctx,
            ContactPayload,
            "contact",
            act,
            name="contactLink",
            given=input,
            again=lambda i: Contact.of(ctx.session.get_one(CustomerContact, key_of(i, "ctc"))),
        )

    @strawberry.mutation(description="Change a contact; rights follow at once.")
    def contact_update(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        input: ContactUpdateInput,  # noqa: A002  # the contract's word
    ) -> ContactPayload:
        """Change a contact."""
        ctx = info.context

        def act() -> Contact:
            row = find(ctx.session, CustomerContact, key_of(id, "ctc", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            changes = {n: v for n, v in vars(input).items() if v is not UNSET}
            if changes.get("portfolio_ids") is not None:
                changes["portfolio_ids"] = _portfolios(changes["portfolio_ids"])
            customer = ctx.session.get_one(CustomerRow, row.customer_id)
            return Contact.of(
                verbs.update_contact(ctx.session, row, customer, changes, by=ctx.who.user_id)
            )

        return mutate(ctx, ContactPayload, "contact", act, name="contactUpdate")

    @strawberry.mutation(description="Send the invitation again: a new link, the old one is void.")
    def contact_invite(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        idempotency_key: str | None = None,
    ) -> ContactPayload:
        """Invite a contact."""
        ctx = info.context

        def act() -> Contact:
            row = find(ctx.session, CustomerContact, key_of(id, "ctc", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            verbs.invite_contact(ctx.session, row, by=ctx.who.user_id)
            return Contact.of(row)

        return mutate(
            ctx,
            ContactPayload,
            "contact",
            act,
            name="contactInvite",
            given=_Invite(id, idempotency_key),
            again=lambda i: Contact.of(ctx.session.get_one(CustomerContact, key_of(i, "ctc"))),
        )
