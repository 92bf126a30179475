"""SQLite is safe to share: strict tables, a fair queue of writers, local disks only."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Numeric, text
from sqlalchemy.exc import CompileError, IntegrityError

from finview.db import Database
from finview.db.sqlite import FairLock, StrictTypes, path_of, refuse_network_disk
from finview.errors import Invalid


def test_the_writers_turn_goes_round_in_order() -> None:
    lock, order = FairLock(), []
    step = threading.Event()  # never set: its wait lets the other threads run

    def write(n: int) -> None:
        with lock.turn():
            order.append(n)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(5)]
    with lock.turn():
        for n, thread in enumerate(threads):
            thread.start()
            while lock.waiting <= n:
                step.wait(0.001)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    assert lock.waited_s_max > 0


def test_a_turn_that_never_comes_is_an_error_and_the_queue_goes_on() -> None:
    lock = FairLock()

    def wait_in_vain() -> None:
        with lock.turn(timeout_s=0.01):
            pass

    with lock.turn(), pytest.raises(TimeoutError):
        wait_in_vain()
    with lock.turn(timeout_s=0.01):
        assert lock.waiting == 0


def test_a_column_keeps_its_type(database: Database) -> None:
    with pytest.raises(IntegrityError, match="cannot store TEXT"), database.unit() as session:
        session.execute(text("INSERT INTO clock_offset (id, offset_ms) VALUES (1, 'soon')"))


def test_inexact_decimals_are_refused(database: Database) -> None:
    with pytest.raises(CompileError, match="minor units"):
        StrictTypes(database.engine.dialect).process(Numeric(10, 2))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 30000)],
)
def test_connections_are_set_up(database: Database, pragma: str, value: object) -> None:
    with database.unit() as session:
        assert session.execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_rows_that_can_be_made_again_are_written_with_less_care(database: Database) -> None:
    for durable, value in ((False, 1), (True, 2)):
        with database.unit(durable=durable) as session:
            assert session.execute(text("PRAGMA synchronous")).scalar() == value


def test_a_network_disk_is_refused_by_name(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    with pytest.raises(Invalid) as refused:
        refuse_network_disk(tmp_path / "finview.db", mounts)
    assert refused.value.params["kind"] == "nfs4"
    refuse_network_disk(Path("/elsewhere/finview.db"), mounts)


def test_a_memory_database_is_refused() -> None:
    with pytest.raises(ValueError, match="file"):
        path_of("sqlite://")
