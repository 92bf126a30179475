"""Many rows at once: lists of Core parameters on SQLite, COPY on PostgreSQL; ids known before."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, insert, text
from sqlalchemy.orm import Session

from finview.db.base import Base, table_of


def bulk_insert(
    session: Session, table: type[Base] | Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows that all have the same keys; nothing is returned and no ORM object is made.

    Take ids from `reserve_ids` when children must refer to the rows. Python-side column defaults
    apply on SQLite and PostgreSQL alike.
    """
    if not rows:
        return
    into = table if isinstance(table, Table) else table_of(table)
    session.flush()  # rows added before may be what these refer to
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        _copy(session, into, rows)
    else:
        connection.execute(insert(into), list(rows))


def reserve_ids(session: Session, table: type[Base] | Table, n: int) -> Sequence[int]:
    """Take `n` ids of a table, ascending, that nobody else will get, now or ever."""
    name = (table if isinstance(table, Table) else table_of(table)).name
    if n <= 0:
        return range(0)
    if session.get_bind().dialect.name == "postgresql":
        taken = session.execute(
            text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :n)"),
            {"name": name, "n": n},
        )
        return sorted(taken.scalars())
    moved = session.execute(
        text("UPDATE sqlite_sequence SET seq = seq + :n WHERE name = :name RETURNING seq"),
        {"n": n, "name": name},
    ).scalar()
    if moved is None:
        # SQLite writes the row of a table with its first insert.
        session.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :n)"),
            {"n": n, "name": name},
        )
        moved = n
    return range(moved - n + 1, moved + 1)


def _copy(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    connection = session.connection()
    dialect = connection.dialect
    constants = {
        column.name: column.default
        for column in table.columns
        if column.default is not None and column.name not in rows[0]
    }
    names = [*rows[0], *constants]
    binds = [
        table.columns[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names
    ]
    defaults = [
        default.arg(None) if default.is_callable else default.arg  # type: ignore[attr-defined] # scalar or callable, checked here
        for default in constants.values()
    ]
    columns = ", ".join(dialect.identifier_preparer.quote(name) for name in names)
    given = list(rows[0])
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        target = dialect.identifier_preparer.format_table(table)
        with cursor.copy(f"COPY {target} ({columns}) FROM STDIN") as copy:
            for row in rows:
                values = [*(row[name] for name in given), *defaults]
                copy.write_row(
                    [
                        bind(value) if bind is not None and value is not None else value
                        for bind, value in zip(binds, values, strict=True)
                    ]
                )
