"""Redis, or a server that speaks like it, as the carrier: dramatiq's consumer, our publishing."""

from collections.abc import Sequence
from typing import Any

import redis
from dramatiq.broker import Consumer
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

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

NAMESPACE = "finview"
IDLE_MS = 100
"""The longest pause between two looks into an empty queue: half of it is the delay of a lone job."""


class RedisCarrier(RedisBroker):
    """dramatiq's Redis broker without delays and dead letters: the table has both."""

    def __init__(self, services: Services) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # dramatiq is half typed
            client=connect(services.settings.broker), middleware=[], namespace=NAMESPACE
        )
        self._services = services

    def declare_queue(self, queue_name: str) -> None:
        """Make a queue known to the worker, without its twin for delays."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = IDLE_MS) -> Consumer:
        """Return an iterator over the messages of a queue."""
        inner = super().consume(queue_name, prefetch, min(timeout, IDLE_MS))
        return CarriedConsumer(inner, self._services, (redis.RedisError,))

    def publish(self, queue: str, claims: Sequence[Claim]) -> None:
        """Hand over claims in order, all or none; raises CarrierAway.

        The two commands are what dramatiq's own script does for one message.
        """
        messages: dict[Any, Any] = {}
        for bundle in bundles(claims, bundle_size(len(claims))):
            key = f"{bundle[0].id}.{bundle[0].attempt}"
            messages[key] = message_of(queue, bundle, redis_message_id=key).encode()
        try:
            with self.client.pipeline(transaction=True) as pipe:
                pipe.hset(f"{self.namespace}:{queue}.msgs", mapping=messages)
                pipe.rpush(f"{self.namespace}:{queue}", *messages)
                pipe.execute()
        except redis.RedisError as lost:
            raise CarrierAway from lost

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue; raises CarrierAway."""
        try:
            return int(self.client.llen(f"{self.namespace}:{queue}"))
        except redis.RedisError as lost:
            raise CarrierAway from lost

    def keep(self) -> None:
        """Nothing is to be done: a connection that was lost is made anew by the next command."""

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def connect(url: str) -> "redis.Redis":
    """Return a client that gives up soon; no connection is made yet."""
    return redis.Redis.from_url(
        url,
        socket_timeout=ROUND_TRIP_S,
        socket_connect_timeout=ROUND_TRIP_S,
        retry=Retry(NoBackoff(), 1),
    )


def make(services: Services) -> Transport:
    """Return the transport; no connection is made yet."""
    broker = RedisCarrier(services)
    return Transport(broker, broker)


def ping(url: str) -> None:
    """Ask the server for a sign of life; raises CarrierAway."""
    client = connect(url)
    try:
        client.ping()
    except redis.RedisError as lost:
        raise CarrierAway from lost
    finally:
        client.close()
