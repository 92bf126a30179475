"""Money in minor units, currencies, rounding, rates, splitting by largest remainder; never float."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Self

from babel import Locale
from babel.core import get_global
from babel.numbers import format_currency, format_decimal, get_currency_precision

from finview.errors import Invalid
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "MONEY_FORMAT": N_("“{value}” is not an amount; write it like 1234.50."),
        "MONEY_DECIMALS": N_("“{value}” has more decimals than {currency} has."),
        "MONEY_CURRENCY": N_("“{currency}” is not a currency code of ISO 4217."),
        "RATE_FORMAT": N_("“{value}” is not a percentage with at most four decimals."),
    }
)

RATE_SCALE = 10_000
"""Rates are integers in 1/10,000 percent: 5 % is 50,000."""

_DIGITS_MAX = 18
"""Minor units are kept in 64 bits; a longer number is a mistake, not an amount."""


@cache
def _currencies() -> frozenset[str]:
    return frozenset(get_global("all_currencies")) | frozenset(Locale("en").currencies)


def known_currency(currency: str) -> bool:
    """Tell whether a code is one of ISO 4217, as CLDR lists them."""
    return currency in _currencies()


@cache
def digits(currency: str) -> int:
    """Return the decimals of a currency by CLDR (EUR 2, JPY 0, KWD 3).

    Raises `Invalid` (MONEY_CURRENCY) for an unknown code.
    """
    if not known_currency(currency):
        raise Invalid("MONEY_CURRENCY", currency=currency)
    return int(get_currency_precision(currency))


def currencies_by_digits() -> dict[int, frozenset[str]]:
    """Return every known currency by its number of decimals."""
    found: dict[int, set[str]] = {}
    for currency in _currencies():
        found.setdefault(digits(currency), set()).add(currency)
    return {n: frozenset(codes) for n, codes in found.items()}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of one currency; amounts of two currencies never meet."""

    minor: int
    currency: str

    @classmethod
    def parse(cls, value: str | Decimal | int, currency: str) -> Self:
        """Read a decimal text such as "1234.50".

        Raises `Invalid`: MONEY_FORMAT, MONEY_CURRENCY, and MONEY_DECIMALS for more decimals than
        the currency has, which are refused and never rounded.
        """
        return cls(parse_minor(value, currency), currency)

    @classmethod
    def floor(cls, value: str | Decimal | int, currency: str) -> Self:
        """Read a decimal of a setting that serves every currency: what is too fine is cut off."""
        places = digits(currency)
        return cls(int(Decimal(str(value)).scaleb(places)), currency)

    @property
    def decimal(self) -> Decimal:
        """The amount in major units."""
        return Decimal(self.minor).scaleb(-digits(self.currency))

    @property
    def text(self) -> str:
        """The amount in major units as a plain decimal text, e.g. "1234.50"."""
        return minor_text(self.minor, self.currency)

    def format(self, locale: str) -> str:
        """Return the amount with its currency as `locale` writes it."""
        return str(format_currency(self.decimal, self.currency, locale=locale))

    def __add__(self, other: "Money") -> "Money":
        """Add an amount of the same currency; another currency is a bug (ValueError)."""
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """Subtract an amount of the same currency; another currency is a bug (ValueError)."""
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        """Return the amount with the other sign."""
        return Money(-self.minor, self.currency)

    def __bool__(self) -> bool:
        """Tell whether this is not zero."""
        return self.minor != 0

    def split(self, weights: Sequence[int]) -> list["Money"]:
        """Split by whole weights with the largest remainder; the parts add up to the amount."""
        return [Money(part, self.currency) for part in split_minor(self.minor, weights)]

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} never meets {other.currency}")
        return other.minor


@dataclass(frozen=True, slots=True)
class Rate:
    """A yearly rate or a share in 1/10,000 percent."""

    value: int

    def format(self, locale: str) -> str:
        """Return the percentage without its sign as `locale` writes it, e.g. "8,12"."""
        number = Decimal(self.value).scaleb(-4)
        return str(format_decimal(number, format="#,##0.####", locale=locale))


def parse_minor(value: str | Decimal | int, currency: str) -> int:
    """Return a decimal text as integer minor units; raises as `Money.parse`."""
    places = digits(currency)
    number = _number(value)
    if number is None:
        raise Invalid("MONEY_FORMAT", value=str(value))
    shifted = number.scaleb(places)
    if shifted != shifted.to_integral_value():
        raise Invalid("MONEY_DECIMALS", value=str(value), currency=currency)
    return int(shifted)


def minor_text(minor: int, currency: str) -> str:
    """Return minor units as a plain decimal text in major units."""
    places = digits(currency)
    if not places:
        return str(minor)
    whole, rest = divmod(abs(minor), 10**places)
    return f"{'-' if minor < 0 else ''}{whole}.{rest:0{places}d}"


def parse_rate(value: str | Decimal | int) -> int:
    """Return a percentage such as "8.12" in 1/10,000 percent; more decimals are refused."""
    number = _number(value)
    scaled = None if number is None else number * RATE_SCALE
    if scaled is None or scaled != scaled.to_integral_value():
        raise Invalid("RATE_FORMAT", value=str(value))
    return int(scaled)


def rate_text(rate: int) -> str:
    """Return a rate in 1/10,000 percent as a plain decimal text of percent, e.g. "8.12"."""
    whole, rest = divmod(abs(rate), RATE_SCALE)
    decimals = f"{rest:04d}".rstrip("0")
    return f"{'-' if rate < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"


def round_half_up(numerator: int, denominator: int) -> int:
    """Round a fraction to a whole number, a half away from zero; the denominator is positive."""
    if numerator >= 0:
        return (2 * numerator + denominator) // (2 * denominator)
    return -((-2 * numerator + denominator) // (2 * denominator))


def percent_of(minor: int, rate: int) -> int:
    """Return `rate` (1/10,000 percent) of an amount, rounded once, half up."""
    return round_half_up(minor * rate, 100 * RATE_SCALE)


def split_minor(total: int, weights: Sequence[int]) -> list[int]:
    """Split minor units by whole weights: floors first, then one unit each to the largest rests.

    Ties go to the earlier part. Raises ValueError unless the weights are not negative and one of
    them is positive. A negative total is split as its mirror image.
    """
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError("weights must not be negative, and one must be positive")
    if total < 0:
        return [-part for part in split_minor(-total, weights)]
    parts = [total * weight // whole for weight in weights]
    by_rest = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for index in by_rest[: total - sum(parts)]:
        parts[index] += 1
    return parts


def _number(value: str | Decimal | int) -> Decimal | None:
    text = str(value).strip()
    if not text.isascii() or "_" in text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and number.adjusted() < _DIGITS_MAX else None
