"""Many rows at once: one prepared INSERT on SQLite, COPY on PostgreSQL; ids known before."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, text
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


def bulk_update(
    session: Session,
    table: type[Base] | Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
) -> None:
    """Set columns of the rows that `key` names; all of `rows` have the same keys.

    Objects of these rows that the session holds don't notice.
    """
    if not rows:
        return
    into = table if isinstance(table, Table) else table_of(table)
    session.flush()
    connection = session.connection()
    names = [*(name for name in rows[0] if name not in key), *key]
    columns = [_converted(connection, into.c[name], [row[name] for row in rows]) for name in names]
    quote = connection.dialect.identifier_preparer
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    places = [f"{quote.quote(name)} = {mark}" for name in names]
    changes, which = ", ".join(places[: -len(key)]), " AND ".join(places[-len(key) :])
    connection.exec_driver_sql(
        f"UPDATE {quote.format_table(into)} SET {changes} WHERE {which}",
        list(zip(*columns, strict=True)),
    )


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
    """Return the columns to insert, defaults included, and the rows as the driver takes them."""
    given = list(rows[0])
    columns = [_converted(connection, table.c[name], [row[name] for row in rows]) for name in given]
    defaults = {
        column.name: column.default
        for column in table.columns
        if column.default is not None and column.name not in rows[0]
    }
    for name, default in defaults.items():
        value = default.arg(None) if default.is_callable else default.arg  # type: ignore[attr-defined]  # scalar or callable, checked here
        columns.append(_converted(connection, table.c[name], [value] * len(rows)))
    return [*given, *defaults], list(zip(*columns, strict=True))


def _converted(connection: Connection, column: Column[Any], values: list[Any]) -> list[Any]:
    """Return the values of one column as the driver takes them.

    Column by column, for converting row by row costs as much as the insert itself (measured).
    """
    dialect = connection.dialect
    bind = column.type.dialect_impl(dialect).bind_processor(dialect)
    if bind is None:
        return values
    converted, last, bound = [], None, None  # NULL stays NULL
    for value in values:
        if value is not last:  # an instant or a default is one object in all rows
            last, bound = value, None if value is None else bind(value)
        converted.append(bound)
    return converted
