"""Many rows at once, with ids known beforehand and never given twice."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from finview import clock
from finview.db import Database
from finview.db.base import UtcDateTime
from finview.db.bulk import bulk_insert, reserve_ids
from finview.db.events import EventInbox, emit

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.both_databases
def test_rows_arrive_as_they_were_given(database: Database) -> None:
    with database.unit() as session:
        ids = reserve_ids(session, EventInbox, 3)
        rows = [
            {"id": n, "type": "tab\tand\nline \\N", "payload": {"ä": [1, None]}, "at": NOON,
             "case_id": None}
            for n in ids
        ]  # fmt: skip
        bulk_insert(session, EventInbox, rows)
    with database.reading() as session:
        got = session.scalars(select(EventInbox).order_by(EventInbox.id)).all()
    assert [event.id for event in got] == list(ids)
    assert (got[0].type, got[0].payload, got[0].at, got[0].case_id) == (
        "tab\tand\nline \\N",
        {"ä": [1, None]},
        NOON,
        None,
    )


@pytest.mark.both_databases
def test_reserved_ids_are_nobody_elses(database: Database) -> None:
    with database.unit() as session:
        first = reserve_ids(session, EventInbox, 5)
        emit(session, "between")
        second = reserve_ids(session, EventInbox, 5)
        taken = session.scalar(select(EventInbox.id))
    assert len({*first, taken, *second}) == 11


@pytest.mark.both_databases
def test_an_id_is_not_used_again_after_its_row_is_gone(database: Database) -> None:
    with database.unit() as session:
        emit(session, "a")
        highest = session.scalar(select(func.max(EventInbox.id))) or 0
        session.execute(delete(EventInbox))
    with database.unit() as session:
        emit(session, "b")
        assert (session.scalar(select(EventInbox.id)) or 0) > highest


def test_no_rows_are_no_statement(database: Database) -> None:
    with database.unit() as session:
        bulk_insert(session, EventInbox, [])
        assert list(reserve_ids(session, EventInbox, 0)) == []


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), None)  # noqa: DTZ001 # type: ignore[arg-type]


@given(st.datetimes(min_value=datetime(1800, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_instants_survive_to_the_millisecond(naive: datetime) -> None:
    instant = naive.replace(tzinfo=UTC, microsecond=naive.microsecond // 1000 * 1000)
    assert clock.from_ms(clock.to_ms(instant)) == instant
