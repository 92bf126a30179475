"""Connections are kept between units, and never one that has died or is not clean."""

import threading
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from finview.db import Database
from finview.db.kept import KEPT


def driver_of(database: Database) -> Any:
    with database.unit() as session:
        return session.connection().connection.driver_connection


@pytest.mark.both_databases
def test_the_next_unit_takes_the_same_connection(database: Database) -> None:
    assert driver_of(database) is driver_of(database)


@pytest.mark.both_databases
def test_what_a_unit_changed_and_undid_is_not_in_the_next(database: Database) -> None:
    def fail() -> None:
        with database.unit() as session:
            session.execute(text("INSERT INTO clock_offset (id, offset_ms) VALUES (1, 5)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.unit() as session:
        assert session.scalar(text("SELECT count(*) FROM clock_offset")) == 0


@pytest.mark.both_databases
def test_a_disposed_pool_takes_its_connections_along(database: Database) -> None:
    before = driver_of(database)
    database.writer.dispose()
    assert driver_of(database) is not before


@pytest.mark.both_databases
def test_a_closed_database_keeps_none(database: Database) -> None:
    driver_of(database)
    assert len(database.kept) == 1
    database.close()
    assert len(database.kept) == 0


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_a_connection_the_server_has_cut_is_not_used(database: Database) -> None:
    with database.unit() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
    other = create_engine(database.url)
    with other.connect() as connection:
        # It waits until the server has really ended it.
        connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
    other.dispose()
    with database.unit() as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) != pid


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_only_so_many_are_kept(database: Database) -> None:
    together = threading.Barrier(KEPT + 2)

    def work() -> None:
        with database.unit():
            together.wait(30)

    threads = [threading.Thread(target=work) for _ in range(KEPT + 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(database.kept) == KEPT
