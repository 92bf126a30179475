"""Optimistic locking: an update names the version it has read, and loses when another was faster."""

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from finview.db.base import Base
from finview.errors import Conflict, NotFound
from finview.i18n import N_, sentences

sentences({"VERSION_STALE": N_("Somebody else changed this after you read it. Please look again.")})

PATH = ("input", "lockVersion")


def advance(session: Session, row: Base, read: int | None = None) -> None:
    """Take the next version of a row, before anything of it is changed.

    `read` is the version the caller has seen; None changes the row whatever happened meanwhile.
    Of two writers with the same version exactly one wins, on both databases: the statement compares
    and sets, and holds the row until the transaction ends. The row is read again under that lock.
    Raises `Conflict` (VERSION_STALE) for the other one.
    """
    model: Any = type(row)
    wanted = update(model).where(model.id == row.id)  # type: ignore[attr-defined]  # every table has an id
    if read is not None:
        wanted = wanted.where(model.lock_version == read)
    won = session.execute(
        wanted.values(lock_version=model.lock_version + 1).execution_options(
            synchronize_session=False
        )
    )
    if won.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult
        raise NotFound(path=("id",)) if read is None else Conflict("VERSION_STALE", path=PATH)
    session.refresh(row)
