"""When recurring work is due: rules in a time zone, the table of schedules, and who registers them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Json

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Schedule(Base):
    """Recurring work: `next_at` is when it is due by the test clock; any ticker fires it, once."""

    __tablename__ = "schedule"
    __table_args__ = (Index("schedule_next", "next_at", "id"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(80), unique=True)
    kind: Mapped[str] = mapped_column(String(80))
    args: Mapped[dict[str, Any]] = mapped_column(Json)
    rule: Mapped[str] = mapped_column(String(80))
    tz: Mapped[str] = mapped_column(String(60))
    enabled: Mapped[bool] = mapped_column(default=True)
    next_at: Mapped[datetime]
    last_at: Mapped[datetime | None]
    last_job_id: Mapped[int | None]
    # After an outage one run makes up for all that were missed; there is no other way yet.
    catch_up: Mapped[str] = mapped_column(String(10), default="ONE")


@dataclass(frozen=True, slots=True)
class Every:
    """Each full `seconds` since 1970 UTC, whatever the zone: restarts don't shift it."""

    seconds: int

    def __post_init__(self) -> None:
        if self.seconds < 1:
            raise ValueError("a period is at least a second")

    def after(self, instant: datetime, _zone: ZoneInfo) -> datetime:
        """Return the first due instant after another."""
        full = int(instant.timestamp()) // self.seconds
        return datetime.fromtimestamp((full + 1) * self.seconds, UTC)

    def __str__(self) -> str:
        return f"every:{self.seconds}"


@dataclass(frozen=True, slots=True)
class Daily:
    """Each day at a local time."""

    at: time

    def after(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """Return the first due instant after another."""
        return _first(self, instant, zone)

    def holds(self, _day: date) -> bool:
        """Tell whether it is due on a day."""
        return True

    def __str__(self) -> str:
        return f"daily:{self.at:%H:%M}"


@dataclass(frozen=True, slots=True)
class Weekly:
    """On some days of the week (0 is Monday) at a local time."""

    days: frozenset[int]
    at: time

    def __post_init__(self) -> None:
        if not self.days or not self.days <= set(range(7)):
            raise ValueError("days of the week are 0 to 6, and at least one")

    def after(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """Return the first due instant after another."""
        return _first(self, instant, zone)

    def holds(self, day: date) -> bool:
        """Tell whether it is due on a day."""
        return day.weekday() in self.days

    def __str__(self) -> str:
        return f"weekly:{'+'.join(DAYS[n] for n in sorted(self.days))}:{self.at:%H:%M}"


@dataclass(frozen=True, slots=True)
class Monthly:
    """On a day of the month, or its last day where it is shorter, at a local time."""

    day: int
    at: time

    def __post_init__(self) -> None:
        if not 1 <= self.day <= 31:
            raise ValueError("days of the month are 1 to 31")

    def after(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """Return the first due instant after another."""
        return _first(self, instant, zone)

    def holds(self, day: date) -> bool:
        """Tell whether it is due on a day."""
        is_last = (day + timedelta(days=1)).day == 1
        return day.day == self.day or (is_last and day.day < self.day)

    def __str__(self) -> str:
        return f"monthly:{self.day}:{self.at:%H:%M}"


Rule = Every | Daily | Weekly | Monthly


def parse(text: str) -> Rule:
    """Return the rule that a text of `str(rule)` stands for; raises ValueError."""
    word, _, rest = text.partition(":")
    if word == "every":
        return Every(int(rest))
    if word == "daily":
        return Daily(time.fromisoformat(rest))
    on, _, at = rest.partition(":")
    if word == "weekly":
        return Weekly(frozenset(DAYS.index(day) for day in on.split("+")), time.fromisoformat(at))
    if word == "monthly":
        return Monthly(int(on), time.fromisoformat(at))
    raise ValueError(f"no rule: {text!r}")


def next_after(rule: Rule, instant: datetime, tz: str) -> datetime:
    """Return the first instant after `instant` at which a rule is due in a zone, in UTC.

    A local time that the clocks skip is due at the next instant that exists, one that comes twice
    only the first time.
    """
    return rule.after(instant, ZoneInfo(tz))


def _first(rule: Daily | Weekly | Monthly, instant: datetime, zone: ZoneInfo) -> datetime:
    # The day before: a time that was skipped there may be due after midnight only.
    day = instant.astimezone(zone).date() - timedelta(days=1)
    while True:
        if rule.holds(day):
            due = _at(day, rule.at, zone)
            if due > instant:
                return due
        day += timedelta(days=1)


def _at(day: date, at: time, zone: ZoneInfo) -> datetime:
    wanted = datetime.combine(day, at)
    due = wanted.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if due.astimezone(zone).replace(tzinfo=None) == wanted:
        return due
    # Skipped: with the later offset the instant lies before the gap, with the earlier one behind.
    before = wanted.replace(tzinfo=zone, fold=1).astimezone(UTC)
    offset = due.astimezone(zone).utcoffset()
    while due - before > timedelta(seconds=1):
        middle = before + (due - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            due = middle
        else:
            before = middle
    return due.replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """Work the code itself wants to recur; it becomes a row of the table when a worker starts."""

    name: str
    kind: str
    rule: Rule
    args: Mapping[str, Any] = field(default_factory=dict)


_RECURRING: dict[str, Recurring] = {}


def recurring(
    kind: str, rule: Rule, *, name: str = "", args: Mapping[str, Any] | None = None
) -> None:
    """Register a kind of job to be enqueued whenever a rule is due, in the agency's time zone.

    A rule that was changed in the code replaces the one in the table; whether it is `enabled` is
    the installation's affair.
    """
    one = Recurring(name=name or kind, kind=kind, rule=rule, args=dict(args or {}))
    _RECURRING[one.name] = one


def registered() -> Mapping[str, Recurring]:
    """Return what the code wants to recur, by name."""
    return dict(_RECURRING)
