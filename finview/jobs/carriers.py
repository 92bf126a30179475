"""Which transport carries claimed jobs to handlers, chosen by `FINVIEW_BROKER`."""

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
from finview.jobs.runner import run_job

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

    `prefix` stands before the names of its queues.
    """

    broker: Broker
    carrier: Carrier | None = None
    prefix: str = ""


def transport_of(services: Services, queues: Iterable[str] = QUEUES) -> Transport:
    """Make the transport the settings name; a new one for each worker, it can't be used twice.

    Raises `Invalid` (BROKER_UNKNOWN, BROKER_MISSING).
    """
    made: Transport = _module(services.settings.broker).make(services)

    def run(job_id: int, attempt: int, kind: str) -> None:
        run_job(services, job_id, attempt, kind)

    for queue in queues:
        name = made.prefix + queue
        dramatiq.actor(broker=made.broker, actor_name=actor_name(name), queue_name=name)(run)
    return made


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


def message_of(queue: str, claim: Claim, **options: Any) -> Message[Any]:
    """Return the message that carries a claim: ids only; `queue` with its prefix."""
    return Message(
        queue_name=queue,
        actor_name=actor_name(queue),
        args=(claim.id, claim.attempt, claim.kind),
        kwargs={},
        options=options,
    )


def claims_in(messages: Iterable[MessageProxy]) -> list[tuple[int, int]]:
    """Return id and attempt of the claims that messages carry."""
    return [(int(m.args[0]), int(m.args[1])) for m in messages]


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
            release(self._database, claims_in(left))
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
