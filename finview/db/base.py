"""The declarative base: ids, column types, the scope of a table, and triggers on both dialects.

Write tables with plain annotations: `id: Mapped[Id]` for the key, `Mapped[int]` is BIGINT,
`Mapped[datetime]` is UTC milliseconds, `Mapped[dict[str, Any]]` is JSON.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    Dialect,
    Enum,
    MetaData,
    String,
    Table,
    Text,
    event,
    inspect,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from finview import clock

Id = Annotated[int, mapped_column(BigInteger, primary_key=True)]
"""The BIGINT key of a table, given by the database and never given twice."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, kept as BIGINT milliseconds since 1970 UTC; naive datetimes are refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 -- the signature is SQLAlchemy's
        """Return the milliseconds of an aware instant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return clock.to_ms(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- the signature is SQLAlchemy's
        """Return the aware UTC instant."""
        return None if value is None else clock.from_ms(value)


class MinorUnits(TypeDecorator[int]):
    """Money as a whole number of the currency's minor units, kept as BIGINT."""

    impl = BigInteger
    cache_ok = True


class Json(TypeDecorator[Any]):
    """A JSON value; JSONB on PostgreSQL; None is SQL NULL."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return JSONB on PostgreSQL, text elsewhere."""
        kind = JSONB if dialect.name == "postgresql" else JSON
        return dialect.type_descriptor(kind(none_as_null=True))

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        """Let the JSON type itself decide how paths and values are compared."""
        return self.impl_instance.coerce_compared_value(op, value)


@dataclass(frozen=True, slots=True)
class Scope:
    """The columns that say whose a row is; `visible()` and the access tests read them.

    A table without such columns may be seen `through` another one: a function that returns that
    model and the condition that joins a row of this table (first) to a row of that one (second).
    """

    customer: str | None = None
    portfolio: str | None = None
    through: Callable[[], tuple[type["Base"], Callable[[Any, Any], Any]]] | None = None


class Base(DeclarativeBase):
    """Every table of finview."""

    __scope__: ClassVar[Scope | None] = None

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        datetime: UtcDateTime,
        dict[str, Any]: Json,
        dict[str, str]: Json,
        dict[str, int]: Json,
        list[Any]: Json,
        list[str]: Json,
        list[int]: Json,
        list[dict[str, Any]]: Json,
        enum.Enum: Enum(
            enum.Enum,
            native_enum=False,
            length=40,
            values_callable=lambda kind: [m.value for m in kind],
        ),
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the table STRICT on SQLite, keep its ids unique for ever, demand its scope."""
        super().__init_subclass__(**kwargs)
        table = cls.__dict__.get("__table__")
        if not isinstance(table, Table):
            return
        table.dialect_kwargs["sqlite_strict"] = True
        keys = list(table.primary_key.columns)
        if "id" in table.primary_key.columns:
            if len(keys) > 1:
                raise TypeError(f"{cls.__name__}: Id is for `id` only, other columns are plain int")
            table.dialect_kwargs["sqlite_autoincrement"] = isinstance(keys[0].type, BigInteger)
        if "customer_id" in table.columns and cls.__scope__ is None:
            raise TypeError(f"{cls.__name__} has a customer_id but declares no __scope__")


def table_of(model: type[Base]) -> Table:
    """Return the Core table of a model."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One trigger of a table, written for both dialects as complete statements."""

    table: str
    name: str
    sqlite: str
    postgresql: Sequence[str]


_TRIGGERS: list[Trigger] = []

_FORBID = """CREATE OR REPLACE FUNCTION finview_forbid() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation'; END $$"""


def trigger(model: type[Base], name: str, *, sqlite: str, postgresql: Sequence[str]) -> None:
    """Register a trigger that comes with its table, whoever creates it.

    `sqlite` is a whole CREATE TRIGGER statement, `postgresql` the statements in order (repeatable:
    CREATE OR REPLACE). They are run again after every migration.
    """
    table = table_of(model)
    made = Trigger(table=table.name, name=name, sqlite=sqlite, postgresql=tuple(postgresql))
    _TRIGGERS.append(made)

    def create(_table: Table, connection: Connection, **_: Any) -> None:
        _install(connection, made)

    event.listen(table, "after_create", create)


def forbid(model: type[Base], name: str, *, on: str, message: str, when: str | None = None) -> None:
    """Refuse an UPDATE, DELETE or INSERT of rows, by trigger.

    `when` is SQL over OLD and NEW without subqueries; compare with IS DISTINCT FROM where NULL may
    stand. `message` is for developers. The statement fails with an IntegrityError.
    """
    table = table_of(model).name
    text = message.replace("'", "''")
    lite_when = f"WHEN {when.replace('IS DISTINCT FROM', 'IS NOT')}" if when else ""
    full_when = f"WHEN ({when})" if when else ""
    trigger(
        model,
        name,
        sqlite=f"CREATE TRIGGER {name} BEFORE {on} ON {table} {lite_when} "
        f"BEGIN SELECT RAISE(ABORT, '{text}'); END",
        postgresql=(
            _FORBID,
            (
                f"CREATE OR REPLACE TRIGGER {name} BEFORE {on} ON {table} FOR EACH ROW "
                f"{full_when} EXECUTE FUNCTION finview_forbid('{text}')"
            ),
        ),
    )


def append_only(model: type[Base], *, once: Sequence[str] = ()) -> None:
    """Forbid UPDATE and DELETE of a table's rows; columns in `once` may go from NULL to a value."""
    table = table_of(model)
    fixed = [c.name for c in table.columns if c.name not in once]
    rules = [f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in fixed]
    rules += [
        f"(OLD.{name} IS NOT NULL AND NEW.{name} IS DISTINCT FROM OLD.{name})" for name in once
    ]
    name, message = table.name, f"{table.name} is append-only"
    forbid(model, f"{name}_no_delete", on="DELETE", message=message)
    forbid(
        model,
        f"{name}_no_update",
        on="UPDATE",
        message=message,
        when=" OR ".join(rules) if once else None,
    )


def _install(connection: Connection, made: Trigger) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {made.name}")
        connection.exec_driver_sql(made.sqlite)
        return
    for statement in made.postgresql:
        connection.exec_driver_sql(statement)


def install_triggers(connection: Connection) -> None:
    """Create every registered trigger anew whose table exists; ends each migration.

    Alembic's batch mode on SQLite rebuilds a table and drops its triggers with it.
    """
    tables = set(inspect(connection).get_table_names())
    for made in _TRIGGERS:
        if made.table in tables:
            _install(connection, made)


Name = Annotated[str, mapped_column(String(200))]
"""A name a person types, at most 200 characters."""
