"""The last step: the workflows of every linked case start; from here nothing can be reverted."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Viewer
from finview.db import audit
from finview.db.failpoints import failpoint
from finview.db.jobs import Subject, enqueue
from finview.errors import ImportNotReady, State
from finview.imports.models import Import, ImportState
from finview.imports.states import BEFORE_CREATED, locked, require


def launch(session: Session, import_id: int, *, viewer: Viewer) -> Import:
    """Launch the workflows of an import; a repeated launch answers with the launched import.

    Raises `ImportNotReady` before the records are created or without a bucket. Against a revert at
    the same moment exactly one of the two wins: both compare and set the state of the same row.
    """
    row = locked(session, import_id, viewer)
    if row.state == ImportState.LAUNCHED:
        return row
    if row.state in BEFORE_CREATED:
        raise ImportNotReady("IMPORT_STATE", state=row.state)
    if row.state == ImportState.CREATED:
        raise ImportNotReady("IMPORT_WITHOUT_BUCKET")
    require(session, row, ImportState.LINKED)
    won = session.execute(
        update(Import)
        .where(Import.id == row.id, Import.state == ImportState.LINKED)
        .values(state=ImportState.LAUNCHED, launched_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    if not won.rowcount:  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult
        raise State("IMPORT_STATE", state=row.state)
    failpoint("import.launch.won")
    session.refresh(row)
    row.job_id = enqueue(
        session,
        "workflow.launch",
        {"import_id": row.id},
        dedupe_key=f"launch:{row.id}",
        subject=Subject(
            kind="import",
            id=row.id,
            customer_id=row.customer_id,
            portfolio_id=row.portfolio_id,
            actor_id=viewer.user_id,
        ),
    )
    audit.record(session, "import.launch", actor_id=viewer.user_id, subject=("import", row.id))
    return row
