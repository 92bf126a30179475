"""RabbitMQ as the carrier: dramatiq's consumer, publishing without confirms, no dead letters."""

from collections.abc import Sequence
from typing import Any

import pika
from dramatiq.broker import Consumer
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.errors import ConnectionClosed
from pika.exceptions import AMQPError

from finview.db.runtime import Services
from finview.jobs.carriers import (
    ROUND_TRIP_S,
    CarriedConsumer,
    CarrierAway,
    Transport,
    bundle_size,
    bundles,
    message_of,
)
from finview.jobs.claims import Claim

PREFIX = "finview."
HEARTBEAT_S = 60
_LOST = (AMQPError, ConnectionClosed, OSError, AssertionError)  # pika asserts that it is connected


class RabbitCarrier(RabbitmqBroker):
    """dramatiq's RabbitMQ broker without queues for delays and dead letters: the table has both."""

    def __init__(self, services: Services) -> None:
        super().__init__(url=services.settings.broker, middleware=[], confirm_delivery=False)
        self.parameters = bounded(services.settings.broker)
        self._services = services

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:
        """Make a queue known to the worker and, with `ensure`, to the server."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.queues_pending.add(queue_name)
            self.emit_after("declare_queue", queue_name)
        if ensure:
            self._ensure_queue(queue_name)

    def _ensure_queue(self, queue_name: str) -> None:
        try:
            if queue_name in self.queues_pending:
                self.channel.queue_declare(queue=queue_name, durable=True)
                self.queues_pending.discard(queue_name)
        except _LOST as lost:
            del self.connection
            raise ConnectionClosed(lost) from None  # type: ignore[no-untyped-call]  # dramatiq is half typed

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:
        """Return an iterator over the messages of a queue."""
        inner = super().consume(queue_name, prefetch, timeout)
        return CarriedConsumer(inner, self._services, _LOST)

    def publish(self, queue: str, claims: Sequence[Claim]) -> None:
        """Hand over claims in order; raises CarrierAway, and then any of them may be lost.

        Confirms would cost more than half and buy nothing: the sweep finds what was lost.
        """
        name = PREFIX + queue
        kept = pika.BasicProperties(delivery_mode=2)
        try:
            self._ensure_queue(name)
            channel = self.channel
            for bundle in bundles(claims, bundle_size(len(claims))):
                channel.basic_publish("", name, message_of(name, bundle).encode(), kept)
            self.connection.process_data_events(0)
        except _LOST as lost:
            raise self._away(lost) from lost

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue; raises CarrierAway."""
        try:
            told = self.channel.queue_declare(PREFIX + queue, passive=True)
            return int(told.method.message_count)
        except _LOST as lost:
            raise self._away(lost) from lost

    def keep(self) -> None:
        """Answer the server's heartbeat; raises CarrierAway."""
        if getattr(self.state, "connection", None) is None:
            return
        try:
            self.connection.process_data_events(0)
        except _LOST as lost:
            raise self._away(lost) from lost

    def _away(self, _lost: Exception) -> CarrierAway:
        # After a restart without its disk the server knows no queue any more.
        self.queues_pending.update(self.queues)
        del self.connection
        return CarrierAway()


def bounded(url: str) -> Any:
    """Return connection parameters that give up soon."""
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = ROUND_TRIP_S
    parameters.stack_timeout = 2 * ROUND_TRIP_S
    parameters.blocked_connection_timeout = 2 * ROUND_TRIP_S
    parameters.heartbeat = HEARTBEAT_S
    parameters.connection_attempts = 1
    return parameters


def make(services: Services) -> Transport:
    """Return the transport; no connection is made yet."""
    broker = RabbitCarrier(services)
    return Transport(broker, broker, PREFIX)


def ping(url: str) -> None:
    """Ask the server for a sign of life; raises CarrierAway."""
    try:
        pika.BlockingConnection(bounded(url)).close()
    except _LOST as lost:
        raise CarrierAway from lost
