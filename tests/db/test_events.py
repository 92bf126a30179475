"""Events are written once, and a case's event advances its workflow."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from finview import clock
from finview.db import Database
from finview.db.events import EventInbox, emit
from finview.db.jobs import Job
from finview.db.testclock import advance

pytestmark = pytest.mark.both_databases


def test_an_event_of_a_case_asks_for_its_workflow_once(database: Database) -> None:
    with database.unit() as session:
        emit(session, "PAYMENT", case_id=4)
        emit(session, "REPLY", case_id=4)
    with database.reading() as session:
        (job,) = session.scalars(select(Job)).all()
    assert (job.kind, job.args, job.subject_id) == ("workflow.advance", {"case_id": 4}, 4)


def test_an_event_with_a_known_key_is_not_written_again(database: Database) -> None:
    with database.unit() as session:
        assert emit(session, "DELIVERED", dedupe="smtp:1")
        assert not emit(session, "DELIVERED", dedupe="smtp:1")
        assert len(session.scalars(select(EventInbox)).all()) == 1


def test_the_clock_of_a_database_moves_forward_for_everybody(database: Database) -> None:
    with database.unit() as session:
        advance(session, timedelta(days=14))
    clock.move(timedelta())  # as in another process
    real = clock.now()
    with database.reading():
        assert timedelta(days=14) <= clock.now() - real < timedelta(days=14, minutes=1)
    with database.unit() as session, pytest.raises(ValueError, match="forward"):
        advance(session, timedelta(days=-1))
