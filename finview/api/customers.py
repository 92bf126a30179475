"""Business units, customers, their settings, portfolios and buckets."""

import strawberry
from sqlalchemy import ColumnElement, func, or_, select

from finview.accounts.access import visible
from finview.api.common import Node, PageInfo, f
from finview.api.contacts import ContactConnection, contacts_of
from finview.api.engine.context import Info
from finview.api.engine.ids import encode
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON, CurrencyCode
from finview.api.engine.sources import Conn, Find, FindAny, Id, Many, One, cols, root, source
from finview.api.settings import (
    CustomerSettings,
    WorkflowSettings,
)
from finview.customers import customers as verbs
from finview.customers import preferences
from finview.customers.models import Bucket as BucketRow
from finview.customers.models import BusinessUnit as UnitRow
from finview.customers.models import Customer as CustomerRow
from finview.customers.models import CustomerContact as ContactRow
from finview.customers.models import Portfolio as PortfolioRow

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


@strawberry.input(description="Which customers.")
class CustomerWhere:
    """Which customers."""

    text: str | None = f(default=None, description="A part of the name, or the number.")


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


BLOCKS = ("company", "email_settings", "invoice_settings", "email_footers")
source(BusinessUnit, UnitRow, id=Id("bu"), **cols("name", "active", *BLOCKS))
source(
    Customer,
    CustomerRow,
    id=Id("cus"),
    business_unit=One("BusinessUnit", "business_unit_id"),
    contacts=Conn("Contact", lambda: [Order(ContactRow.id)], "customer_id"),
    portfolios=Many("Portfolio", "customer_id", order=("name",)),
    **cols("number", "name", "currency"),
)
source(
    Portfolio,
    PortfolioRow,
    id=Id("pf"),
    customer=One("Customer", "customer_id"),
    buckets=Many("Bucket", "portfolio_id", order=("name",)),
    **cols("name"),
)
source(
    Bucket,
    BucketRow,
    id=Id("bkt"),
    portfolio=One("Portfolio", "portfolio_id"),
    **cols("name", "financials"),
)
root("business_units", Conn("BusinessUnit", lambda: [Order(UnitRow.id)]))
root("customers", Conn("Customer", lambda: [Order(CustomerRow.id)], where=_wanted))
root("customer", Find("Customer"))
root("node", FindAny())
