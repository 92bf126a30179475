"""The types of imports: the import, its columns, rows, issues, matches, the revert preview."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import func, select

from finview.accounts.access import visible
from finview.api.accounts import User, people
from finview.api.common import Node, PageInfo, StoredFile, f
from finview.api.customers import Bucket, Customer, Portfolio
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, stored_error, user_error
from finview.api.engine.ids import encode
from finview.api.engine.linked import linked
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON, CountryCode
from finview.api.engine.sources import Bulk, Calc, Conn, Id, One, cols, source
from finview.api.enums import DebtorKind, ImportSection, ImportState, MatchOutcome
from finview.api.imports.files import files, invoice_files, originals
from finview.api.imports.siblings import Siblings
from finview.api.jobs import Job, job_of
from finview.cases.models import Case as CaseRow
from finview.cases.models import Debtor as DebtorRow
from finview.customers.models import Bucket as BucketRow
from finview.customers.models import Customer as CustomerRow
from finview.customers.models import Portfolio as PortfolioRow
from finview.i18n import sentence
from finview.imports import models
from finview.imports.edits import RowWhere, rows_where
from finview.imports.fields import FIELDS
from finview.imports.models import ImportColumn as ColumnRow
from finview.imports.models import ImportIssue as IssueRow
from finview.imports.models import ImportRow as RowRow
from finview.imports.revert import preview
from finview.imports.rulebook import message
from finview.imports.staging import section_counts
from finview.matching.models import MatchCandidate as CandidateRow

if TYPE_CHECKING:
    from finview.api.cases import Case, CaseConnection, Debtor

Lazy = strawberry.lazy("finview.api.cases")


@strawberry.enum(description="Who made a value what it is.")
class ValueSource(StrEnum):
    """Who made a value what it is."""

    FILE = "FILE"
    AUTO_FIX = "AUTO_FIX"
    USER = "USER"


@strawberry.type(description="A file on its way in: `url` takes one PUT of the raw bytes.")
class Upload(Node):
    """A file on its way in."""

    url: str = f(description="Takes one PUT of the raw bytes with the same credentials.")
    filename: str = f(description="The name it was announced with.")
    size_bytes: int = f(description="The size it was announced with.")
    received: bool = f(description="Whether the bytes have arrived.")

    @classmethod
    def of(cls, row: models.Upload) -> "Upload":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("upl", row.id)),
            url=f"/uploads/{encode('upl', row.id)}",
            filename=row.filename,
            size_bytes=row.size_declared,
            received=row.received,
        )


@strawberry.type(description="A field a column can be mapped to.")
class ImportField:
    """A field a column can be mapped to."""

    name: str = f(description="Its stable name.")
    label: str = f(description="Its name for people, in the caller's language.")
    required: bool = f(description="Whether every file needs a column for it.")
    kind: str = f(description="What its values are: text, date, amount …")
    meaning: str | None = f(
        description="What its values mean, in the caller's language; null: what the name says."
    )


@strawberry.type(description="What the reader noticed and went on with.")
class ImportNotice:
    """What the reader noticed."""

    code: str = f(description="NOTICE_…, stable.")
    message: str = f(description="One sentence for a person.")
    params: JSON = f(description="Facts about it.")


@strawberry.type(description="One column of the file, by position.")
class ImportColumn:
    """One column of the file."""

    index: int = f(description="Its position, from 0.")
    header: str = f(description="Its header as in the file; may be empty or not unique.")
    samples: list[str] = f(description="A few of its values.")
    field: str | None = f(description="The field it goes to; null: left out.")
    confidence: float = f(description="How sure the proposal is, 0 to 1.")
    margin: float = f(description="Its lead over the second best field.")
    decided_by: str = f(description="auto, memory, suggested, ignored, or the person's e-mail.")
    evidence: JSON = f(description="Why: name hits, value facts, memory, rules.")
    options: JSON = f(description="How its values are read: decimal, dateOrder, amountIs.")


@strawberry.type(description="Rows by section; they always add up to `total`.")
class ImportSectionCounts:
    """Rows by section."""

    total: int = f(description="All data rows.")
    ready: int = f(description="Become records.")
    needs_cleansing: int = f(description="A person can repair them.")
    faulty: int = f(description="Can't become records as they are.")
    skipped: int = f(description="Left out by a person.")


@strawberry.type(
    description="Counted in debtors of the file, READY rows only; a decision moves one from "
    "review to new or matched."
)
class ImportMatchCounts:
    """Debtors of the file by outcome."""

    new: int = f(description="Unknown so far: created.")
    matched: int = f(description="Known: attached.")
    review: int = f(description="Wait for a person.")


@strawberry.type(description="`raw` as in the file, `value` as it will be stored.")
class ImportValue:
    """One value of a row."""

    field: str = f(description="The field.")
    raw: str | None = f(description="The text of the file.")
    value: str | None = f(description="What will be stored: dates ISO, amounts decimal.")
    source: ValueSource = f(description="Who made it so.")


@strawberry.type(description="Why a row stands in its section, or what was repaired in it.")
class ImportIssue:
    """One issue of a row."""

    code: str = f(description="Stable, e.g. DATE_INVALID; AUTOFIX_… were repaired.")
    field: str | None = f(description="The field it is about.")
    section: ImportSection = f(description="The section it puts the row into.")
    message: str = f(description="One sentence for a person.")
    suggestion: str | None = f(description="A value that would repair it.")


@strawberry.type(description="One compared field of a pair.")
class MatchEvidence:
    """One compared field."""

    field: str = f(description="Which field.")
    level: str = f(description="How well it agrees.")
    points: float = f(description="What it adds, in bits.")
    incoming: str | None = f(description="The value of the file.")
    existing: str | None = f(description="The value of the debtor.")


@strawberry.type(description="A debtor that may be the one of the file.")
class MatchCandidate:
    """A candidate."""

    debtor: Annotated["Debtor", Lazy] = f(description="The existing debtor.")
    percent: float = f(description="How alike, 0 to 100.")
    evidence: list[MatchEvidence] = f(description="Field by field.")
    guards: list[str] = f(description="Why it is not surer, each one sentence.")


@strawberry.type(description="What matching and people made of a row's debtor.")
class RowMatch:
    """What matching made of a row's debtor."""

    outcome: MatchOutcome = f(description="New, matched, or to be decided.")
    decided_by: str | None = f(description="auto, case_number, or the person's e-mail.")
    debtor: Annotated["Debtor", Lazy] | None = f(description="The debtor it belongs to now.")
    candidates: list[MatchCandidate] = f(description="Who was considered, best first.")


@strawberry.type(description="One data row of the file.")
class ImportRow(Node):
    """One data row."""

    row: strawberry.Private[RowRow]
    siblings: strawberry.Private[Siblings]
    row_number: int = f(description="Its number in the file.")
    section: ImportSection = f(description="Where it stands.")

    @classmethod
    def of(cls, row: RowRow, siblings: Siblings | None = None) -> "ImportRow":
        """Return a row as the API shows it, beside those of its page."""
        return cls(
            id=strawberry.ID(encode("row", row.import_id, row.row_no)),
            row=row,
            siblings=siblings or Siblings([row]),
            row_number=row.row_no,
            section=ImportSection(row.section),
        )

    @strawberry.field(description="Its values by field.")
    def values(self) -> list[ImportValue]:
        """Return the values in the order of the field table."""
        data = self.row.data
        currency = self.row.currency
        names = [n for n in FIELDS if n in data] + [n for n in data if n not in FIELDS]
        return [_value(name, data[name], currency) for name in names]

    @strawberry.field(description="Its issues, worst first.")
    def issues(self, info: Info) -> list[ImportIssue]:
        """Return the issues of the row."""
        return _issues(info.context, self.siblings.issues(info.context, self.row))

    @strawberry.field(description="What matching made of its debtor; null before.")
    def match(self, info: Info) -> RowMatch | None:
        """Return the match of the row."""
        return _match(info.context, self.row, self.siblings)

    @strawberry.field(description="The case it became a part of.")
    def case(self, info: Info) -> Annotated["Case", Lazy] | None:
        """Return the case."""
        from finview.api.cases import Case

        found = self.siblings.case(info.context, self.row)
        return Case.of(found) if found is not None else None


@strawberry.type(description="What a revert would delete, restore and keep.")
class RevertPreview:
    """What a revert would do."""

    debtors_deleted: int = f(description="Created by this import, used by nothing else.")
    debtors_restored: int = f(description="Existed before; get their earlier data back.")
    debtors_kept: int = f(description="Made here, used by a later import.")
    cases_deleted: int = f(description="Cases.")
    invoices_deleted: int = f(description="Invoices.")
    files_deleted: int = f(description="Files.")
    blocked_by: UserError | None = f(description="Why it can't be reverted.")


@strawberry.type(description="A page of rows.")
class ImportRowConnection:
    """A page of rows."""

    page: strawberry.Private[Page[RowRow]]
    nodes: list[ImportRow] = f(description="The rows of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.input(description="Which rows; what is left out does not restrict.")
class ImportRowWhere:
    """Which rows."""

    section: list[ImportSection] | None = f(default=None, description="In one of the sections.")
    issue_code: list[str] | None = f(default=None, description="With one of these issues.")
    match: list[MatchOutcome] | None = f(default=None, description="With one of the outcomes.")
    field: str | None = f(default=None, description="With an issue of this field.")

    def plain(self) -> RowWhere:
        """Return the filter as the room takes it."""
        return RowWhere(
            sections=None if self.section is None else [s.value for s in self.section],
            issue_codes=self.issue_code,
            matches=None if self.match is None else [m.value for m in self.match],
            field=self.field,
        )


@strawberry.type(description="One uploaded workbook with everything that came of it.")
class Import(Node):
    """One uploaded workbook."""

    row: strawberry.Private[models.Import]
    number: str = f(description="Its number.")
    state: ImportState = f(description="Where it stands.")
    debtor_kind: DebtorKind = f(description="Consumers or businesses.")
    phone_country: CountryCode = f(description="For phone numbers without a prefix.")
    created_at: datetime = f(description="When it was created.")
    launched_at: datetime | None = f(description="When its workflows were launched.")

    @classmethod
    def of(cls, row: models.Import) -> "Import":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("imp", row.id)),
            row=row,
            number=row.number,
            state=ImportState(row.state),
            debtor_kind=DebtorKind(row.debtor_kind),
            phone_country=CountryCode(row.phone_country),
            created_at=row.created_at,
            launched_at=row.launched_at,
        )

    @strawberry.field(description="Why it failed.")
    def failure(self, info: Info) -> UserError | None:
        """Return the stored failure."""
        return stored_error(self.row.failure, info.context.locale)

    @strawberry.field(description="Whose cases they are.")
    def customer(self, info: Info) -> Customer:
        """Return the customer."""
        return Customer.of(linked(info.context, CustomerRow, self.row.customer_id))

    @strawberry.field(description="The book they go to.")
    def portfolio(self, info: Info) -> Portfolio:
        """Return the portfolio."""
        return Portfolio.of(linked(info.context, PortfolioRow, self.row.portfolio_id))

    @strawberry.field(description="The bucket it is linked to.")
    def bucket(self, info: Info) -> Bucket | None:
        """Return the bucket."""
        key = self.row.bucket_id
        return Bucket.of(linked(info.context, BucketRow, key)) if key else None

    @strawberry.field(description="Who created it.")
    def created_by(self, info: Info) -> User:
        """Return the person."""
        return people(info.context, [self.row.created_by])[self.row.created_by]

    @strawberry.field(description="The original file; downloadable until a revert.")
    def file(self, info: Info) -> StoredFile:
        """Return the original file."""
        key = self.row.file_id or 0
        return originals(info.context, [key])[key]

    @strawberry.field(description="The uploaded invoice files; downloadable until a revert.")
    def invoice_files(self, info: Info) -> list[StoredFile]:
        """Return the invoice files."""
        return invoice_files(info.context, [self.row.id])[self.row.id]

    @strawberry.field(
        description="The rows that stayed behind, as a workbook; null until it is written."
    )
    def error_workbook(self, info: Info) -> StoredFile | None:
        """Return the error workbook."""
        key = self.row.error_file_id
        return files(info.context, [key]).get(key) if key else None

    @strawberry.field(description="Its columns by position.")
    def columns(self, info: Info) -> list[ImportColumn]:
        """Return the columns."""
        return _columns(info.context, [self.row.id])[self.row.id]

    @strawberry.field(description="Its rows by section.")
    def section_counts(self, info: Info) -> ImportSectionCounts:
        """Return the counts of the sections."""
        return _section_counts(info.context, [self.row.id])[self.row.id]

    @strawberry.field(description="Its rows, in file order.")
    def rows(
        self,
        info: Info,
        first: int | None = 50,
        after: str | None = None,
        where: ImportRowWhere | None = None,
    ) -> ImportRowConnection:
        """Return a page of rows."""
        conditions = rows_where(self.row.id, where.plain() if where else RowWhere())
        statement = select(RowRow).where(*conditions)
        found: Page[RowRow] = page(
            info.context.session, statement, [Order(RowRow.row_no)], first=first, after=after
        )
        siblings = Siblings(found.rows)
        return ImportRowConnection(
            page=found,
            nodes=[ImportRow.of(row, siblings) for row in found.rows],
            page_info=PageInfo.of(found),
        )

    @strawberry.field(description="Its debtors by outcome.")
    def match_counts(self, info: Info) -> ImportMatchCounts:
        """Return the counts of the outcomes."""
        return _match_counts(info.context, [self.row.id])[self.row.id]

    @strawberry.field(description="The cases it created, oldest first.")
    def cases(
        self, info: Info, first: int | None = 50, after: str | None = None
    ) -> Annotated["CaseConnection", Lazy]:
        """Return a page of its cases."""
        from finview.api.cases import case_page

        statement = visible(select(CaseRow), info.context.who).where(
            CaseRow.import_id == self.row.id
        )
        return case_page(info.context, statement, [Order(CaseRow.id)], first, after)

    @strawberry.field(description="The work that is done on it, or was last.")
    def job(self, info: Info) -> Job | None:
        """Return its job."""
        return job_of(info.context, self.row.job_id)

    @strawberry.field(description="Whether it can be reverted now.")
    def revertible(self, info: Info) -> bool:
        """Tell whether nothing stands in the way of a revert."""
        return preview(info.context.session, self.row).blocked_by is None

    @strawberry.field(description="What a revert would do.")
    def revert_preview(self, info: Info) -> RevertPreview:
        """Return the preview of a revert."""
        found = preview(info.context.session, self.row)
        blocked = found.blocked_by
        return RevertPreview(
            debtors_deleted=found.debtors_deleted,
            debtors_restored=found.debtors_restored,
            debtors_kept=found.debtors_kept,
            cases_deleted=found.cases_deleted,
            invoices_deleted=found.invoices_deleted,
            files_deleted=found.files_deleted,
            blocked_by=user_error(blocked, info.context.locale) if blocked else None,
        )

    @strawberry.field(description="What the reader noticed and went on with.")
    def notices(self, info: Info) -> list[ImportNotice]:
        """Return the notices."""
        return _notices(info.context, self.row.notices)


def _section_counts(ctx: Context, keys: Sequence[int]) -> dict[int, ImportSectionCounts]:
    return {
        key: ImportSectionCounts(
            total=sum(counts.values()),
            ready=counts.get("READY", 0),
            needs_cleansing=counts.get("NEEDS_CLEANSING", 0),
            faulty=counts.get("FAULTY", 0),
            skipped=counts.get("SKIPPED", 0),
        )
        for key, counts in section_counts(ctx.session, list(keys)).items()
    }


def _match_counts(ctx: Context, keys: Sequence[int]) -> dict[int, ImportMatchCounts]:
    found: dict[int, dict[str, int]] = {key: {} for key in keys}
    wanted = (
        select(RowRow.import_id, RowRow.match_state, func.count(RowRow.party_no.distinct()))
        .where(RowRow.import_id.in_(keys), RowRow.match_state.is_not(None))
        .group_by(RowRow.import_id, RowRow.match_state)
    )
    for key, state, count in ctx.session.execute(wanted):
        found[key][state or ""] = count
    return {
        key: ImportMatchCounts(
            new=counts.get("NEW", 0),
            matched=counts.get("MATCHED", 0),
            review=counts.get("REVIEW", 0),
        )
        for key, counts in found.items()
    }


def _columns(ctx: Context, keys: Sequence[int]) -> dict[int, list[ImportColumn]]:
    found: dict[int, list[ImportColumn]] = {key: [] for key in keys}
    wanted = select(ColumnRow).where(ColumnRow.import_id.in_(keys))
    for row in ctx.session.scalars(wanted.order_by(ColumnRow.import_id, ColumnRow.idx)):
        found[row.import_id].append(_column(row))
    return found


def _notices(ctx: Context, notices: Sequence[Any]) -> list[ImportNotice]:
    return [
        ImportNotice(code=code, message=sentence(code, ctx.locale, params), params=JSON(params))
        for code, params in notices
    ]


source(
    Import,
    models.Import,
    id=Id("imp"),
    failure=Calc(lambda ctx, failure: stored_error(failure, ctx.locale), ("failure",)),
    customer=One("Customer", "customer_id"),
    portfolio=One("Portfolio", "portfolio_id"),
    bucket=One("Bucket", "bucket_id"),
    created_by=Bulk(people, "created_by"),
    section_counts=Bulk(_section_counts),
    match_counts=Bulk(_match_counts),
    file=Bulk(originals, "file_id"),
    error_workbook=Bulk(files, "error_file_id"),
    invoice_files=Bulk(invoice_files),
    columns=Bulk(_columns),
    cases=Conn("Case", lambda: [Order(CaseRow.id)], "import_id"),
    job=One("Job", "job_id", lost=True),
    notices=Calc(_notices, ("notices",)),
    **cols("number", "state", "debtor_kind", "phone_country", "created_at", "launched_at"),
)


def _column(row: ColumnRow) -> ImportColumn:
    return ImportColumn(
        index=row.idx,
        header=row.header,
        samples=row.samples,
        field=row.field,
        confidence=row.score,
        margin=row.margin,
        decided_by=row.decided_by,
        evidence=JSON(row.evidence),
        options=JSON(row.options),
    )


def _value(name: str, kept: Sequence[Any], currency: str) -> ImportValue:
    from finview.money import Money

    value, source, raw = kept[0], kept[1], kept[2]
    if isinstance(value, int) and currency:
        value = Money(value, currency).text
    return ImportValue(
        field=name,
        raw=raw,
        value=None if value is None else str(value),
        source=ValueSource(source),
    )


_RANK = {"FAULTY": 0, "NEEDS_CLEANSING": 1, "SKIPPED": 2, "READY": 3}


def _issues(ctx: Context, found: Sequence[IssueRow]) -> list[ImportIssue]:
    return [
        ImportIssue(
            code=issue.code,
            field=issue.field,
            section=ImportSection(issue.section),
            message=message(issue.code, ctx.locale, issue.params, issue.suggestion),
            suggestion=issue.suggestion,
        )
        for issue in sorted(found, key=lambda one: (_RANK[one.section], one.seq))
    ]


def _match(ctx: Context, row: RowRow, siblings: Siblings) -> RowMatch | None:
    from finview.api.cases import Debtor

    if row.match_state is None:
        return None
    own = siblings.debtor(ctx, row)
    return RowMatch(
        outcome=MatchOutcome(row.match_state),
        decided_by=row.decided_by,
        debtor=Debtor.of(own) if own is not None else None,
        candidates=[
            _candidate(ctx, candidate, debtor)
            for candidate, debtor in siblings.candidates(ctx, row)
        ],
    )


def _candidate(ctx: Context, row: CandidateRow, debtor: DebtorRow) -> MatchCandidate:
    from finview.api.cases import Debtor

    codes = [g["code"] for g in row.guards] + [floor["code"] for floor in row.floors]
    if not ctx.who.staff:
        # What is known of a debtor may be what another customer told: the comparison shows it.
        return MatchCandidate(
            debtor=Debtor.of(debtor), percent=round(row.percent, 1), evidence=[], guards=[]
        )
    return MatchCandidate(
        debtor=Debtor.of(debtor),
        percent=round(row.percent, 1),
        evidence=[
            MatchEvidence(
                field=one["field"],
                level=one["level"],
                points=round(one["points"], 2),
                incoming=one.get("incoming") or None,
                existing=one.get("existing") or None,
            )
            for one in row.evidence
        ],
        guards=[sentence(code, ctx.locale) for code in dict.fromkeys(codes)],
    )
