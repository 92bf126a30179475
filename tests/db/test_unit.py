"""One unit is one transaction; readers only read; units don't nest."""

import threading

import pytest
from sqlalchemy import insert, select, text

from finview import clock
from finview.db import Database, after_commit, after_rollback
from finview.db.events import EventInbox, emit

START = clock.EPOCH
pytestmark = pytest.mark.both_databases


def test_a_unit_commits_at_its_end(database: Database) -> None:
    with database.unit() as session:
        emit(session, "payment")
    with database.reading() as session:
        assert session.scalars(select(EventInbox.type)).all() == ["payment"]


def test_a_unit_that_raises_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.unit() as session:
            emit(session, "payment")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.reading() as session:
        assert session.scalars(select(EventInbox)).all() == []


def test_units_do_not_nest(database: Database) -> None:
    with database.unit(), pytest.raises(RuntimeError, match="open in this thread"):  # noqa: SIM117
        with database.unit():
            pass
    with database.unit() as session:
        emit(session, "after the refusal")


def test_a_reader_never_flushes(database: Database) -> None:
    with database.reading() as session:
        session.add(EventInbox(type="x", payload={}))
        with pytest.raises(RuntimeError, match="changes to write"):
            session.scalars(select(EventInbox)).all()


def test_a_reader_cannot_write_by_statement(database: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)read.?only"), database.reading() as session:
        session.execute(text("DELETE FROM event_inbox"))


def test_a_reader_keeps_its_snapshot_open_while_another_writes(database: Database) -> None:
    with database.reading() as reader:
        assert reader.scalars(select(EventInbox)).all() == []
        with database.unit() as session:
            emit(session, "meanwhile")
    with database.reading() as reader:
        assert len(reader.scalars(select(EventInbox)).all()) == 1


def test_callbacks_run_after_the_commit(database: Database) -> None:
    seen: list[str] = []
    with database.unit() as session:
        after_commit(session, lambda: seen.append("committed"))
        after_rollback(session, lambda: seen.append("never"))
    assert seen == ["committed"]


def test_what_a_unit_wanted_after_its_commit_is_forgotten_when_it_is_undone(
    database: Database,
) -> None:
    seen: list[str] = []

    def fail() -> None:
        with database.unit() as session:
            after_commit(session, lambda: seen.append("never"))
            after_rollback(session, lambda: seen.append("undone"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == ["undone"]


def test_writers_of_many_threads_all_get_through(database: Database) -> None:
    def write(n: int) -> None:
        for i in range(10):
            with database.unit(durable=False) as session:
                session.execute(insert(EventInbox).values(type=f"{n}.{i}", payload={}, at=START))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert len(session.scalars(select(EventInbox.type)).all()) == 40
