"""Every poll reads a partial index, however many rows the table holds."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from finview import clock
from finview.db import Database
from finview.db.bulk import bulk_insert
from finview.db.jobs import Job, State
from finview.db.runtime import Services
from finview.jobs.claims import claim, expired, promote
from finview.jobs.runner import tick

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


def plans(database: Database, act: Callable[[], object]) -> str:
    """Return the plans of the statements on jobs that `act` sends, writing ones among them."""
    sent: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if " job" in statement:
            sent.append((statement, parameters))

    for engine in {database.writer, database.reader}:
        event.listen(engine, "before_cursor_execute", remember)
    act()
    event.remove(database.writer, "before_cursor_execute", remember)
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


def assert_no_scan(plan: str) -> None:
    for word in ("SCAN job", "TEMP B-TREE", "Seq Scan on job", "Sort"):
        assert word not in plan, plan
