"""A person settles the columns: re-point, ignore, choose a format; remembered per customer."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Viewer
from finview.db import audit
from finview.errors import FieldDuplicate, FieldRequired, Invalid, NotFound
from finview.i18n import N_, sentences, translate
from finview.imports.fields import FIELDS, fields_for, missing_required
from finview.imports.mapping import normalise_header
from finview.imports.meanings import INVOICED, OPEN, OPTION
from finview.imports.models import Import, ImportColumn, ImportEdit, ImportState, MappingMemory
from finview.imports.states import EDITABLE, locked, require
from finview.imports.terms import terms_of
from finview.imports.upload import start

sentences(
    {
        "COLUMN_NOT_FOUND": N_("The file has no column {index}."),
        "FIELD_UNKNOWN": N_("There is no field named {field}."),
        "COLUMN_OPTION": N_("The option {option} can't be {value}."),
    }
)

OPTIONS = {
    "decimal": ("COMMA", "POINT"),
    "dateOrder": ("DMY", "MDY", "YMD"),
    OPTION: (OPEN, INVOICED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChoice:
    """What a person wants of one column; no field means: leave it out on purpose."""

    index: int
    field: str | None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


def map_columns(
    session: Session,
    import_id: int,
    choices: Sequence[ColumnChoice],
    *,
    remember: bool = True,
    viewer: Viewer,
) -> Import:
    """Change the mapping, confirm it, and check every row again.

    Columns that are not named keep their proposal. Raises `FieldDuplicate`, `FieldRequired`,
    `NotFound` for an unknown column, `Invalid` for an unknown field or option; then nothing
    changes.
    """
    row = locked(session, import_id, viewer)
    require(session, row, *EDITABLE)
    columns = {
        column.idx: column
        for column in session.scalars(select(ImportColumn).where(ImportColumn.import_id == row.id))
    }
    wanted = {idx: column.field for idx, column in columns.items()}
    for n, choice in enumerate(choices):
        _check(choice, columns, row, ("input", "columns", str(n)))
        wanted[choice.index] = choice.field
    _check_fields(wanted, row, viewer.locale)
    before = {str(i): [c.field, c.options] for i, c in columns.items()}
    for choice in choices:
        column = columns[choice.index]
        if remember and (column.header or "").strip():
            _remember(session, row.customer_id, column, choice)
        column.field, column.options = choice.field, choice.options
        column.decided_by = viewer.email
    for column in columns.values():
        if column.decided_by == "suggested":
            column.decided_by = viewer.email
    session.add(
        ImportEdit(
            import_id=row.id,
            scope="column",
            before=before,
            after={str(i): [c.field, c.options] for i, c in columns.items()},
            by=viewer.user_id,
            at=clock.now(),
        )
    )
    row.formats = {name: kept for name, kept in row.formats.items() if name in wanted.values()}
    row.mapping_version += 1
    row.state = ImportState.READING
    row.lock_version += 1
    row.job_id = start(session, row, "import.stage")
    audit.record(session, "import.map", actor_id=viewer.user_id, subject=("import", row.id))
    return row


def _check(
    choice: ColumnChoice, columns: dict[int, ImportColumn], row: Import, path: tuple[str, ...]
) -> None:
    if choice.index not in columns:
        raise NotFound("COLUMN_NOT_FOUND", path=(*path, "index"), index=choice.index)
    names = {f.name for f in fields_for(row.debtor_kind)}
    if choice.field is not None and choice.field not in names:
        raise Invalid("FIELD_UNKNOWN", path=(*path, "field"), field=choice.field)
    for option, value in choice.options.items():
        if value is not None and value not in OPTIONS.get(option, ()):
            raise Invalid("COLUMN_OPTION", path=(*path, "options"), option=option, value=str(value))


def _check_fields(wanted: dict[int, str | None], row: Import, locale: str) -> None:
    mapped = [name for name in wanted.values() if name is not None]
    for name in sorted(set(mapped)):
        if mapped.count(name) > 1:
            raise FieldDuplicate(
                path=("input", "columns"),
                field=name,
                columns=sorted(idx for idx, f in wanted.items() if f == name),
            )
    missing = missing_required(set(mapped), row.debtor_kind, terms_of(row).required)
    if missing:
        labels = [translate(FIELDS[f].label, locale) if f in FIELDS else f for f in missing]
        raise FieldRequired(path=("input", "columns"), fields=labels, names=list(missing))


def _remember(
    session: Session, customer_id: int, column: ImportColumn, choice: ColumnChoice
) -> None:
    header = normalise_header(column.header)[:300]
    if not header:
        return
    kept = session.scalars(
        select(MappingMemory).where(
            MappingMemory.customer_id == customer_id, MappingMemory.header_norm == header
        )
    ).one_or_none()
    if kept is None:
        kept = MappingMemory(
            customer_id=customer_id, header_norm=header, field=choice.field, hits=0, misses=0
        )
        session.add(kept)
    if kept.field == choice.field:
        kept.hits += 1
    else:
        kept.field, kept.hits, kept.misses = choice.field, 1, kept.misses + 1
    kept.options, kept.last_used = choice.options, clock.now()
    session.flush()
