"""The HTTP client that plugins borrow: time-outs on everything, public addresses only."""

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

TIMEOUT_S = 20.0
CONNECT_S = 5.0
CONNECTIONS_MAX = 20
_PORTS = {80, 443, 8080, 8443}


class _PublicOnly(httpcore.NetworkBackend):
    """Resolves a name once, checks every address, and connects to the very address it checked."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

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
        if port not in _PORTS or not addresses or not all(map(is_public, addresses)):
            raise httpcore.ConnectError(f"{host}:{port} is not a public address")
        return self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    def connect_unix_socket(self, *_args: Any, **_options: Any) -> httpcore.NetworkStream:
        """Refuse: a local socket is not a public address."""
        raise httpcore.ConnectError("local sockets are refused")

    def sleep(self, seconds: float) -> None:
        """Wait between two tries of a connection."""
        self._inner.sleep(seconds)


class _Transport(httpx.BaseTransport):
    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport(
            verify=ssl.create_default_context(),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        )
        # httpx has no public way to choose how a connection is opened.
        self._inner._pool._network_backend = _PublicOnly()  # noqa: SLF001

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def is_public(address: str) -> bool:
    """Return whether an IP address can be reached by anybody: not private, local or reserved."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_global and not parsed.is_multicast


def public_client() -> httpx.Client:
    """Return a client that follows no redirects, ignores proxies of the environment, gives up in time."""
    return httpx.Client(
        transport=_Transport(),
        timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S),
        follow_redirects=False,
        trust_env=False,
    )
