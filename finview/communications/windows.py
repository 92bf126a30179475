"""Hours in which a debtor may be contacted: open now, when next, and where in them (pure)."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Day = tuple[time, time] | None
IsHoliday = Callable[[date], bool]

SEARCH_DAYS = 30
"""No country closes for longer; zones that are never open together are a mistake in the data."""

USED_PARTS = 90
"""Out of a hundred: what is spread over a window leaves its last part for tries after a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Between which instants contact is allowed; `closes` does not belong to it."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The hours of a channel at the place of a debtor: all `zones` must be open at once.

    `week` are the hours of seven days, Monday first, each in local time.
    """

    week: Sequence[Day]
    zones: tuple[str, ...]
    is_holiday: IsHoliday

    def on(self, day: date) -> Window | None:
        """Return the window of a local day, None when it is closed."""
        hours = self.week[day.weekday()]
        if hours is None or self.is_holiday(day):
            return None
        opens = max(_at(day, hours[0], zone) for zone in self.zones)
        closes = min(_at(day, hours[1], zone) for zone in self.zones)
        return Window(opens=opens, closes=closes) if opens < closes else None

    def next(self, instant: datetime) -> Window | None:
        """Return the window an instant lies in, else the next one; None without any."""
        # A zone far in the west still has the day before.
        first = instant.astimezone(ZoneInfo(self.zones[0])).date() - timedelta(days=1)
        for n in range(SEARCH_DAYS):
            found = self.on(first + timedelta(days=n))
            if found is not None and instant < found.closes:
                return found
        return None

    def why_closed(self, instant: datetime) -> str:
        """Return the reason code of an instant that lies in no window."""
        local = instant.astimezone(ZoneInfo(self.zones[0]))
        if self.is_holiday(local.date()):
            return "PUBLIC_HOLIDAY"
        return "DAY_OF_REST" if self.week[local.weekday()] is None else "OUTSIDE_HOURS"


def spread(window: Window, case_id: int) -> datetime:
    """Return the instant of a case in a window: the same each time, and no two cases crowd.

    A thousand messages that wait for the opening don't leave in its first second.
    """
    length = (window.closes - window.opens) * USED_PARTS / 100
    share = zlib.crc32(b"%d" % case_id) / 0xFFFFFFFF
    return window.opens + timedelta(seconds=int(length.total_seconds() * share))


def read_week(kept: Sequence[Sequence[str] | None]) -> tuple[Day, ...]:
    """Return the hours of a week as a policy's row keeps them."""
    return tuple(
        None if day is None else (time.fromisoformat(day[0]), time.fromisoformat(day[1]))
        for day in kept
    )


def keep_weeks(hours: Mapping[str, Sequence[Day]]) -> dict[str, list[list[str] | None]]:
    """Return the hours of channels as a policy's row keeps them."""
    return {
        channel: [None if d is None else [d[0].isoformat(), d[1].isoformat()] for d in week]
        for channel, week in hours.items()
    }


def _at(day: date, at: time, zone: str) -> datetime:
    """Return a local time as an instant; one the clocks skip counts as if they had not."""
    return datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)
