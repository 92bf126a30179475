"""The chain holds, breaks visibly, and forgets people without breaking."""

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from finview.db import Database
from finview.db.audit import AuditEvent, AuditValue, first_broken, record, seal

pytestmark = pytest.mark.both_databases


@pytest.fixture
def acts(database: Database) -> list[int]:
    """Three sealed acts, the second about a person."""
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
            record(session, "import.launch", actor_id=2, subject=("import", 1)),
        ]
        assert seal(session) == 3
        assert seal(session) == 0
    return made


def test_an_untouched_chain_holds(database: Database, acts: list[int]) -> None:
    with database.unit() as session:
        record(session, "later", actor_id=None, subject=("import", 1))
        seal(session)
    with database.reading() as session:
        assert first_broken(session) is None
        assert session.scalars(select(AuditEvent.seq).order_by(AuditEvent.seq)).all() == [
            1,
            2,
            3,
            4,
        ]


@pytest.mark.parametrize(
    "change",
    [
        update(AuditEvent).values(action="x"),
        update(AuditEvent).values(hash="x"),
        update(AuditEvent).values(seq=None),
        delete(AuditEvent),
    ],
)
@pytest.mark.usefixtures("acts")
def test_nobody_changes_a_sealed_act(database: Database, change: object) -> None:
    with pytest.raises(DBAPIError, match="append-only"), database.unit() as session:
        session.execute(change)  # type: ignore[call-overload]


def test_a_row_changed_behind_our_back_is_named(database: Database, acts: list[int]) -> None:
    with database.unit() as session:
        drop = "DROP TRIGGER audit_event_no_update"
        session.execute(text(drop + (" ON audit_event" if database.dialect != "sqlite" else "")))
        session.execute(
            update(AuditEvent).where(AuditEvent.id == acts[1]).values(action="debtor.nothing")
        )
    with database.reading() as session:
        assert first_broken(session) == acts[1]


def test_erasing_a_person_keeps_the_chain(database: Database, acts: list[int]) -> None:
    with database.unit() as session:
        about = session.get_one(AuditEvent, acts[1])
        assert "Käthe" not in str(about.data)
        session.execute(delete(AuditValue))
    with database.reading() as session:
        assert first_broken(session) is None
