"""Processes that take steps of an import and are killed at a failpoint, for the battery."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sqlalchemy import and_, func, or_, select, update

from finview import clock
from finview.app import open_services
from finview.db import Database, failpoints
from finview.db.jobs import FINAL, Job, State
from finview.db.runtime import Services
from finview.jobs.runner import tick
from finview.jobs.worker import work
from finview.settings import Settings
from finview.testing.client import client_for
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.story import Story
from finview.web import server

# One process imports everything once; each child is a fork of it and starts at once.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])

TIMEOUT_S = 60


def take_steps(story: Story, steps: Sequence[str], *, kill_at: str | None = None) -> int:
    """Take steps of a story in a process of its own; return its exit code, -9 when it was killed.

    A step is the name of a `Story` method that needs no arguments. Raises TimeoutError.
    """
    settings = story.agency.services.settings
    where = (settings.url, str(settings.data_dir))
    ids = (story.agency.unit, story.agency.customer, story.agency.portfolio, story.agency.bucket)
    child = _PROCESSES.Process(
        target=_told, args=(where, ids, story.id, tuple(steps), kill_at, LAUNCH_DAY)
    )
    child.start()
    child.join(TIMEOUT_S)
    if child.exitcode is None:
        child.kill()
        raise TimeoutError(f"{steps} did not end, killed at {kill_at}")
    return child.exitcode


def start_worker(
    services: Services, *, threads: int = 2, kill_at: str | None = None
) -> BaseProcess:
    """Start a process that runs jobs until it is told to end, or killed; its clock stands still."""
    child = _PROCESSES.Process(target=_worked, args=(_where(services), threads, kill_at))
    child.start()
    return child


def start_web(services: Services, port: int) -> BaseProcess:
    """Start a process that answers requests at a port until it is killed; its clock stands still."""
    child = _PROCESSES.Process(target=_served, args=(_where(services), port))
    child.start()
    return child


def _where(services: Services) -> tuple[str, str]:
    return services.settings.url, str(services.settings.data_dir)


def mark(database: Database) -> tuple[Any, ...]:
    """Return what changes with everything a worker commits."""
    with database.reading() as session:
        done = func.sum(Job.progress_done), func.sum(Job.attempt), func.sum(Job.runs)
        return tuple(session.execute(select(func.count(), *done)).one())


def is_quiet(services: Services) -> bool:
    """Tell whether nothing is left to do now: no job, no timer, nothing that recurs."""
    while not _open_jobs(services.db):
        if tick(services) == 0:
            return True
    return False


def _open_jobs(database: Database) -> int:
    with database.reading() as session:
        later = and_(Job.state == State.SCHEDULED, Job.run_at > clock.now())
        ended = or_(Job.state.in_(FINAL), Job.state == State.PARKED, later)
        return session.scalar(select(func.count()).where(~ended)) or 0


def await_one(database: Database, *conditions: Callable[[], bool], within_s: float) -> None:
    """Wait until one of the conditions holds; look after each commit of any process."""
    until = time.monotonic() + within_s
    with database.commits.listening():
        while True:
            seen = database.commits.rings
            if any(holds() for holds in conditions):
                return
            assert time.monotonic() < until, "the worker does not get on"
            database.commits.wait(seen, 0.2)


def expire_leases(database: Database) -> None:
    """Let the leases of dead processes run out now, so that nobody has to wait for them."""
    with database.unit() as session:
        session.execute(update(Job).where(Job.lease_until.is_not(None)).values(lease_until=1))


def _stand_still() -> None:
    # A process's threads have contexts of their own, in which `standing_at` is not known.
    frozen: ContextVar[datetime | None] = ContextVar("finview_clock_child", default=LAUNCH_DAY)
    vars(clock)["_frozen"] = frozen


def _worked(where: tuple[str, str], threads: int, kill_at: str | None) -> None:
    _stand_still()
    if kill_at is not None:
        failpoints.arm(kill_at, "kill")
    given: dict[str, Any] = {"database_url": where[0], "data_dir": Path(where[1])}
    if not work(lambda: open_services(Settings(**given)), threads=threads, grace_s=TIMEOUT_S):
        sys.exit(1)


def _served(where: tuple[str, str], port: int) -> None:
    _stand_still()
    given: dict[str, Any] = {"database_url": where[0], "data_dir": Path(where[1])}
    server.run(open_services(Settings(**given)), host="127.0.0.1", port=port)


def _told(
    where: tuple[str, str],
    ids: tuple[str, str, str, str],
    import_id: str,
    steps: Sequence[str],
    kill_at: str | None,
    instant: datetime,
) -> None:
    given: dict[str, Any] = {"database_url": where[0], "data_dir": Path(where[1])}
    with clock.standing_at(instant):
        services = open_services(Settings(**given))
        unit, customer, portfolio, bucket = ids
        agency = Agency(
            services=services,
            client=client_for(services),
            unit=unit,
            customer=customer,
            portfolio=portfolio,
            bucket=bucket,
        )
        story = Story(agency=agency, client=agency.client, id=import_id)
        if kill_at is not None:
            failpoints.arm(kill_at, "kill")
        for step in steps:
            getattr(story, step)()
        services.close()
