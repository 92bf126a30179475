"""The chain holds, names every kind of tampering, and forgets people without breaking."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from finview import clock
from finview.db import Database
from finview.db.audit import AuditEvent, AuditValue, erase, record
from finview.db.audit_chain import Broken, Fault, link, seal, verify
from finview.db.audit_heads import HEADS_FILE, Head, noted_heads

pytestmark = pytest.mark.both_databases


@pytest.fixture
def acts(database: Database) -> list[int]:
    """Four sealed acts, two of them about a person."""
    with database.unit() as session:
        made = [
            record(session, "import.create", actor_id=1, subject=("import", 1), rows=300),
            record(
                session,
                "debtor.rename",
                actor_id=1,
                subject=("debtor", 4),
                personal={"name": "Käthe Muster"},
            ),
            record(
                session,
                "debtor.update",
                actor_id=1,
                subject=("debtor", 4),
                before={"last_name": "Muster", "birth": None, "kind": "CONSUMER"},
                after={"last_name": "Mustermann", "birth": "1980-02-01", "kind": "CONSUMER"},
                reason="letter of 1 March",
            ),
            record(session, "import.launch", actor_id=2, subject=("import", 1)),
        ]
        assert seal(session) == 4
        assert seal(session) == 0
    return made


def broken(database: Database, *heads: Head) -> Broken | None:
    with database.reading() as session:
        return verify(session, heads).broken


def unlock(session: Session, database: Database) -> None:
    """Do what somebody with the database's password can do."""
    for name in ("audit_event_no_update", "audit_event_no_delete", "audit_value_no_update"):
        table = "audit_value" if "value" in name else "audit_event"
        on = "" if database.dialect == "sqlite" else f" ON {table}"
        session.execute(text(f"DROP TRIGGER {name}{on}"))


def test_an_untouched_chain_holds(database: Database, acts: list[int]) -> None:
    with database.unit() as session:
        record(session, "later", actor_id=None, subject=("import", 1))
    with database.reading() as session:
        found = verify(session)
        assert (found.sealed, found.waiting, found.broken) == (4, 1, None)
    with database.unit() as session:
        assert seal(session) == 1
    with database.reading() as session:
        assert verify(session).sealed == 5


@pytest.mark.parametrize(
    "change",
    [
        update(AuditEvent).values(action="x"),
        update(AuditEvent).values(hash="x"),
        update(AuditEvent).values(seq=None),
        delete(AuditEvent),
        update(AuditValue).values(value="x"),
        text("UPDATE audit_value SET salt = salt"),
    ],
)
@pytest.mark.usefixtures("acts")
def test_nobody_changes_an_act_that_is_written(database: Database, change: object) -> None:
    with pytest.raises(DBAPIError, match=r"append-only|written once"), database.unit() as session:
        session.execute(change)  # type: ignore[call-overload]


def swapped(session: Session, acts: list[int]) -> None:
    links = [session.get_one(AuditEvent, key) for key in acts[1:3]]
    places = [(row.seq, row.prev_hash, row.hash) for row in links]
    session.expunge_all()
    for key in acts[1:3]:
        session.execute(update(AuditEvent).where(AuditEvent.id == key).values(seq=None))
    for key, (seq, before, own) in zip(acts[1:3], reversed(places), strict=True):
        place = {"seq": seq, "prev_hash": before, "hash": own}
        session.execute(update(AuditEvent).where(AuditEvent.id == key).values(**place))


def gone(session: Session, key: int) -> None:
    session.execute(delete(AuditValue).where(AuditValue.audit_event_id == key))
    session.execute(delete(AuditEvent).where(AuditEvent.id == key))


TAMPERED: dict[str, tuple[Callable[[Session, list[int]], object], Fault, int]] = {
    "actor": (
        lambda s, a: s.execute(update(AuditEvent).where(AuditEvent.id == a[1]).values(actor_id=9)),
        *(Fault.CHANGED, 2),
    ),
    "time": (
        lambda s, a: s.execute(
            update(AuditEvent)
            .where(AuditEvent.id == a[0])
            .values(at=datetime(2020, 1, 1, tzinfo=UTC))
        ),
        *(Fault.CHANGED, 1),
    ),
    "reason": (
        lambda s, a: s.execute(update(AuditEvent).where(AuditEvent.id == a[2]).values(reason="-")),
        *(Fault.CHANGED, 3),
    ),
    "fact": (
        lambda s, a: s.execute(
            update(AuditEvent).where(AuditEvent.id == a[0]).values(data={"rows": 3})
        ),
        *(Fault.CHANGED, 1),
    ),
    "value": (
        lambda s, a: s.execute(
            update(AuditValue).where(AuditValue.name == "after").values(value="{}")
        ),
        *(Fault.VALUE_CHANGED, 3),
    ),
    "value removed": (
        lambda s, a: s.execute(delete(AuditValue).where(AuditValue.name == "name")),
        *(Fault.VALUE_MISSING, 2),
    ),
    "removed": (lambda s, a: gone(s, a[1]), Fault.MISSING, 2),
    "first removed": (lambda s, a: gone(s, a[0]), Fault.MISSING, 1),
    "reordered": (swapped, Fault.CHANGED, 2),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_tampering_is_named_with_its_place(database: Database, acts: list[int], kind: str) -> None:
    tamper, fault, seq = TAMPERED[kind]
    with database.unit() as session:
        unlock(session, database)
        tamper(session, acts)
    found = broken(database)
    assert found is not None
    assert (found.fault, found.seq) == (fault, seq)
    assert (found.event_id is None) == (fault is Fault.MISSING)


def test_a_chain_that_was_cut_off_or_written_anew_is_told_by_its_head(
    database: Database, acts: list[int]
) -> None:
    with database.reading() as session:
        head = verify(session).head
    assert head is not None
    assert broken(database, head) is None
    with database.unit() as session:
        unlock(session, database)
        gone(session, acts[3])
    assert broken(database) is None
    assert broken(database, head) == Broken(fault=Fault.CUT, seq=4)
    with database.unit() as session:
        last = session.scalars(select(AuditEvent).where(AuditEvent.seq == 3)).one()
        forged = AuditEvent(
            at=last.at, action="nothing", subject_kind="import", subject_id=1, data={}, seq=4,
            prev_hash=last.hash,
        )  # fmt: skip
        session.execute(insert(AuditEvent), [{"id": 99, **_columns(forged), "hash": "x"}])
        row = session.get_one(AuditEvent, 99)
        session.execute(update(AuditEvent).values(hash=link(last.hash or "", row, 4)).where(
            AuditEvent.id == 99
        ))  # fmt: skip
    assert broken(database) is None
    assert broken(database, head) == Broken(fault=Fault.REWRITTEN, seq=4, event_id=99)


def _columns(row: AuditEvent) -> dict[str, object]:
    names = ("at", "action", "subject_kind", "subject_id", "data", "seq", "prev_hash")
    return {name: getattr(row, name) for name in names}


def test_the_head_of_each_day_is_noted_signed_outside_the_database(
    database: Database, acts: list[int]
) -> None:
    assert noted_heads(database.settings) == []
    tomorrow = clock.now() + timedelta(days=1)
    for act in range(2):  # the second one of the day notes nothing
        with clock.standing_at(tomorrow), database.unit() as session:
            record(session, f"later.{act}", actor_id=None, subject=("import", 1))
            seal(session)
    (head,) = noted_heads(database.settings)
    assert (head.seq, head.genuine) == (5, True)
    assert broken(database, head) is None
    path = database.settings.data_dir / HEADS_FILE
    path.write_bytes(path.read_bytes().replace(b'"seq":5', b'"seq":4') + b'{"torn')
    (forged,) = noted_heads(database.settings)
    assert broken(database, forged) == Broken(fault=Fault.FORGED_HEAD, seq=4)


def test_erasing_a_person_keeps_the_chain_and_is_an_act_itself(
    database: Database, acts: list[int]
) -> None:
    with database.unit() as session:
        about = session.get_one(AuditEvent, acts[2])
        assert about.data["changed"] == ["birth", "last_name"]
        assert "Muster" not in str(about.data)
        assert erase(session, ("debtor", 4), by=7, reason="Art. 17") == 3
    with database.unit() as session:
        assert session.scalars(select(AuditValue)).all() == []
        seal(session)
        act = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
        assert (act.action, act.actor_id, act.data) == ("audit.erase", 7, {"values": 3})
    assert broken(database) is None


def test_acts_of_many_at_once_are_sealed_once_each(database: Database) -> None:
    def work(actor: int) -> None:
        for n in range(8):
            with database.unit() as session:
                record(session, "act", actor_id=actor, subject=("import", n), after={"n": n})
            with database.unit() as session:
                seal(session)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with database.unit() as session:
        while seal(session):
            pass
    with database.reading() as session:
        found = verify(session)
        assert (found.sealed, found.waiting, found.broken) == (32, 0, None)
