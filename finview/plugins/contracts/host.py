"""What finview lends a provider: a log, the clock, a client for the network."""

import logging
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
    """One provider's view of finview; everything here may be used from several threads."""

    def __init__(self, provider: str = "test") -> None:
        self.provider = provider
        self.log = logging.getLogger(f"finview.plugins.{provider}")

    @property
    def clock(self) -> Clock:
        """Return the clock that finview itself goes by."""
        return clock

    @cached_property
    def http(self) -> "httpx.Client":
        """Return an HTTP client with time-outs that refuses private and local addresses."""
        from finview.plugins.http import public_client

        return public_client()
