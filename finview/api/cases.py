"""Debtors, cases, invoices and the claim account."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import strawberry
from sqlalchemy import Select, select

from finview.accounts.access import visible
from finview.accounts.models import AccountUser
from finview.api.claims import Balance, Invoice, Payment, PaymentPlan, Settlement, StatementLine
from finview.api.common import Node, PageInfo, f
from finview.api.components import FinancialComponents, components_of
from finview.api.contact import CaseHold, ContactDecision, case_holds, contact_decisions
from finview.api.customers import Bucket, Customer, Portfolio
from finview.api.engine.context import Context, Info
from finview.api.engine.ids import encode
from finview.api.engine.linked import linked
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON, CountryCode, LocaleCode, PhoneNumber
from finview.api.engine.sources import (
    Bulk,
    Calc,
    Col,
    Conn,
    Id,
    Many,
    One,
    cols,
    source,
)
from finview.api.enrichment import EnrichmentAttempt, attempts_of
from finview.api.enums import CaseStatus, CloseReason, ContactPointState, DebtorKind
from finview.api.tasks import Task, tasks_of
from finview.api.workflows import WorkflowRun, runs_of
from finview.cases import models
from finview.cases.models import Case as CaseRow
from finview.cases.models import Debtor as DebtorRow
from finview.cases.models import Invoice as InvoiceRow
from finview.cases.models import TimelineEntry as EntryRow
from finview.cases.payments import payments_of
from finview.cases.plans import plans_of
from finview.cases.settlement import settlements_of
from finview.cases.statement import balances, statement
from finview.cases.timeline import entry_text
from finview.customers.models import Bucket as BucketRow
from finview.customers.models import Customer as CustomerRow
from finview.customers.models import Portfolio as PortfolioRow
from finview.imports.models import Import as ImportRow_

if TYPE_CHECKING:
    from finview.api.imports.types import Import

Lazy = strawberry.lazy("finview.api.imports.types")
LIST_MAX = 200
Seen = TypeVar("Seen")
STAFF = "null for a customer's user: another customer may have told it."


@strawberry.type(description="A postal address.")
class Address:
    """A postal address."""

    street: str | None = f(description="Street.")
    house_number: str | None = f(description="House number.")
    postcode: str | None = f(description="Postcode.")
    city: str | None = f(description="Town.")
    country: CountryCode | None = f(description="Country.")
    state: ContactPointState = f(description="What is known of it.")
    source: str = f(description="Where it was learnt.")


@strawberry.type(description="An e-mail address.")
class EmailPoint:
    """An e-mail address."""

    address: str = f(description="The address.")
    state: ContactPointState = f(description="What is known of it.")


@strawberry.type(description="A phone number.")
class PhonePoint:
    """A phone number."""

    number: PhoneNumber = f(description="In E.164.")
    state: ContactPointState = f(description="What is known of it.")


@strawberry.type(description="A person or company that owes.")
class Debtor(Node):
    """A person or company that owes."""

    row: strawberry.Private[DebtorRow]
    number: str = f(description="The number the debtor quotes.")
    kind: DebtorKind = f(description="Consumer or business.")
    name: str = f(description="The name shown.")
    first_name: str | None = f(description="First name.")
    last_name: str | None = f(description="Last name.")
    company_name: str | None = f(description="Company.")
    locale: LocaleCode = f(description="The language of messages to the debtor.")
    reference: str | None = f(description="The number an earlier system gave the debtor.")
    lock_version: int = f(description="Counts the changes; an update names the one it has read.")

    @classmethod
    def of(cls, row: DebtorRow) -> "Debtor":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("dbt", row.id)),
            row=row,
            number=row.number,
            kind=DebtorKind(row.kind),
            name=row.name,
            first_name=row.first_name,
            last_name=row.last_name,
            company_name=row.company_name,
            locale=LocaleCode(row.locale),
            reference=row.reference,
            lock_version=row.lock_version,
        )

    @strawberry.field(description=f"Date of birth; {STAFF}")
    def birth_date(self, info: Info) -> date | None:
        """Return the date of birth."""
        return _own(info.context, self.row.date_of_birth)

    @strawberry.field(description=f"Number in the company register; {STAFF}")
    def register_number(self, info: Info) -> str | None:
        """Return the register number."""
        return _own(info.context, self.row.register_no)

    @strawberry.field(description=f"VAT number; {STAFF}")
    def vat_id(self, info: Info) -> str | None:
        """Return the VAT number."""
        return _own(info.context, self.row.vat_id)

    @strawberry.field(description="Postal addresses.")
    def addresses(self, info: Info) -> list[Address]:
        """Return the addresses."""
        return [
            Address(
                street=row.street,
                house_number=row.house_no,
                postcode=row.postcode,
                city=row.city,
                country=CountryCode(row.country) if row.country else None,
                state=ContactPointState(row.state),
                source=row.source,
            )
            for row in _points(info.context, models.Address, self.row.id)
        ]

    @strawberry.field(description="E-mail addresses.")
    def emails(self, info: Info) -> list[EmailPoint]:
        """Return the e-mail addresses."""
        return [
            EmailPoint(address=row.address, state=ContactPointState(row.state))
            for row in _points(info.context, models.EmailPoint, self.row.id)
        ]

    @strawberry.field(description="Phone numbers.")
    def phones(self, info: Info) -> list[PhonePoint]:
        """Return the phone numbers."""
        return [
            PhonePoint(number=PhoneNumber(row.e164), state=ContactPointState(row.state))
            for row in _points(info.context, models.PhonePoint, self.row.id)
        ]

    @strawberry.field(description="The debtor's cases that the viewer may see.")
    def cases(
        self, info: Info, first: int | None = 50, after: str | None = None
    ) -> "CaseConnection":
        """Return a page of cases."""
        wanted = visible(select(CaseRow), info.context.who).where(CaseRow.debtor_id == self.row.id)
        return case_page(info.context, wanted, [Order(CaseRow.id)], first, after)


def _own(ctx: Context, value: Seen) -> Seen | None:
    """Return what only the agency's own people see of a debtor."""
    return value if ctx.who.staff else None


def _points(ctx: Context, model: Any, debtor_id: int) -> Sequence[Any]:
    wanted = visible(select(model), ctx.who).where(model.debtor_id == debtor_id)
    return ctx.session.scalars(wanted.order_by(model.id).limit(LIST_MAX)).all()


@strawberry.type(description="One thing that happened.")
class TimelineEntry:
    """One thing that happened."""

    at: datetime = f(description="When.")
    kind: str = f(description="What, as a stable code.")
    text: str = f(description="One sentence for a person.")
    actor: str | None = f(description="Who; null: the system.")
    data: JSON = f(description="Facts about it.")


@strawberry.type(description="A page of a timeline.")
class TimelineConnection:
    """A page of a timeline."""

    page: strawberry.Private[Page[EntryRow]]
    nodes: list[TimelineEntry] = f(description="The entries of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.type(description="One file of debt of one debtor for one customer.")
class Case(Node):
    """One file of debt."""

    row: strawberry.Private[CaseRow]
    number: str = f(description="Our number, never used again.")
    customer_case_number: str | None = f(description="The customer's number for it.")
    status: CaseStatus = f(description="Where it stands.")
    close_reason: CloseReason | None = f(description="Why it was closed.")
    opened_at: datetime = f(description="When it was opened.")
    closed_at: datetime | None = f(description="When it was closed.")
    lock_version: int = f(description="Counts the changes of the case itself.")

    @classmethod
    def of(cls, row: CaseRow) -> "Case":
        """Return a row as the API shows it."""
        reason = row.close_reason
        return cls(
            id=strawberry.ID(encode("cas", row.id)),
            row=row,
            number=row.number,
            customer_case_number=row.customer_case_number,
            status=CaseStatus(row.status),
            close_reason=CloseReason(reason) if reason else None,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
            lock_version=row.lock_version,
        )

    @strawberry.field(description="For whom it is collected.")
    def customer(self, info: Info) -> Customer:
        """Return the customer."""
        return Customer.of(linked(info.context, CustomerRow, self.row.customer_id))

    @strawberry.field(description="The book it belongs to.")
    def portfolio(self, info: Info) -> Portfolio:
        """Return the portfolio."""
        return Portfolio.of(linked(info.context, PortfolioRow, self.row.portfolio_id))

    @strawberry.field(description="The bucket it is linked to.")
    def bucket(self, info: Info) -> Bucket | None:
        """Return the bucket."""
        key = self.row.bucket_id
        return Bucket.of(linked(info.context, BucketRow, key)) if key else None

    @strawberry.field(description="Who owes.")
    def debtor(self, info: Info) -> Debtor:
        """Return the debtor."""
        return Debtor.of(linked(info.context, DebtorRow, self.row.debtor_id))

    @strawberry.field(name="import", description="The import it came with.")
    def import_(self, info: Info) -> Annotated["Import", Lazy] | None:
        """Return the import."""
        from finview.api.imports.types import Import

        key = self.row.import_id
        return Import.of(linked(info.context, ImportRow_, key)) if key else None

    @strawberry.field(description="Its claims; at most 200.")
    def invoices(self, info: Info) -> list[Invoice]:
        """Return the invoices."""
        wanted = select(InvoiceRow).where(InvoiceRow.case_id == self.row.id)
        rows = info.context.session.scalars(wanted.order_by(InvoiceRow.id).limit(LIST_MAX))
        return [Invoice.of(row) for row in rows]

    @strawberry.field(description="What is owed at the end of a day; today when left out.")
    def balance(self, info: Info, as_of: date | None = None) -> Balance:
        """Return the balance."""
        return _balances(info.context, [self.row.id], as_of)[self.row.id]

    @strawberry.field(description="The claim account, every cent with its rule.")
    def statement(self, info: Info, as_of: date | None = None) -> list[StatementLine]:
        """Return the statement."""
        ctx = info.context
        lines = statement(ctx.session, self.row.id, as_of or ctx.today)
        return [StatementLine.of(line, ctx.locale) for line in lines]

    @strawberry.field(description="What it is charged, kept since the bucket link; null before.")
    def components(self) -> FinancialComponents | None:
        """Return its components."""
        return components_of(self.row.financials)

    @strawberry.field(description="Money received, in order of the value date.")
    def payments(self, info: Info) -> list[Payment]:
        """Return the payments."""
        return _payments(info.context, [self.row.id])[self.row.id]

    @strawberry.field(description="The plan that is kept or was; null: none, or it was broken.")
    def payment_plan(self, info: Info) -> PaymentPlan | None:
        """Return the plan."""
        return _plans(info.context, [self.row.id]).get(self.row.id)

    @strawberry.field(description="The settlement agreed last; null: none ever was.")
    def settlement(self, info: Info) -> Settlement | None:
        """Return the settlement."""
        return _settlements(info.context, [self.row.id]).get(self.row.id)

    @strawberry.field(description="Its workflow runs, oldest first.")
    def runs(self, info: Info) -> list[WorkflowRun]:
        """Return the runs."""
        return runs_of(info.context, self.row.id)

    @strawberry.field(description="Why it rests; null: it doesn't.")
    def hold(self, info: Info) -> CaseHold | None:
        """Return the hold it is under."""
        return case_holds(info.context, [self.row.id]).get(self.row.id)

    @strawberry.field(description="What the contact policy answered, newest first.")
    def contact_decisions(self, info: Info, first: int | None = 50) -> list[ContactDecision]:
        """Return the newest decisions."""
        return contact_decisions(info.context, [self.row.id], first)[self.row.id]

    @strawberry.field(description="What people were asked to do, oldest first; at most 200.")
    def tasks(self, info: Info) -> list[Task]:
        """Return the tasks."""
        return tasks_of(info.context, self.row.id)

    @strawberry.field(description="Its attempts to trace the debtor, oldest first; at most 200.")
    def enrichment_attempts(self, info: Info) -> list[EnrichmentAttempt]:
        """Return the attempts."""
        return attempts_of(info.context, self.row.id)

    @strawberry.field(description="What happened, newest first.")
    def timeline(
        self, info: Info, first: int | None = 50, after: str | None = None
    ) -> TimelineConnection:
        """Return a page of the timeline."""
        ctx = info.context
        wanted = visible(select(EntryRow), ctx.who).where(EntryRow.case_id == self.row.id)
        found: Page[EntryRow] = page(
            ctx.session, wanted, [Order(EntryRow.id, descending=True)], first=first, after=after
        )
        return TimelineConnection(
            page=found,
            nodes=[_entry(ctx, row) for row in found.rows],
            page_info=PageInfo.of(found),
        )


def _balances(
    ctx: Context, case_ids: Sequence[int], as_of: date | None = None
) -> dict[int, Balance]:
    found = balances(ctx.session, case_ids, as_of or ctx.today)
    return {key: Balance.of(balance) for key, balance in found.items()}


def _payments(ctx: Context, case_ids: Sequence[int]) -> dict[int, list[Payment]]:
    found = payments_of(ctx.session, case_ids)
    return {key: [Payment.of(payment) for payment in listed] for key, listed in found.items()}


def _plans(ctx: Context, case_ids: Sequence[int]) -> dict[int, PaymentPlan]:
    found = plans_of(ctx.session, case_ids)
    return {key: PaymentPlan.of(plan) for key, plan in found.items()}


def _settlements(ctx: Context, case_ids: Sequence[int]) -> dict[int, Settlement]:
    found = settlements_of(ctx.session, case_ids)
    return {key: Settlement.of(row) for key, row in found.items()}


def _entry(ctx: Context, row: EntryRow) -> TimelineEntry:
    user = ctx.session.get(AccountUser, row.actor_id) if row.actor_id else None
    return TimelineEntry(
        at=row.at,
        kind=row.code,
        text=entry_text(row.code, row.params, ctx.locale),
        actor=user.name if user is not None else None,
        data=JSON(row.params),
    )


@strawberry.type(description="A case in a page.")
class CaseEdge:
    """A case in a page."""

    node: Case = f(description="The case.")
    cursor: str = f(description="Ask `after` it to go on behind it.")


@strawberry.type(description="A page of cases.")
class CaseConnection:
    """A page of cases."""

    page: strawberry.Private[Page[CaseRow]]
    nodes: list[Case] = f(description="The cases of this page.")
    edges: list[CaseEdge] = f(description="The same with their cursors.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.type(description="A page of debtors.")
class DebtorConnection:
    """A page of debtors."""

    page: strawberry.Private[Page[DebtorRow]]
    nodes: list[Debtor] = f(description="The debtors of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


def case_page(
    ctx: Context,
    wanted: Select[Any],
    order: Sequence[Order],
    first: int | None,
    after: str | None,
) -> CaseConnection:
    """Return a page of cases."""
    found: Page[CaseRow] = page(ctx.session, wanted, order, first=first, after=after)
    nodes = [Case.of(row) for row in found.rows]
    return CaseConnection(
        page=found,
        nodes=nodes,
        edges=[CaseEdge(node=n, cursor=c) for n, c in zip(nodes, found.cursors, strict=True)],
        page_info=PageInfo.of(found),
    )


def _actors(ctx: Context, user_ids: Sequence[int]) -> dict[int, str]:
    users = select(AccountUser.id, AccountUser.name).where(AccountUser.id.in_(user_ids))
    return dict(ctx.session.execute(users).all())


source(
    Address,
    models.Address,
    house_number=Col("house_no"),
    country=Col("country", empty=True),
    **cols("street", "postcode", "city", "state", "source"),
)
source(EmailPoint, models.EmailPoint, **cols("address", "state"))
source(PhonePoint, models.PhonePoint, number=Col("e164"), **cols("state"))
source(
    Debtor,
    DebtorRow,
    id=Id("dbt"),
    addresses=Many("Address", "debtor_id"),
    emails=Many("EmailPoint", "debtor_id"),
    phones=Many("PhonePoint", "debtor_id"),
    cases=Conn("Case", lambda: [Order(CaseRow.id)], "debtor_id"),
    birth_date=Calc(_own, ("date_of_birth",)),
    register_number=Calc(_own, ("register_no",)),
    vat_id=Calc(_own, ("vat_id",)),
    **cols("number", "kind", "name", "first_name", "last_name", "company_name", "locale"),
    **cols("reference", "lock_version"),
)
source(
    TimelineEntry,
    EntryRow,
    kind=Col("code"),
    text=Calc(lambda ctx, code, params: entry_text(code, params, ctx.locale), ("code", "params")),
    actor=Bulk(_actors, "actor_id"),
    data=Col("params"),
    **cols("at"),
)
source(
    Case,
    CaseRow,
    id=Id("cas"),
    close_reason=Col("close_reason", empty=True),
    customer=One("Customer", "customer_id"),
    portfolio=One("Portfolio", "portfolio_id"),
    bucket=One("Bucket", "bucket_id"),
    debtor=One("Debtor", "debtor_id"),
    import_=One("Import", "import_id"),
    invoices=Many("Invoice", "case_id"),
    balance=Bulk(_balances),
    components=Calc(lambda _ctx, kept: components_of(kept), ("financials",)),
    payments=Bulk(_payments),
    payment_plan=Bulk(_plans),
    settlement=Bulk(_settlements),
    runs=Many("WorkflowRun", "case_id"),
    hold=Bulk(case_holds),
    contact_decisions=Bulk(contact_decisions),
    tasks=Many("Task", "case_id"),
    enrichment_attempts=Many("EnrichmentAttempt", "case_id"),
    timeline=Conn("TimelineEntry", lambda: [Order(EntryRow.id, descending=True)], "case_id"),
    **cols("number", "customer_case_number", "status", "opened_at", "closed_at"),
    **cols("lock_version"),
)
