"""Many rows at once, with ids known beforehand and never given twice."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from finview import clock
from finview.db import Database
from finview.db.base import UtcDateTime
from finview.db.bulk import bulk_insert, bulk_update, reserve_ids
from finview.db.events import EventInbox, emit
from finview.db.jobs import Job

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
def test_each_row_keeps_its_own_value_and_its_own_null(database: Database) -> None:
    given = [(NOON, 5), (NOON, None), (NOON + timedelta(days=1), None), (NOON, 6)]
    with database.unit() as session:
        ids = reserve_ids(session, EventInbox, len(given))
        rows = [
            {"id": n, "type": "t", "payload": [at.day, case], "at": at, "case_id": case}
            for n, (at, case) in zip(ids, given, strict=True)
        ]
        bulk_insert(session, EventInbox, rows)
    with database.reading() as session:
        got = session.scalars(select(EventInbox).order_by(EventInbox.id)).all()
    assert [(event.at, event.case_id) for event in got] == given
    assert [event.payload for event in got] == [[at.day, case] for at, case in given]


@pytest.mark.both_databases
def test_defaults_of_columns_apply(database: Database) -> None:
    with database.unit() as session:
        common = {"queue": "mail", "kind": "k", "args": {}, "state": "DONE", "max_runs": 1}
        bulk_insert(session, Job, [{**common, "run_at": NOON, "created_at": NOON}] * 2)
        jobs = session.scalars(select(Job)).all()
    assert {(j.priority, j.cancel_requested, j.trace_id) for j in jobs} == {(100, False, "")}
    assert len({j.id for j in jobs}) == 2


def test_a_row_without_a_column_of_the_first_is_refused(database: Database) -> None:
    row = {"type": "t", "payload": {}, "at": NOON, "case_id": 1}
    with pytest.raises(KeyError, match="case_id"), database.unit() as session:
        bulk_insert(session, EventInbox, [row, {k: row[k] for k in ("type", "payload", "at")}])


@pytest.mark.both_databases
def test_many_rows_are_changed_each_to_its_own(database: Database) -> None:
    with database.unit() as session:
        first, second, third = ids = reserve_ids(session, EventInbox, 3)
        rows = [{"id": n, "type": "t", "payload": {}, "at": NOON, "case_id": 7} for n in ids]
        bulk_insert(session, EventInbox, rows)
        later = NOON + timedelta(days=2)
        changed = [
            {"payload": {"%": "?"}, "id": first, "type": "t", "at": later, "case_id": None},
            {"payload": {}, "id": third, "type": "other", "at": later, "case_id": 9},
        ]
        bulk_update(session, EventInbox, changed, key=["id", "type"])
        bulk_update(session, EventInbox, [], key=["id"])
    with database.reading() as session:
        got = {e.id: (e.payload, e.at, e.case_id) for e in session.scalars(select(EventInbox))}
    untouched = ({}, NOON, 7)
    assert got == {first: ({"%": "?"}, later, None), second: untouched, third: untouched}


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
