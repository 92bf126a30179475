"""What changes the contacts of a customer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry import UNSET

from finview import clock
from finview.accounts.access import Action, find, may
from finview.accounts.models import AccountUser
from finview.api.common import KEY, VERSION, f
from finview.api.contacts import Contact
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import encode, key_of
from finview.api.engine.scalars import CountryCode, LocaleCode
from finview.cases.due import has_due_invoices
from finview.customers import contacts as verbs
from finview.customers.models import BusinessUnit as UnitRow
from finview.customers.models import Customer as CustomerRow
from finview.customers.models import CustomerContact
from finview.customers.units import zone_of
from finview.db.versions import advance
from finview.errors import Duplicate, NotFound


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
    phone: str | None = f(default=UNSET, description="Phone number.")
    phone_country: CountryCode | None = f(
        default=None, description="For numbers without +; else the country of the earlier number."
    )
    is_commercial: bool | None = f(default=UNSET, description="Commercial contact.")
    is_operational: bool | None = f(default=UNSET, description="Operational contact.")
    has_access: bool | None = f(default=UNSET, description="May sign in.")
    portfolio_ids: list[strawberry.ID] | None = f(default=UNSET, description="Linked portfolios.")
    is_primary: bool | None = f(
        default=UNSET, description="True: the primary commercial contact, instead of the other one."
    )
    locale: LocaleCode | None = f(default=UNSET, description="The language of mails.")
    lock_version: int | None = f(default=None, description=VERSION)


@strawberry.type(description="The answer of a mutation of a contact.")
class ContactPayload:
    """The answer of a mutation."""

    contact: Contact | None = f(default=None, description="As it is now; null: removed.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def _portfolios(ids: Any) -> list[int]:
    return [key_of(i, "pf", "input", "portfolioIds") for i in ids or ()]


@contextmanager
def _known(ctx: Context) -> Iterator[None]:
    """Offer the user of a known address for selection, as far as the caller may see users."""
    try:
        yield
    except Duplicate as failure:
        key = failure.params.pop("user_id", None)
        if key is not None and ctx.who.staff:
            failure.params["userId"] = encode("usr", key)
        raise


def _due(ctx: Context, customer: CustomerRow) -> Callable[[], bool]:
    """Return what tells whether the customer has invoices that are due today."""
    unit = ctx.session.get_one(UnitRow, customer.business_unit_id)
    return lambda: has_due_invoices(ctx.session, customer.id, clock.today(zone_of(unit)))


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
            with _known(ctx):
                row = verbs.create_contact(
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
            return Contact.of(row)

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
            advance(ctx.session, row, input.lock_version)
            changes = {n: v for n, v in vars(input).items() if v is not UNSET}
            if changes.get("portfolio_ids") is not None:
                changes["portfolio_ids"] = _portfolios(changes["portfolio_ids"])
            customer = ctx.session.get_one(CustomerRow, row.customer_id)
            return Contact.of(
                verbs.update_contact(
                    ctx.session,
                    row,
                    customer,
                    changes,
                    invoices_due=_due(ctx, customer),
                    by=ctx.who.user_id,
                )
            )

        name = "contactUpdate"
        return mutate(ctx, ContactPayload, "contact", act, name=name, given=input, about=id)

    @strawberry.mutation(
        description="Remove a person from a customer; rights end at once. The last commercial "
        "contact stays while invoices are due: IN_USE."
    )
    def contact_remove(self, info: Info, id: strawberry.ID) -> ContactPayload:  # noqa: A002  # the contract's word
        """Remove a contact."""
        ctx = info.context

        def act() -> None:
            row = find(ctx.session, CustomerContact, key_of(id, "ctc", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            customer = ctx.session.get_one(CustomerRow, row.customer_id)
            due = _due(ctx, customer)
            verbs.remove_contact(ctx.session, row, customer, invoices_due=due, by=ctx.who.user_id)

        return mutate(ctx, ContactPayload, "contact", act, name="contactRemove")

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
