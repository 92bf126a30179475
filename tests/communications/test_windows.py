"""Hours of contact at the debtor's place: weekdays, holidays, both changes of the clocks."""

from datetime import UTC, date, datetime, time

import pytest

from finview.cases.public_holidays import any_holidays, public_holidays
from finview.communications.places import land_of, place, state_of
from finview.communications.windows import Clock, Window, keep_weeks, read_week, spread

DAY = (time(8), time(20))
WEEK = (*(DAY,) * 5, (time(9), time(18)), None)


def german(region: str | None = None) -> Clock:
    def closed(day: date) -> bool:
        found = any_holidays("DE", day.year) if region is None else None
        return day in (found or public_holidays("DE", day.year, region))

    return Clock(week=WEEK, zones=("Europe/Berlin",), is_holiday=closed)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "opens", "closes"),
    [
        # Within, before and after the hours of a Tuesday in winter.
        ("2026-11-03T12:00", "2026-11-03T07:00", "2026-11-03T19:00"),
        ("2026-11-03T05:00", "2026-11-03T07:00", "2026-11-03T19:00"),
        ("2026-11-03T19:00", "2026-11-04T07:00", "2026-11-04T19:00"),
        # Saturday has its own hours; Saturday evening waits for Monday.
        ("2026-11-07T07:30", "2026-11-07T08:00", "2026-11-07T17:00"),
        ("2026-11-07T18:00", "2026-11-09T07:00", "2026-11-09T19:00"),
        # The clocks go back on Sunday, 25 October 2026, and forward on 28 March 2027.
        ("2026-10-24T17:00", "2026-10-26T07:00", "2026-10-26T19:00"),
        ("2027-03-27T18:00", "2027-03-30T06:00", "2027-03-30T18:00"),
        # Good Friday to Easter Monday 2027: 26 to 29 March; Saturday is open.
        ("2027-03-25T20:00", "2027-03-27T08:00", "2027-03-27T17:00"),
    ],
)
def test_the_window_is_this_one_or_the_next_in_local_time(
    asked: str, opens: str, closes: str
) -> None:
    found = german("HH").next(utc(asked))
    assert found == Window(opens=utc(opens), closes=utc(closes))


def test_a_holiday_of_one_land_is_closed_there_and_where_the_land_is_not_known() -> None:
    corpus_christi = utc("2026-06-04T10:00")
    open_on = {region: german(region).next(corpus_christi) for region in ("BY", "HH", None)}
    days = {region: w.opens.date().isoformat() for region, w in open_on.items() if w}
    assert days == {"BY": "2026-06-05", "HH": "2026-06-04", None: "2026-06-05"}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("2026-12-25T10:00", "PUBLIC_HOLIDAY"),
        ("2026-11-08T10:00", "DAY_OF_REST"),
        ("2026-11-03T21:00", "OUTSIDE_HOURS"),
    ],
)
def test_a_closed_instant_says_why(asked: str, why: str) -> None:
    assert german("HH").why_closed(utc(asked)) == why


def test_two_zones_are_open_only_when_both_are() -> None:
    both = ("America/New_York", "America/Chicago")
    hours = Clock(week=((time(8), time(21)),) * 7, zones=both, is_holiday=lambda _day: False)
    found = hours.next(utc("2026-11-03T12:00"))
    assert found == Window(opens=utc("2026-11-03T14:00"), closes=utc("2026-11-04T02:00"))


def test_what_waits_for_an_opening_is_spread_over_the_hours_and_stays_there() -> None:
    window = Window(opens=utc("2026-11-03T07:00"), closes=utc("2026-11-03T19:00"))
    at = [spread(window, case_id) for case_id in range(1, 1001)]
    assert at == [spread(window, case_id) for case_id in range(1, 1001)]
    assert all(window.opens <= one < window.closes for one in at)
    for hour in range(10):
        begun = window.opens.replace(hour=7 + hour)
        assert sum(1 for one in at if (one - begun).total_seconds() // 3600 == 0) > 40


def test_a_week_is_kept_and_read_as_it_was() -> None:
    kept = keep_weeks({"CALL": WEEK})
    assert read_week(kept["CALL"]) == WEEK


@pytest.mark.parametrize(
    ("postcode", "land"),
    [
        ("20457", "HH"),
        ("80331", "BY"),
        ("10115", "BE"),
        ("12529", None),
        ("99084", "TH"),
        ("", None),
    ],
)
def test_the_land_is_named_where_the_postcode_is_clear(postcode: str, land: str | None) -> None:
    assert land_of(postcode) == land


@pytest.mark.parametrize(
    ("zip_code", "state"),
    [
        ("10001", "NY"),
        ("02108", "MA"),
        ("60601", "IL"),
        ("90210", "CA"),
        ("99501", "AK"),
        ("9", None),
    ],
)
def test_the_state_follows_from_the_zip_code(zip_code: str, state: str | None) -> None:
    assert state_of(zip_code) == state


def test_a_place_has_the_zones_of_its_state_or_of_its_country() -> None:
    assert place("US", "33101").zones == ("America/New_York", "America/Chicago")
    assert place("US", None).zones[0] == "America/New_York"
    assert place("AT", "1010").zones == ("Europe/Vienna",)
    assert place(None, "10115").zones == ()
