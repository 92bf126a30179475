"""The default carrier: dramatiq's workers fed straight from the job table, no server between."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.message import Message

from finview.db.runtime import Services
from finview.jobs.carriers import Transport, bundles, claims_in, message_of
from finview.jobs.claims import Claim, claim, release
from finview.jobs.process import process_of
from finview.jobs.runner import is_short

LONG = "bulk"


class SqlBroker(Broker):
    """Hands claimed rows to a dramatiq Worker; nothing is ever enqueued here."""

    def __init__(self, services: Services) -> None:
        # No Retries, AgeLimit or Callbacks: the table decides all that. No TimeLimit: an import
        # may take an hour; leases and the deadlines of outbound calls bound what hangs.
        super().__init__(middleware=[])
        self.services = services
        self.stopping = process_of(services).stopping
        self._consumers: dict[str, SqlConsumer] = {}

    def declare_queue(self, queue_name: str) -> None:
        """Make a queue known to the worker."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = queue_name
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:
        """Return an iterator over claims of a queue; `timeout` in milliseconds."""
        made = SqlConsumer(self, queue_name, prefetch, timeout / 1000)
        self._consumers[queue_name] = made
        return made

    def more(self, queue: str, done: int) -> Sequence[Claim]:
        """Free the slots of `done` claims that a thread has run; return what it may run next."""
        return self._consumers[queue].more(done)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Refuse: work is a row, written by `finview.db.jobs.enqueue`."""
        raise RuntimeError(f"jobs are rows, not messages: {message.actor_name} (delay {delay})")


BUFFERS = 4
"""How many times dramatiq's prefetch, which is two for each thread, short jobs are claimed ahead."""


class SqlConsumer(Consumer):
    """Claims rows in batches: a transaction for half a buffer of short jobs, not one for each.

    Jobs of the queue `bulk` take long: none is kept waiting here that another process could do.
    SQLite has one writer: more threads would only hand its turn to each other, so there one thread
    runs the short jobs of a queue and claims the next ones itself.
    """

    def __init__(self, broker: SqlBroker, queue: str, prefetch: int, timeout_s: float) -> None:
        self._broker = broker
        self._database = broker.services.db
        self._queue = queue
        ahead = queue != LONG
        threads = max(1, prefetch // 2)
        self._prefetch = BUFFERS * prefetch if ahead else threads
        self._alone = self._database.lock is not None
        self._sharers = 1 if self._alone else threads
        self._batch_min = self._prefetch // 2 if ahead else 1
        self._expects = False
        self._timeout_s = timeout_s
        self._claimed: deque[Message[Any]] = deque()
        self._guard = threading.Lock()
        self._out = 0

    def __next__(self) -> MessageProxy | None:
        """Return the next claims, or None after waiting for some in vain."""
        wake = self._database.wake
        seen = wake.rings(self._queue)
        if not self._claimed:
            self._claimed.extend(self._message(bundle) for bundle in self._claim())
        if self._claimed:
            return MessageProxy(self._claimed.popleft())
        wake.wait(self._queue, seen, self._timeout_s)
        return None

    def more(self, done: int) -> Sequence[Claim]:
        """Free the slots of `done` claims that a thread has run; return what it may run next."""
        with self._guard:
            self._out -= done
            roomy = self._prefetch - self._out >= self._batch_min
        first: Sequence[Claim] = ()
        if roomy and self._alone:
            found = self._claim(look=False)
            if found and is_short(found[0][0].kind):
                first = found.pop(0)
            self._claimed.extend(self._message(bundle) for bundle in found)
        if self._claimed or (roomy and not first):
            self._database.wake.ring(self._queue)  # look before the time-out
        return first

    def _claim(self, *, look: bool = True) -> list[Sequence[Claim]]:
        """Claim as many as there is room for, in the bundles that share a thread."""
        with self._guard:
            free = self._prefetch - self._out
            if free < self._batch_min or self._broker.stopping.is_set():
                return []
            self._out += free
        taken: list[Claim] = []
        try:
            taken = claim(self._database, self._queue, free, look=look and not self._expects)
        finally:
            with self._guard:
                self._out -= free - len(taken)
        self._expects = len(taken) == free
        return list(bundles(taken, max(1, -(-len(taken) // self._sharers))))

    def _message(self, bundle: Sequence[Claim]) -> Message[Any]:
        return message_of(self._queue, bundle)

    def ack(self, message: MessageProxy) -> None:
        """Nothing is to be told: `more` has freed the slots."""

    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Make rows ready again whose handlers never started."""
        claims = claims_in(messages)
        if claims:
            release(self._database, [one.fence for one in claims])

    def close(self) -> None:
        """Give back what was claimed but not handed on."""
        left, self._claimed = list(self._claimed), deque()
        self.requeue(MessageProxy(message) for message in left)


def make(services: Services) -> Transport:
    """Return the transport."""
    broker = SqlBroker(services)
    return Transport(broker, more=broker.more)


def ping(_url: str) -> None:
    """Nothing is to be reached but the database."""
