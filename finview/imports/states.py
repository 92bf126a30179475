"""Which step is allowed when, and the one way to lock an import for a step."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.accounts.access import Action, Viewer, find, may
from finview.cases.models import Case
from finview.errors import ImportLaunched, ImportNotReady, State
from finview.i18n import N_, sentences
from finview.imports.models import Import, ImportState

sentences(
    {
        "IMPORT_STATE": N_("The import stands at {state}; this step is not possible now."),
        "IMPORT_ALREADY_LAUNCHED": N_(
            "The workflows of {cases} cases of this import were launched; it can't be changed."
        ),
        "IMPORT_WITHOUT_BUCKET": N_("Link the import to a bucket before you launch it."),
        "IMPORT_ALREADY_REVERTED": N_("This import was reverted already."),
    }
)

S = ImportState
EDITABLE = (S.MAPPING, S.REVIEW)
MATCHED = (S.CREATED, S.LINKED)
REVERTIBLE = (S.READING, S.MAPPING, S.REVIEW, S.MATCHING, S.CREATED, S.LINKED, S.FAILED)
BEFORE_CREATED = (S.READING, S.MAPPING, S.REVIEW, S.MATCHING)


def locked(session: Session, import_id: int | None, viewer: Viewer) -> Import:
    """Return the import with its row locked; raise `NotFound`, or `Forbidden` for a mere reader."""
    row = find(session, Import, import_id, viewer)
    may(viewer, Action.IMPORT)
    statement = select(Import).where(Import.id == row.id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one()


def require(session: Session, row: Import, *allowed: ImportState) -> None:
    """Raise the error that fits unless the import stands in one of the `allowed` states."""
    if row.state in allowed:
        return
    if row.state == S.LAUNCHED:
        raise ImportLaunched("IMPORT_ALREADY_LAUNCHED", cases=launched_cases(session, row.id))
    if row.state == S.REVERTED:
        raise State("IMPORT_ALREADY_REVERTED", state=row.state)
    if set(allowed) <= {S.CREATED, S.LINKED} and row.state in BEFORE_CREATED:
        raise ImportNotReady("IMPORT_STATE", state=row.state)
    raise State("IMPORT_STATE", state=row.state)


def launched_cases(session: Session, import_id: int) -> int:
    """Return how many cases of the import will run, or run already."""
    statement = select(func.count()).select_from(Case).where(Case.import_id == import_id)
    return session.scalar(statement) or 0
