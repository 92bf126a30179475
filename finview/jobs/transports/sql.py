"""The default carrier: dramatiq's workers fed straight from the job table, no server between."""

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.message import Message

from finview.db.runtime import Services
from finview.jobs.carriers import Transport, claims_in, message_of
from finview.jobs.claims import claim, release
from finview.jobs.process import process_of

LONG = "bulk"


class SqlBroker(Broker):
    """Hands claimed rows to a dramatiq Worker; nothing is ever enqueued here."""

    def __init__(self, services: Services) -> None:
        # No Retries, AgeLimit or Callbacks: the table decides all that. No TimeLimit: an import
        # may take an hour; leases and the deadlines of outbound calls bound what hangs.
        super().__init__(middleware=[])
        self.services = services
        self.stopping = process_of(services).stopping

    def declare_queue(self, queue_name: str) -> None:
        """Make a queue known to the worker."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = queue_name
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:
        """Return an iterator over claims of a queue; `timeout` in milliseconds."""
        return SqlConsumer(self, queue_name, prefetch, timeout / 1000)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Refuse: work is a row, written by `finview.db.jobs.enqueue`."""
        raise RuntimeError(f"jobs are rows, not messages: {message.actor_name} (delay {delay})")


BUFFERS = 4
"""How many times dramatiq's prefetch, which is two for each thread, short jobs are claimed ahead."""


class SqlConsumer(Consumer):
    """Claims rows in batches: a transaction for half a buffer of short jobs, not one for each.

    Jobs of the queue `bulk` take long: none is kept waiting here that another process could do.
    """

    def __init__(self, broker: SqlBroker, queue: str, prefetch: int, timeout_s: float) -> None:
        self._broker = broker
        self._database = broker.services.db
        self._queue = queue
        ahead = queue != LONG
        self._prefetch = BUFFERS * prefetch if ahead else max(1, prefetch // 2)
        self._batch_min = self._prefetch // 2 if ahead else 1
        self._more = False
        self._timeout_s = timeout_s
        self._claimed: deque[Message[Any]] = deque()
        self._guard = threading.Lock()
        self._out = 0

    def __next__(self) -> MessageProxy | None:
        """Return the next claim, or None after waiting for one in vain."""
        if self._claimed:
            return MessageProxy(self._claimed.popleft())
        wake = self._database.wake
        seen = wake.rings(self._queue)
        free = self._prefetch - self._out
        taken = []
        if free >= self._batch_min and not self._broker.stopping.is_set():
            taken = claim(self._database, self._queue, free, look=not self._more)
            self._more = len(taken) == free
        if not taken:
            wake.wait(self._queue, seen, self._timeout_s)
            return None
        with self._guard:
            self._out += len(taken)
        for one in taken:
            self._claimed.append(message_of(self._queue, one))
        return MessageProxy(self._claimed.popleft())

    def ack(self, message: MessageProxy) -> None:  # noqa: ARG002 -- dramatiq's signature
        """Free the slot; called by the handler's thread."""
        with self._guard:
            self._out -= 1
            roomy = self._prefetch - self._out >= self._batch_min
        if roomy:
            self._database.wake.ring(self._queue)  # look before the time-out

    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Make rows ready again whose handlers never started."""
        claims = claims_in(messages)
        if claims:
            release(self._database, claims)

    def close(self) -> None:
        """Give back what was claimed but not handed on."""
        left, self._claimed = list(self._claimed), deque()
        self.requeue(MessageProxy(message) for message in left)


def make(services: Services) -> Transport:
    """Return the transport."""
    return Transport(SqlBroker(services))


def ping(_url: str) -> None:
    """Nothing is to be reached but the database."""
