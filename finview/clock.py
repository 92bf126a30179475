"""The only place that asks what time it is; in development and tests the clock can be moved."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_offset: ContextVar[timedelta] = ContextVar("finview_clock_offset", default=timedelta())
_frozen: ContextVar[datetime | None] = ContextVar("finview_clock_frozen", default=None)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """Return the current instant in UTC, moved by the test clock."""
    return (_frozen.get() or datetime.now(UTC)) + _offset.get()


def now_ms() -> int:
    """Return the current instant as milliseconds since 1970 UTC."""
    return to_ms(now())


def today(zone: str = "UTC") -> date:
    """Return the calendar day at `zone` (an IANA name such as Europe/Berlin)."""
    return day_in(now(), zone)


def day_in(instant: datetime, zone: str) -> date:
    """Return the calendar day of an instant at `zone`."""
    return instant.astimezone(ZoneInfo(zone)).date()


def start_of(day: date, zone: str = "UTC") -> datetime:
    """Return the instant at which `day` begins in `zone`."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def to_ms(instant: datetime) -> int:
    """Return an aware instant as whole milliseconds since 1970 UTC."""
    return (instant - EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """Return the UTC instant of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def move(offset: timedelta) -> None:
    """Set how far this context's clock stands from the system's; `db` does so at each unit."""
    _offset.set(offset)


@contextmanager
def standing_at(instant: datetime) -> Iterator[None]:
    """Let the clock stand still at `instant` inside the block (tests, simulation)."""
    frozen, offset = _frozen.set(instant), _offset.set(timedelta())
    try:
        yield
    finally:
        _frozen.reset(frozen)
        _offset.reset(offset)
