"""Bank statements: imported, their lines listed, those that wait assigned to cases by hand."""

from datetime import date
from enum import StrEnum

import strawberry
from sqlalchemy import ColumnElement, and_, false, func, or_, select

from finview.accounts.access import Action, find, may, visible
from finview.api.cases import Case
from finview.api.common import KEY, Money, Node, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import mutate
from finview.api.engine.ids import encode, key_of
from finview.api.engine.linked import linked_if_seen
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.sources import Calc, Col, Conn, Id, MoneyCol, One, cols, root, source
from finview.api.jobs import Job, JobPayload
from finview.api.payments import CasePayload
from finview.cases.models import Case as CaseRow
from finview.customers.models import BusinessUnit as UnitRow
from finview.db.jobs import Job as JobRow
from finview.db.lists import one_of
from finview.errors import NotFound
from finview.i18n import sentence
from finview.imports.bank import assign_line, import_statement
from finview.imports.bank_models import BankLine as LineRow
from finview.imports.bank_models import BankLineState as State
from finview.imports.upload import own_upload
from finview.money import Money as MoneyValue


class BankLineState(StrEnum):
    """What became of a line."""

    BOOKED = "BOOKED"
    SUSPENSE = "SUSPENSE"
    IGNORED = "IGNORED"


strawberry.enum(BankLineState, description="What became of a line of a bank statement.")


@strawberry.type(description="One line of a business unit's bank account; for the agency alone.")
class BankLine(Node):
    """One line of a bank account."""

    row: strawberry.Private[LineRow]
    booked_on: date = f(description="The day the bank booked it.")
    value_on: date = f(description="The value date: the day of receipt.")
    amount: Money = f(description="Above zero came in, below zero went out.")
    name: str | None = f(description="The other side.")
    iban: str | None = f(description="The other side's account.")
    reference: str | None = f(description="What was written.")
    state: BankLineState = f(
        description="BOOKED on a case, SUSPENSE until somebody assigns it, IGNORED: nothing to book."
    )

    @classmethod
    def of(cls, row: LineRow) -> "BankLine":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("bln", row.id)),
            row=row,
            booked_on=row.booked_on,
            value_on=row.value_on,
            amount=Money.of(MoneyValue(row.amount_minor, row.currency)),
            name=row.name,
            iban=row.iban,
            reference=row.reference,
            state=BankLineState(row.state),
        )

    @strawberry.field(description="Why it stands there: a sentence for a person.")
    def why(self, info: Info) -> str:
        """Return the sentence."""
        return _why(info.context, self.row.why)

    @strawberry.field(description="The case it was booked on.")
    def case(self, info: Info) -> Case | None:
        """Return the case."""
        found = linked_if_seen(info.context, CaseRow, self.row.case_id)
        return Case.of(found) if found is not None else None

    @strawberry.field(
        description="Cases it may belong to, the likeliest first, at most 10; none once it is booked."
    )
    def proposals(self, info: Info) -> list[Case]:
        """Return the proposals."""
        known = _proposed(info.context, [self.row])
        return [Case.of(known[key]) for key in self.row.proposals if key in known]


def _why(ctx: Context, why: str) -> str:
    return sentence(f"BANK_{why}", ctx.locale)


def _proposed(ctx: Context, rows: list[LineRow]) -> dict[int, CaseRow]:
    """Return the proposed cases of lines by id; those of a page are read at once, see `bank_lines`."""
    known: dict[int, CaseRow] = ctx.cache.setdefault("bank_proposals", {})
    missing = {key for row in rows for key in row.proposals} - known.keys()
    if missing:
        wanted = visible(select(CaseRow), ctx.who).where(one_of(CaseRow.id, sorted(missing)))
        known.update({row.id: row for row in ctx.session.scalars(wanted)})
    return known


@strawberry.type(description="A page of bank lines.")
class BankLineConnection:
    """A page of bank lines."""

    page: strawberry.Private[Page[LineRow]]
    nodes: list[BankLine] = f(description="The lines of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.input(description="Which bank lines; what is left out does not restrict.")
class BankLineWhere:
    """Which bank lines."""

    state: list[BankLineState] | None = f(default=None, description="In one of the states.")
    business_unit_id: strawberry.ID | None = f(
        default=None, description="Of this business unit's account."
    )
    text: str | None = f(default=None, description="A part of the name or the reference.")


def bank_lines(
    info: Info, first: int | None = 50, after: str | None = None, where: BankLineWhere | None = None
) -> BankLineConnection:
    """Return the bank lines, newest first; none for whoever is not of the agency."""
    ctx = info.context
    wanted = visible(select(LineRow), ctx.who).where(_wanted(where))
    found: Page[LineRow] = page(ctx.session, wanted, _order(), first=first, after=after)
    _proposed(ctx, found.rows)
    return BankLineConnection(
        page=found, nodes=[BankLine.of(row) for row in found.rows], page_info=PageInfo.of(found)
    )


def _order() -> list[Order]:
    return [Order(LineRow.id, descending=True)]


def _wanted(where: BankLineWhere | None = None) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if where is not None and where.state is not None:
        parts.append(or_(false(), *(LineRow.state == State(s.value).value for s in where.state)))
    if where is not None and where.business_unit_id is not None:
        parts.append(LineRow.business_unit_id == _key_or_none(where.business_unit_id))
    if where is not None and where.text:
        like = f"%{where.text.lower()}%"
        parts.append(
            or_(func.lower(LineRow.name).like(like), func.lower(LineRow.reference).like(like))
        )
    return and_(True, *parts)


def _key_or_none(value: str) -> int:
    try:
        return key_of(value, "bu")
    except NotFound:
        return 0


source(
    BankLine,
    LineRow,
    id=Id("bln"),
    amount=MoneyCol("amount_minor"),
    why=Calc(_why, ("why",)),
    case=One("Case", "case_id", lost=True),
    name=Col("name"),
    **cols("booked_on", "value_on", "iban", "reference", "state"),
)
root("bank_lines", Conn("BankLine", _order, where=_wanted))


@strawberry.input(description="A bank statement: CSV or CAMT.053.")
class BankStatementImportInput:
    """A bank statement."""

    upload_id: strawberry.ID = f(description="The received file; it is used up.")
    business_unit_id: strawberry.ID = f(description="Whose account it is of.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="A bank line that waits, and the case it belongs to.")
class BankLineAssignInput:
    """A bank line and its case."""

    bank_line_id: strawberry.ID = f(description="A line in SUSPENSE.")
    case_id: strawberry.ID = f(description="A case of the same business unit and currency.")
    idempotency_key: str = f(description=KEY)


@strawberry.type
class BankMutation:
    """Bank statements."""

    @strawberry.mutation(
        description="Read a bank statement and book its lines; a line that was booked before, also "
        "from another file, is not booked again. A file that can't be read to its end books nothing. "
        "`Job.result` counts `booked`, `suspense`, `ignored` and `duplicates`."
    )
    def bank_statement_import(self, info: Info, input: BankStatementImportInput) -> JobPayload:  # noqa: A002  # the contract's word
        """Import a bank statement."""
        ctx = info.context

        def shown(key: int) -> Job:
            return Job.of(ctx.session.get_one(JobRow, key))

        def act() -> Job:
            unit_id = key_of(input.business_unit_id, "bu", "input", "businessUnitId")
            unit = find(ctx.session, UnitRow, unit_id, ctx.who)
            upload_id = key_of(input.upload_id, "upl", "input", "uploadId")
            upload = own_upload(ctx.session, upload_id, ctx.who)
            return shown(import_statement(ctx.session, upload=upload, unit=unit, viewer=ctx.who))

        return mutate(
            ctx,
            JobPayload,
            "job",
            act,
            name="bankStatementImport",
            given=input,
            again=lambda i: shown(key_of(i, "job")),
        )

    @strawberry.mutation(
        description="Assign a line that waits: it becomes a payment of the case with the value date "
        "as its day of receipt. Again changes nothing; a line booked already is `STATE`."
    )
    def bank_line_assign(self, info: Info, input: BankLineAssignInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Assign a bank line."""
        ctx = info.context

        def shown(key: int) -> Case:
            return Case.of(ctx.session.get_one(CaseRow, key, populate_existing=True))

        def act() -> Case:
            case_id = key_of(input.case_id, "cas", "input", "caseId")
            case = find(ctx.session, CaseRow, case_id, ctx.who)
            line_id = key_of(input.bank_line_id, "bln", "input", "bankLineId")
            line = find(ctx.session, LineRow, line_id, ctx.who)
            may(ctx.who, Action.WORK_CASES)
            return shown(assign_line(ctx.session, line.id, case.id, by=ctx.who.user_id))

        return mutate(
            ctx,
            CasePayload,
            "case",
            act,
            name="bankLineAssign",
            given=input,
            again=lambda i: shown(key_of(i, "cas")),
        )
