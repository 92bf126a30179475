"""Subscriptions: whoever watches an object is shown it anew each time its row has changed.

The database is what is watched, so it does not matter which process changed the row: one thread
per process looks at all watched rows when the bus rings after a commit, of whichever process, and
every two seconds in case it was not heard. A look only wakes the watchers of the rows that have
changed; each then reads for itself, as the viewer it is at that moment.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    VariableNode,
)
from sqlalchemy import Select, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from finview.api.engine import faults, view
from finview.api.engine.ids import split
from finview.db import Database
from finview.db.jobs import FINAL, Job
from finview.db.runtime import Services
from finview.imports.models import Import, ImportState

log = logging.getLogger(__name__)

POLL_S = 2.0  # a look without a ring: the fallback where notes of other processes are lost
SPACING_S = 0.05  # between two looks, however many commits there are
BATCH = 500
GONE = "gone"


class Closing(Exception):
    """This process ends; whoever follows an object is to ask for it again, of the next one."""


Version = tuple[Any, ...]
Threads = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A kind of object that can be subscribed to."""

    tag: str
    look: Callable[[Iterable[int]], Select[Any]]
    """Selects id, then whatever tells one state of the object from the next."""
    is_final: Callable[[Version], bool]


_JOB: tuple[Any, ...] = (
    Job.id,
    Job.state,
    Job.runs,
    Job.progress_done,
    Job.progress_total,
    Job.phase,
    Job.error_code,
    Job.finished_at,
)
_IMPORT: tuple[Any, ...] = (
    Import.id,
    Import.state,
    Import.lock_version,
    Import.mapping_version,
    Import.job_id,
    Import.bucket_id,
    Import.error_file_id,
    Import.counts,
    Job.state,
    Job.progress_done,
    Job.progress_total,
    Job.error_code,
)


def _jobs(ids: Iterable[int]) -> Select[Any]:
    return select(*_JOB).where(Job.id.in_(ids))


def _imports(ids: Iterable[int]) -> Select[Any]:
    joined = select(*_IMPORT).outerjoin(Job, Job.id == Import.job_id)
    return joined.where(Import.id.in_(ids))


_DONE = {str(state) for state in FINAL}
_ENDED = {str(state) for state in (ImportState.LAUNCHED, ImportState.REVERTED, ImportState.FAILED)}
WATCHED: Mapping[str, Watched] = {
    "jobUpdated": Watched(tag="job", look=_jobs, is_final=lambda v: v[1] in _DONE),
    "importUpdated": Watched(
        tag="imp", look=_imports, is_final=lambda v: v[1] in _ENDED and v[8] in {None, *_DONE}
    ),
}


@dataclass(slots=True, eq=False)
class Watcher:
    """One subscription that waits for its object to change."""

    watched: Watched
    key: int
    loop: asyncio.AbstractEventLoop
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    seen: str = ""
    """The version it was shown or woken for; it may be woken once too often, never too seldom."""

    def wake(self) -> None:
        """Wake the subscription, from whichever thread."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.changed.set)


class Hub:
    """Looks at the rows of all watchers of this process; its thread lives while there are any."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._watchers: set[Watcher] = set()
        self._thread: threading.Thread | None = None
        self.closing = False

    def close(self) -> None:
        """End every subscription: each raises `Closing`."""
        with self._lock:
            self.closing = True
            for watcher in self._watchers:
                watcher.wake()

    def add(self, watcher: Watcher) -> None:
        """Let a watcher be woken when its object changes."""
        with self._lock:
            self._watchers.add(watcher)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="finview-watch", daemon=True)
                self._thread.start()

    def remove(self, watcher: Watcher) -> None:
        """Forget a watcher; the last one ends the thread."""
        with self._lock:
            self._watchers.discard(watcher)
            last = not self._watchers
        if last:
            self.database.commits.ring_here()

    @property
    def watching(self) -> int:
        """Return how many subscriptions wait."""
        with self._lock:
            return len(self._watchers)

    def _run(self) -> None:
        bus = self.database.commits
        with bus.listening():
            while True:
                rings = bus.rings
                with self._lock:
                    watchers = list(self._watchers)
                    if not watchers:
                        self._thread = None
                        return
                try:
                    self._look(watchers)
                except SQLAlchemyError as lost:
                    log.warning("subscriptions.look error=%s", type(lost).__name__)
                time.sleep(SPACING_S)
                bus.wait(rings, POLL_S - SPACING_S)

    def _look(self, watchers: Iterable[Watcher]) -> None:
        by_kind: dict[Watched, dict[int, list[Watcher]]] = {}
        for one in watchers:
            by_kind.setdefault(one.watched, {}).setdefault(one.key, []).append(one)
        for watched, keyed in by_kind.items():
            found = self._versions(watched, sorted(keyed))
            for key, those in keyed.items():
                for one in those:
                    version = found.get(key, GONE)
                    if one.seen != version:
                        one.seen = version
                        one.wake()

    def _versions(self, watched: Watched, keys: list[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        with self.database.reading() as session:
            for start in range(0, len(keys), BATCH):
                for row in session.execute(watched.look(keys[start : start + BATCH])):
                    found[row[0]] = repr(tuple(row))
        return found


@dataclass(frozen=True, slots=True)
class _State:
    """One reading of the object: the answer, its version, and whether it was the last."""

    answer: view.Answer | None
    version: str
    last: bool


async def follow(
    services: Services, ready: view.Ready, caller: view.Caller, threads: Threads
) -> AsyncIterator[view.Answer]:
    """Yield the answer now and after each change, the latest only; end after a final state.

    `threads` calls something blocking in a worker thread. An answer with errors alone is the last.
    Raises `Closing` when the server is to stop.
    """
    target = _target(ready)
    if target is None:
        yield view.refusal(faults.bad_request("this can't be subscribed to"))
        return
    watched, key = target
    watcher = Watcher(watched, key, asyncio.get_running_loop())
    hub = services.get(Hub)
    hub.add(watcher)
    version = ""
    try:
        while True:
            watcher.changed.clear()
            state = await threads(_read, services, ready, caller, watcher, version)
            version = state.version
            if state.answer is not None:
                yield state.answer
            if state.last:
                return
            if not hub.closing:
                await watcher.changed.wait()
            if hub.closing:
                raise Closing
    finally:
        hub.remove(watcher)


def _read(
    services: Services, ready: view.Ready, caller: view.Caller, watcher: Watcher, version: str
) -> _State:
    """Read the object once, in one session with its version, as the viewer of this moment."""

    def read(session: Session) -> _State:
        row = session.execute(watcher.watched.look([watcher.key])).one_or_none()
        found = watcher.seen = repr(tuple(row)) if row is not None else GONE
        if found == version:
            return _State(None, found, last=False)
        viewer = caller.who(session)
        refused = view.refused(services, ready, caller, viewer) if not version else None
        answer = refused or view.execute(services, session, ready, viewer, caller.locale)
        final = row is None or watcher.watched.is_final(tuple(row))
        return _State(answer, found, last=final or not answer.body.get("data"))

    return view.guarded(services, caller, read, lambda answer: _State(answer, version, last=True))


def _target(ready: view.Ready) -> tuple[Watched, int] | None:
    """Return what an operation watches; None when it asks for nothing that can be watched.

    An id of another kind is watched as a missing object is: the same work, the same answer.
    """
    node = _root(ready)
    watched = WATCHED.get(node.name.value) if node is not None else None
    if node is None or watched is None:
        return None
    tag, key = split(_id(ready, node))
    return watched, key[0] if tag == watched.tag and len(key) == 1 else 0


def _id(ready: view.Ready, node: FieldNode) -> str:
    """Return the id given to a field; whether it is a valid one is seen when the field runs."""
    for argument in node.arguments or ():
        if argument.name.value == "id":
            value = argument.value
            if not isinstance(value, VariableNode):
                return str(getattr(value, "value", ""))
            name = value.name.value
            if name in ready.request.variables:
                return str(ready.request.variables[name])
            for one in ready.operation.node.variable_definitions or ():
                if one.variable.name.value == name:
                    return str(getattr(one.default_value, "value", ""))
    return ""


def _root(ready: view.Ready) -> FieldNode | None:
    """Return the one root field, which may stand in a fragment."""
    left = list(ready.operation.node.selection_set.selections)
    while left:
        node = left.pop()
        if isinstance(node, FieldNode):
            return node
        if isinstance(node, InlineFragmentNode):
            left += node.selection_set.selections
        elif isinstance(node, FragmentSpreadNode):
            left += [
                inner
                for one in ready.document.node.definitions
                if isinstance(one, FragmentDefinitionNode) and one.name.value == node.name.value
                for inner in one.selection_set.selections
            ]
    return None
