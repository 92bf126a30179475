"""Toy kinds of jobs, and a look at what they left behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import select

from finview.db import Database
from finview.db.events import EventInbox
from finview.db.jobs import Job, enqueue
from finview.testing.loading import load_file


@pytest.fixture
def toys() -> Iterator[ModuleType]:
    """The module of toy jobs, registered; its class attributes are reset afterwards."""
    module = load_file("finview_toyjobs", Path(__file__).with_name("toyjobs.py"))
    yield module
    module.ToyChunked.between = None
    module.ToyExternal.provider = None


@pytest.fixture
def effects(database: Database, toys: ModuleType) -> Callable[[], list[str]]:
    """Return what the jobs did, in order."""

    def look() -> list[str]:
        with database.reading() as session:
            return list(session.scalars(select(EventInbox.type).order_by(EventInbox.id)))

    return look


@pytest.fixture
def add(database: Database, toys: ModuleType) -> Callable[..., int]:
    """Enqueue one job in a unit of its own."""

    def enqueue_one(kind: str, args: dict[str, Any] | None = None, **options: Any) -> int:
        with database.unit() as session:
            return enqueue(session, kind, args or {}, **options)

    return enqueue_one


@pytest.fixture
def row(database: Database) -> Callable[[int], Job]:
    """Return a job's row as it stands."""

    def look(job_id: int) -> Job:
        with database.reading() as session:
            return session.get_one(Job, job_id)

    return look
