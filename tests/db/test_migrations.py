"""Migrations bring an empty database to what the code declares, and back, triggers included."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from finview.db import Database, migrations
from finview.db.audit import AuditEvent, record
from finview.errors import State
from finview.settings import Settings


@pytest.fixture
def empty(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if dialect == "sqlite":
        opened = Database.open(Settings(data_dir=tmp_path))
    else:
        opened = Database.open(request.getfixturevalue("settings"))
        with opened.unit() as session:
            session.execute(text("DROP SCHEMA public CASCADE"))
            session.execute(text("CREATE SCHEMA public"))
    yield opened
    opened.close()


@pytest.mark.both_databases
def test_up_down_up_ends_where_the_code_is(empty: Database) -> None:
    assert not migrations.is_current(empty)
    with pytest.raises(State, match="OUTDATED"):
        migrations.check_current(empty)
    migrations.upgrade(empty)
    migrations.downgrade(empty, "base")
    migrations.upgrade(empty)
    assert migrations.is_current(empty)
    assert migrations.drift(empty) == []


@pytest.mark.both_databases
def test_triggers_come_with_the_migrations(empty: Database) -> None:
    migrations.upgrade(empty)
    with empty.unit() as session:
        record(session, "act", actor_id=None, subject=("import", 1))
    with pytest.raises(DBAPIError, match="append-only"), empty.unit() as session:
        session.delete(session.get_one(AuditEvent, 1))


@pytest.mark.both_databases
def test_a_database_of_a_newer_finview_is_left_alone(empty: Database) -> None:
    migrations.upgrade(empty)
    with empty.unit() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'from tomorrow'"))
    with pytest.raises(State, match="UNKNOWN_REVISION"):
        migrations.upgrade(empty)
