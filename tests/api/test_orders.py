"""No connection sorts its table to give one page in its default order."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Select, select

from finview.api.engine.sources import ROOTS, SOURCES, Conn
from finview.api.schema import build
from finview.db import Database

SMALL = {"Query.users", "Customer.contacts"}
"""Tables of people who sign in: hundreds of rows at most."""

build()  # the types declare their sources


def connections() -> Iterator[tuple[str, Conn]]:
    for name, root in ROOTS.items():
        if isinstance(root, Conn):
            yield f"Query.{name}", root
    for source in SOURCES.values():
        for name, field in source.fields.items():
            if isinstance(field, Conn):
                yield f"{source.name}.{name}", field


def page(conn: Conn) -> Select[Any]:
    model: Any = SOURCES[conn.target].model
    wanted = select(model)
    if conn.key is not None:
        wanted = wanted.where(getattr(model, conn.key) == 7)
    order = [o.column.desc() if o.descending else o.column for o in conn.order()]
    return wanted.order_by(*order).limit(51)


def explained(database: Database, statement: Select[Any]) -> str:
    with database.reading() as session:
        connection = session.connection()
        compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
        if database.dialect == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
            return "\n".join(row[-1] for row in rows)
        # Tables are empty here, and sorting nothing is cheap: it is made the last resort.
        for way in ("sort", "seqscan", "bitmapscan"):
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        rows = connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {compiled}").all()
        return "\n".join(row[0] for row in rows)


@pytest.mark.both_databases
def test_no_default_order_sorts(database: Database) -> None:
    sorting = {}
    for name, conn in connections():
        plan = explained(database, page(conn))
        if "TEMP B-TREE" in plan or "Sort" in plan:
            sorting[name] = plan
    assert {name: plan for name, plan in sorting.items() if name not in SMALL} == {}
