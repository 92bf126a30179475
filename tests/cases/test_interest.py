"""Interest is exact, half-open, rounded once; expected figures are worked by hand."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.cases.interest import DayCount, Policy, accrue, breathing_terms
from finview.money import parse_rate

DAYS = st.dates(date(2000, 1, 1), date(2060, 12, 31))


def interest(minor: int, percent: str, since: date, until: date, **more: object) -> int:
    rates = [(date.min, parse_rate(percent))]
    return accrue([(date.min, minor)], rates, since=since, until=until, **more).minor  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "minor"),
    # 2024 is a leap year: 366 days, of which 30/360 sees 360.
    [("ACT_365", 5014), ("ACT_ACT", 5000), ("ACT_360", 5083), ("THIRTY_E_360", 5000)],
)
def test_a_leap_year_under_each_day_count(count: str, minor: int) -> None:
    leap = date(2024, 1, 1), date(2025, 1, 1)
    assert interest(100_000, "5", *leap, day_count=DayCount(count)) == minor


def test_the_first_day_counts_and_the_last_does_not() -> None:
    assert interest(3_650_000, "1", date(2026, 7, 1), date(2026, 7, 2)) == 100
    assert interest(3_650_000, "1", date(2026, 7, 1), date(2026, 7, 1)) == 0


def test_a_change_of_rate_loses_no_day() -> None:
    rates = [(date(2025, 1, 1), parse_rate("11.27")), (date(2025, 7, 1), parse_rate("10.27"))]
    got = accrue([(date.min, 1_000_000)], rates, since=date(2025, 6, 1), until=date(2025, 7, 31))
    assert [segment.days for segment in got.segments] == [30, 30]
    assert got.explain("EUR")[0]["amount"] == "92.630137"
    assert got.minor == 17_704


def test_a_negative_rate_bears_nothing() -> None:
    assert interest(1_000_000, "-0.88", date(2020, 1, 1), date(2021, 1, 1)) == 0


def test_a_part_payment_lowers_the_base_from_its_day() -> None:
    steps = [(date(2026, 1, 1), 365_000), (date(2026, 1, 11), 0)]
    got = accrue(
        steps, [(date.min, parse_rate("10"))], since=date(2026, 1, 1), until=date(2027, 1, 1)
    )
    assert got.minor == 1_000


@given(DAYS, st.integers(0, 900), st.integers(0, 900), st.sampled_from(DayCount))
def test_cutting_a_period_changes_nothing(
    start: date, first: int, second: int, count: DayCount
) -> None:
    cut, end = start + timedelta(days=first), start + timedelta(days=first + second)
    whole = [(date.min, 123_456)], [(date.min, 81_200)]
    parts = [
        accrue(*whole, since=a, until=b, day_count=count).numerator
        for a, b in ((start, cut), (cut, end), (start, end))
    ]
    assert parts[0] + parts[1] == parts[2]


@given(DAYS, st.integers(1, 400), st.integers(0, 400), st.integers(1, 60))
def test_a_window_takes_away_exactly_its_own_interest(
    start: date, length: int, offset: int, days: int
) -> None:
    end = start + timedelta(days=length)
    window = (start + timedelta(days=offset), start + timedelta(days=offset + days))
    steps, rates = [(date.min, 98_765)], [(date.min, 50_000)]
    inside = accrue(steps, rates, since=min(window[0], end), until=min(window[1], end)).numerator
    whole = accrue(steps, rates, since=start, until=end).numerator
    assert (
        accrue(steps, rates, since=start, until=end, without=[window]).numerator == whole - inside
    )


@pytest.mark.parametrize(
    ("policy", "at_end", "later"),
    # 1000.00 at 7.3 %: 20 cents a day. In default for 62 days before, 14 in the breathing space.
    [(Policy.DEFERRED, 1520, 1620), (Policy.WAIVED, 1240, 1340), (Policy.FROM_END, 0, 100)],
)
def test_each_policy_of_the_breathing_space(policy: Policy, at_end: int, later: int) -> None:
    window = (date(2026, 11, 2), date(2026, 11, 16))
    since, without = breathing_terms(policy, date(2026, 9, 1), window)
    end, on = date(2026, 11, 16), date(2026, 11, 21)
    assert interest(100_000, "7.3", since, end, without=without) == at_end
    assert interest(100_000, "7.3", since, on, without=without) == later
