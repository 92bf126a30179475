"""Rows between the file and the review: checked, written in bulk, checked again when asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.customers.models import BusinessUnit, Customer
from finview.db.bulk import bulk_insert
from finview.imports.cells import ColumnFormat, ColumnKind
from finview.imports.fields import FIELDS
from finview.imports.filechecks import RowKeys as FileKeys
from finview.imports.filechecks import file_issues
from finview.imports.models import Import, ImportColumn, ImportIssue, ImportRow, Section
from finview.imports.rules import Context, Issue, RowResult, check_row
from finview.imports.terms import terms_of

DEFAULT_ZONE = "Europe/Berlin"
# Objects in the session are refreshed by hand where they matter.
_PLAIN = {"synchronize_session": False}
_WORST = {Section.READY: 0, Section.NEEDS_CLEANSING: 1, Section.FAULTY: 2}


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it was read, with what people did to it."""

    no: int
    cells: Sequence[Any]  # (text, type), as tuples or JSON lists
    marks: Sequence[str]
    amended: Mapping[str, str | None] = field(default_factory=dict)
    skipped: bool = False


def settled_kind(field: str | None) -> ColumnKind | None:
    """Return what must be settled for a whole column of this field: its numbers, its dates."""
    kind = FIELDS[field].kind if field is not None else None
    return kind if kind in ("amount", "date") else None


def zone_of(session: Session, row: Import) -> str:
    """Return the time zone of the business unit of an import."""
    unit = session.get_one(BusinessUnit, row.business_unit_id)
    return str(unit.company.get("timeZone") or DEFAULT_ZONE)


def context_of(session: Session, row: Import) -> Context:
    """Return what the rules need to know of an import: kind, country, formats, settings."""
    customer = session.get_one(Customer, row.customer_id)
    terms = terms_of(row)
    columns = session.execute(
        select(ImportColumn.idx, ImportColumn.field)
        .where(ImportColumn.import_id == row.id)
        .order_by(ImportColumn.idx)
    ).all()
    fields: list[str | None] = [None] * (columns[-1].idx + 1 if columns else 0)
    for idx, name in columns:
        fields[idx] = name
    return Context(
        debtor_kind=row.debtor_kind,
        phone_country=row.phone_country,
        currency=row.currency,
        today=clock.today(zone_of(session, row)),
        payment_term_days=terms.payment_term_days,
        invoice_number_required=terms.invoice_number_required,
        invoice_date_required=terms.invoice_date_required,
        formats={field: ColumnFormat.from_json(kept) for field, kept in row.formats.items()},
        fields=tuple(fields),
        language=customer.locale,
        typed=row.plan.get("format") != "csv",
        mac_dates=bool(row.plan.get("mac_dates")),
    )


def checked(rows: Iterable[RawRow], ctx: Context) -> list[tuple[RawRow, RowResult]]:
    """Check raw rows by the rules that need nothing but the row."""
    return [
        (row, check_row(row.no, row.cells, row.marks, ctx, overrides=row.amended)) for row in rows
    ]


def write_rows(session: Session, import_id: int, work: Sequence[tuple[RawRow, RowResult]]) -> None:
    """Insert checked rows with their issues; a chunk written before is overwritten."""
    if not work:
        return
    first, last = work[0][0].no, work[-1][0].no
    for table in (ImportIssue, ImportRow):
        session.execute(
            delete(table).where(
                table.import_id == import_id, table.row_no >= first, table.row_no <= last
            ),
            execution_options=_PLAIN,
        )
    bulk_insert(session, ImportRow, [_row(import_id, raw, result) for raw, result in work])
    bulk_insert(
        session,
        ImportIssue,
        [
            issue_values(import_id, raw.no, seq, issue)
            for raw, result in work
            for seq, issue in enumerate(result.issues)
        ],
    )


def issue_values(
    import_id: int, row_no: int, seq: int, issue: Issue, *, of_file: bool = False
) -> dict[str, Any]:
    """Return one issue as a row of `import_issue`."""
    return {
        "import_id": import_id,
        "row_no": row_no,
        "seq": seq,
        "field": issue.field,
        "code": issue.code,
        "section": issue.section,
        "params": issue.params,
        "suggestion": issue.suggestion,
        "of_file": of_file,
    }


def row_values(result: RowResult) -> dict[str, Any]:
    """Return what the rules made of a row, as columns of `import_row`."""
    keys = result.keys
    return {
        "data": {
            name: (value.value, value.source, value.raw) for name, value in result.values.items()
        },
        "section": result.section,
        "section_base": result.section,
        "debtor_key": keys.debtor_key or "",
        "client_number": keys.client_number or "",
        "invoice_key": keys.invoice_key or "",
        "currency": keys.currency or "",
        "amount_minor": keys.amount_minor,
        "who_key": keys.who_key,
    }


def _row(import_id: int, raw: RawRow, result: RowResult) -> dict[str, Any]:
    values = row_values(result)
    if raw.skipped:
        values["section"] = Section.SKIPPED
    return {
        "import_id": import_id,
        "row_no": raw.no,
        "raw": raw.cells,
        "marks": raw.marks,
        "amended": raw.amended,
        "skipped": raw.skipped,
        **values,
    }


def stored_rows(session: Session, import_id: int, *, after: int, limit: int) -> list[RawRow]:
    """Return rows as they were read, with their amendments, in file order."""
    found = session.execute(
        select(
            ImportRow.row_no,
            ImportRow.raw,
            ImportRow.marks,
            ImportRow.amended,
            ImportRow.skipped,
        )
        .where(ImportRow.import_id == import_id, ImportRow.row_no > after)
        .order_by(ImportRow.row_no)
        .limit(limit)
    )
    return [RawRow(*values) for values in found]


def check_file(session: Session, row: Import) -> list[tuple[int, Issue]]:
    """Return what only a look at all rows of the file, and at earlier imports, can find."""
    keys = list(_keys(session, row))

    def data_of(numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        found = session.execute(
            select(ImportRow.row_no, ImportRow.data).where(
                ImportRow.import_id == row.id, ImportRow.row_no.in_(numbers)
            )
        )
        return {row.row_no: row.data for row in found}

    return list(file_issues(keys, earlier=_earlier(session, row), data_of=data_of))


def write_file_issues(session: Session, import_id: int, found: Sequence[tuple[int, Issue]]) -> None:
    """Replace the issues of the whole file and settle every row's section."""
    session.execute(
        delete(ImportIssue).where(ImportIssue.import_id == import_id, ImportIssue.of_file),
        execution_options=_PLAIN,
    )
    session.execute(
        update(ImportRow)
        .where(
            ImportRow.import_id == import_id,
            ImportRow.section.not_in((Section.SKIPPED,)),
            ImportRow.section != ImportRow.section_base,
        )
        .values(section=ImportRow.section_base),
        execution_options=_PLAIN,
    )
    bulk_insert(
        session,
        ImportIssue,
        [
            issue_values(import_id, no, 1000 + seq, issue, of_file=True)
            for seq, (no, issue) in enumerate(found)
        ],
    )
    for section in (Section.NEEDS_CLEANSING, Section.FAULTY):
        weaker = [s for s, rank in _WORST.items() if rank < _WORST[section]]
        hit = select(ImportIssue.row_no).where(
            ImportIssue.import_id == import_id, ImportIssue.of_file, ImportIssue.section == section
        )
        session.execute(
            update(ImportRow)
            .where(
                ImportRow.import_id == import_id,
                ImportRow.section.in_(weaker),
                ImportRow.row_no.in_(hit),
            )
            .values(section=section),
            execution_options=_PLAIN,
        )


def section_counts(session: Session, import_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return rows per section for each import."""
    counts: dict[int, dict[str, int]] = {i: {} for i in import_ids}
    for import_id, section, n in session.execute(
        select(ImportRow.import_id, ImportRow.section, func.count())
        .where(ImportRow.import_id.in_(import_ids))
        .group_by(ImportRow.import_id, ImportRow.section)
    ):
        counts[import_id][section] = n
    return counts


def _keys(session: Session, row: Import) -> Iterable[FileKeys]:
    found = session.execute(
        select(
            ImportRow.row_no,
            ImportRow.section_base,
            ImportRow.debtor_key,
            ImportRow.client_number,
            ImportRow.invoice_key,
            ImportRow.currency,
            ImportRow.amount_minor,
            ImportRow.who_key,
        )
        .where(ImportRow.import_id == row.id, ImportRow.section != Section.SKIPPED)
        .order_by(ImportRow.row_no)
        .execution_options(yield_per=5000)
    )
    for no, section, debtor, client, invoice, currency, amount, who in found:
        yield FileKeys(
            row_no=no,
            section=section,
            debtor_key=debtor,
            client_number=client,
            invoice_key=invoice,
            currency=currency,
            amount_minor=amount,
            who_key=who,
        )


def _earlier(session: Session, row: Import) -> Mapping[str, str]:
    """Return invoices of the customer's live imports that this file names again."""
    mine = select(ImportRow.invoice_key).where(
        ImportRow.import_id == row.id, ImportRow.invoice_key != ""
    )
    found = session.execute(
        select(ImportRow.invoice_key, Import.number)
        .join(Import, Import.id == ImportRow.import_id)
        .where(
            Import.customer_id == row.customer_id,
            Import.id != row.id,
            ImportRow.case_id.is_not(None),
            ImportRow.invoice_key.in_(mine),
        )
    )
    return {row.invoice_key: row.number for row in found}
