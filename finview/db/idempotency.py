"""Stored answers: the same request sent twice has one effect and one answer."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import String, UniqueConstraint, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from finview import clock
from finview.db.base import Base, Id
from finview.errors import IdempotencyMismatch

KEPT = timedelta(days=7)
PURGED_EACH = 64


class Idempotency(Base):
    """One answered mutation of one viewer."""

    __tablename__ = "idempotency"
    __table_args__ = (UniqueConstraint("viewer_id", "mutation", "key"),)

    id: Mapped[Id]
    viewer_id: Mapped[int]
    mutation: Mapped[str] = mapped_column(String(80))
    key: Mapped[str] = mapped_column(String(200))
    input_hash: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any] | None]
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The place of an answer; `payload` is set when it was given before."""

    id: int
    payload: dict[str, Any] | None


def claim(
    session: Session, *, viewer_id: int, mutation: str, key: str, given: dict[str, Any]
) -> Answer:
    """Take the place of an answer in the effect's own transaction.

    When `payload` is set the effect happened before and that is the answer; else do it and `store`.
    Two at once: the second waits for the first. Raises IdempotencyMismatch for another input.
    Answers are kept for seven days.
    """
    digest = hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS)).hexdigest()
    values = {
        "viewer_id": viewer_id,
        "mutation": mutation,
        "key": key,
        "input_hash": digest,
        "at": clock.now(),
    }
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        made = postgresql.insert(Idempotency).values(values).on_conflict_do_nothing()
        added = session.scalar(made.returning(Idempotency.id))
    else:
        lite = sqlite.insert(Idempotency).values(values).on_conflict_do_nothing()
        added = session.scalar(lite.returning(Idempotency.id))
    if added is not None:
        if added % PURGED_EACH == 0:
            _purge(session)
        return Answer(id=added, payload=None)
    row = session.execute(
        select(Idempotency.id, Idempotency.input_hash, Idempotency.payload).where(
            Idempotency.viewer_id == viewer_id,
            Idempotency.mutation == mutation,
            Idempotency.key == key,
        )
    ).one()
    if row.input_hash != digest:
        raise IdempotencyMismatch(path=("idempotencyKey",))
    return Answer(id=row.id, payload=row.payload)


def _purge(session: Session) -> None:
    """Forget the oldest answers whose time is over."""
    oldest = select(Idempotency.id).order_by(Idempotency.id).limit(2 * PURGED_EACH)
    session.execute(
        delete(Idempotency)
        .where(Idempotency.id.in_(oldest), Idempotency.at < clock.now() - KEPT)
        .execution_options(synchronize_session=False)
    )


def store(session: Session, answer: Answer, payload: dict[str, Any]) -> None:
    """Keep the answer for whoever sends the same request again."""
    session.execute(update(Idempotency).where(Idempotency.id == answer.id).values(payload=payload))
