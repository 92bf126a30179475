"""Customers with their settings, portfolios and buckets."""

from collections.abc import Sequence

import strawberry
from sqlalchemy import ColumnElement, func, or_, select

from finview.accounts.access import visible
from finview.api.accounts import User, people
from finview.api.client_statements import ClientStatement
from finview.api.common import Node, PageInfo, f
from finview.api.components import FinancialComponents, bucket_components
from finview.api.contacts import Contact, ContactConnection, contacts_of
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, user_error
from finview.api.engine.ids import encode
from finview.api.engine.linked import linked
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON, CurrencyCode, LocaleCode
from finview.api.engine.sources import (
    Bulk,
    Calc,
    Conn,
    Find,
    FindAny,
    Id,
    Many,
    One,
    cols,
    root,
    source,
)
from finview.api.settings import (
    CommunicationSettings,
    CustomerSettings,
    EnrichmentSettings,
    WorkflowSettings,
    bucket_communication,
    bucket_enrichment,
    bucket_settings,
    customer_settings,
)
from finview.api.units import BusinessUnit
from finview.api.workflows import Workflow, shown
from finview.cases.client_models import ClientStatement as StatementRow
from finview.customers import customers as verbs
from finview.customers.models import Bucket as BucketRow
from finview.customers.models import BusinessUnit as UnitRow
from finview.customers.models import Customer as CustomerRow
from finview.customers.models import CustomerContact as ContactRow
from finview.customers.models import Portfolio as PortfolioRow
from finview.customers.recipients import case_mail
from finview.db.lists import one_of
from finview.errors import State
from finview.workflows.shipped import mains_of

LIST_MAX = 200


@strawberry.type(description="Where a newcomer is sent next while a customer is set up.")
class CustomerSetup:
    """Where a newcomer is sent next."""

    next_step: str | None = f(
        description="The next tab: COMPANY, CONTACTS, SETTINGS, FINANCE; null when done."
    )


@strawberry.type(description="Who gets the automatic mail of a customer's cases.")
class CaseMail:
    """Who gets the automatic mail of a customer's cases."""

    recipients: list[Contact] = f(
        description="The operational contacts; without one the primary commercial contact."
    )
    warnings: list[UserError] = f(description="What is not as it should be.")


@strawberry.type(description="The creditor who gives the mandate.")
class Customer(Node):
    """The creditor who gives the mandate."""

    row: strawberry.Private[CustomerRow]
    number: str = f(description="Its short, unique number.")
    name: str = f(description="Its official name.")
    currency: CurrencyCode = f(description="Used where a file names no currency.")
    locale: LocaleCode = f(description="The language of its people, where they have none.")
    company: JSON = f(description="Company data: name, address …")
    lock_version: int = f(description="Grows with every change; an update names it.")

    @classmethod
    def of(cls, row: CustomerRow) -> "Customer":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("cus", row.id)),
            row=row,
            number=row.number,
            name=row.name,
            currency=CurrencyCode(row.currency),
            locale=LocaleCode(row.locale),
            company=JSON(row.company),
            lock_version=row.lock_version,
        )

    @strawberry.field(description="The business unit that serves it.")
    def business_unit(self, info: Info) -> BusinessUnit:
        """Return the business unit."""
        return BusinessUnit.of(linked(info.context, UnitRow, self.row.business_unit_id))

    @strawberry.field(description="The operator of the agency who is responsible for it.")
    def responsible(self, info: Info) -> User | None:
        """Return the responsible operator."""
        key = self.row.responsible_user_id
        return people(info.context, [key]).get(key) if key else None

    @strawberry.field(description="Who gets the automatic mail of its cases and workflows.")
    def case_mail(self, info: Info) -> CaseMail:
        """Return the recipients."""
        return _case_mail(info.context, [self.row.id])[self.row.id]

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

    @strawberry.field(
        description="What was settled with it, oldest first, at most 200; for those who may see "
        "the whole customer."
    )
    def client_statements(self, info: Info) -> list[ClientStatement]:
        """Return its statements."""
        ctx = info.context
        wanted = visible(select(StatementRow), ctx.who).where(
            StatementRow.customer_id == self.row.id
        )
        rows = ctx.session.scalars(wanted.order_by(StatementRow.id).limit(LIST_MAX))
        return [ClientStatement.of(row) for row in rows]

    @strawberry.field(description="Its settings with their sources.")
    def settings(self, info: Info) -> CustomerSettings:
        """Return its effective settings."""
        return customer_settings(info.context, [self.row.id])[self.row.id]

    @strawberry.field(description="How far it is set up.")
    def setup(self, info: Info) -> CustomerSetup:
        """Return the next step of the set-up."""
        return CustomerSetup(next_step=verbs.next_step(info.context.session, self.row))


@strawberry.type(description="A customer's book of cases.")
class Portfolio(Node):
    """A customer's book of cases."""

    row: strawberry.Private[PortfolioRow]
    name: str = f(description="Its name, unique at the customer.")
    lock_version: int = f(description="Grows with every change; an update names it.")

    @classmethod
    def of(cls, row: PortfolioRow) -> "Portfolio":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("pf", row.id)),
            row=row,
            name=row.name,
            lock_version=row.lock_version,
        )

    @strawberry.field(description="Whose book it is.")
    def customer(self, info: Info) -> Customer:
        """Return the customer."""
        return Customer.of(linked(info.context, CustomerRow, self.row.customer_id))

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
    lock_version: int = f(description="Grows with every change; an update names it.")

    @classmethod
    def of(cls, row: BucketRow) -> "Bucket":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("bkt", row.id)),
            row=row,
            name=row.name,
            financials=JSON(row.financials),
            lock_version=row.lock_version,
        )

    @strawberry.field(description="The same as types.")
    def components(self) -> FinancialComponents:
        """Return what its cases are charged."""
        return bucket_components(self.row.financials)

    @strawberry.field(description="The portfolio it belongs to.")
    def portfolio(self, info: Info) -> Portfolio:
        """Return the portfolio."""
        return Portfolio.of(linked(info.context, PortfolioRow, self.row.portfolio_id))

    @strawberry.field(description="Its effective workflow settings with their sources.")
    def settings(self, info: Info) -> WorkflowSettings:
        """Return its effective settings."""
        return bucket_settings(info.context, [self.row.id])[self.row.id]

    @strawberry.field(description="Its effective enrichment settings with their sources.")
    def enrichment(self, info: Info) -> EnrichmentSettings:
        """Return its effective settings."""
        return bucket_enrichment(info.context, [self.row.id])[self.row.id]

    @strawberry.field(description="Its effective communication settings with their sources.")
    def communication(self, info: Info) -> CommunicationSettings:
        """Return its effective settings."""
        return bucket_communication(info.context, [self.row.id])[self.row.id]

    @strawberry.field(description="Its own main workflow, else the customer's, else the shipped.")
    def workflow(self, info: Info) -> Workflow:
        """Return the main workflow of its cases."""
        return _workflows(info.context, [self.row.id])[self.row.id]


@strawberry.input(description="Which customers.")
class CustomerWhere:
    """Which customers."""

    text: str | None = f(default=None, description="A part of the name, or the number.")


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


def customers(
    info: Info, first: int | None = 50, after: str | None = None, where: CustomerWhere | None = None
) -> CustomerConnection:
    """Return the visible customers, oldest first."""
    ctx = info.context
    statement = visible(select(CustomerRow), ctx.who)
    condition = _wanted(where)
    if condition is not None:
        statement = statement.where(condition)
    order = [Order(CustomerRow.id)]
    found: Page[CustomerRow] = page(ctx.session, statement, order, first=first, after=after)
    return CustomerConnection(
        page=found, nodes=[Customer.of(r) for r in found.rows], page_info=PageInfo.of(found)
    )


def _wanted(where: CustomerWhere | None = None) -> ColumnElement[bool] | None:
    if where is None or not where.text:
        return None
    like = f"%{where.text.lower()}%"
    return or_(func.lower(CustomerRow.name).like(like), CustomerRow.number == where.text)


def _case_mail(ctx: Context, customer_ids: Sequence[int]) -> dict[int, CaseMail]:
    found = case_mail(ctx.session, customer_ids)
    wanted = sorted({one.contact_id for mail in found.values() for one in mail.recipients})
    rows = visible(select(ContactRow), ctx.who).where(one_of(ContactRow.id, wanted))
    people = {row.id: Contact.of(row) for row in ctx.session.scalars(rows)}
    return {
        key: CaseMail(
            recipients=[people[r.contact_id] for r in mail.recipients if r.contact_id in people],
            warnings=[user_error(State(mail.warning), ctx.locale)] if mail.warning else [],
        )
        for key, mail in found.items()
    }


def _workflows(ctx: Context, bucket_ids: Sequence[int]) -> dict[int, Workflow]:
    found = mains_of(ctx.session, bucket_ids)
    seen = shown(ctx, list({main.id: main for main in found.values()}.values()))
    return {key: seen[main.id] for key, main in found.items()}


source(
    Customer,
    CustomerRow,
    id=Id("cus"),
    business_unit=One("BusinessUnit", "business_unit_id"),
    contacts=Conn("Contact", lambda: [Order(ContactRow.id)], "customer_id"),
    portfolios=Many("Portfolio", "customer_id", order=("name",)),
    responsible=Bulk(people, "responsible_user_id"),
    case_mail=Bulk(_case_mail),
    client_statements=Many("ClientStatement", "customer_id"),
    settings=Bulk(customer_settings),
    **cols("number", "name", "currency", "locale", "company", "lock_version"),
)
source(
    Portfolio,
    PortfolioRow,
    id=Id("pf"),
    customer=One("Customer", "customer_id"),
    buckets=Many("Bucket", "portfolio_id", order=("name",)),
    **cols("name", "lock_version"),
)
source(
    Bucket,
    BucketRow,
    id=Id("bkt"),
    components=Calc(lambda _ctx, kept: bucket_components(kept), ("financials",)),
    portfolio=One("Portfolio", "portfolio_id"),
    settings=Bulk(bucket_settings),
    enrichment=Bulk(bucket_enrichment),
    communication=Bulk(bucket_communication),
    workflow=Bulk(_workflows),
    **cols("name", "financials", "lock_version"),
)
root("customers", Conn("Customer", lambda: [Order(CustomerRow.id)], where=_wanted))
root("customer", Find("Customer"))
root("node", FindAny())
