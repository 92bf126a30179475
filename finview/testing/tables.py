"""Every row of every table, for tests that compare a database before and after."""

from collections import Counter
from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy import select

from finview.db import Database
from finview.db.base import Base
from finview.matching import index

Contents = dict[str, Counter[str]]

TRACES = frozenset(
    {
        *("audit_event", "audit_value", "job", "number_series", "idempotency", "clock_offset"),
        *("account_user", "api_token", "access_grant", "mapping_memory", "import"),
    }
)
"""What an import may leave behind for good: its tombstone, the audit, numbers, finished work."""

COUNTERS = frozenset(
    {
        *("debtor.lock_version", "debtor.match_stale"),
        *("match_key.batch", "match_counter.batch", "match_profile.batch"),
    }
)
"""Columns that only say that something happened: versions and batches never go back."""


def refreshed(database: Database) -> Database:
    """Let the index of matching read the debtors that changed, as the next import would first."""
    with database.unit() as session:
        while index.refresh(session, limit=1000):
            pass
    return database


def contents(
    database: Database,
    *,
    without: Collection[str] = TRACES,
    columns: Collection[str] = COUNTERS,
) -> Contents:
    """Return the rows of every table but those of `without`, as text, `columns` left out."""
    found: Contents = {}
    with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in without:
                shown = [c for c in table.c if f"{table.name}.{c.name}" not in columns]
                rows = session.execute(select(*shown))
                found[table.name] = Counter(_text(row._asdict()) for row in rows)
    return found


def differences(before: Contents, after: Contents) -> dict[str, tuple[list[str], list[str]]]:
    """Return, for each table that changed, the rows that went and the rows that came."""
    return {
        name: (sorted((rows - after[name]).elements()), sorted((after[name] - rows).elements()))
        for name, rows in before.items()
        if rows != after[name]
    }


def _text(row: dict[str, Any]) -> str:
    return orjson.dumps(row, default=str, option=orjson.OPT_SORT_KEYS).decode()
