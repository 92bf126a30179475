"""Dates as people and Excel write them, with the order of day and month left to the column."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Literal

from finview.text import CACHE

DateOrder = Literal["DMY", "MDY", "YMD"]
State = Literal["CLEAR", "AMBIGUOUS", "INVALID"]

_MONTHS: Final = (
    "januar january jan jän jänner jaenner",
    "februar february feb feber febr",
    "märz maerz march mar mär mrz",
    "april apr",
    "mai may",
    "juni june jun",
    "juli july jul",
    "august aug",
    "september sep sept",
    "oktober october okt oct",
    "november nov",
    "dezember december dez dec",
)
MONTHS: Final[dict[str, int]] = {
    word: number for number, words in enumerate(_MONTHS, start=1) for word in words.split()
}

_WEEKDAY = re.compile(
    r"(?:mo|di|mi|do|fr|sa|so|mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun|montag|dienstag|mittwoch|"
    r"donnerstag|freitag|samstag|sonnabend|sonntag|monday|tuesday|wednesday|thursday|friday|"
    r"saturday|sunday)(?:\.?,\s*|\.?\s+)"
)
_TIME = (
    r"(?:(?:\s*,)?(?:t|\s+)\d{1,2}(?::\d{2}){1,2}(?:[.,]\d{1,9})?\s*"
    r"(?:z|[+-]\d{2}:?\d{2}|am|pm|a\.m\.|p\.m\.|uhr|h)?)?"
)
_YEAR_FIRST = re.compile(r"(\d{4})\s*([-/.])\s*(\d{1,2})\s*\2\s*(\d{1,2})" + _TIME)
_THREE = re.compile(r"(\d{1,2})\s*([./-]|\s)\s*(\d{1,2})\s*\2\s*(\d{4}|\d{2})" + _TIME)
_DAY_WORD = re.compile(
    r"(\d{1,2})(?:\.|st|nd|rd|th)?[\s./-]*([a-zäöü]{3,9})[\s.,/-]*(\d{4}|'?\d{2})" + _TIME
)
_WORD_DAY = re.compile(
    r"([a-zäöü]{3,9})[\s./-]*(\d{1,2})(?:st|nd|rd|th)?(?:\s*,\s*|[\s.-]+)(\d{4}|'?\d{2})" + _TIME
)
_YEAR_WORD = re.compile(r"(\d{4})[\s./-]*([a-zäöü]{3,9})[\s./-]*(\d{1,2})" + _TIME)
_DIGITS = re.compile(r"\d{5}|\d{7,8}")

_FIRST_YEAR, _LAST_YEAR = 1850, 2199
_AHEAD_YEARS = 19
"""Two-digit years reach 80 years back and 19 ahead."""

_EPOCH: Final = date(1899, 12, 30)
_EPOCH_1904: Final = date(1904, 1, 1)
_SERIALS = range(5480, 73_416)
"""1915 to 2100: below it stand years ("2024" is not a day of 1905), above it other numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a spelling says: a date as ISO text, two that are possible, or none.

    `evidence` is the order that the spelling proves; `readings` are both texts when AMBIGUOUS.
    """

    state: State
    iso: str = ""
    evidence: DateOrder | None = None
    readings: tuple[str, ...] = ()


INVALID: Final = Day(state="INVALID")


@lru_cache(CACHE)
def read_date(
    text: str, order: DateOrder | None, this_year: int, *, past: bool = False, mac: bool = False
) -> Day:
    """Read one spelling; `order` settles only what the spelling itself leaves open.

    Dots mean day.month.year. `past` keeps two-digit years out of the future (dates of birth).
    Five digits are a serial number of Excel (`mac`: 1904 system), as in a text column of dates.
    """
    plain = unicodedata.normalize("NFKC", text).strip().lower()
    plain = _WEEKDAY.sub("", plain, count=1) if plain[:1].isalpha() else plain
    if found := _YEAR_FIRST.fullmatch(plain):
        return _day(int(found[1]), int(found[3]), int(found[4]), "YMD")
    if found := _THREE.fullmatch(plain):
        return _three(found, order, this_year, past=past)
    if _DIGITS.fullmatch(plain):
        return _run(plain, order, mac=mac)
    return _worded(plain, this_year, past=past)


def read_serial(text: str, order: DateOrder | None, *, mac: bool = False) -> Day:
    """Read a number cell in a date column: an Excel serial, or 20241231; the time is cut off."""
    whole, _, _ = text.partition(".")
    if not whole.isdigit():
        return INVALID
    return _run(whole, order, mac=mac)


def read_date_cell(text: str) -> Day:
    """Read a date cell delivered as ISO text, its time cut off.

    28 February 1900 is what libraries make of serial 60, Excel's 29.02.1900, which never was.
    """
    iso = text[:10]
    try:
        day = date.fromisoformat(iso)
    except ValueError:
        return INVALID
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR or iso == "1900-02-28":
        return INVALID
    return Day(state="CLEAR", iso=iso)


def _iso(year: int, month: int, day: int) -> str:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return ""
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


def _day(year: int, month: int, day: int, evidence: DateOrder | None) -> Day:
    iso = _iso(year, month, day)
    return Day(state="CLEAR", iso=iso, evidence=evidence) if iso else INVALID


def _full(digits: str, this_year: int, month: int, *, past: bool) -> int:
    """Return a four-digit year; of two digits the one in the window (−80/+19 years)."""
    if len(digits := digits.lstrip("'")) == 4:
        return int(digits)
    last = this_year if past else this_year + _AHEAD_YEARS
    return last - (last - int(digits)) % 100 if month else int(digits)


def _three(found: re.Match[str], order: DateOrder | None, this_year: int, *, past: bool) -> Day:
    first, sign, second, third = int(found[1]), found[2], int(found[3]), found[4]
    year = _full(third, this_year, 1, past=past)
    if sign == ".":
        return _day(year, second, first, None)
    if len(third) == 2 and (order == "YMD" or first > 31):
        return _day(_full(found[1].zfill(2), this_year, 1, past=past), second, int(third), "YMD")
    return _either(first, second, year, order)


def _either(first: int, second: int, year: int, order: DateOrder | None) -> Day:
    """Day and month in one order or the other: what only one order allows is clear."""
    by_day, by_month = _iso(year, second, first), _iso(year, first, second)
    if not by_day and not by_month:
        return INVALID
    if by_day == by_month:
        return Day(state="CLEAR", iso=by_day)
    if not by_day or not by_month:
        return Day(state="CLEAR", iso=by_day or by_month, evidence="DMY" if by_day else "MDY")
    if order in {"DMY", "MDY"}:
        return Day(state="CLEAR", iso=by_day if order == "DMY" else by_month)
    return Day(state="AMBIGUOUS", readings=(by_day, by_month))


def _run(digits: str, order: DateOrder | None, *, mac: bool) -> Day:
    """Digits without signs: a serial number, 20241231, 31122024 or, its zero lost, 1122024."""
    if len(digits) <= 5:
        serial = int(digits)
        if serial not in _SERIALS:
            return INVALID
        iso = ((_EPOCH_1904 if mac else _EPOCH) + timedelta(days=serial)).isoformat()
        return Day(state="CLEAR", iso=iso)
    if len(digits) == 8:
        day = _day(int(digits[:4]), int(digits[4:6]), int(digits[6:]), "YMD")
        if day.state == "CLEAR":
            return day
    if len(digits) not in {7, 8}:
        return INVALID
    digits = digits.zfill(8)
    return _either(int(digits[:2]), int(digits[2:4]), int(digits[4:]), order)


def _worded(plain: str, this_year: int, *, past: bool) -> Day:
    if found := _DAY_WORD.fullmatch(plain):
        day, word, year = found[1], found[2], found[3]
    elif found := _WORD_DAY.fullmatch(plain):
        word, day, year = found[1], found[2], found[3]
    elif found := _YEAR_WORD.fullmatch(plain):
        year, word, day = found[1], found[2], found[3]
    else:
        return INVALID
    month = MONTHS.get(word)
    if month is None:
        return INVALID
    return _day(_full(year, this_year, month, past=past), month, int(day), None)
