"""The review: which rows, amend one, fix many, end it. Originals stay in `import_row.raw`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Viewer
from finview.db import audit
from finview.db.bulk import bulk_insert
from finview.errors import ImportNotReady, Invalid, NotFound, Required
from finview.i18n import N_, sentences
from finview.imports.columns import OPTIONS
from finview.imports.fields import FIELDS
from finview.imports.models import (
    Import,
    ImportColumn,
    ImportEdit,
    ImportIssue,
    ImportRow,
    ImportState,
    Section,
)
from finview.imports.staging import (
    RawRow,
    check_file,
    checked,
    context_of,
    issue_values,
    row_values,
    settled_kind,
    write_file_issues,
)
from finview.imports.states import EDITABLE, locked, require
from finview.imports.upload import start
from finview.money import Money

sentences(
    {
        "ROW_NOT_FOUND": N_("The import has no row {row}."),
        "FIX_FIELD_REQUIRED": N_("Say which field to fix."),
        "FIX_ANSWER": N_("Only {allowed} answer this question."),
        "NO_READY_ROWS": N_("No row is ready: there is nothing to create."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWhere:
    """Which rows of an import; what is not given does not restrict."""

    sections: Sequence[str] | None = None
    issue_codes: Sequence[str] | None = None
    matches: Sequence[str] | None = None
    field: str | None = None


def rows_where(import_id: int, where: RowWhere) -> list[ColumnElement[bool]]:
    """Return the SQL conditions for rows of an import."""
    conditions: list[ColumnElement[bool]] = [ImportRow.import_id == import_id]
    if where.sections is not None:
        conditions.append(ImportRow.section.in_(where.sections))
    if where.matches is not None:
        conditions.append(ImportRow.match_state.in_(where.matches))
    if where.issue_codes is not None or where.field is not None:
        hit = select(ImportIssue.row_no).where(
            ImportIssue.import_id == import_id, ImportIssue.row_no == ImportRow.row_no
        )
        if where.issue_codes is not None:
            hit = hit.where(ImportIssue.code.in_(where.issue_codes))
        if where.field is not None:
            hit = hit.where(ImportIssue.field == where.field)
        conditions.append(hit.exists())
    return conditions


def amend_row(
    session: Session,
    import_id: int,
    row_no: int,
    values: Mapping[str, str | None],
    *,
    viewer: Viewer,
) -> ImportRow:
    """Set values of one row and move it at once to the section it now belongs to.

    Raises `NotFound` for a row that isn't there, `Invalid` for an unknown field.
    """
    row = locked(session, import_id, viewer)
    require(session, row, *EDITABLE)
    found = session.get(ImportRow, (row.id, row_no))
    if found is None:
        raise NotFound("ROW_NOT_FOUND", path=("input", "rowNumber"), row=row_no)
    for n, name in enumerate(values):
        _known(name, ("input", "values", str(n), "field"))
    before = {name: found.amended.get(name) for name in values}
    found.amended = {**found.amended, **values}
    found.skipped = False
    _check_again(session, row, [found])
    _edited(session, row, "cell", {"row": row_no, **before}, {"row": row_no, **values}, viewer)
    write_file_issues(session, row.id, check_file(session, row))
    session.refresh(found)
    return found


def replace_values(
    session: Session,
    import_id: int,
    where: RowWhere,
    *,
    field: str | None,
    old: str | None,
    new: str | None,
    viewer: Viewer,
) -> Import:
    """Replace one value of a field by another in all rows that have it; blanks match blanks."""
    row = locked(session, import_id, viewer)
    require(session, row, *EDITABLE)
    name = _known(field, ("input", "field"))
    hits = [
        found
        for found in session.scalars(
            select(ImportRow).where(*rows_where(row.id, where)).order_by(ImportRow.row_no)
        )
        if (old or "") in _spellings(found, name)
    ]
    for found in hits:
        found.amended = {**found.amended, name: new}
    _check_again(session, row, hits)
    change = {"field": name, "from": old, "to": new, "rows": len(hits)}
    _edited(session, row, "bulk", {}, change, viewer)
    write_file_issues(session, row.id, check_file(session, row))
    return row


def skip_rows(session: Session, import_id: int, where: RowWhere, *, viewer: Viewer) -> Import:
    """Leave rows out of the import; they stay in it and are counted apart."""
    row = locked(session, import_id, viewer)
    require(session, row, *EDITABLE)
    hits = list(session.scalars(select(ImportRow.row_no).where(*rows_where(row.id, where))))
    session.execute(
        update(ImportRow)
        .where(*rows_where(row.id, where))
        .values(skipped=True, section=Section.SKIPPED)
        .execution_options(synchronize_session=False)
    )
    _edited(session, row, "row", {}, {"skipped": len(hits)}, viewer)
    write_file_issues(session, row.id, check_file(session, row))
    return row


def settle_column(
    session: Session, import_id: int, *, field: str | None, answer: str | None, viewer: Viewer
) -> Import:
    """Answer the question of a column (decimal sign, order of dates) once for all its rows."""
    row = locked(session, import_id, viewer)
    require(session, row, *EDITABLE)
    name = _known(field, ("input", "field"))
    kind = settled_kind(name)
    column = session.scalars(
        select(ImportColumn).where(ImportColumn.import_id == row.id, ImportColumn.field == name)
    ).one_or_none()
    if column is None or kind is None:
        raise Invalid("FIELD_UNKNOWN", path=("input", "field"), field=name)
    option = "decimal" if kind == "amount" else "dateOrder"
    if answer not in OPTIONS[option]:
        raise Invalid("FIX_ANSWER", path=("input", "to"), allowed=list(OPTIONS[option]))
    before = dict(column.options)
    column.options = {**column.options, option: answer}
    row.mapping_version += 1
    row.state = ImportState.READING
    _edited(session, row, "column", before, {"column": column.idx, option: answer}, viewer)
    row.job_id = start(session, row, "import.stage")
    return row


def complete_review(session: Session, import_id: int, *, viewer: Viewer) -> Import:
    """End the review: READY rows go on to matching, the others stay behind in the import.

    Doing so again changes nothing. Raises `ImportNotReady` while the file is read, or without a
    single READY row.
    """
    row = locked(session, import_id, viewer)
    if row.state in (ImportState.MATCHING, ImportState.CREATED):
        return row
    if row.state in (ImportState.READING, ImportState.MAPPING):
        raise ImportNotReady("IMPORT_STATE", state=row.state)
    require(session, row, ImportState.REVIEW)
    ready = session.scalar(
        select(func.count()).where(
            ImportRow.import_id == row.id, ImportRow.section == Section.READY
        )
    )
    if not ready:
        raise ImportNotReady("NO_READY_ROWS")
    row.state = ImportState.MATCHING
    row.lock_version += 1
    row.job_id = start(session, row, "import.match")
    audit.record(
        session,
        "import.review_complete",
        actor_id=viewer.user_id,
        subject=("import", row.id),
        ready=ready,
    )
    return row


def _known(field: str | None, path: tuple[str, ...]) -> str:
    if not field:
        raise Required("FIX_FIELD_REQUIRED", path=path)
    if field not in FIELDS:
        raise Invalid("FIELD_UNKNOWN", path=path, field=field)
    return field


def _spellings(found: ImportRow, name: str) -> set[str]:
    """Return how a person may name the value of a cell: as it reads, as it will be stored.

    What a person has put in the place of the original counts, not the original.
    """
    kept = found.data.get(name)
    stored, raw = (kept[0], kept[2]) if kept else (None, None)
    texts = {found.amended.get(name, raw), stored}
    if isinstance(stored, int) and found.currency:
        texts.add(Money(stored, found.currency).text)
    return {str(text) for text in texts if text not in (None, "")} or {""}


def _check_again(session: Session, row: Import, found: Sequence[ImportRow]) -> None:
    if not found:
        return
    ctx = context_of(session, row)
    raw = [RawRow(r.row_no, r.raw, r.marks, r.amended, r.skipped) for r in found]
    issues: list[dict[str, Any]] = []
    for target, (source, result) in zip(found, checked(raw, ctx), strict=True):
        values = row_values(result)
        if source.skipped:
            values["section"] = Section.SKIPPED
        for name, value in values.items():
            setattr(target, name, value)
        issues += [
            issue_values(row.id, source.no, seq, issue) for seq, issue in enumerate(result.issues)
        ]
    numbers = [r.row_no for r in found]
    for start_at in range(0, len(numbers), 500):
        session.execute(
            delete(ImportIssue).where(
                ImportIssue.import_id == row.id,
                ImportIssue.row_no.in_(numbers[start_at : start_at + 500]),
            )
        )
    session.flush()
    bulk_insert(session, ImportIssue, issues)


def _edited(
    session: Session,
    row: Import,
    scope: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    viewer: Viewer,
) -> None:
    session.add(
        ImportEdit(
            import_id=row.id,
            scope=scope,
            before=dict(before),
            after=dict(after),
            by=viewer.user_id,
            at=clock.now(),
        )
    )
    row.lock_version += 1
    # The audit names the kind of change only: values may be personal data, they stay in the edit.
    audit.record(
        session, f"import.edit_{scope}", actor_id=viewer.user_id, subject=("import", row.id)
    )
    session.flush()
