"""Glances: reading without a transaction, over connections that are kept."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from finview.db import Database
from finview.db.base import table_of
from finview.db.deadline import is_timeout
from finview.db.events import EventInbox, emit
from finview.db.glances import Glance

pytestmark = pytest.mark.both_databases
EVENTS = table_of(EventInbox)
SLOW = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
)


@pytest.fixture
def glance(database: Database) -> Iterator[Glance]:
    with database.glance() as found:
        yield found


def test_rows_have_names_and_the_types_of_their_columns(database: Database) -> None:
    with database.unit() as session:
        emit(session, "payment", payload={"a": [1]})
    with database.glance() as glance, database.reading() as session:
        wanted = select(EVENTS.c.type, EVENTS.c.payload, EVENTS.c.at)
        (seen,) = glance.execute(wanted)
        assert tuple(seen) == tuple(session.execute(wanted).one())
        assert (seen.type, seen.payload) == ("payment", {"a": [1]})


def test_each_statement_sees_what_is_there_then(database: Database, glance: Glance) -> None:
    count = select(EVENTS.c.id)
    assert glance.execute(count) == []
    with database.unit() as session:
        emit(session, "payment")
    assert len(glance.execute(count)) == 1


def test_a_glance_cannot_write(glance: Glance) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
        glance.fetch("DELETE FROM event_inbox", {})


def test_a_slow_statement_is_stopped(database: Database) -> None:
    if database.dialect == "postgresql":
        with database.glance() as glance:
            glance.fetch("SELECT set_config('statement_timeout', '50', false)", {})
            with pytest.raises(DBAPIError) as stopped:
                glance.execute(SLOW)
    else:
        with pytest.raises(DBAPIError) as stopped, database.glance(deadline_s=0.05) as glance:
            glance.execute(SLOW)
    assert is_timeout(stopped.value)


def test_connections_are_used_again_but_not_one_that_something_was_raised_over(
    database: Database,
) -> None:
    with database.glance() as first:
        pass
    with database.glance() as second:
        assert second.driver is first.driver
    with pytest.raises(DBAPIError), database.glance() as third:
        third.fetch("SELECT nonsense", {})
    with database.glance() as fourth:
        assert fourth.driver is not third.driver


def test_a_lost_connection_is_told_apart_and_takes_the_idle_ones_with_it(
    database: Database,
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("a file is not lost")
    with database.glance() as idle, database.glance():
        kept = idle.driver
    with pytest.raises(DBAPIError) as lost, database.glance() as glance:
        glance.fetch("SELECT pg_terminate_backend(pg_backend_pid())", {})
    assert lost.value.connection_invalidated
    with database.glance() as after:
        assert after.driver is not kept
        assert after.fetch("SELECT 1", {}) == [(1,)]
