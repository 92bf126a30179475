"""Who did what, when and why: append-only rows in one hash chain, without personal data in it."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ForeignKey, Index, LargeBinary, String, func, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from finview import clock
from finview.db import database_of
from finview.db.base import Base, Id, Json, append_only
from finview.db.jobs import on_tick

SEAL_BATCH = 1000
GENESIS = "0" * 64


class AuditEvent(Base):
    """One recorded act; `seq`, `prev_hash`, `hash` are set once, in the order of sealing."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("audit_event_subject", "subject_kind", "subject_id"),
        Index(
            "audit_event_unsealed",
            "id",
            sqlite_where=text("seq IS NULL"),
            postgresql_where=text("seq IS NULL"),
        ),
    )

    id: Mapped[Id]
    seq: Mapped[int | None] = mapped_column(unique=True)
    at: Mapped[datetime]
    actor_id: Mapped[int | None]
    action: Mapped[str] = mapped_column(String(80))
    subject_kind: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[int]
    reason: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    prev_hash: Mapped[str | None] = mapped_column(String(64))
    hash: Mapped[str | None] = mapped_column(String(64))


class AuditValue(Base):
    """A personal value an act was about; erasing deletes it, the chain still verifies."""

    __tablename__ = "audit_value"

    id: Mapped[Id]
    audit_event_id: Mapped[int] = mapped_column(ForeignKey("audit_event.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    value: Mapped[str]
    salt: Mapped[bytes] = mapped_column(LargeBinary)


append_only(AuditEvent, once=("seq", "prev_hash", "hash"))


def record(
    session: Session,
    action: str,
    *,
    actor_id: int | None,
    subject: tuple[str, int],
    reason: str | None = None,
    personal: Mapping[str, str] | None = None,
    **facts: Any,
) -> int:
    """Record an act in the caller's transaction and return its id.

    `facts` are ids, counts and codes, JSON-able and never personal; `personal` values are kept
    apart and enter the chain only as a salted HMAC.
    """
    data: dict[str, Any] = dict(facts)
    values = {name: (value, secrets.token_bytes(16)) for name, value in (personal or {}).items()}
    if values:
        data["personal"] = {
            name: hmac.new(salt, value.encode(), "sha256").hexdigest()
            for name, (value, salt) in values.items()
        }
    made = AuditEvent(
        at=clock.now(),
        actor_id=actor_id,
        action=action,
        subject_kind=subject[0],
        subject_id=subject[1],
        reason=reason,
        data=data,
    )
    session.add(made)
    session.flush()
    for name, (value, salt) in values.items():
        session.add(AuditValue(audit_event_id=made.id, name=name, value=value, salt=salt))
    return made.id


@on_tick("audit.seal")
def seal(session: Session) -> int:
    """Chain the rows that aren't yet; return how many. One transaction seals at a time."""
    unsealed = (
        select(AuditEvent).where(AuditEvent.seq.is_(None)).order_by(AuditEvent.id).limit(SEAL_BATCH)
    )
    if database_of(session).dialect == "postgresql" and not session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtext('finview.audit.seal'))")
    ):
        return 0
    rows = list(session.scalars(unsealed))
    if not rows:
        return 0
    last = session.scalar(select(func.max(AuditEvent.seq))) or 0
    before = session.scalar(select(AuditEvent.hash).where(AuditEvent.seq == last)) or GENESIS
    for seq, row in enumerate(rows, start=last + 1):
        digest = _hash(before, row, seq)
        session.execute(
            update(AuditEvent)
            .where(AuditEvent.id == row.id)
            .values(seq=seq, prev_hash=before, hash=digest)
            .execution_options(synchronize_session=False)
        )
        before = digest
    return len(rows)


def first_broken(session: Session) -> int | None:
    """Return the id of the first row whose chain doesn't hold, None when all do."""
    before, expected = GENESIS, 1
    sealed = select(AuditEvent).where(AuditEvent.seq.is_not(None)).order_by(AuditEvent.seq)
    with closing(session.scalars(sealed.execution_options(yield_per=SEAL_BATCH))) as rows:
        for row in rows:
            seq = row.seq or 0
            if seq != expected or row.prev_hash != before or row.hash != _hash(before, row, seq):
                return row.id
            before, expected = row.hash, seq + 1
    return None


def _hash(before: str, row: AuditEvent, seq: int) -> str:
    content = {
        "seq": seq,
        "id": row.id,
        "at": clock.to_ms(row.at),
        "actor": row.actor_id,
        "action": row.action,
        "subject": [row.subject_kind, row.subject_id],
        "reason": row.reason,
        "data": row.data,
    }
    canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(before.encode() + canonical).hexdigest()
