"""Measures the poll of a million open timers, and how fast due ones are fired.

`python benchmarks/jobs/timers.py [--timers 1000000] [--due 20000] [--only sqlite postgresql]
[--json]`. A look is the statement of the poll alone on an open connection, nothing being due: the
best of many rounds. Claimed is what the tick does, a hundred a transaction, without the jobs of the
cases; fired is all of it. CPU is that of this process.
"""

import argparse
import logging
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import psycopg
from rig import databases, show

from finview import clock
from finview.db import Database
from finview.db.postgres import plain_url
from finview.db.sqlite import path_of
from finview.workflows.timers import BATCH, DUE, FIRE, fire_due

GATE_LOOK_US = {"sqlite": 10.0, "postgresql": 500.0}
GATE_CLAIMS = 10_000
FAR_MS = 10**9
LOOKS = 300
MADE = """INSERT INTO timer (run_id, case_id, token, kind, due_at, state)
SELECT 1, n, 0, 'WAKE', {due}, 'WAITING' FROM {numbers}"""
NUMBERS = {
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT {a} UNION ALL SELECT n + 1 FROM c WHERE n < {b}) "
    "SELECT n FROM c)",
    "postgresql": "generate_series({a}, {b}) AS c(n)",
}


def fill(db: Database, first: int, last: int, due: str) -> None:
    """Add timers of cases that don't exist: nothing but their own table is looked at here."""
    numbers = NUMBERS[db.dialect].format(a=first, b=last)
    statement = MADE.format(due=due, numbers=numbers)
    if db.dialect == "sqlite":
        with sqlite3.connect(path_of(db.url)) as lite:  # foreign keys are off by default
            lite.execute(statement)
        lite.close()
    else:
        with psycopg.connect(plain_url(db.url), autocommit=True) as full:
            full.execute("SET session_replication_role = replica")
            full.execute(statement)
            full.execute("VACUUM ANALYZE timer")


def look_us(db: Database) -> float:
    """Return what the poll takes while nothing is due, in microseconds."""
    given = {"now": clock.now_ms(), "at_most": BATCH}
    with db.writer.connect() as connection:
        compiled: Any = DUE.compile(dialect=connection.dialect)
        raw: Any = connection.connection.dbapi_connection
        text = compiled.string
        names = compiled.positiontup
        given = compiled.params | given  # SQLite's LIMIT comes with an OFFSET of 0
        params: Any = given if names is None else [given[name] for name in names]
        if db.dialect == "postgresql":
            raw.autocommit = True
        assert raw.execute(text, params).fetchall() == [], "something is due"
        best = float("inf")
        for _ in range(9):
            began = time.perf_counter()
            for _ in range(LOOKS):
                raw.execute(text, params).fetchall()
            best = min(best, (time.perf_counter() - began) / LOOKS * 1e6)
        if db.dialect == "postgresql":
            raw.autocommit = False
    return best


def claimed(session: Any) -> int:
    """Claim a batch as the tick does, without its jobs."""
    connection = session.connection()
    due = connection.execute(DUE, {"now": clock.now(), "at_most": BATCH}).all()
    connection.execute(FIRE, {"ids": [row.id for row in due]})
    return len(due)


def per_second(db: Database, verb: Callable[[Any], int]) -> tuple[int, int]:
    """Return how many of what is due are done in a second of the wall, and of CPU."""
    wall, cpu, done = time.perf_counter(), time.process_time(), 0
    while True:
        with db.unit() as session:
            some = verb(session)
        done += some
        if not some:
            break
    return (
        round(done / (time.perf_counter() - wall)),
        round(done / (time.process_time() - cpu)),
    )


def measure(name: str, args: Any) -> dict[str, Any]:
    with databases(name) as fresh, fresh() as settings:
        db = Database.open(settings.model_copy(update={"env": "production"}))
        now = clock.now_ms()
        fill(db, 1, args.timers, f"{now + FAR_MS} + n * 997 % 100000007")
        found = {"database": name, "waiting": args.timers, "look µs": round(look_us(db), 1)}
        found["gate"] = GATE_LOOK_US[name]
        for what, verb in (("claimed", claimed), ("fired", fire_due)):
            fill(db, args.timers + 1, args.timers + args.due, f"{now} - n % 1000")
            wall, cpu = per_second(db, verb)
            found |= {f"{what}/s wall": wall, f"{what}/s CPU": cpu}
        db.close()
        return found | {"claims gate": GATE_CLAIMS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timers", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=20_000)
    parser.add_argument("--only", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = [measure(name, args) for name in args.only]
    show(found, as_json=args.json)
    slow = [
        one
        for one in found
        if one["look µs"] > one["gate"]
        or max(one["claimed/s wall"], one["claimed/s CPU"]) < GATE_CLAIMS
    ]
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
