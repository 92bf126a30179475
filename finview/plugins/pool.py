"""Four daemon threads per provider, so that one that hangs starves nobody else."""

import contextvars
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

THREADS = 4

# A thread can't be killed: after the deadline the caller leaves, the thread stays with the call.
LATE = TimeoutError("no answer within the deadline")
BUSY = TimeoutError("all its threads are busy")


@dataclass(slots=True)
class Outcome:
    """What a call came to: a result, or the error it raised."""

    result: Any = None
    error: BaseException | None = None


class _Task:
    __slots__ = ("claimed", "context", "done", "outcome", "run", "started")

    def __init__(self, run: Callable[[], Outcome]) -> None:
        self.run = run
        self.context = contextvars.copy_context()
        self.claimed = (
            Lock()
        )  # whoever takes it first decides: a thread runs it, or the caller left
        self.done = Lock()  # released at the end; a lock waits at a quarter of an Event's price
        self.done.acquire()
        self.started = 0.0
        self.outcome = Outcome(error=LATE)


class Pool:
    """Runs calls on its own few threads; they are started as needed and never block an exit."""

    def __init__(self, name: str, threads: int = THREADS) -> None:
        self._name = name
        self._threads = threads
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._lock = Lock()
        self._running = 0
        self._idle = 0

    def run(self, run: Callable[[], Outcome], deadline_s: float) -> Outcome:
        """Return what `run` comes to; the error is LATE or BUSY when the deadline passed.

        `run` turns whatever foreign code raises into an outcome.
        """
        task = _Task(run)
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._running < self._threads:
                self._running += 1
                Thread(target=self._work, name=f"{self._name}-{self._running}", daemon=True).start()
        self._tasks.put(task)
        if not task.done.acquire(timeout=deadline_s):
            if task.claimed.acquire(blocking=False):
                return Outcome(error=BUSY)
            task.done.acquire(timeout=max(0.0, task.started + deadline_s - time.monotonic()))
        return task.outcome

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            task.started = time.monotonic()
            if task.claimed.acquire(blocking=False):
                self._perform(task)
            del task
            with self._lock:
                if self._tasks.qsize() == 0:
                    self._idle += 1

    @staticmethod
    def _perform(task: _Task) -> None:
        try:
            task.outcome = task.context.run(task.run)
        except KeyboardInterrupt as interrupt:
            task.outcome = Outcome(error=interrupt)
        finally:
            task.done.release()


_pools: dict[type[Any], Pool] = {}
_pools_lock = Lock()


def pool_of(provider: type[Any]) -> Pool:
    """Return the pool of a provider class, shared by all its instances."""
    pool = _pools.get(provider)
    if pool is None:
        with _pools_lock:
            pool = _pools.setdefault(provider, Pool(getattr(provider, "name", "provider")))
    return pool


# Threads don't survive a fork: the child starts with none.
os.register_at_fork(after_in_child=_pools.clear)
