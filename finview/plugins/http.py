"""The one client for calls to others: time-outs on everything, public addresses only.

Plugins borrow it, and signing in at a provider of identities goes through it.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any
from weakref import finalize

import httpcore
import httpx

TIMEOUT_S = 20.0
CONNECT_S = 5.0
CONNECTIONS_MAX = 20
_PORTS = {80, 443, 8080, 8443}


class Budget:
    """What all that a client does may take together: seconds from now on, and bytes read."""

    def __init__(self, *, seconds: float, bytes_max: int) -> None:
        self._until = time.monotonic() + seconds
        self._bytes = bytes_max

    def left(self, timeout: float | None) -> float:
        """Return how long the next step may take; raises ReadTimeout when the time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for all of it is over")
        return left if timeout is None else min(timeout, left)

    def take(self, count: int) -> None:
        """Count bytes that were read; raises ReadError when they are too many."""
        self._bytes -= count
        if self._bytes < 0:
            raise httpcore.ReadError("the answer is too large")


class _Bounded(httpcore.NetworkStream):
    """A connection that keeps to a budget, however slowly the other side sends."""

    def __init__(self, inner: httpcore.NetworkStream, budget: Budget) -> None:
        self._inner, self._budget = inner, budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there."""
        found = self._inner.read(max_bytes, self._budget.left(timeout))
        self._budget.take(len(found))
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send everything."""
        self._inner.write(buffer, self._budget.left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Go on encrypted, under the same budget."""
        left = self._budget.left(timeout)
        return _Bounded(self._inner.start_tls(ssl_context, server_hostname, left), self._budget)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows about itself."""
        return self._inner.get_extra_info(info)


class _PublicOnly(httpcore.NetworkBackend):
    """Resolves a name once, checks every address, and connects to the very address it checked."""

    def __init__(
        self, trusted: Collection[tuple[str, int]], budget: Budget | None, *, loopback: bool = False
    ) -> None:
        self._inner = httpcore.SyncBackend()
        self._trusted, self._budget, self._loopback = frozenset(trusted), budget, loopback

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, or raise ConnectError when the name leads into a private network."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = [str(entry[4][0]) for entry in found]
        if not ((host, port) in self._trusted or self._is_open(addresses, port)):
            raise httpcore.ConnectError(f"{host}:{port} is not a public address")
        budget = self._budget
        if budget is not None:
            timeout = budget.left(timeout)
        made = self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)
        return made if budget is None else _Bounded(made, budget)

    def _is_open(self, addresses: list[str], port: int) -> bool:
        if self._loopback and addresses and all(map(is_loopback, addresses)):
            return True
        return port in _PORTS and bool(addresses) and all(map(is_public, addresses))

    def connect_unix_socket(self, *_args: Any, **_options: Any) -> httpcore.NetworkStream:
        """Refuse: a local socket is not a public address."""
        raise httpcore.ConnectError("local sockets are refused")

    def sleep(self, seconds: float) -> None:
        """Wait between two tries of a connection."""
        self._inner.sleep(seconds)


@cache
def _authorities() -> ssl.SSLContext:
    """Return whom connections trust; reading them takes longer than most requests."""
    return ssl.create_default_context()


class _Transport(httpx.BaseTransport):
    def __init__(
        self, trusted: Collection[tuple[str, int]], budget: Budget | None, *, loopback: bool
    ) -> None:
        self._bounded = budget is not None
        self._inner = httpx.HTTPTransport(
            verify=_authorities(),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        )
        # httpx has no public way to choose how a connection is opened.
        self._inner._pool._network_backend = _PublicOnly(  # noqa: SLF001
            trusted, budget, loopback=loopback
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self._bounded:
            return self._inner.handle_request(request)
        request.headers["accept-encoding"] = "identity"
        response = self._inner.handle_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()  # a few bytes could unfold into more than the budget allows
            raise httpx.DecodingError("the answer is compressed", request=request)
        return response

    def close(self) -> None:
        self._inner.close()


def is_public(address: str) -> bool:
    """Return whether an IP address can be reached by anybody: not private, local or reserved."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_global and not parsed.is_multicast


def is_loopback(address: str) -> bool:
    """Return whether an IP address is this machine's own."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback


def public_client(
    *,
    trusted: Collection[tuple[str, int]] = (),
    budget: Budget | None = None,
    loopback: bool = False,
) -> httpx.Client:
    """Return a client that follows no redirects, ignores proxies of the environment, gives up in time.

    `trusted` are hosts and ports that the operator named: they may lead into a private network.
    `loopback` also lets it reach this machine itself, at any port: for development.
    """
    transport = _Transport(trusted, budget, loopback=loopback)
    client = httpx.Client(
        transport=transport,
        timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S),
        follow_redirects=False,
        trust_env=False,
    )
    # A provider is dropped when its settings change, maybe while one of its calls still runs.
    finalize(client, transport.close)
    return client
