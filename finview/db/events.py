"""The durable inbox of things that happened; workflows consume it, other processes read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from finview import clock
from finview.db.base import Base, Id, Json, table_of
from finview.db.jobs import Subject, enqueue


class EventInbox(Base):
    """One thing that happened; `consumed_seq` is the step of the run that has seen it."""

    __tablename__ = "event_inbox"
    __table_args__ = (Index("event_inbox_case", "case_id", "id"),)

    id: Mapped[Id]
    case_id: Mapped[int | None]
    type: Mapped[str] = mapped_column(String(60))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    dedupe: Mapped[str | None] = mapped_column(String(200), unique=True)
    consumed_seq: Mapped[int | None]
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What happened to one case; nothing is written when its `dedupe` was written before."""

    case_id: int
    payload: Mapping[str, Any]
    dedupe: str


def emit_each(session: Session, type: str, each: Sequence[Happening]) -> None:  # noqa: A002 -- as in emit
    """Write one event of a type for each of many cases; their workflows will be advanced."""
    if not each:
        return
    session.flush()
    connection, at = session.connection(), clock.now()
    insert = {"postgresql": postgresql.insert}.get(connection.dialect.name, sqlite.insert)
    rows = [
        {
            "case_id": one.case_id,
            "type": type,
            "payload": dict(one.payload),
            "dedupe": one.dedupe,
            "at": at,
        }
        for one in each
    ]
    connection.execute(insert(table_of(EventInbox)).on_conflict_do_nothing(), rows)
    for case_id in sorted({one.case_id for one in each}):
        _advance(session, case_id)


def emit(
    session: Session,
    type: str,  # noqa: A002 -- the column's name, and the word of the trade
    *,
    case_id: int | None = None,
    payload: Mapping[str, Any] | None = None,
    dedupe: str | None = None,
) -> bool:
    """Write an event in the caller's transaction; with a case, its workflow will be advanced.

    Returns False when an event with the same `dedupe` was written before. The caller has locked the
    case's row first, so that a workflow either sees the event or its job comes after it.
    """
    values = {
        "case_id": case_id,
        "type": type,
        "payload": dict(payload or {}),
        "dedupe": dedupe,
        "at": clock.now(),
    }
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        made = postgresql.insert(EventInbox).values(values).on_conflict_do_nothing()
        added = session.scalar(made.returning(EventInbox.id))
    else:
        lite = sqlite.insert(EventInbox).values(values).on_conflict_do_nothing()
        added = session.scalar(lite.returning(EventInbox.id))
    if added is None:
        return False
    if case_id is not None:
        _advance(session, case_id)
    return True


def _advance(session: Session, case_id: int) -> None:
    enqueue(
        session,
        "workflow.advance",
        {"case_id": case_id},
        dedupe_key=f"advance:{case_id}",
        subject=Subject(kind="case", id=case_id),
    )
