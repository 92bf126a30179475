"""Amounts as people write them: a table-driven parser to integers, never through a float."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, Literal

from finview.text import CACHE

DecimalSign = Literal["COMMA", "POINT"]

COMMA: Final = "COMMA"
POINT: Final = "POINT"

_SIGN_OF: Final[dict[str, DecimalSign]] = {",": COMMA, ".": POINT}
_OTHER: Final[dict[str, DecimalSign]] = {",": POINT, ".": COMMA}

_SAME = str.maketrans(
    {
        "\u2212": "-",
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2019": "'",
        "\u2018": "'",
        "\u02bc": "'",
        "\u00b4": "'",
        "\u2032": "'",
        "`": "'",
        "\t": " ",
        "\n": " ",
        "\r": " ",
    }
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

_NUMBER = re.compile(
    r"(?P<sign>[-+])?\s*(?P<before>[^\W\d_]{1,6}\$?\.?|[^\w\s.,'()+-])?\s*"
    r"(?P<sign2>[-+])?\s*(?P<body>[.,]?[0-9](?:[0-9.,' ]*[0-9])?)(?P<round>[.,]\s?-{1,2})?\s*"
    r"(?P<near>[-+])?\s*(?P<after>[^\W\d_]{1,6}\$?\.?|[^\w\s.,'()+-])?\s*(?P<trail>[-+])?\s*"
    r"(?P<side>(?i:CR|DR|H|S|Haben|Soll))?"
)
_BRACKETS = re.compile(r"([^()0-9]*)\(([^()]*[0-9][^()]*)\)([^()0-9]*)")
_SEPARATOR = re.compile(r"[.,' ]")
_CREDIT = frozenset({"CR", "H", "HABEN"})
_SIDES = _CREDIT | {"DR", "S", "SOLL"}

_NOISE = 10**6
"""Binary fractions leave an error below one millionth; more than that was meant."""

State = Literal["CLEAR", "AMBIGUOUS", "INVALID"]
Fit = Literal["EXACT", "NOISE", "PRECISION"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number as `coefficient` / 10**`scale`, with what its spelling says about its column.

    `evidence` is the decimal sign that the spelling proves; `token` is a currency sign or code
    as written, empty if there was none.
    """

    state: State
    coefficient: int = 0
    scale: int = 0
    evidence: DecimalSign | None = None
    token: str = ""

    @property
    def text(self) -> str:
        """The number as a plain decimal text with a point."""
        digits = str(abs(self.coefficient)).rjust(self.scale + 1, "0")
        cut = len(digits) - self.scale
        body = f"{digits[:cut]}.{digits[cut:]}" if self.scale else digits
        return f"-{body}" if self.coefficient < 0 else body


INVALID: Final = Number(state="INVALID")


@lru_cache(CACHE)
def read_number(text: str, decimal: DecimalSign | None = None) -> Number:
    """Read one spelling; `decimal` settles only what the spelling itself leaves open.

    "1.234" alone is AMBIGUOUS, "1.2.3,4", "NaN", "1e3" and words are INVALID. A minus may stand
    before, behind, as U+2212 or as brackets; CR, H and Haben make a credit.
    """
    plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).translate(_SAME).strip()
    brackets = _BRACKETS.fullmatch(plain)
    match = _NUMBER.fullmatch(" ".join(brackets.groups()).strip() if brackets else plain)
    if match is None:
        return INVALID
    token, side = _around(match)
    signs = [sign for sign in match.group("sign", "sign2", "near", "trail") if sign]
    signs += "-" if brackets else ""
    if token is None or len(signs) + (side in _CREDIT) > 1:
        return INVALID
    number = _body(match["body"], (match["round"] or "")[:1], decimal)
    negative = side in _CREDIT or bool(signs and signs[0] != "+")
    return Number(
        state=number.state,
        coefficient=-number.coefficient if negative else number.coefficient,
        scale=number.scale,
        evidence=number.evidence,
        token=token,
    )


def _around(match: re.Match[str]) -> tuple[str | None, str]:
    """Return currency as written and side (CR, H …); None for two different currencies."""
    before, after, side = (match[name] or "" for name in ("before", "after", "side"))
    if not side and after.upper() in _SIDES:
        after, side = "", after
    if before and after and before != after:
        return None, side.upper()
    return before or after, side.upper()


def _body(body: str, end: str, decimal: DecimalSign | None) -> Number:
    """Digits with separators; `end` is the decimal sign of "1.234,-", else empty."""
    separators = _SEPARATOR.findall(body)
    kinds = list(dict.fromkeys(separators))
    if end:
        if end in kinds or len(kinds) > 1:
            return INVALID
        whole = _grouped(body, kinds[0]) if kinds else body
        return _clear(whole, "", _SIGN_OF[end]) if whole else INVALID
    if not kinds:
        return Number(state="CLEAR", coefficient=int(body))
    if len(kinds) == 1:
        return _one_kind(body, kinds[0], len(separators), decimal)
    point = kinds[1]
    if len(kinds) > 2 or point not in ".," or separators.count(point) > 1:
        return INVALID
    left, _, right = body.partition(point)
    whole = _grouped(left, kinds[0])
    return _clear(whole, right, _SIGN_OF[point]) if whole and right.isdigit() else INVALID


def _one_kind(body: str, sign: str, count: int, decimal: DecimalSign | None) -> Number:
    if count > 1 or sign in " '":
        whole = _grouped(body, sign)
        return _clear(whole, "", _OTHER.get(sign)) if whole else INVALID
    left, _, right = body.partition(sign)
    if len(right) == 3 and 1 <= len(left) <= 3 and left[0] != "0":
        if decimal is None:
            return Number(state="AMBIGUOUS", coefficient=int(left + right))
        scale = 3 if decimal == _SIGN_OF[sign] else 0
        return Number(state="CLEAR", coefficient=int(left + right), scale=scale)
    return _clear(left or "0", right, _SIGN_OF[sign])


def _clear(whole: str, fraction: str, evidence: DecimalSign | None) -> Number:
    return Number(
        state="CLEAR",
        coefficient=int(whole + fraction),
        scale=len(fraction),
        evidence=evidence,
    )


def _grouped(body: str, sign: str) -> str:
    """Digits of correct groups of three (with commas also 12,34,567), or nothing."""
    groups = body.split(sign)
    first, *rest = groups
    if len(groups) == 1:
        return body if body.isdigit() else ""
    if not first or first[0] == "0" or len(rest[-1]) != 3 or not all(g.isdigit() for g in groups):
        return ""
    sizes = {len(group) for group in rest[:-1]}
    if (sizes <= {3} and len(first) <= 3) or (sizes == {2} and sign == "," and len(first) <= 2):
        return "".join(groups)
    return ""


@lru_cache(CACHE)
def read_repr(text: str) -> Number:
    """Read the canonical text of a number cell ("1067", "0.30000000000000004", "1e-07")."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return INVALID
    if not number.is_finite() or not -40 < number.adjusted() < 40:
        return INVALID
    sign, digits, exponent = number.as_tuple()
    coefficient = int("".join(map(str, digits)))
    assert isinstance(exponent, int)
    if exponent > 0:
        coefficient, exponent = coefficient * 10**exponent, 0
    return Number(state="CLEAR", coefficient=-coefficient if sign else coefficient, scale=-exponent)


def to_minor(number: Number, places: int) -> tuple[int, Fit]:
    """Minor units of a currency with `places` decimals, and how well the number fits.

    NOISE is at most one millionth away and rounded half even; PRECISION has real decimals more.
    """
    surplus = number.scale - places
    if surplus <= 0:
        return number.coefficient * 10**-surplus, "EXACT"
    unit = 10**surplus
    minor, rest = divmod(number.coefficient, unit)
    if rest == 0:
        return minor, "EXACT"
    if 2 * rest > unit or (2 * rest == unit and minor % 2):
        minor += 1
    away = abs(minor * unit - number.coefficient)
    return minor, "NOISE" if away * _NOISE <= 10**number.scale else "PRECISION"
