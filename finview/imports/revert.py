"""The exact way back: what the import created goes, what it changed is restored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Viewer
from finview.cases.cases import blocked, delete_unlaunched
from finview.cases.debtors import Attached, delete_debtors, remove_contact_points, restore_debtor
from finview.cases.models import Case, Debtor, Invoice
from finview.cases.timeline import chunks
from finview.db import audit
from finview.db.failpoints import failpoint
from finview.db.files import StoredFile, delete_file
from finview.db.runtime import Services
from finview.errors import ConfirmationRequired, FinviewError, ImportLaunched, State
from finview.imports.models import (
    Import,
    ImportColumn,
    ImportEdit,
    ImportEffect,
    ImportFile,
    ImportIssue,
    ImportRow,
    ImportState,
    Upload,
)
from finview.imports.states import REVERTIBLE, launched_cases, locked, require
from finview.matching.index import remove as unindex
from finview.matching.models import MatchCandidate

OWN_TABLES = (ImportIssue, ImportRow, ImportColumn, ImportEdit, ImportEffect, ImportFile)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertPreview:
    """What a revert would do, and what stands in its way."""

    debtors_deleted: int
    debtors_restored: int
    debtors_kept: int
    cases_deleted: int
    invoices_deleted: int
    files_deleted: int
    blocked_by: FinviewError | None = None


def preview(session: Session, row: Import) -> RevertPreview:
    """Return what `revert` would delete, restore and keep; changes nothing."""
    created = _ours(session, row.id)
    kept = _used_elsewhere(session, row.id, created)
    return RevertPreview(
        debtors_deleted=len(created) - len(kept),
        debtors_restored=len(_restored(session, row.id) - (set(created) - kept)),
        debtors_kept=len(kept),
        cases_deleted=_count(session, Case.import_id == row.id),
        invoices_deleted=session.scalar(
            select(func.count(Invoice.id)).join(Case).where(Case.import_id == row.id)
        )
        or 0,
        files_deleted=len(_file_ids(session, row)),
        blocked_by=_obstacle(session, row),
    )


def revert(
    session: Session, services: Services, import_id: int, *, confirm: bool, viewer: Viewer
) -> Import:
    """Delete for good what the import created and restore what it changed.

    Raises `ImportLaunched` with the number of cases, `State` when it was reverted already or money
    came in, and `ConfirmationRequired` without `confirm`; then nothing changes.
    """
    row = locked(session, import_id, viewer)
    require(session, row, *REVERTIBLE)
    if not confirm:
        raise ConfirmationRequired(path=("input", "confirm"))
    _win(session, row)
    failpoint("import.revert.won")
    before = preview(session, row)
    case_ids = list(session.scalars(select(Case.id).where(Case.import_id == row.id)))
    blocked(session, case_ids)
    created = _ours(session, row.id)
    delete_unlaunched(session, case_ids)
    _undo_changes(session, row.id)
    kept = _used_elsewhere(session, row.id, created)
    unindex(session, [debtor for debtor in created if debtor not in kept])
    kept |= set(delete_debtors(session, created))
    _delete_rows_and_files(session, services, row)
    row.state, row.reverted_at, row.reverted_by = (
        ImportState.REVERTED,
        clock.now(),
        viewer.user_id,
    )
    row.counts = {
        "debtors": before.debtors_deleted,
        "restored": before.debtors_restored,
        "kept": len(kept),
        "cases": before.cases_deleted,
        "invoices": before.invoices_deleted,
        "files": before.files_deleted,
    }
    audit.record(
        session,
        "import.revert",
        actor_id=viewer.user_id,
        subject=("import", row.id),
        number=row.number,
        **row.counts,
    )
    return row


def forget(session: Session, services: Services, row: Import) -> None:
    """Delete an import of which nothing was created: the end of a dry run. No tombstone stays."""
    require(session, row, ImportState.MAPPING, ImportState.REVIEW, ImportState.FAILED)
    _delete_rows_and_files(session, services, row)
    session.delete(row)
    session.flush()


def _win(session: Session, row: Import) -> None:
    won = session.execute(
        update(Import)
        .where(Import.id == row.id, Import.launched_at.is_(None), Import.state.in_(REVERTIBLE))
        .values(state=ImportState.REVERTED)
        .execution_options(synchronize_session=False)
    )
    if not won.rowcount:  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult
        raise State("IMPORT_STATE", state=row.state)
    session.refresh(row)


def _obstacle(session: Session, row: Import) -> FinviewError | None:
    if row.state == ImportState.LAUNCHED:
        return ImportLaunched("IMPORT_ALREADY_LAUNCHED", cases=launched_cases(session, row.id))
    if row.state == ImportState.REVERTED:
        return State("IMPORT_ALREADY_REVERTED", state=row.state)
    try:
        blocked(session, list(session.scalars(select(Case.id).where(Case.import_id == row.id))))
    except FinviewError as failure:
        return failure
    return None


def _entities(session: Session, import_id: int, entity: str, action: str) -> list[int]:
    return list(
        session.scalars(
            select(ImportEffect.entity_id).where(
                ImportEffect.import_id == import_id,
                ImportEffect.entity == entity,
                ImportEffect.action == action,
            )
        )
    )


def _ours(session: Session, import_id: int) -> list[int]:
    """Return the debtors this import created, and those it keeps alive for a reverted import.

    An import that is reverted leaves the debtors a later one uses; they go with that one.
    """
    inherited = session.scalars(
        select(Debtor.id)
        .join(Case, Case.debtor_id == Debtor.id)
        .join(Import, Import.id == Debtor.import_id)
        .where(
            Case.import_id == import_id,
            Debtor.import_id != import_id,
            Import.state == ImportState.REVERTED,
        )
        .distinct()
    )
    return [*_entities(session, import_id, "debtor", "created"), *inherited]


def _restored(session: Session, import_id: int) -> set[int]:
    """Return the debtors that existed before and were completed or given contact points."""
    found: set[int] = set(_entities(session, import_id, "debtor", "updated"))
    for before in session.scalars(
        select(ImportEffect.before).where(
            ImportEffect.import_id == import_id, ImportEffect.action == "attached"
        )
    ):
        found.add((before or {})["debtor_id"])
    return found


def _undo_changes(session: Session, import_id: int) -> None:
    """Walk the changes of existing debtors backwards."""
    points: list[Attached] = []
    for effect in session.scalars(
        select(ImportEffect)
        .where(
            ImportEffect.import_id == import_id,
            ImportEffect.action.in_(("updated", "attached")),
        )
        .order_by(ImportEffect.seq.desc())
    ):
        before: dict[str, Any] = effect.before or {}
        if effect.action == "updated":
            restore_debtor(
                session,
                effect.entity_id,
                before=_values(before["old"]),
                ours=_values(before["new"]),
            )
        else:
            points.append(
                Attached(
                    entity=effect.entity,
                    entity_id=effect.entity_id,
                    debtor_id=before["debtor_id"],
                )
            )
    remove_contact_points(session, points)


def _values(kept: dict[str, Any]) -> dict[str, Any]:
    """Return values of a debtor as they were before JSON: marked dates become dates again."""
    return {
        name: date.fromisoformat(value["date"]) if isinstance(value, dict) else value
        for name, value in kept.items()
    }


def _used_elsewhere(session: Session, import_id: int, debtor_ids: Sequence[int]) -> set[int]:
    used: set[int] = set()
    for chunk in chunks(debtor_ids):
        used |= set(
            session.scalars(
                select(Case.debtor_id).where(
                    Case.debtor_id.in_(chunk), Case.import_id.is_distinct_from(import_id)
                )
            )
        )
    return used


def _file_ids(session: Session, row: Import) -> list[int]:
    own = [row.file_id, row.error_file_id]
    invoices = session.scalars(select(ImportFile.file_id).where(ImportFile.import_id == row.id))
    return [key for key in (*own, *invoices) if key is not None]


def _delete_rows_and_files(session: Session, services: Services, row: Import) -> None:
    file_ids = _file_ids(session, row)
    session.execute(delete(MatchCandidate).where(MatchCandidate.import_id == row.id))
    for table in OWN_TABLES:
        session.execute(
            delete(table)
            .where(table.import_id == row.id)
            .execution_options(synchronize_session=False)
        )
    session.execute(delete(Upload).where(Upload.import_id == row.id))
    row.file_id = row.error_file_id = None
    row.notices, row.plan, row.formats = [], {}, {}
    session.flush()
    for key in file_ids:
        delete_file(session, services.files, session.get_one(StoredFile, key))


def _count(session: Session, condition: Any) -> int:
    return session.scalar(select(func.count(Case.id)).where(condition)) or 0
