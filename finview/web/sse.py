"""GraphQL over Server-Sent Events, one connection for each operation ("distinct connections").

Events are `next` with an answer, and `complete`; a comment line every 15 s keeps proxies patient.
"""

import asyncio
from collections.abc import AsyncIterator

from graphql import OperationType
from starlette.responses import Response, StreamingResponse

from finview.api.engine import subscriptions, view
from finview.db.runtime import Services
from finview.web.threads import in_thread

PING_S = 15.0
HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "content-type": "text/event-stream; charset=utf-8",
}


def response(services: Services, ready: view.Ready | view.Answer, caller: view.Caller) -> Response:
    """Return the stream of an operation's answers."""
    return StreamingResponse(_events(answers(services, ready, caller)), headers=HEADERS)


async def answers(
    services: Services, ready: view.Ready | view.Answer, caller: view.Caller
) -> AsyncIterator[view.Answer]:
    """Yield every answer of an operation: one, or those of a subscription."""
    if isinstance(ready, view.Answer):
        yield ready
    elif ready.kind is OperationType.SUBSCRIPTION:
        async for answer in subscriptions.follow(services, ready, caller, in_thread):
            yield answer
    else:
        yield await in_thread(view.run, services, ready, caller)


async def _events(source: AsyncIterator[view.Answer]) -> AsyncIterator[bytes]:
    # One place only: a client that reads slowly holds the subscription back, and then gets the
    # latest state instead of a backlog.
    waiting: asyncio.Queue[view.Answer | None] = asyncio.Queue(maxsize=1)

    async def pump() -> bool:
        """Hand on every answer; return whether that was all, or the server is to stop."""
        complete = True
        try:
            async for answer in source:
                await waiting.put(answer)
        except subscriptions.Closing:
            complete = False
        await waiting.put(None)
        return complete

    task = asyncio.create_task(pump())
    try:
        while True:
            try:
                answer = await asyncio.wait_for(waiting.get(), PING_S)
            except TimeoutError:
                yield b":\n\n"
                continue
            if answer is None:
                break
            yield b"event: next\ndata: " + answer.content() + b"\n\n"
        # Without it a client knows that it is to ask again.
        if await task:
            yield b"event: complete\ndata: \n\n"
    finally:
        task.cancel()
