"""Currency codes, signs and words as they stand in files."""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from babel.core import get_global

from finview.money import digits
from finview.text import CACHE

_SIGNS: Final[dict[str, tuple[str, ...]]] = {
    "€": ("EUR",),
    "eur": ("EUR",),
    "euro": ("EUR",),
    "euros": ("EUR",),
    "£": ("GBP",),
    "gbp": ("GBP",),
    "stg": ("GBP",),
    "pound": ("GBP",),
    "pounds": ("GBP",),
    "pfund": ("GBP",),
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN"),
    "dollar": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD"),
    "dollars": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD"),
    "us$": ("USD",),
    "usd": ("USD",),
    "c$": ("CAD",),
    "ca$": ("CAD",),
    "can$": ("CAD",),
    "a$": ("AUD",),
    "au$": ("AUD",),
    "nz$": ("NZD",),
    "hk$": ("HKD",),
    "s$": ("SGD",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "krone": ("NOK", "DKK"),
    "kronen": ("SEK", "NOK", "DKK"),
    "fr": ("CHF",),
    "sfr": ("CHF",),
    "franken": ("CHF",),
    "schweizer franken": ("CHF",),
    "zł": ("PLN",),
    "zl": ("PLN",),
    "zloty": ("PLN",),
    "kč": ("CZK",),
    "kc": ("CZK",),
    "ft": ("HUF",),
    "forint": ("HUF",),
    "lei": ("RON",),
    "leu": ("RON",),
    "лв": ("BGN",),
    "₺": ("TRY",),
    "tl": ("TRY",),
    "₽": ("RUB",),
    "₴": ("UAH",),
    "₹": ("INR",),
    "rs": ("INR", "PKR", "LKR", "NPR", "MUR"),
    "¥": ("JPY", "CNY"),
    "￥": ("JPY", "CNY"),
    "yen": ("JPY",),
    "₩": ("KRW",),
    "₪": ("ILS",),
    "r$": ("BRL",),
    "₫": ("VND",),
    "฿": ("THB",),
    "₦": ("NGN",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """What a currency cell means: one code, several possible ones, or none (unknown)."""

    code: str | None = None
    possible: tuple[str, ...] = ()
    exact: bool = False
    """Written as the code itself, nothing had to be read into it."""


@cache
def current_codes() -> frozenset[str]:
    """Every code that is legal tender somewhere today by CLDR; no DEM, XAU or XXX."""
    return frozenset(
        code
        for periods in get_global("territory_currencies").values()
        for code, _start, end, tender in periods
        if tender and end is None
    )


@lru_cache(CACHE)
def read_currency(text: str, usual: str) -> Currency:
    """Read a code, sign or word; a sign of several currencies is `usual` if it can be that.

    `usual` is the customer's currency: "$" is US dollars for a customer who bills in them, and
    a question for one who bills in euros.
    """
    if text in current_codes():
        return Currency(code=text, exact=True)
    folded = text.strip().rstrip(".").strip().lower()
    if folded.upper() in current_codes():
        return Currency(code=folded.upper())
    possible = _SIGNS.get(folded, ())
    if len(possible) == 1:
        return Currency(code=possible[0])
    if usual in possible:
        return Currency(code=usual)
    return Currency(possible=possible)


@cache
def places(currency: str) -> int:
    """Decimals of a currency; two for one that is not known."""
    return digits(currency) if currency in current_codes() else 2
