"""The rows that stayed behind, as a workbook in the language of the one who imported.

Written by a job of its own once the records stand: until then the import has no such file, and
nobody waits for it.
"""

import io
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.accounts.models import AccountUser
from finview.db.files import put_file
from finview.db.jobs import CHUNKED, JobView, Step, job
from finview.i18n import translate
from finview.imports.fields import FIELDS
from finview.imports.models import (
    Import,
    ImportColumn,
    ImportIssue,
    ImportRow,
    ImportState,
    Section,
)
from finview.imports.rulebook import message
from finview.imports.upload import start
from finview.imports.workbook import ErrorRow, Problem, write_error_workbook

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ROWS_MAX = 100_000
BEHIND = (Section.NEEDS_CLEANSING, Section.FAULTY)


STANDING = (ImportState.CREATED, ImportState.LINKED, ImportState.LAUNCHED)
KIND = "import.error_book"
PRIORITY = 200  # records come before their by-products


@dataclass(frozen=True, slots=True)
class ErrorBook:
    """A finished workbook."""

    content: bytes


@job(KIND, shape=CHUNKED, queue="bulk")
class WriteErrorBook:
    """Write the error workbook of an import whose records stand, once; not of a reverted one."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.import_id: int = view.args["import_id"]
        self.ended = bool(view.cursor)

    def prepare(self) -> ErrorBook | None:
        """Write the workbook, with no writing session open."""
        if self.ended:
            return None
        with self.view.services.db.reading() as session:
            row = session.get(Import, self.import_id)
            return error_book(session, row) if row is not None and _wants(row) else None

    def write(self, session: Session, book: ErrorBook) -> Step:
        """Store it with the import, unless that was reverted meanwhile."""
        row = session.scalars(
            select(Import).where(Import.id == self.import_id).with_for_update()
        ).one_or_none()
        if row is not None and _wants(row):
            stored = put_file(
                session,
                self.view.services.files,
                book.content,
                filename=f"{row.number}-errors.xlsx",
                content_type=TYPE,
                kind="errors",
                customer_id=row.customer_id,
                portfolio_id=row.portfolio_id,
            )
            row.error_file_id = stored.id
        self.ended = True
        return Step(cursor={"ended": True}, done=1, total=1)

    def finish(self, session: Session) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held open."""


def _wants(row: Import) -> bool:
    return row.state in STANDING and row.error_file_id is None


def ask_for_error_book(session: Session, row: Import) -> None:
    """Have the error workbook written soon."""
    start(session, row, KIND, priority=PRIORITY)


def error_book(session: Session, row: Import) -> ErrorBook | None:
    """Write the error workbook of an import: original columns in order, problems, the row's key.

    None when every row was ready.
    """
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
        return None
    target = io.BytesIO()
    write_error_workbook(
        target,
        headers=[column.header for column in columns],
        rows=[ErrorRow(no=no, cells=raw, problems=problems.get(no, [])) for no, raw in behind],
        import_number=row.number,
        locale=locale,
    )
    return ErrorBook(target.getvalue())
