"""The rows that stayed behind, as a workbook in the language of the one who imported."""

import io
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.accounts.models import AccountUser
from finview.db.files import StoredFile, put_file
from finview.db.runtime import Services
from finview.i18n import translate
from finview.imports.fields import FIELDS
from finview.imports.models import Import, ImportColumn, ImportIssue, ImportRow, Section
from finview.imports.rulebook import message
from finview.imports.workbook import ErrorRow, Problem, write_error_workbook

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ROWS_MAX = 100_000
BEHIND = (Section.NEEDS_CLEANSING, Section.FAULTY)


@dataclass(frozen=True, slots=True)
class ErrorBook:
    """A finished workbook; no bytes when every row was ready."""

    content: bytes | None


def error_book(session: Session, row: Import) -> ErrorBook:
    """Write the error workbook of an import: original columns in order, problems, the row's key."""
    locale = session.get_one(AccountUser, row.created_by).locale
    columns = session.scalars(
        select(ImportColumn).where(ImportColumn.import_id == row.id).order_by(ImportColumn.idx)
    ).all()
    by_field = {column.field: n for n, column in enumerate(columns) if column.field}
    problems: dict[int, list[Problem]] = {}
    for issue in session.scalars(
        select(ImportIssue)
        .where(ImportIssue.import_id == row.id, ImportIssue.section.in_(BEHIND))
        .order_by(ImportIssue.row_no, ImportIssue.seq)
    ):
        known = FIELDS.get(issue.field or "")
        label = translate(known.label, locale) if known is not None else ""
        text = message(issue.code, locale, issue.params, issue.suggestion)
        problems.setdefault(issue.row_no, []).append(
            Problem(
                column=by_field.get(issue.field or ""),
                message=f"{label}: {text}" if label else text,
            )
        )
    behind = session.execute(
        select(ImportRow.row_no, ImportRow.raw)
        .where(ImportRow.import_id == row.id, ImportRow.section.in_(BEHIND))
        .order_by(ImportRow.row_no)
        .limit(ROWS_MAX)
    ).all()
    if not behind:
        return ErrorBook(None)
    target = io.BytesIO()
    write_error_workbook(
        target,
        headers=[column.header for column in columns],
        rows=[ErrorRow(no=no, cells=raw, problems=problems.get(no, [])) for no, raw in behind],
        import_number=row.number,
        locale=locale,
    )
    return ErrorBook(target.getvalue())


def keep_error_book(session: Session, services: Services, row: Import, book: ErrorBook) -> None:
    """Store the workbook with the import."""
    if book.content is None:
        return
    stored: StoredFile = put_file(
        session,
        services.files,
        book.content,
        filename=f"{row.number}-errors.xlsx",
        content_type=TYPE,
        kind="errors",
        customer_id=row.customer_id,
        portfolio_id=row.portfolio_id,
    )
    row.error_file_id = stored.id
