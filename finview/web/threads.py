"""The worker threads in which requests wait for the database."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import lru_cache
from os import cpu_count
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

THREADS = 16
PATIENT_THREADS = 4
QUICK_THREADS_SQLITE = 2

T = TypeVar("T")
_limiter: RunVar[CapacityLimiter] = RunVar("finview_graphql_threads")
_patient: RunVar[CapacityLimiter] = RunVar("finview_patient_threads")


async def in_thread(call: Callable[..., T], *args: Any) -> T:
    """Call something that waits for the database, in a worker thread."""
    return await to_thread.run_sync(call, *args, limiter=_among(_limiter, THREADS))


async def in_patient_thread(call: Callable[..., T], *args: Any) -> T:
    """Call something that waits for somebody else's server, which may hold up only its like."""
    return await to_thread.run_sync(call, *args, limiter=_among(_patient, PATIENT_THREADS))


def _among(kept: RunVar[CapacityLimiter], threads: int) -> CapacityLimiter:
    try:
        return kept.get()
    except LookupError:
        limiter = CapacityLimiter(threads)
        kept.set(limiter)
        return limiter


class _Work(NamedTuple):
    """A call and the future that waits for it."""

    context: Context
    call: Callable[..., Any]
    args: tuple[Any, ...]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Lane:
    """A few threads for what takes milliseconds: more would only wait for each other.

    What may take longer belongs into `in_thread`, or it holds up everything else here.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._queue: SimpleQueue[_Work] = SimpleQueue()
        self._lock = threading.Lock()
        self._started = 0

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """Call something in one of the threads; in its turn."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._started < self.threads:
            self._start()
        self._queue.put(_Work(copy_context(), call, args, loop, future))
        return await future

    def _start(self) -> None:
        with self._lock:
            if self._started < self.threads:
                self._started += 1
                name = f"finview-quick-{self._started}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while True:
            work = self._queue.get()
            error: BaseException | None = None
            found = None
            try:
                found = work.context.run(work.call, *work.args)
            except BaseException as raised:  # noqa: BLE001 -- raised where it is waited for
                error = raised
            with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                work.loop.call_soon_threadsafe(_settle, work.future, found, error)
            del work, found, error  # nothing stays alive until the next call


def _settle(future: asyncio.Future[Any], found: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(found)
    else:
        future.set_exception(error)


@lru_cache
def lane_for(dialect: str) -> Lane:
    """Return this process's lane for quick reads of a database."""
    return Lane(QUICK_THREADS_SQLITE if dialect == "sqlite" else (cpu_count() or 1) + 1)


__all__ = ["Lane", "in_thread", "lane_for"]
