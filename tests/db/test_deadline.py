"""A deadline acts: on a running statement, between statements, while waiting for the turn."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from finview.db import Database
from finview.db.deadline import DeadlinePassed, is_timeout

SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e9) "
    "SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(30)",
}
pytestmark = pytest.mark.both_databases


def test_a_slow_statement_is_stopped(database: Database) -> None:
    with (
        pytest.raises((DBAPIError, DeadlinePassed)) as stopped,
        database.reading(deadline_s=0.5) as session,
    ):
        session.execute(text(SLOW[database.dialect]))
    assert is_timeout(stopped.value)


def write_slowly(database: Database) -> None:
    with database.unit(deadline_s=0.5) as session:
        session.execute(text("INSERT INTO clock_offset (id, offset_ms) VALUES (1, 5)"))
        session.execute(text(SLOW[database.dialect]))


def test_a_slow_write_is_stopped_and_undone(database: Database) -> None:
    with pytest.raises((DBAPIError, DeadlinePassed)) as stopped:
        write_slowly(database)
    assert is_timeout(stopped.value)
    with database.reading() as session:
        assert not session.scalar(text("SELECT count(*) FROM clock_offset WHERE offset_ms = 5"))


def test_no_statement_begins_after_the_deadline(database: Database) -> None:
    with database.reading(deadline_s=60) as session:
        session.info["deadline"].at = 0.0
        with pytest.raises(DeadlinePassed):
            session.execute(text("SELECT 1"))


def test_the_deadline_leaves_the_connection_as_it_was(database: Database) -> None:
    # On a busy machine the time may be over before the statement begins.
    late = (DBAPIError, DeadlinePassed)
    with pytest.raises(late), database.reading(deadline_s=0.5) as session:
        session.execute(text(SLOW[database.dialect]))
    for opened in (database.reading, database.unit):
        with opened() as session:
            assert session.scalar(text("SELECT 1")) == 1
            assert "deadline" not in session.connection().info


def test_waiting_for_the_turn_to_write_has_a_deadline(database: Database) -> None:
    if database.lock is None:
        pytest.skip("PostgreSQL has no turns")
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with database.unit():
            holding.set()
            done.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(5)
    try:
        with pytest.raises(TimeoutError), database.unit(deadline_s=0.05):
            pass
    finally:
        done.set()
        holder.join()
