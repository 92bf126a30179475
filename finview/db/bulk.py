"""Many rows at once: one prepared INSERT on SQLite, COPY on PostgreSQL; ids known before."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.orm import Session

from finview.db.base import Base, table_of


def bulk_insert(
    session: Session, table: type[Base] | Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows that all have the same keys; nothing is returned and no ORM object is made.

    Take ids from `reserve_ids` when children must refer to the rows. Python-side column defaults
    apply on SQLite and PostgreSQL alike, worked out once for all rows.
    """
    if not rows:
        return
    into = table if isinstance(table, Table) else table_of(table)
    session.flush()  # rows added before may be what these refer to
    connection = session.connection()
    names, values = _bound(connection, into, rows)
    quote = connection.dialect.identifier_preparer
    target, columns = quote.format_table(into), ", ".join(quote.quote(name) for name in names)
    if connection.dialect.name == "postgresql":
        driver = connection.connection.driver_connection
        assert driver is not None
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {target} ({columns}) FROM STDIN") as copy,
        ):
            for row in values:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(names))
        connection.exec_driver_sql(f"INSERT INTO {target} ({columns}) VALUES ({marks})", values)


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


def _bound(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns to write, and the rows as the driver takes them.

    Column by column, for a row by row conversion costs as much as the insert itself (measured).
    """
    dialect, given = connection.dialect, list(rows[0])
    defaults = {
        column.name: column.default
        for column in table.columns
        if column.default is not None and column.name not in rows[0]
    }
    binds = {
        name: table.columns[name].type.dialect_impl(dialect).bind_processor(dialect)
        for name in (*given, *defaults)
    }
    columns = [_converted([row[name] for row in rows], binds[name]) for name in given]
    for name, default in defaults.items():
        value = default.arg(None) if default.is_callable else default.arg  # type: ignore[attr-defined]  # scalar or callable, checked here
        columns.append(_converted([value] * len(rows), binds[name]))
    return [*given, *defaults], list(zip(*columns, strict=True))


def _converted(values: list[Any], bind: Callable[[Any], Any] | None) -> list[Any]:
    if bind is None:
        return values
    converted, last, bound = [], None, None  # NULL stays NULL
    for value in values:
        if value is not last:  # an instant or a default is one object in all rows
            last, bound = value, None if value is None else bind(value)
        converted.append(bound)
    return converted
