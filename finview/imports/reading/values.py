"""Turns stored spreadsheet values into (text, type) cells: numbers, dates, escapes, errors."""

import math
import re
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from finview.plugins.contracts.reader import BLANK, Cell

EPOCH_1900 = datetime(1899, 12, 30)  # noqa: DTZ001  # spreadsheets know no time zones
EPOCH_1904 = datetime(1904, 1, 1)  # noqa: DTZ001
_SERIAL_MIN = -693_000  # in the year 2
_SERIAL_MAX = 2_957_003  # in the year 9995, in either date system
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_FORMAT_NOISE = re.compile(r"\[[^\]]*\]|_.|\*.")
_PLAIN_INT = re.compile(r"-?(?:0|[1-9]\d*)\Z")
_PLAIN_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,14})\.\d*[1-9]\Z")

# English, and German as German Excel writes them into CSV.
ERRORS = frozenset(
    [
        "#NULL!",
        "#DIV/0!",
        "#VALUE!",
        "#REF!",
        "#NAME?",
        "#NUM!",
        "#N/A",
        "#GETTING_DATA",
        "#SPILL!",
        "#CALC!",
        "#FIELD!",
        "#BLOCKED!",
        "#CONNECT!",
        "#UNKNOWN!",
        "#WERT!",
        "#BEZUG!",
        "#ZAHL!",
        "#NV",
        "#LEER!",
        "#ÜBERLAUF!",
        "#KALK!",
    ]
)


def text_cell(text: str) -> Cell:
    """Return the cell of a text; typed error words count as errors, as nobody can tell them."""
    if not text:
        return BLANK
    if text[0] == "#" and text.strip() in ERRORS:
        return (text.strip(), "e")
    return (text, "s")


def unescape(text: str) -> str:
    """Decode Excel's `_xHHHH_`; a lone surrogate becomes U+FFFD, as it is no character."""
    return _ESCAPE.sub(_character, text) if "_x" in text else text


def escape(text: str) -> str:
    """Encode control characters as `_xHHHH_`, and text that only looks like it."""
    text = re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", text)
    return re.sub(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", lambda m: f"_x{ord(m.group()):04X}_", text)


def number_text(stored: str) -> str:
    """Return the number as plain digits with a dot: no exponent, no trailing zeros.

    17 significant digits as stored become the shortest text of the same float, as Excel shows.
    Raises ValueError for anything that is no finite number.
    """
    if _PLAIN_INT.match(stored) or (len(stored) <= 16 and _PLAIN_DECIMAL.match(stored)):
        return "0" if stored == "-0" else stored
    digits = stored.strip()
    if _PLAIN_INT.match(digits):
        return number_text(digits)
    value = float(digits)
    if value - value != 0:  # infinite or no number
        raise ValueError(stored)
    if value == int(value):
        return str(int(value))
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text


def date_cell(stored: str, *, date_1904: bool, elapsed: bool) -> Cell:
    """Return the cell of a serial number shown as a date, a time of day or an elapsed time.

    Serial 60 is 1900-02-29 in Excel, a day that never was: it stays as that text so that the
    date rule refuses it. A negative serial is a day before 1900, as other programs write it; one
    outside the calendar stays a number.
    """
    serial = float(stored)
    if elapsed:
        return (_elapsed(serial), "s")
    if not _SERIAL_MIN <= serial < _SERIAL_MAX:
        return (number_text(stored), "n")
    day = math.floor(serial)
    moment = timedelta(milliseconds=round((serial - day) * 86_400_000))
    if 0 <= serial < 1:
        return (_clock((EPOCH_1904 + moment).isoformat(timespec="auto")[11:]), "s")
    if not date_1904:
        if day == 60:
            return ("1900-02-29", "s")
        if 0 < day < 60:
            day += 1
    when = (EPOCH_1904 if date_1904 else EPOCH_1900) + timedelta(days=day) + moment
    return (iso(when), "d")


def iso(when: datetime) -> str:
    """Return a date where the time is midnight, else date and time."""
    text = when.isoformat()
    return text[:10] if text.endswith("T00:00:00") else _clock(text)


def _clock(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _elapsed(days: float) -> str:
    seconds = round(abs(days) * 86_400)
    sign = "-" if days < 0 and seconds else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _character(match: re.Match[str]) -> str:
    code = int(match.group(1), 16)
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)


@lru_cache(maxsize=512)
def zero_mask(number_format: str) -> str | None:
    """Return the mask of a format that only pads with zeros ("00000", "000-0000"), else None.

    Such formats are how people keep leading zeros of postcodes and customer numbers.
    """
    section = _FORMAT_NOISE.sub("", number_format.split(";", 1)[0])
    mask = ""
    position = 0
    while position < len(section):
        sign = section[position]
        if sign == '"':
            end = section.find('"', position + 1)
            if end < 0:
                return None
            mask += section[position + 1 : end].replace("0", "\0")
            position = end
        elif sign == "\\":
            position += 1
            mask += section[position : position + 1].replace("0", "\0")
        elif sign in "0-/ ()":
            mask += sign
        else:
            return None
        position += 1
    return mask if "00" in mask else None


def masked(stored: str, mask: str) -> str | None:
    """Return a whole number written through a `zero_mask`; None if it isn't one."""
    text = number_text(stored)
    if not text.isdigit():
        return None
    places = mask.count("0")
    digits = iter(text.zfill(places))
    surplus = max(len(text) - places, 0)
    out = []
    for sign in mask:
        if sign != "0":
            out.append("0" if sign == "\0" else sign)
            continue
        out.append(next(digits))
        while surplus:
            out.append(next(digits))
            surplus -= 1
    return "".join(out)
