"""How Alembic meets the database: on the connection `finview.db.migrations` hands it."""

from typing import Any

from alembic import context
from sqlalchemy.types import TypeEngine

from finview.db.base import Base, Json, MinorUnits, UtcDateTime, install_triggers
from finview.db.models import load_models


def render_item(kind: str, thing: object, _autogen: Any) -> str | bool:
    """Write our column types as plain ones, so that a migration never depends on today's code."""
    if kind != "type" or not isinstance(thing, TypeEngine):
        return False
    if isinstance(thing, UtcDateTime | MinorUnits):
        return "sa.BigInteger()"
    if isinstance(thing, Json):
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"


def run() -> None:
    """Run what was asked for, then create every trigger anew."""
    load_models()
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_item,
        # SQLite knows four types; the metadata knows more.
        compare_type=connection.dialect.name != "sqlite",
    )
    looking = bool(context.config.attributes.get("look_only"))
    with context.begin_transaction():
        if connection.dialect.name == "sqlite" and not looking:
            # A rebuilt table can't take its name again while triggers of others speak of it.
            for name in connection.exec_driver_sql(_TRIGGERS).scalars().all():
                connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        context.run_migrations()
    if not looking:
        install_triggers(connection)


run()
