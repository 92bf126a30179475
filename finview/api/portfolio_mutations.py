"""What changes portfolios and buckets: their names, workflows, components and settings."""

from typing import Any

import strawberry
from strawberry import UNSET

from finview.accounts.access import Action, find, may
from finview.api.common import KEY, VERSION, f
from finview.api.components import FinancialComponentsInput, checked_terms
from finview.api.customers import Bucket, Portfolio
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import key_of
from finview.api.engine.scalars import JSON
from finview.api.settings import (
    CommunicationSettingsInput,
    EnrichmentSettingsInput,
    WorkflowSettingsInput,
    given_settings,
)
from finview.customers import portfolios, preferences
from finview.customers.models import Bucket as BucketRow
from finview.customers.models import Customer as CustomerRow
from finview.customers.models import Portfolio as PortfolioRow
from finview.db.versions import advance
from finview.workflows.models import Workflow as WorkflowRow
from finview.workflows.shipped import check_choice


@strawberry.input(description="A portfolio to create.")
class PortfolioInput:
    """A portfolio to create."""

    customer_id: strawberry.ID = f(description="Whose book it is.")
    name: str = f(description="Unique at the customer.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="What to change of a portfolio; what is left out stays.")
class PortfolioUpdateInput:
    """What to change of a portfolio."""

    name: str | None = f(default=UNSET, description="Unique at the customer.")
    lock_version: int | None = f(default=None, description=VERSION)


@strawberry.input(description="What to change of a bucket; what is left out stays.")
class BucketUpdateInput:
    """What to change of a bucket."""

    name: str | None = f(default=UNSET, description="Unique in the portfolio.")
    workflow_id: strawberry.ID | None = f(
        default=UNSET, description="Its own main workflow; null: the customer's again."
    )
    lock_version: int | None = f(default=None, description=VERSION)


@strawberry.input(description="A bucket to create.")
class BucketInput:
    """A bucket to create."""

    portfolio_id: strawberry.ID = f(description="The portfolio it is a part of.")
    name: str = f(description="Unique in the portfolio.")
    financials: JSON | None = f(default=None, description="What its cases are charged.")
    components: FinancialComponentsInput | None = f(
        default=UNSET, description="The same as types; give one of both."
    )
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
    components: FinancialComponentsInput | None = f(
        default=UNSET, description="The same as types; give one of both."
    )
    lock_version: int | None = f(default=None, description=VERSION)


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


def _workflow(ctx: Context, value: str | None, customer_id: int) -> int | None:
    """Return the key of a main workflow that a bucket of this customer may choose."""
    if value is None:
        return None
    key = key_of(value, "wf", "input", "workflowId")
    workflow = find(ctx.session, WorkflowRow, key, ctx.who)
    check_choice(ctx.session, workflow, customer_id=customer_id)
    return workflow.id


@strawberry.type
class PortfolioMutation:
    """Setting up what a customer hands over."""

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

    @strawberry.mutation(description="Rename a portfolio.")
    def portfolio_update(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        input: PortfolioUpdateInput,  # noqa: A002  # the contract's word
    ) -> PortfolioPayload:
        """Change a portfolio."""
        ctx = info.context

        def act() -> Portfolio:
            row = find(ctx.session, PortfolioRow, key_of(id, "pf", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            advance(ctx.session, row, input.lock_version)
            name = None if input.name is UNSET else input.name or ""
            return Portfolio.of(
                portfolios.update_portfolio(ctx.session, row, name=name, by=ctx.who.user_id)
            )

        name = "portfolioUpdate"
        return mutate(ctx, PortfolioPayload, "portfolio", act, name=name, given=input, about=id)

    @strawberry.mutation(description="Create a bucket with its financial components.")
    def bucket_create(self, info: Info, input: BucketInput) -> BucketPayload:  # noqa: A002  # the contract's word
        """Create a bucket."""
        ctx = info.context

        def act() -> Bucket:
            key = key_of(input.portfolio_id, "pf", "input", "portfolioId")
            portfolio = find(ctx.session, PortfolioRow, key, ctx.who)
            may(ctx.who, Action.SET_UP)
            workflow_id = _workflow(ctx, input.workflow_id, portfolio.customer_id)
            customer = ctx.session.get_one(CustomerRow, portfolio.customer_id)
            terms = checked_terms(ctx.session, customer, input.financials, input.components)
            return Bucket.of(
                portfolios.create_bucket(
                    ctx.session,
                    portfolio,
                    name=input.name,
                    financials=terms,
                    workflow_id=workflow_id,
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

    @strawberry.mutation(description="Change a bucket's name or its own main workflow.")
    def bucket_update(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        input: BucketUpdateInput,  # noqa: A002  # the contract's word
    ) -> BucketPayload:
        """Change a bucket."""
        ctx = info.context

        def act() -> Bucket:
            row = find(ctx.session, BucketRow, key_of(id, "bkt", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            advance(ctx.session, row, input.lock_version)
            changes: dict[str, Any] = {}
            if input.name is not UNSET:
                changes["name"] = input.name or ""
            if input.workflow_id is not UNSET:
                changes["workflow_id"] = _workflow(ctx, input.workflow_id, row.customer_id)
            return Bucket.of(
                portfolios.update_bucket(ctx.session, row, changes=changes, by=ctx.who.user_id)
            )

        name = "bucketUpdate"
        return mutate(ctx, BucketPayload, "bucket", act, name=name, given=input, about=id)

    @strawberry.mutation(description="Set a bucket's settings; null inherits from the customer.")
    def bucket_settings_update(self, info: Info, input: BucketSettingsInput) -> BucketPayload:  # noqa: A002  # the contract's word
        """Set settings of a bucket."""
        ctx = info.context

        def act() -> Bucket:
            key = key_of(input.bucket_id, "bkt", "input", "bucketId")
            row = find(ctx.session, BucketRow, key, ctx.who)
            may(ctx.who, Action.SET_UP)
            advance(ctx.session, row, input.lock_version)
            customer = ctx.session.get_one(CustomerRow, row.customer_id)
            if input.financials is not UNSET or input.components is not UNSET:
                kept = checked_terms(ctx.session, customer, input.financials, input.components)
                portfolios.set_financials(ctx.session, row, kept, by=ctx.who.user_id)
            preferences.set_settings(
                ctx.session,
                preferences.chain(customer, row),
                given_settings(input),
                granted=customer.enrichment_granted,
                by=ctx.who.user_id,
            )
            return Bucket.of(row)

        name = "bucketSettingsUpdate"
        return mutate(ctx, BucketPayload, "bucket", act, name=name, given=input)
