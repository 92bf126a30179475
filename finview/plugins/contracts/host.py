"""What finview lends a provider: a log, the clock, a client for the network."""

import logging
from collections.abc import Collection
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from finview import clock

if TYPE_CHECKING:
    import httpx


class Clock(Protocol):
    """Tells the time; moved by the test clock, so never ask the system."""

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        ...

    def today(self, zone: str = "UTC") -> date:
        """Return the calendar day at `zone`, an IANA name."""
        ...


class Host:
    """One provider's view of finview; everything here may be used from several threads.

    `trusted` are hosts and ports inside the own network that the installation lets plugins call;
    with `loopback`, in development, this machine itself is one of them.
    """

    def __init__(
        self,
        provider: str = "test",
        *,
        trusted: Collection[tuple[str, int]] = (),
        loopback: bool = False,
    ) -> None:
        self.provider = provider
        self._trusted, self._loopback = frozenset(trusted), loopback
        self.log = logging.getLogger(f"finview.plugins.{provider}")

    @property
    def clock(self) -> Clock:
        """Return the clock that finview itself goes by."""
        return clock

    @cached_property
    def http(self) -> "httpx.Client":
        """Return an HTTP client with time-outs that refuses private and local addresses.

        What FINVIEW_PLUGIN_HOSTS names is allowed, and in development the machine itself.
        """
        from finview.plugins.http import public_client

        return public_client(trusted=self._trusted, loopback=self._loopback)
