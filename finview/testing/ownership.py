"""Whose each row of a database is, found by its columns alone, and the values that give it away.

An oracle for access tests: it shares nothing with the predicates under test. A row belongs to the
portfolio it names, else to the customer, else to whoever the rows it points at belong to.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, Date, Table, select

from finview.api.engine.ids import encode
from finview.db.base import Base, MinorUnits
from finview.db.models import load_models

Side = tuple[str, int]
"""("customer", id) or ("portfolio", id)."""

PARENTS: Sequence[tuple[str, str]] = (
    ("portfolio_id", "portfolio"),
    ("customer_id", "customer"),
    ("import_id", "import"),
    ("case_id", "case_file"),
    ("invoice_id", "invoice"),
    ("run_id", "run"),
    ("plan_id", "payment_plan"),
    ("txn_id", "ledger_txn"),
    ("bucket_id", "bucket"),
    ("contact_id", "customer_contact"),
    ("workflow_id", "workflow"),
    ("file_id", "stored_file"),
    ("debtor_id", "debtor"),
    ("user_id", "account_user"),
)
"""What a column points at, the one that decides first."""

CHILDREN: Mapping[str, Sequence[tuple[str, str]]] = {
    "debtor": (("case_file", "debtor_id"),),
    "account_user": (("customer_contact", "user_id"),),
}
"""Tables whose rows belong to those who point at them, perhaps to several."""

SILENT = frozenset(
    {"audit_event", "audit_value", "idempotency", "match_name_freq", "match_counter", "upload"}
)
"""Tables of the agency that repeat what belongs to others."""

EVERYBODY: frozenset[Side] = frozenset({("everybody", 0)})

SHORT = 6
"""Shorter texts give nobody away inside of other texts; they are compared as a whole."""


@dataclass(slots=True)
class Ownership:
    """The sides of every row by table and key, and for each value the sides of rows that hold it."""

    sides: dict[str, dict[Any, frozenset[Side]]] = field(default_factory=dict)
    values: dict[str, set[frozenset[Side]]] = field(default_factory=lambda: defaultdict(set))

    def ids(self, tags: Mapping[str, str]) -> Iterator[tuple[str, frozenset[Side]]]:
        """Yield the public id of every row of tables with a tag, and whose it is."""
        for table, tag in tags.items():
            for key, sides in self.sides.get(table, {}).items():
                if sides:
                    yield encode(tag, *(key if isinstance(key, tuple) else (key,))), sides

    def foreign(
        self, own: set[Side], known: Collection[str] = ()
    ) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return what may never be an answer to those who see `own`: whole values, and parts.

        A value counts when every row that has it belongs to others alone. Rows of several sides
        tell nothing about their values, and what is `known` to everybody tells nothing either.
        """
        public = " ".join(known).casefold()
        found = {
            value
            for value, holders in self.values.items()
            if len(value) > 2
            and value.casefold() not in public
            and not any(holder & (own | EVERYBODY) for holder in holders)
        }
        return frozenset(found), tuple(value for value in found if len(value) >= SHORT)


def read(connection: Connection) -> Ownership:
    """Read every table of a database."""
    load_models()
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    rows = {
        name: connection.execute(select(table)).mappings().all() for name, table in tables.items()
    }
    found = Ownership()
    for _ in range(len(PARENTS)):  # each round reaches one table further
        for name, table in tables.items():
            found.sides[name] = {
                _key(table, row): _sides(name, row, rows, found.sides) for row in rows[name]
            }
    for name, table in tables.items():
        for row in () if name in SILENT else rows[name]:
            sides = found.sides[name][_key(table, row)] or EVERYBODY
            for value in _values(table, row) if len(sides) == 1 else ():
                found.values[value].add(sides)
    return found


def _key(table: Table, row: Any) -> Any:
    keys = tuple(row[column.name] for column in table.primary_key.columns)
    return keys[0] if len(keys) == 1 else keys


def _sides(
    name: str, row: Any, rows: Mapping[str, Any], known: Mapping[str, Mapping[Any, frozenset[Side]]]
) -> frozenset[Side]:
    if name in {"customer", "portfolio"}:
        return frozenset({(name, row["id"])})
    if name in CHILDREN:
        return frozenset().union(
            *(
                known.get(child, {}).get(one["id"], frozenset())
                for child, column in CHILDREN[name]
                for one in rows[child]
                if one[column] == row["id"]
            )
        )
    for column, parent in PARENTS:
        if row.get(column):
            if parent in {"customer", "portfolio"}:
                return frozenset({(parent, row[column])})
            return known.get(parent, {}).get(row[column], frozenset())
    return frozenset()


def _values(table: Table, row: Any) -> Iterator[str]:
    for column in table.columns:
        value = row[column.name]
        if isinstance(column.type, MinorUnits) and value:
            yield f"{abs(value) // 100}.{abs(value) % 100:02d}"
        elif isinstance(column.type, Date) and isinstance(value, date):
            yield value.isoformat()
        else:
            yield from _texts(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if any(c.isdigit() for c in value) or not value.isupper():
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
