"""Dates are read in every usual spelling; day and month are never guessed."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.imports.dates import read_date, read_date_cell, read_serial


@pytest.mark.parametrize(
    "spelling",
    [
        *("31.12.2024", "12/31/2024", "31/12/2024", "31-12-2024", "2024-12-31", "2024/12/31"),
        *("31.12.24", "31. Dezember 2024", "Dec 31, 2024", "31-Dez-2024", "31 december 2024"),
        *("20241231", "31122024", "2024-12-31T00:00:00Z", "2024-12-31 23:59:59+01:00", "45657"),
        *("31.12.2024 14:30", "12/31/2024 2:30 PM", "Di, 31.12.2024", "Tuesday, 31 Dec 2024"),
        *("31st Dec 2024", "Dezember 31 2024", "2024-Dez-31", "31. 12. 2024", "３１.12.2024"),
    ],
)
def test_the_last_day_of_2024_in_many_spellings(spelling: str):
    assert read_date(spelling, None, 2026).iso == "2024-12-31"


@pytest.mark.parametrize(
    "spelling",
    [
        *("31.02.2024", "00.00.0000", "heute", "31/02/2025", "32.01.2024", "12.31.2024", "2024"),
        *("01.01.1700", "31.12.2300", "31.12", "Dezember 2024", "2024-13-01", "1.2.3.4", ""),
        *("31.12.2024 foo", "99999", "123456", "31 Foo 2024"),
    ],
)
def test_what_is_no_date(spelling: str):
    assert read_date(spelling, None, 2026).state == "INVALID"


def test_day_and_month_are_a_question_until_the_order_is_known():
    assert read_date("03/04/2024", None, 2026).readings == ("2024-04-03", "2024-03-04")
    assert read_date("03/04/2024", "DMY", 2026).iso == "2024-04-03"
    assert read_date("03/04/2024", "MDY", 2026).iso == "2024-03-04"
    assert read_date("04/04/2024", None, 2026).iso == "2024-04-04"
    assert read_date("03.04.2024", "MDY", 2026).iso == "2024-04-03"


@pytest.mark.parametrize(
    ("spelling", "past", "year"),
    [("01.02.45", False, "2045"), ("01.02.46", False, "1946"), ("01.02.27", True, "1927")],
)
def test_two_digit_years_reach_eighty_back_and_nineteen_ahead(spelling, past, year):
    assert read_date(spelling, None, 2026, past=past).iso.startswith(year)


def test_serial_numbers_count_from_1900_or_1904():
    assert read_serial("45657", None).iso == "2024-12-31"
    assert read_serial("45657.75", None).iso == "2024-12-31"
    assert read_serial("44195", None, mac=True).iso == "2024-12-31"
    assert read_serial("20241231", None).iso == "2024-12-31"
    assert [read_serial(text, None).state for text in ("60", "2024", "-5", "1e9")] == [
        "INVALID"
    ] * 4


def test_date_cells_lose_their_time_and_excels_impossible_day():
    assert read_date_cell("2024-12-31T23:59:59").iso == "2024-12-31"
    assert read_date_cell("1900-02-28T00:00:00").state == "INVALID"
    assert read_date_cell("12:30:00").state == "INVALID"


MONTHS = ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September")
MONTHS += ("Oktober", "November", "Dezember")
SPELLINGS = [
    lambda d: d.strftime("%d.%m.%Y"),
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: d.isoformat(),
    lambda d: d.strftime("%Y%m%d"),
    lambda d: d.strftime("%d%m%Y"),
    lambda d: d.strftime("%d/%m/%Y %H:%M"),
    lambda d: f"{d.day}. {MONTHS[d.month - 1]} {d.year}",
    lambda d: d.strftime("%b %d, %Y"),
    lambda d: d.strftime("%d-%b-%Y"),
    lambda d: str((d - date(1899, 12, 30)).days),
]


@given(day=st.dates(date(1930, 1, 1), date(2099, 12, 31)), spelling=st.sampled_from(SPELLINGS))
def test_reading_what_was_written_gives_the_same_day(day, spelling):
    assert read_date(spelling(day), "DMY", 2026).iso == day.isoformat()


@given(day=st.dates(date(1950, 1, 1), date(2045, 12, 31)))
def test_month_first_is_read_as_such_when_settled(day):
    assert read_date(day.strftime("%m/%d/%Y"), "MDY", 2026).iso == day.isoformat()


@given(days=st.integers(0, 100 * 365 - 1))
def test_two_digits_of_the_year_are_enough_inside_the_window(days):
    day = date(1946, 1, 1) + timedelta(days=days)

    assert read_date(day.strftime("%d.%m.%y"), None, 2026).iso == day.isoformat()


@given(text=st.text(max_size=40))
def test_no_text_breaks_the_parser(text):
    assert read_date(text, None, 2026).state in {"CLEAR", "AMBIGUOUS", "INVALID"}
