"""Every poll reads a partial index, however many rows the table holds."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event, text

from finview import clock
from finview.db import Database
from finview.db.bulk import bulk_insert
from finview.db.jobs import Job, State, enqueue
from finview.db.runtime import Services
from finview.db.schedule import Schedule
from finview.db.sqlite import path_of
from finview.jobs.claims import claim, expired, promote
from finview.jobs.runner import drain, tick
from finview.jobs.schedule import fire
from finview.workflows.models import Timer
from finview.workflows.timers import fire_due

pytestmark = pytest.mark.both_databases


@pytest.fixture
def full(services: Services) -> Database:
    """A table of which almost nothing is due."""
    now = clock.now()
    row = {"kind": "x", "args": {}, "run_at": now, "max_runs": 5, "created_at": now, "attempt": 0}
    states = [State.DONE] * 20_000 + [State.READY, State.SCHEDULED, State.RUNNING]
    rows = [{**row, "queue": "default", "state": state, "lease_until": 1} for state in states]
    with services.db.unit(durable=False) as session:
        bulk_insert(session, Job, rows)
    if services.db.dialect == "postgresql":
        with services.db.unit() as session:
            session.execute(text("ANALYZE job"))
    return services.db


def plans(database: Database, act: Callable[[], object], table: str = "job") -> str:
    """Return the plans of the statements on a table that `act` sends, writing ones among them."""
    sent: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if f" {table}" in statement:
            sent.append((statement, parameters))

    for engine in {database.writer, database.reader}:
        event.listen(engine, "before_cursor_execute", remember)
    act()
    event.remove(database.writer, "before_cursor_execute", remember)
    assert sent, "the poll asked nothing"
    prefix = "EXPLAIN QUERY PLAN " if database.dialect == "sqlite" else "EXPLAIN "
    with database.writer.connect() as connection:
        return "\n".join(
            str(row)
            for statement, parameters in sent
            for row in connection.exec_driver_sql(prefix + statement, parameters).all()
        )


def in_unit(database: Database, verb: Callable[[Any], object]) -> Callable[[], None]:
    def act() -> None:
        with database.unit() as session:
            verb(session)

    return act


def test_claims_read_the_index_of_ready_jobs(full: Database) -> None:
    plan = plans(full, lambda: claim(full, "default", 4))
    assert "job_ready" in plan
    assert_no_scan(plan)


@pytest.mark.parametrize(("verb", "index"), [(promote, "job_due"), (expired, "job_lease")])
def test_polls_read_their_index(full: Database, verb: Callable[[Any], object], index: str) -> None:
    plan = plans(full, in_unit(full, verb))
    assert index in plan
    assert_no_scan(plan)


def test_a_tick_over_a_full_table_does_what_is_due(full: Database, services: Services) -> None:
    assert tick(services) == 2


def test_old_jobs_are_found_by_the_index_of_those_that_have_ended(
    full: Database, services: Services
) -> None:
    with full.unit() as session:
        enqueue(session, "jobs.retention", {})
    plan = plans(full, lambda: drain(services))
    found = [line for line in plan.splitlines() if "job_final" in line]
    assert found
    assert_no_scan("\n".join(found))
    assert "finished_at" in plan


@pytest.fixture
def many(database: Database) -> Database:
    """Many timers and schedules, none of them due."""
    later = clock.to_ms(clock.now()) + 10**9
    timer = "INSERT INTO timer (run_id, case_id, token, kind, due_at, state) "
    made = "INSERT INTO schedule (name, kind, args, rule, tz, catch_up, enabled, next_at) "
    statements = []
    for n in range(20):
        rows = ", ".join(f"(1, {n}, 0, 'WAKE', {later + n * k}, 'WAITING')" for k in range(500))
        statements.append(f"{timer} VALUES {rows}")
        rows = ", ".join(
            f"('{n}.{k}', 'x', '{{}}', 'every 60', 'UTC', 'ONE', true, {later})" for k in range(100)
        )
        statements.append(f"{made} VALUES {rows}")
    put(database, statements)
    return database


def put(database: Database, statements: list[str]) -> None:
    """Add rows whose neighbours don't exist."""
    if database.dialect == "sqlite":
        with closing(sqlite3.connect(path_of(database.url))) as lite:  # no foreign keys by default
            for statement in statements:
                lite.execute(statement)
            lite.commit()
        return
    with database.unit() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in [*statements, "ANALYZE timer", "ANALYZE schedule"]:
            session.connection().exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("verb", "table", "index"),
    [(fire_due, Timer.__tablename__, "timer_due"), (fire, Schedule.__tablename__, "schedule_next")],
)
def test_timers_and_schedules_are_looked_up_by_when_they_are_due(
    many: Database, verb: Callable[[Any], object], table: str, index: str
) -> None:
    plan = plans(many, in_unit(many, verb), table)
    assert index in plan
    assert_no_scan(plan, table)


def assert_no_scan(plan: str, table: str = "job") -> None:
    for word in (f"SCAN {table}", "TEMP B-TREE", f"Seq Scan on {table}", "Sort"):
        assert word not in plan, plan
