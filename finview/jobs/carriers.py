"""Which transport carries claimed jobs to handlers, chosen by `FINVIEW_BROKER`."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

import dramatiq
from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed
from dramatiq.message import Message

from finview.db.jobs import QUEUES
from finview.db.runtime import Services
from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.jobs.claims import Claim, release
from finview.jobs.process import process_of
from finview.jobs.runner import is_short, run_bundle

log = logging.getLogger(__name__)

sentences(
    {
        "BROKER_UNKNOWN": N_(
            "FINVIEW_BROKER={broker} is not supported; use sql, redis://… or amqp://…"
        ),
        "BROKER_MISSING": N_("FINVIEW_BROKER needs a package: pip install 'finview[{extra}]'."),
    }
)

TRANSPORTS = {
    "sql": "sql",
    "redis": "redis",
    "rediss": "redis",
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
}
ROUND_TRIP_S = 5.0
"""How long a server may take to answer before it counts as gone."""

STOPPING_S = 0.1

BUNDLE = 8
BUNDLE_PER = 16


class CarrierAway(Exception):
    """The broker can't be reached; what was to be published may be lost and is claimed anew."""


class Carrier(Protocol):
    """What a relay needs of a broker that is a server of its own."""

    def publish(self, queue: str, claims: Sequence[Claim]) -> None:
        """Hand over claims in order; raises CarrierAway, and then any of them may be lost."""

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue; raises CarrierAway."""

    def keep(self) -> None:
        """Let an idle connection live; raises CarrierAway. Called about once a second."""


@dataclass(frozen=True, slots=True)
class Transport:
    """A dramatiq broker, and what to relay rows with when it is a server of its own.

    `prefix` stands before the names of its queues. `more(queue, done)` is told how many claims a
    thread has run, and gives it what it may run next.
    """

    broker: Broker
    carrier: Carrier | None = None
    prefix: str = ""
    more: Callable[[str, int], Sequence[Claim]] = lambda _queue, _done: ()


def transport_of(services: Services, queues: Iterable[str] = QUEUES) -> Transport:
    """Make the transport the settings name; a new one for each worker, it can't be used twice.

    Raises `Invalid` (BROKER_UNKNOWN, BROKER_MISSING).
    """
    made: Transport = _module(services.settings.broker).make(services)

    for queue in queues:
        name = made.prefix + queue
        run = partial(_run, services, made, queue)
        dramatiq.actor(broker=made.broker, actor_name=actor_name(name), queue_name=name)(run)
    return made


def _run(services: Services, transport: Transport, queue: str, *carried: Any) -> None:
    """Run the claims of a message, and as long as there are any, what may follow in this thread."""
    bundle: Sequence[Claim] = _carried(carried)
    while bundle:
        done = len(bundle)
        try:
            run_bundle(services, bundle)
        finally:
            bundle = transport.more(queue, done)


def check_broker(url: str) -> None:
    """Ask the broker for a sign of life; raises CarrierAway, `Invalid`."""
    _module(url).ping(url)


def _module(url: str) -> ModuleType:
    scheme = url.partition("://")[0]
    name = TRANSPORTS.get(scheme)
    if name is None:
        raise Invalid("BROKER_UNKNOWN", broker=scheme)
    try:
        return import_module(f"finview.jobs.transports.{name}")
    except ModuleNotFoundError:
        raise Invalid("BROKER_MISSING", extra=name) from None


def actor_name(queue: str) -> str:
    """Return the name of a queue's one actor."""
    return f"run:{queue}"


def bundles(claims: Iterable[Claim], size: int) -> Iterator[Sequence[Claim]]:
    """Part claims, in order, into what one message carries: up to `size` short jobs, or one other.

    A message costs as much as a short job; each job has its own transaction and fence all the same.
    """
    bundle: list[Claim] = []
    for claim in claims:
        short = is_short(claim.kind)
        if bundle and not (short and len(bundle) < size):
            yield bundle
            bundle = []
        bundle.append(claim)
        if not short:
            yield bundle
            bundle = []
    if bundle:
        yield bundle


def bundle_size(ready: int) -> int:
    """Return how many of this many claims may share a message that any process may take.

    With few of them each goes alone: no process shall wait while another has a row of them.
    """
    return min(BUNDLE, 1 + ready // BUNDLE_PER)


def message_of(queue: str, bundle: Sequence[Claim], **options: Any) -> Message[Any]:
    """Return the message that carries claims: ids only; `queue` with its prefix."""
    return Message(
        queue_name=queue,
        actor_name=actor_name(queue),
        args=tuple(part for one in bundle for part in (one.id, one.attempt, one.kind)),
        kwargs={},
        options=options,
    )


def claims_in(messages: Iterable[MessageProxy]) -> list[Claim]:
    """Return the claims that messages carry."""
    return [one for message in messages for one in _carried(message.args)]


def _carried(args: Sequence[Any]) -> list[Claim]:
    given = iter(args)
    return [Claim(int(key), int(attempt), kind) for key, attempt, kind in zip(given, given, given)]  # noqa: B905 -- threes


class CarriedConsumer(Consumer):
    """A server's consumer whose loss never holds up a handler's thread.

    What can't be acknowledged comes back, late, and its claim is void by then. What was fetched and
    not begun when the worker stops is ready again in the table.
    """

    def __init__(
        self, inner: Consumer, services: Services, lost: tuple[type[Exception], ...] = ()
    ) -> None:
        self._inner = inner
        self._database = services.db
        self._stopping = process_of(services).stopping
        self._lost: tuple[type[Exception], ...] = (ConnectionClosed, *lost)
        self._never = threading.Event()

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None after waiting for one in vain."""
        if self._stopping.is_set():
            self._never.wait(STOPPING_S)  # handlers still acknowledge by this consumer
            return None
        try:
            return next(self._inner)
        except self._lost as lost:
            raise ConnectionClosed(lost) from None  # type: ignore[no-untyped-call]  # dramatiq is half typed

    def ack(self, message: MessageProxy) -> None:
        """Tell the server that a message is done with, if it is there."""
        try:
            self._inner.ack(message)
        except self._lost as lost:
            log.warning("carrier.ack_lost error=%s", type(lost).__name__)

    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Make rows ready again whose handlers never started; their messages are void."""
        left = list(messages)
        if left:
            release(self._database, [one.fence for one in claims_in(left)])
            for message in left:
                self.ack(message)

    def close(self) -> None:
        """Give back what was fetched but not handed on, and close the connection."""
        fetched = getattr(self._inner, "message_cache", [])  # Redis; RabbitMQ takes its own back
        try:
            left = [next(self._inner) for _ in range(len(fetched))]
            self.requeue(message for message in left if message is not None)
            self._inner.close()
        except self._lost as lost:
            log.warning("carrier.close_lost error=%s", type(lost).__name__)
