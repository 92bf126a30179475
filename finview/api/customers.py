"""Business units, customers, their settings, portfolios and buckets."""

from typing import Any

import strawberry
from sqlalchemy import func, or_, select
from strawberry import UNSET

from finview.accounts.access import Action, find, may, visible
from finview.api.common import Node, PageInfo, f
from finview.api.contacts import ContactConnection, contacts_of
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import encode, key_of
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON, CurrencyCode, LocaleCode, as_object
from finview.api.settings import (
    CommunicationSettingsInput,
    CustomerSettings,
    EnrichmentSettingsInput,
    ImportSettingsInput,
    WorkflowSettings,
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

LIST_MAX = 200
KEY = "The same key with the same input has one effect and one answer; kept for a week."


@strawberry.type(description="A face of the agency: sender, bank, footers.")
class BusinessUnit(Node):
    """A face of the agency."""

    name: str = f(description="Its name.")
    active: bool = f(description="Whether it can be chosen.")
    company: JSON = f(description="Company data: name, address, register number, authority …")
    email_settings: JSON = f(description="`sender` and `replyTo` of its e-mails.")
    invoice_settings: JSON = f(description="How its own invoices look.")
    email_footers: JSON = f(description="The footer of its e-mails by language.")

    @classmethod
    def of(cls, row: UnitRow) -> "BusinessUnit":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("bu", row.id)),
            name=row.name,
            active=row.active,
            company=JSON(row.company),
            email_settings=JSON(row.email_settings),
            invoice_settings=JSON(row.invoice_settings),
            email_footers=JSON(row.email_footers),
        )


@strawberry.type(description="Where a newcomer is sent next while a customer is set up.")
class CustomerSetup:
    """Where a newcomer is sent next."""

    next_step: str | None = f(
        description="The next tab: COMPANY, CONTACTS, SETTINGS, FINANCE; null when done."
    )


@strawberry.type(description="The creditor who gives the mandate.")
class Customer(Node):
    """The creditor who gives the mandate."""

    row: strawberry.Private[CustomerRow]
    number: str = f(description="Its short, unique number.")
    name: str = f(description="Its official name.")
    currency: CurrencyCode = f(description="Used where a file names no currency.")

    @classmethod
    def of(cls, row: CustomerRow) -> "Customer":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("cus", row.id)),
            row=row,
            number=row.number,
            name=row.name,
            currency=CurrencyCode(row.currency),
        )

    @strawberry.field(description="The business unit that serves it.")
    def business_unit(self, info: Info) -> BusinessUnit:
        """Return the business unit."""
        return BusinessUnit.of(info.context.session.get_one(UnitRow, self.row.business_unit_id))

    @strawberry.field(description="Its people.")
    def contacts(
        self, info: Info, first: int | None = 50, after: str | None = None
    ) -> ContactConnection:
        """Return its contacts."""
        return contacts_of(info.context, self.row.id, first, after)

    @strawberry.field(description="Its books of cases, by name; at most 200.")
    def portfolios(self, info: Info) -> list["Portfolio"]:
        """Return its portfolios that the viewer may see."""
        ctx = info.context
        statement = visible(select(PortfolioRow), ctx.who).where(
            PortfolioRow.customer_id == self.row.id
        )
        rows = ctx.session.scalars(statement.order_by(PortfolioRow.name).limit(LIST_MAX))
        return [Portfolio.of(row) for row in rows]

    @strawberry.field(description="Its settings with their sources.")
    def settings(self, info: Info) -> CustomerSettings:
        """Return its effective settings."""
        return CustomerSettings.of(info.context.session, self.row)

    @strawberry.field(description="How far it is set up.")
    def setup(self, info: Info) -> CustomerSetup:
        """Return the next step of the set-up."""
        return CustomerSetup(next_step=verbs.next_step(info.context.session, self.row))


@strawberry.type(description="A customer's book of cases.")
class Portfolio(Node):
    """A customer's book of cases."""

    row: strawberry.Private[PortfolioRow]
    name: str = f(description="Its name, unique at the customer.")

    @classmethod
    def of(cls, row: PortfolioRow) -> "Portfolio":
        """Return a row as the API shows it."""
        return cls(id=strawberry.ID(encode("pf", row.id)), row=row, name=row.name)

    @strawberry.field(description="Whose book it is.")
    def customer(self, info: Info) -> Customer:
        """Return the customer."""
        return Customer.of(info.context.session.get_one(CustomerRow, self.row.customer_id))

    @strawberry.field(description="Its buckets, by name; at most 200.")
    def buckets(self, info: Info) -> list["Bucket"]:
        """Return its buckets."""
        statement = visible(select(BucketRow), info.context.who).where(
            BucketRow.portfolio_id == self.row.id
        )
        rows = info.context.session.scalars(statement.order_by(BucketRow.name).limit(LIST_MAX))
        return [Bucket.of(row) for row in rows]


@strawberry.type(description="A part of a portfolio with its own financial components.")
class Bucket(Node):
    """A part of a portfolio."""

    row: strawberry.Private[BucketRow]
    name: str = f(description="Its name, unique in the portfolio.")
    financials: JSON = f(description="What its cases are charged: costs, interest, admin …")

    @classmethod
    def of(cls, row: BucketRow) -> "Bucket":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("bkt", row.id)),
            row=row,
            name=row.name,
            financials=JSON(row.financials),
        )

    @strawberry.field(description="The portfolio it belongs to.")
    def portfolio(self, info: Info) -> Portfolio:
        """Return the portfolio."""
        return Portfolio.of(info.context.session.get_one(PortfolioRow, self.row.portfolio_id))

    @strawberry.field(description="Its effective workflow settings with their sources.")
    def settings(self, info: Info) -> WorkflowSettings:
        """Return its effective settings."""
        session = info.context.session
        customer = session.get_one(CustomerRow, self.row.customer_id)
        return WorkflowSettings.of(
            preferences.effective(session, preferences.chain(customer, self.row), "workflow")
        )


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


@strawberry.input(description="Which customers.")
class CustomerWhere:
    """Which customers."""

    text: str | None = f(default=None, description="A part of the name, or the number.")


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


@strawberry.type(description="A page of business units.")
class BusinessUnitConnection:
    """A page of business units."""

    page: strawberry.Private[Page[UnitRow]]
    nodes: list[BusinessUnit] = f(description="The units of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.type(description="A page of customers.")
class CustomerConnection:
    """A page of customers."""

    page: strawberry.Private[Page[CustomerRow]]
    nodes: list[Customer] = f(description="The customers of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


def business_units(
    info: Info, first: int | None = 50, after: str | None = None
) -> BusinessUnitConnection:
    """Return the business units, oldest first."""
    ctx = info.context
    wanted = visible(select(UnitRow), ctx.who)
    found: Page[UnitRow] = page(ctx.session, wanted, [Order(UnitRow.id)], first=first, after=after)
    return BusinessUnitConnection(
        page=found, nodes=[BusinessUnit.of(r) for r in found.rows], page_info=PageInfo.of(found)
    )


def customers(
    info: Info, first: int | None = 50, after: str | None = None, where: CustomerWhere | None = None
) -> CustomerConnection:
    """Return the visible customers, oldest first."""
    ctx = info.context
    statement = visible(select(CustomerRow), ctx.who)
    if where is not None and where.text:
        like = f"%{where.text.lower()}%"
        statement = statement.where(
            or_(func.lower(CustomerRow.name).like(like), CustomerRow.number == where.text)
        )
    order = [Order(CustomerRow.id)]
    found: Page[CustomerRow] = page(ctx.session, statement, order, first=first, after=after)
    return CustomerConnection(
        page=found, nodes=[Customer.of(r) for r in found.rows], page_info=PageInfo.of(found)
    )


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

        return mutate(ctx, BusinessUnitPayload, "business_unit", act, name="businessUnitUpdate")

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

        return mutate(ctx, CustomerPayload, "customer", act, name="customerUpdate")

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
