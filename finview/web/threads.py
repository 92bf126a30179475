"""The worker threads in which requests wait for the database."""

from collections.abc import Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

import os
THREADS = int(os.environ.get("FVT","16"))

T = TypeVar("T")
_limiter: RunVar[CapacityLimiter] = RunVar("finview_graphql_threads")


async def in_thread(call: Callable[..., T], *args: Any) -> T:
    """Call something that waits for the database, in a worker thread."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(THREADS)
        _limiter.set(limiter)
    return await to_thread.run_sync(call, *args, limiter=limiter)
