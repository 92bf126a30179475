"""Sums of rate times days from a table made once, so that an accrual is a few additions (pure)."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from finview.cases.interest import DayCount, Step, Window, position


class Curve:
    """The integral of a yearly rate over the days of one day count.

    `between(a, b)` is what `accrue` adds up for a principal of 1: Σ rate · units of every day from
    `a` to before `b`. A rate below 0 counts as 0.
    """

    __slots__ = ("_at", "_count", "_rates", "_sums")

    def __init__(self, steps: Sequence[Step], count: DayCount) -> None:
        self._count = count
        self._at = [position(day, count) for day, _ in steps]
        self._rates = [max(rate, 0) for _, rate in steps]
        self._sums = [0]
        for n in range(1, len(steps)):
            grown = self._rates[n - 1] * (self._at[n] - self._at[n - 1])
            self._sums.append(self._sums[-1] + grown)

    def until(self, day: date) -> int:
        """Return the sum of all days before `day`."""
        at = day.toordinal() if self._count in _PLAIN else position(day, self._count)
        place = bisect_right(self._at, at) - 1
        if place < 0:
            return 0
        return self._sums[place] + self._rates[place] * (at - self._at[place])

    def between(self, start: date, end: date) -> int:
        """Return the sum of the days from `start` to before `end`; 0 when there are none."""
        return self.until(end) - self.until(start) if end > start else 0

    def numerator(
        self, principal: Sequence[Step], since: date, end: date, without: Sequence[Window] = ()
    ) -> int:
        """Return Σ principal · rate · units, the numerator of `accrue` over the same days."""
        total = 0
        last = len(principal) - 1
        for n, (day, amount) in enumerate(principal):
            first = max(since, day)
            until = end if n == last else min(principal[n + 1][0], end)
            if amount and until > first:
                total += amount * self.between(first, until)
                for start, stop in without:
                    total -= amount * self.between(max(first, start), min(until, stop))
        return total


@lru_cache(maxsize=512)
def curve(steps: tuple[Step, ...], count: DayCount) -> Curve:
    """Return the curve of rates; cases that share a tariff share it."""
    return Curve(steps, count)


_PLAIN = (DayCount.ACT_365, DayCount.ACT_360)
