"""What changes customers and their settings."""

from typing import Any

import strawberry
from strawberry import UNSET

from finview.accounts.access import Action, find, may
from finview.accounts.models import AccountUser
from finview.api.common import KEY, VERSION, f
from finview.api.customers import Customer
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import key_of
from finview.api.engine.scalars import JSON, CurrencyCode, LocaleCode
from finview.api.settings import (
    CommunicationSettingsInput,
    EnrichmentSettingsInput,
    ImportSettingsInput,
    PaymentSettingsInput,
    WorkflowSettingsInput,
    given_settings,
)
from finview.customers import customers as verbs
from finview.customers import preferences
from finview.customers.models import BusinessUnit as UnitRow
from finview.customers.models import Customer as CustomerRow
from finview.db.versions import advance
from finview.errors import NotFound


@strawberry.input(description="A customer to create or change.")
class CustomerInput:
    """A customer to create or change."""

    name: str | None = f(default=UNSET, description="Official name; required on creation.")
    number: str | None = f(default=UNSET, description="Short unique number; made when left out.")
    business_unit_id: strawberry.ID | None = f(
        default=UNSET, description="An active business unit; required on creation."
    )
    currency: CurrencyCode | None = f(default=UNSET, description="Default EUR.")
    locale: LocaleCode | None = f(default=UNSET, description="Default de.")
    company: JSON | None = f(default=UNSET, description="Company data: name, address …")
    responsible_user_id: strawberry.ID | None = f(
        default=UNSET, description="An operator or administrator; null: nobody."
    )
    lock_version: int | None = f(default=None, description=VERSION)
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="Settings of a customer; null inherits again.")
class CustomerSettingsInput:
    """Settings of a customer."""

    customer_id: strawberry.ID = f(description="The customer.")
    workflow: WorkflowSettingsInput | None = f(default=UNSET, description="Workflow settings.")
    enrichment: EnrichmentSettingsInput | None = f(default=UNSET, description="Skip tracing.")
    imports: ImportSettingsInput | None = f(default=UNSET, description="Import settings.")
    communication: CommunicationSettingsInput | None = f(default=UNSET, description="Mails.")
    payments: PaymentSettingsInput | None = f(default=UNSET, description="Payments and plans.")
    lock_version: int | None = f(default=None, description=VERSION)


@strawberry.type(description="The answer of a mutation of a customer.")
class CustomerPayload:
    """The answer of a mutation."""

    customer: Customer | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def _unit(ctx: Context, value: Any) -> UnitRow | None:
    if value is UNSET or value is None:
        return None
    path = ("input", "businessUnitId")
    return find(ctx.session, UnitRow, key_of(value, "bu", *path), ctx.who)


def _given(ctx: Context, given: CustomerInput) -> dict[str, Any]:
    """Return what an input really gives of a customer, by the names of the verbs."""
    values = {n: v for n in _CUSTOMER if (v := getattr(given, n)) is not UNSET}
    if given.responsible_user_id is not UNSET:
        values["responsible"] = _person(ctx, given.responsible_user_id)
    return values


def _person(ctx: Context, value: str | None) -> AccountUser | None:
    if value is None:
        return None
    path = ("input", "responsibleUserId")
    found = ctx.session.get(AccountUser, key_of(value, "usr", *path))
    if found is None:
        raise NotFound(path=path)
    return found


@strawberry.type
class CustomerMutation:
    """Setting up who gives the mandate."""

    @strawberry.mutation(description="Create a customer under an active business unit.")
    def customer_create(self, info: Info, input: CustomerInput) -> CustomerPayload:  # noqa: A002  # the contract's word
        """Create a customer."""
        ctx = info.context

        def act() -> Customer:
            may(ctx.who, Action.SET_UP)
            values = _given(ctx, input)
            row = verbs.create_customer(
                ctx.session,
                name=values.pop("name", None),
                unit=_unit(ctx, input.business_unit_id),
                by=ctx.who.user_id,
                **values,
            )
            return Customer.of(row)

        return mutate(
            ctx,
            CustomerPayload,
            "customer",
            act,
            name="customerCreate",
            given=input,
            again=lambda i: Customer.of(ctx.session.get_one(CustomerRow, key_of(i, "cus"))),
        )

    @strawberry.mutation(description="Change a customer; what is left out stays.")
    def customer_update(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        input: CustomerInput,  # noqa: A002  # the contract's word
    ) -> CustomerPayload:
        """Change a customer."""
        ctx = info.context

        def act() -> Customer:
            row = find(ctx.session, CustomerRow, key_of(id, "cus", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            advance(ctx.session, row, input.lock_version)
            return Customer.of(
                verbs.update_customer(
                    ctx.session,
                    row,
                    unit=_unit(ctx, input.business_unit_id),
                    changes=_given(ctx, input),
                    by=ctx.who.user_id,
                )
            )

        return mutate(
            ctx, CustomerPayload, "customer", act, name="customerUpdate", given=input, about=id
        )

    @strawberry.mutation(description="Set a customer's settings; null inherits again.")
    def customer_settings_update(
        self,
        info: Info,
        input: CustomerSettingsInput,  # noqa: A002  # the contract's word
    ) -> CustomerPayload:
        """Set settings."""
        ctx = info.context

        def act() -> Customer:
            key = key_of(input.customer_id, "cus", "input", "customerId")
            row = find(ctx.session, CustomerRow, key, ctx.who)
            may(ctx.who, Action.SET_UP)
            granted = input.enrichment.granted if input.enrichment else None
            if granted is not None and granted is not UNSET:
                may(ctx.who, Action.GRANT_ENRICHMENT)
            advance(ctx.session, row, input.lock_version)
            if granted is not None and granted is not UNSET:
                verbs.grant_enrichment(ctx.session, row, granted=granted, by=ctx.who.user_id)
            preferences.set_settings(
                ctx.session,
                preferences.chain(row),
                given_settings(input),
                granted=row.enrichment_granted,
                by=ctx.who.user_id,
            )
            # Saved once, the tab is done, also when everything in it is inherited (C8).
            row.settings_saved = True
            return Customer.of(row)

        name = "customerSettingsUpdate"
        return mutate(ctx, CustomerPayload, "customer", act, name=name, given=input)


_CUSTOMER = ("name", "number", "currency", "locale", "company")
