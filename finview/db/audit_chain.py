"""The chain of the audit log: rows are sealed into it, and checked by computing it anew."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from finview import clock
from finview.db import after_commit, database_of
from finview.db.audit import ERASED, AuditEvent, AuditValue, commitment
from finview.db.audit_heads import Head, note_head
from finview.db.jobs import on_tick

log = logging.getLogger(__name__)

SEAL_BATCH = 1000
GENESIS = "0" * 64

_END = (
    select(AuditEvent.seq, AuditEvent.hash, AuditEvent.at)
    .where(AuditEvent.seq.is_not(None))
    .order_by(AuditEvent.seq.desc())
    .limit(1)
)


class Fault(StrEnum):
    """How a log that is not whole was found out."""

    CHANGED = "CHANGED"
    """A row's content or place is not what its hash says."""
    MISSING = "MISSING"
    """A number of the chain has no row."""
    VALUE_CHANGED = "VALUE_CHANGED"
    VALUE_MISSING = "VALUE_MISSING"
    """A personal value is gone and no act of erasing says so."""
    CUT = "CUT"
    """The chain ends before a head that was noted."""
    REWRITTEN = "REWRITTEN"
    """The chain holds, but is not the one a head was noted of."""
    FORGED_HEAD = "FORGED_HEAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first place where the log is not whole; `event_id` is None where no row is left."""

    fault: Fault
    seq: int
    event_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `verify` found: how many rows stand in the chain, how many wait to, and where it breaks."""

    sealed: int
    waiting: int
    head: Head | None
    broken: Broken | None


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
    end = session.execute(_END).one_or_none()
    last, before = (end.seq or 0, end.hash or "") if end is not None else (0, GENESIS)
    for seq, row in enumerate(rows, start=last + 1):
        digest = link(before, row, seq)
        session.execute(
            update(AuditEvent)
            .where(AuditEvent.id == row.id)
            .values(seq=seq, prev_hash=before, hash=digest)
            .execution_options(synchronize_session=False)
        )
        before = digest
    if end is not None and end.at.date() != rows[-1].at.date():
        _note(session, Head(seq=last + len(rows), hash=before, at=rows[-1].at))
    return len(rows)


def _note(session: Session, head: Head) -> None:
    """Keep the head of a new day outside the database once it stands in it."""
    settings = database_of(session).settings

    def note() -> None:
        try:
            note_head(settings, head)
        except OSError:
            log.exception("audit.head_not_noted seq=%s", head.seq)

    after_commit(session, note)


def verify(session: Session, heads: Iterable[Head] = ()) -> Verdict:
    """Recompute the whole chain, compare the values beside it, and the heads noted earlier."""
    heads = sorted(heads, key=lambda head: head.seq)
    noted: dict[int, set[str]] = defaultdict(set)
    for head in heads:
        if head.genuine:
            noted[head.seq].add(head.hash)
    sealed, end, broken = _walk(session, noted)
    for head in heads if broken is None else ():
        fault = Fault.FORGED_HEAD if not head.genuine else Fault.CUT if head.seq > sealed else None
        if fault is not None:
            broken = Broken(fault=fault, seq=head.seq)
            break
    waiting = session.scalar(select(func.count(AuditEvent.id)).where(AuditEvent.seq.is_(None)))
    last = Head(seq=sealed, hash=end) if sealed else None
    return Verdict(sealed=sealed, waiting=waiting or 0, head=last, broken=broken)


def _walk(session: Session, noted: Mapping[int, set[str]]) -> tuple[int, str, Broken | None]:
    """Return the last good number, its hash, and the first break."""
    before, last = GENESIS, 0
    while rows := session.scalars(
        select(AuditEvent).where(AuditEvent.seq > last).order_by(AuditEvent.seq).limit(SEAL_BATCH)
    ).all():
        values = _values(session, [row.id for row in rows])
        for row in rows:
            fault = _fault(row, last + 1, before, noted) or _value_fault(session, row, values)
            if fault is Fault.MISSING:
                return last, before, Broken(fault=fault, seq=last + 1)
            if fault is not None:
                return last, before, Broken(fault=fault, seq=last + 1, event_id=row.id)
            before, last = row.hash or "", last + 1
        session.expunge_all()
    return last, before, None


def _fault(row: AuditEvent, seq: int, before: str, noted: Mapping[int, set[str]]) -> Fault | None:
    if row.seq != seq:
        return Fault.MISSING
    if row.prev_hash != before or row.hash != link(before, row, seq):
        return Fault.CHANGED
    return Fault.REWRITTEN if noted.get(seq, {row.hash}) != {row.hash} else None


def _values(session: Session, event_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the commitments of the values that are still there, by row and name."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    wanted = select(AuditValue).where(AuditValue.audit_event_id.in_(event_ids))
    for value in session.scalars(wanted):
        found[value.audit_event_id][value.name] = commitment(value.value, value.salt)
    return found


def _value_fault(
    session: Session, row: AuditEvent, values: Mapping[int, Mapping[str, str]]
) -> Fault | None:
    there = values.get(row.id, {})
    promised = row.data.get("personal", {})
    if any(promised.get(name) != kept for name, kept in there.items()):
        return Fault.VALUE_CHANGED
    if promised.keys() == there.keys() or _erased(session, row):
        return None
    return Fault.VALUE_MISSING


def _erased(session: Session, row: AuditEvent) -> bool:
    later = select(AuditEvent.id).where(
        AuditEvent.action == ERASED,
        AuditEvent.subject_kind == row.subject_kind,
        AuditEvent.subject_id == row.subject_id,
        AuditEvent.id > row.id,
    )
    return session.scalar(later.limit(1)) is not None


def link(before: str, row: AuditEvent, seq: int) -> str:
    """Return the hash of a row that stands at `seq` behind the row with the hash `before`."""
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
