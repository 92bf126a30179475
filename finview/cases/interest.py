"""Interest: one exact, lazy accrual over steps of principal, steps of rate, and windows (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Any

from finview.money import RATE_SCALE, digits, minor_text, rate_text, round_half_up

_PER_YEAR = 100 * RATE_SCALE
"""A rate of 1 is a hundredth of a ten-thousandth of the principal a year."""


class DayCount(StrEnum):
    """How days become parts of a year; no statute fixes one."""

    ACT_365 = "ACT_365"
    ACT_ACT = "ACT_ACT"
    ACT_360 = "ACT_360"
    THIRTY_E_360 = "THIRTY_E_360"


class Policy(StrEnum):
    """What is charged for the time up to the end of a breathing space."""

    DEFERRED = "DEFERRED"
    WAIVED = "WAIVED"
    FROM_END = "FROM_END"


Step = tuple[date, int]
"""From this day on the value holds: a principal in minor units, or a rate in 1/10,000 percent."""

Window = tuple[date, date]
"""Half-open days: the first counts, the last does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Days with one principal and one rate; `units` over the accrual's `per_year` are its years."""

    start: date
    end: date
    days: int
    principal: int
    rate: int
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrual:
    """Interest of one claim: exact parts, and one rounded amount in minor units."""

    segments: tuple[Segment, ...]
    numerator: int
    denominator: int
    minor: int

    def explain(self, currency: str) -> list[dict[str, Any]]:
        """Return the segments for a statement: amounts in major units, unrounded to six places."""
        scale = 10 ** (6 - digits(currency))
        return [
            {
                "from": s.start.isoformat(),
                "to": s.end.isoformat(),
                "days": s.days,
                "principal": minor_text(s.principal, currency),
                "percent": rate_text(s.rate),
                "amount": _six(
                    round_half_up(s.principal * s.rate * s.units * scale, self.denominator)
                ),
            }
            for s in self.segments
        ]


def accrue(
    principal: Sequence[Step],
    rates: Sequence[Step],
    *,
    since: date,
    until: date,
    day_count: DayCount = DayCount.ACT_365,
    without: Sequence[Window] = (),
) -> Accrual:
    """Return the interest from `since` (counted) to `until` (not counted), rounded once, half up.

    `principal` and `rates` are steps in order of their days; before the first step both are 0. A
    rate below 0 counts as 0 (§ 247 BGB may make a total negative). `without` are windows that bear
    no interest. The principal is what is open on a day: costs and interest bear none (§ 289 BGB).
    """
    whole = _DENOMINATORS[day_count]
    cuts = {since, until}
    for day, _ in (*principal, *rates):
        cuts.add(day)
    for first, last in without:
        cuts.add(first)
        cuts.add(last)
    days = sorted(day for day in cuts if since <= day <= until)
    segments: list[Segment] = []
    numerator = 0
    for start, end in pairwise(days):
        amount, rate = _at(principal, start), max(_at(rates, start), 0)
        if not amount or not rate or any(a <= start < b for a, b in without):
            continue
        units = year_units(start, end, day_count)
        numerator += amount * rate * units
        segments.append(
            Segment(
                start=start,
                end=end,
                days=(end - start).days,
                principal=amount,
                rate=rate,
                units=units,
            )
        )
    return Accrual(
        segments=tuple(segments),
        numerator=numerator,
        denominator=whole,
        minor=round_half_up(numerator, whole),
    )


def year_units(start: date, end: date, day_count: DayCount) -> int:
    """Return the length of a period in the whole units of its day count."""
    return position(end, day_count) - position(start, day_count)


def position(day: date, day_count: DayCount) -> int:
    """Return a day as a number whose differences are the units of a day count."""
    if day_count is DayCount.THIRTY_E_360:
        return 360 * day.year + 30 * day.month + min(day.day, 30)
    if day_count is DayCount.ACT_ACT:
        leap = _leap_days(day)
        return leap * 365 + (day.toordinal() - 1 - leap) * 366
    return day.toordinal()


def denominator(day_count: DayCount) -> int:
    """Return what the numerator of an accrual is divided by."""
    return _DENOMINATORS[day_count]


def breathing_terms(
    policy: Policy, default_from: date, window: Window | None
) -> tuple[date, tuple[Window, ...]]:
    """Return the first interest day and the windows without interest of a claim.

    `window` is the breathing space from its start to its end, None without one. DEFERRED charges
    all since default, WAIVED all but the window, FROM_END only from the end.
    """
    if window is None or policy is Policy.DEFERRED:
        return default_from, ()
    if policy is Policy.WAIVED:
        return default_from, (window,)
    return max(default_from, window[1]), ()


_DENOMINATORS = {
    DayCount.ACT_365: 365 * _PER_YEAR,
    DayCount.ACT_ACT: 365 * 366 * _PER_YEAR,
    DayCount.ACT_360: 360 * _PER_YEAR,
    DayCount.THIRTY_E_360: 360 * _PER_YEAR,
}


def _at(steps: Sequence[Step], day: date) -> int:
    value = 0
    for start, holds in steps:
        if start > day:
            break
        value = holds
    return value


def _leap_days(day: date) -> int:
    """Count the days of leap years before `day`, since year 1."""
    past = day.year - 1
    whole = 366 * (past // 4 - past // 100 + past // 400)
    is_leap = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
    return whole + (day.timetuple().tm_yday - 1 if is_leap else 0)


def _six(millionths: int) -> str:
    whole, rest = divmod(millionths, 1_000_000)
    return f"{whole}.{rest:06d}"
