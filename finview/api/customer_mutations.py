"""What changes business units, customers, their settings, portfolios and buckets."""

from typing import Any

import strawberry
from strawberry import UNSET

from finview.accounts.access import Action, find, may
from finview.api.common import f
from finview.api.customers import KEY, Bucket, BusinessUnit, Customer, Portfolio
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import key_of
from finview.api.engine.scalars import JSON, CurrencyCode, LocaleCode, as_object
from finview.api.settings import (
    CommunicationSettingsInput,
    EnrichmentSettingsInput,
    ImportSettingsInput,
    WorkflowSettingsInput,
    given_settings,
)
from finview.cases.components import parse_financials
from finview.customers import customers as verbs
from finview.customers import portfolios, preferences, units
from finview.customers.models import Bucket as BucketRow
from finview.customers.models import BusinessUnit as UnitRow
from finview.customers.models import Customer as CustomerRow
from finview.customers.models import Portfolio as PortfolioRow
from finview.workflows.models import Workflow as WorkflowRow
from finview.workflows.shipped import check_choice


@strawberry.input(description="A business unit to create or change.")
class BusinessUnitInput:
    """A business unit to create or change."""

    name: str | None = f(default=UNSET, description="Its name; required on creation.")
    company: JSON | None = f(default=UNSET, description="Company data.")
    email_settings: JSON | None = f(default=UNSET, description="`sender`, `replyTo`.")
    invoice_settings: JSON | None = f(default=UNSET, description="Invoice settings.")
    email_footers: JSON | None = f(default=UNSET, description="Footers by language.")
    idempotency_key: str | None = f(default=None, description=KEY)


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
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="Settings of a customer; null inherits again.")
class CustomerSettingsInput:
    """Settings of a customer."""

    customer_id: strawberry.ID = f(description="The customer.")
    workflow: WorkflowSettingsInput | None = f(default=UNSET, description="Workflow settings.")
    enrichment: EnrichmentSettingsInput | None = f(default=UNSET, description="Skip tracing.")
    imports: ImportSettingsInput | None = f(default=UNSET, description="Import settings.")
    communication: CommunicationSettingsInput | None = f(default=UNSET, description="Mails.")


@strawberry.input(description="A portfolio to create.")
class PortfolioInput:
    """A portfolio to create."""

    customer_id: strawberry.ID = f(description="Whose book it is.")
    name: str = f(description="Unique at the customer.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="A bucket to create.")
class BucketInput:
    """A bucket to create."""

    portfolio_id: strawberry.ID = f(description="The portfolio it is a part of.")
    name: str = f(description="Unique in the portfolio.")
    financials: JSON | None = f(default=None, description="What its cases are charged.")
    workflow_id: strawberry.ID | None = f(default=None, description="Its own main workflow.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="Settings of a bucket; null inherits from the customer.")
class BucketSettingsInput:
    """Settings of a bucket."""

    bucket_id: strawberry.ID = f(description="The bucket.")
    workflow: WorkflowSettingsInput | None = f(default=UNSET, description="Workflow settings.")
    enrichment: EnrichmentSettingsInput | None = f(default=UNSET, description="Skip tracing.")
    communication: CommunicationSettingsInput | None = f(default=UNSET, description="Mails.")
    financials: JSON | None = f(default=UNSET, description="Replaces the components.")


@strawberry.type(description="The answer of a mutation of a business unit.")
class BusinessUnitPayload:
    """The answer of a mutation."""

    business_unit: BusinessUnit | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="The answer of a mutation of a customer.")
class CustomerPayload:
    """The answer of a mutation."""

    customer: Customer | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="The answer of a mutation of a portfolio.")
class PortfolioPayload:
    """The answer of a mutation."""

    portfolio: Portfolio | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="The answer of a mutation of a bucket.")
class BucketPayload:
    """The answer of a mutation."""

    bucket: Bucket | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def _unit(ctx: Context, value: Any) -> UnitRow | None:
    if value is UNSET or value is None:
        return None
    path = ("input", "businessUnitId")
    return find(ctx.session, UnitRow, key_of(value, "bu", *path), ctx.who)


def _blocks(given: BusinessUnitInput) -> dict[str, Any]:
    return {name: v for name in units.BLOCKS if (v := getattr(given, name)) is not UNSET}


@strawberry.type
class CustomerMutation:
    """Setting up who gives the mandate."""

    @strawberry.mutation(description="Create a business unit; activate it to make it selectable.")
    def business_unit_create(self, info: Info, input: BusinessUnitInput) -> BusinessUnitPayload:  # noqa: A002  # the contract's word
        """Create a business unit."""
        ctx = info.context

        def act() -> BusinessUnit:
            may(ctx.who, Action.SET_UP)
            name = None if input.name is UNSET else input.name
            row = units.create_unit(
                ctx.session, name=name, blocks=_blocks(input), by=ctx.who.user_id
            )
            return BusinessUnit.of(row)

        return mutate(
            ctx,
            BusinessUnitPayload,
            "business_unit",
            act,
            name="businessUnitCreate",
            given=input,
            again=lambda i: BusinessUnit.of(ctx.session.get_one(UnitRow, key_of(i, "bu"))),
        )

    @strawberry.mutation(description="Change a business unit; what is left out stays.")
    def business_unit_update(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        input: BusinessUnitInput,  # noqa: A002  # the contract's word
    ) -> BusinessUnitPayload:
        """Change a business unit."""
        ctx = info.context

        def act() -> BusinessUnit:
            row = find(ctx.session, UnitRow, key_of(id, "bu", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            name = None if input.name is UNSET else input.name or ""
            return BusinessUnit.of(
                units.update_unit(
                    ctx.session, row, name=name, blocks=_blocks(input), by=ctx.who.user_id
                )
            )

        return mutate(
            ctx,
            BusinessUnitPayload,
            "business_unit",
            act,
            name="businessUnitUpdate",
            given=input,
            about=id,
        )

    @strawberry.mutation(description="Make a business unit selectable.")
    def business_unit_activate(self, info: Info, id: strawberry.ID) -> BusinessUnitPayload:  # noqa: A002  # the contract's word
        """Activate a business unit."""
        ctx = info.context

        def act() -> BusinessUnit:
            row = find(ctx.session, UnitRow, key_of(id, "bu", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            return BusinessUnit.of(units.activate_unit(ctx.session, row, by=ctx.who.user_id))

        return mutate(ctx, BusinessUnitPayload, "business_unit", act, name="businessUnitActivate")

    @strawberry.mutation(description="Create a customer under an active business unit.")
    def customer_create(self, info: Info, input: CustomerInput) -> CustomerPayload:  # noqa: A002  # the contract's word
        """Create a customer."""
        ctx = info.context

        def act() -> Customer:
            may(ctx.who, Action.SET_UP)
            values = {n: v for n in _CUSTOMER if (v := getattr(input, n)) is not UNSET}
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
            changes = {n: v for n in _CUSTOMER if (v := getattr(input, n)) is not UNSET}
            return Customer.of(
                verbs.update_customer(
                    ctx.session,
                    row,
                    unit=_unit(ctx, input.business_unit_id),
                    changes=changes,
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
            if input.enrichment and input.enrichment.granted not in (UNSET, None):
                may(ctx.who, Action.GRANT_ENRICHMENT)
                row.enrichment_granted = bool(input.enrichment.granted)
            preferences.set_settings(
                ctx.session,
                preferences.chain(row),
                given_settings(input),
                granted=row.enrichment_granted,
                by=ctx.who.user_id,
            )
            return Customer.of(row)

        return mutate(ctx, CustomerPayload, "customer", act, name="customerSettingsUpdate")

    @strawberry.mutation(description="Create a portfolio.")
    def portfolio_create(self, info: Info, input: PortfolioInput) -> PortfolioPayload:  # noqa: A002  # the contract's word
        """Create a portfolio."""
        ctx = info.context

        def act() -> Portfolio:
            key = key_of(input.customer_id, "cus", "input", "customerId")
            customer = find(ctx.session, CustomerRow, key, ctx.who)
            may(ctx.who, Action.SET_UP)
            return Portfolio.of(
                portfolios.create_portfolio(
                    ctx.session, customer, name=input.name, by=ctx.who.user_id
                )
            )

        return mutate(
            ctx,
            PortfolioPayload,
            "portfolio",
            act,
            name="portfolioCreate",
            given=input,
            again=lambda i: Portfolio.of(ctx.session.get_one(PortfolioRow, key_of(i, "pf"))),
        )

    @strawberry.mutation(description="Create a bucket with its financial components.")
    def bucket_create(self, info: Info, input: BucketInput) -> BucketPayload:  # noqa: A002  # the contract's word
        """Create a bucket."""
        ctx = info.context

        def act() -> Bucket:
            key = key_of(input.portfolio_id, "pf", "input", "portfolioId")
            portfolio = find(ctx.session, PortfolioRow, key, ctx.who)
            may(ctx.who, Action.SET_UP)
            workflow = None
            if input.workflow_id is not None:
                workflow_key = key_of(input.workflow_id, "wf", "input", "workflowId")
                workflow = find(ctx.session, WorkflowRow, workflow_key, ctx.who)
                check_choice(workflow, customer_id=portfolio.customer_id)
            return Bucket.of(
                portfolios.create_bucket(
                    ctx.session,
                    portfolio,
                    name=input.name,
                    financials=parse_financials(as_object(input.financials)).as_json(),
                    workflow_id=workflow.id if workflow is not None else None,
                    by=ctx.who.user_id,
                )
            )

        return mutate(
            ctx,
            BucketPayload,
            "bucket",
            act,
            name="bucketCreate",
            given=input,
            again=lambda i: Bucket.of(ctx.session.get_one(BucketRow, key_of(i, "bkt"))),
        )

    @strawberry.mutation(description="Set a bucket's settings; null inherits from the customer.")
    def bucket_settings_update(self, info: Info, input: BucketSettingsInput) -> BucketPayload:  # noqa: A002  # the contract's word
        """Set settings of a bucket."""
        ctx = info.context

        def act() -> Bucket:
            key = key_of(input.bucket_id, "bkt", "input", "bucketId")
            row = find(ctx.session, BucketRow, key, ctx.who)
            may(ctx.who, Action.SET_UP)
            customer = ctx.session.get_one(CustomerRow, row.customer_id)
            if input.financials is not UNSET:
                terms = parse_financials(as_object(input.financials)).as_json()
                portfolios.set_financials(ctx.session, row, terms, by=ctx.who.user_id)
            preferences.set_settings(
                ctx.session,
                preferences.chain(customer, row),
                given_settings(input),
                granted=customer.enrichment_granted,
                by=ctx.who.user_id,
            )
            return Bucket.of(row)

        return mutate(ctx, BucketPayload, "bucket", act, name="bucketSettingsUpdate")


_CUSTOMER = ("name", "number", "currency", "locale", "company")
