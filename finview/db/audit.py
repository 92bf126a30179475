"""Who did what, when and why: append-only rows in one hash chain, without personal data in it.

Writing a row costs what an insert costs and waits for nobody: rows are chained a second later, by
one process at a time, in the order in which their transactions were committed.
"""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ForeignKey, Index, LargeBinary, String, delete, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from finview import clock
from finview.db.base import Base, Id, Json, append_only, forbid
from finview.db.bulk import bulk_insert

BEFORE, AFTER = "before", "after"
"""The names under which the fields of a subject before and after an act are kept."""
ERASED = "audit.erase"


class AuditEvent(Base):
    """One recorded act; `seq`, `prev_hash`, `hash` are set once, in the order of sealing."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("audit_event_subject", "subject_kind", "subject_id", "at", "id"),
        Index("audit_event_actor", "actor_id", "at", "id"),
        Index("audit_event_at", "at", "id"),
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
forbid(
    AuditValue,
    "audit_value_no_update",
    on="UPDATE",
    message="audit_value is written once and only ever erased",
)


def record(
    session: Session,
    action: str,
    *,
    actor_id: int | None,
    subject: tuple[str, int],
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    personal: Mapping[str, str] | None = None,
    **facts: Any,
) -> int:
    """Record an act in the caller's transaction and return its id.

    `before` and `after` hold fields of the subject by name; with both given, those that are equal
    are left out. They and the `personal` values are kept apart and enter the chain only as a salted
    HMAC, so that a person can be forgotten; the names of the changed fields stay. `facts` are ids,
    counts and codes, JSON-able and never personal. Nothing here may be a secret.
    """
    data: dict[str, Any] = dict(facts)
    apart = dict(personal or {})
    was, now = _changed(before, after)
    if was or now:
        data["changed"] = sorted(was.keys() | now.keys())
    apart |= {name: _json(side) for name, side in ((BEFORE, was), (AFTER, now)) if side}
    values = {name: (value, secrets.token_bytes(16)) for name, value in apart.items()}
    if values:
        data["personal"] = {name: commitment(*pair) for name, pair in values.items()}
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


def record_each(
    session: Session,
    action: str,
    acts: Sequence[tuple[tuple[str, int], Mapping[str, Any]]],
    *,
    actor_id: int | None,
) -> None:
    """Record one act for each subject with its facts, none of them personal; ids are not returned."""
    at = clock.now()
    bulk_insert(
        session,
        AuditEvent,
        [
            {
                "at": at,
                "actor_id": actor_id,
                "action": action,
                "subject_kind": kind,
                "subject_id": subject_id,
                "data": dict(facts),
            }
            for (kind, subject_id), facts in acts
        ],
    )


def commitment(value: str, salt: bytes) -> str:
    """Return what the chain holds instead of a personal value."""
    return hmac.new(salt, value.encode(), "sha256").hexdigest()


def erase(
    session: Session, subject: tuple[str, int], *, by: int | None, reason: str | None = None
) -> int:
    """Forget the personal values of every act on a subject; return how many. The chain still holds.

    The erasing is an act itself: without it `verify` would take missing values for tampering.
    """
    of_subject = select(AuditEvent.id).where(
        AuditEvent.subject_kind == subject[0], AuditEvent.subject_id == subject[1]
    )
    gone = session.scalars(
        delete(AuditValue)
        .where(AuditValue.audit_event_id.in_(of_subject))
        .returning(AuditValue.id)
        .execution_options(synchronize_session=False)
    ).all()
    record(session, ERASED, actor_id=by, subject=subject, reason=reason, values=len(gone))
    return len(gone)


def _changed(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    was, now = dict(before or {}), dict(after or {})
    same = {name for name in was.keys() & now.keys() if was[name] == now[name]}
    return tuple({k: v for k, v in side.items() if k not in same} for side in (was, now))  # type: ignore[return-value]  # two sides give two


def _json(fields: Mapping[str, Any]) -> str:
    return orjson.dumps(fields, default=str, option=orjson.OPT_SORT_KEYS).decode()
