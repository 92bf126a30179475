"""Whatever kills or stops a process: nothing is lost and nothing happens twice."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from finview.db import Database
from finview.db.jobs import Job, State, Worker
from finview.db.runtime import Services
from finview.jobs.runner import drain

pytestmark = pytest.mark.both_databases

Add = Callable[..., int]
Row = Callable[[int], Job]
Effects = Callable[[], list[str]]
Host = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def host(services: Services) -> Iterator[Host]:
    """Start a process that runs toy jobs; its standard output is a pipe, its life is bounded."""
    started: list[tuple[subprocess.Popen[str], threading.Timer]] = []

    def start(mode: str, failpoint: str = "") -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
        environment["FINVIEW_FAILPOINT"] = failpoint
        script = str(Path(__file__).with_name("host.py"))
        given = [services.settings.url, str(services.settings.data_dir), mode]
        process = subprocess.Popen(
            [sys.executable, script, *given], stdout=subprocess.PIPE, text=True, env=environment
        )
        watchdog = threading.Timer(60, process.kill)  # a pipe that stays silent must end, too
        watchdog.start()
        started.append((process, watchdog))
        return process

    yield start
    for process, watchdog in started:
        watchdog.cancel()
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=30)
    return process.returncode


def expire_leases(database: Database) -> None:
    with database.unit() as session:
        session.execute(update(Job).where(Job.lease_until.is_not(None)).values(lease_until=1))


def read_starts(process: subprocess.Popen[str], n: int) -> None:
    assert process.stdout is not None
    for _ in range(n):
        assert process.stdout.readline().startswith("started")


def integrity(database: Database) -> str:
    if database.dialect != "sqlite":
        return "ok"
    with database.reading() as session:
        return str(session.scalar(text("PRAGMA integrity_check")))


def test_a_job_that_kills_its_process_dies_and_its_neighbours_do_not(
    services: Services, host: Host, add: Add, row: Row, effects: Effects
) -> None:
    mortal = add("toy.mortal", priority=1)
    neighbours = [add("toy.short", {"n": n}) for n in range(3)]
    for _ in range(3):
        assert end(host("drain")) == -signal.SIGKILL
        expire_leases(services.db)
    assert end(host("drain")) == 0
    assert (row(mortal).state, row(mortal).runs) == (State.DEAD, 2)
    assert [row(n).state for n in neighbours] == [State.DONE] * 3
    assert sorted(effects()) == ["short:0", "short:1", "short:2"]


@pytest.mark.parametrize("point", ["job.chunk.after_commit", "job.chunk.before_commit"])
def test_a_chunked_job_killed_at_each_chunk_writes_each_once(
    services: Services, host: Host, add: Add, effects: Effects, point: str
) -> None:
    add("toy.chunked", {"chunks": 4})
    for _ in range(3):
        assert end(host("drain", f"{point}:kill")) == -signal.SIGKILL
        expire_leases(services.db)
    drain(services)
    assert effects() == ["chunk:0", "chunk:1", "chunk:2", "chunk:3", "finished"]


def test_kill_9_of_a_busy_worker_loses_and_doubles_nothing(
    services: Services, host: Host, add: Add, effects: Effects
) -> None:
    for n in range(120):
        add("toy.loud", {"n": n})
    for wave in (7, 13):
        worker = host("work")
        read_starts(worker, wave)
        worker.kill()
        end(worker)
        expire_leases(services.db)
    drain(services)
    assert sorted(effects()) == sorted(f"loud:{n}" for n in range(120))
    assert integrity(services.db) == "ok"


def test_sigterm_lets_running_jobs_end_and_gives_the_others_back(
    services: Services, host: Host, add: Add, row: Row, effects: Effects
) -> None:
    jobs = [add("toy.slow", {"n": n, "s": 1 if n < 4 else 0}) for n in range(24)]
    worker = host("work")
    read_starts(worker, 4)
    worker.send_signal(signal.SIGTERM)
    assert end(worker) == 0
    states = {row(job).state for job in jobs}
    assert states <= {State.READY, State.DONE}
    drain(services)
    assert sorted(effects()) == sorted(f"waited:{n}" for n in range(24))
    assert {(row(job).state, row(job).runs) for job in jobs} == {(State.DONE, 1)}


def test_a_process_that_is_killed_is_replaced_and_all_end_on_a_signal(
    services: Services, host: Host, add: Add, effects: Effects
) -> None:
    parent = host("many")
    assert parent.stdout is not None
    first = dict(parent.stdout.readline().split()[1:] for _ in range(2))
    assert sorted(first) == ["0", "1"]
    os.kill(int(first["0"]), signal.SIGKILL)
    _, number, pid = parent.stdout.readline().split()
    assert (number, pid != first["0"]) == ("0", True)
    for n in range(12):
        add("toy.loud", {"n": n})
    read_starts(parent, 12)
    parent.send_signal(signal.SIGTERM)
    assert end(parent) == 0
    assert sorted(effects()) == sorted(f"loud:{n}" for n in range(12))
    with services.db.reading() as session:
        left = session.scalars(select(Worker.name)).all()
    assert [name.split(":")[1] for name in left] == [first["0"]]
