"""Money is whole minor units: exact at the edges, conserved by splitting, never mixed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.errors import Invalid
from finview.money import (
    Money,
    Rate,
    digits,
    minor_text,
    parse_minor,
    parse_rate,
    percent_of,
    rate_text,
    round_half_up,
    split_minor,
)

weights = st.lists(st.integers(0, 10_000), min_size=1, max_size=12).filter(any)
totals = st.integers(-(10**15), 10**15)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1234.50", "EUR", 123450),
        ("0.01", "EUR", 1),
        ("1500", "JPY", 1500),
        ("1.234", "KWD", 1234),
        ("-3.10", "EUR", -310),
        ("5.00", "JPY", 5),
    ],
)
def test_text_becomes_minor_units(text: str, currency: str, minor: int) -> None:
    assert parse_minor(text, currency) == minor
    assert Money.parse(Decimal(text), currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "reason"),
    [
        ("1.005", "EUR", "MONEY_DECIMALS"),
        ("12.5", "JPY", "MONEY_DECIMALS"),
        ("1,50", "EUR", "MONEY_FORMAT"),
        ("NaN", "EUR", "MONEY_FORMAT"),
        ("Infinity", "EUR", "MONEY_FORMAT"),
        ("1_000", "EUR", "MONEY_FORMAT"),
        ("1e30", "EUR", "MONEY_FORMAT"),
        ("", "EUR", "MONEY_FORMAT"),
        ("1.00", "EURO", "MONEY_CURRENCY"),
    ],
)
def test_what_is_no_amount_is_refused_never_rounded(text: str, currency: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        Money.parse(text, currency)
    assert refused.value.reason == reason


@given(totals, st.sampled_from(["EUR", "JPY", "KWD"]))
def test_text_and_minor_units_are_the_same_thing(minor: int, currency: str) -> None:
    assert parse_minor(minor_text(minor, currency), currency) == minor
    assert Money(minor, currency).decimal == Decimal(Money(minor, currency).text)


def test_digits_come_from_cldr() -> None:
    assert [digits(c) for c in ("EUR", "JPY", "KWD")] == [2, 0, 3]


def test_money_is_written_as_the_language_does() -> None:
    amount = Money(123450, "EUR")
    assert amount.format("de") == "1.234,50\xa0€"
    assert amount.format("en") == "€1,234.50"


def test_amounts_add_up_in_one_currency_only() -> None:
    assert Money(150, "EUR") + Money(50, "EUR") - Money(1, "EUR") == -Money(-199, "EUR")
    assert not Money(0, "EUR")
    with pytest.raises(ValueError, match="never meets"):
        Money(1, "EUR") + Money(1, "USD")


@pytest.mark.parametrize(
    ("total", "shares", "parts"),
    [
        (10000, [1, 1, 1], [3334, 3333, 3333]),
        (5, [1, 1], [3, 2]),
        (1000, [50, 30, 20], [500, 300, 200]),
        (9999, [7, 3, 3], [5384, 2308, 2307]),
        (-10000, [1, 1, 1], [-3334, -3333, -3333]),
    ],
)
def test_the_largest_remainder_takes_the_cent(
    total: int, shares: list[int], parts: list[int]
) -> None:
    assert split_minor(total, shares) == parts
    assert [part.minor for part in Money(total, "EUR").split(shares)] == parts


@given(totals, weights)
def test_splitting_conserves_and_stays_within_a_unit(total: int, shares: list[int]) -> None:
    parts = split_minor(total, shares)
    assert sum(parts) == total
    for part, share in zip(parts, shares, strict=True):
        assert abs(part * sum(shares) - total * share) < sum(shares)


@pytest.mark.parametrize("shares", [[], [0, 0], [1, -1, 1]])
def test_splitting_needs_a_positive_weight(shares: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split_minor(100, shares)


@pytest.mark.parametrize(
    ("fraction", "rounded"),
    [((5, 2), 3), ((-5, 2), -3), ((49, 100), 0), ((50, 100), 1), ((-1, 2), -1), ((1, 3), 0)],
)
def test_a_half_is_rounded_away_from_zero(fraction: tuple[int, int], rounded: int) -> None:
    assert round_half_up(*fraction) == rounded


@given(totals, st.integers(1, 10**9))
def test_rounding_is_the_same_for_both_signs(numerator: int, denominator: int) -> None:
    assert round_half_up(-numerator, denominator) == -round_half_up(numerator, denominator)


def test_rates_are_exact_to_four_decimals() -> None:
    assert (parse_rate("8.12"), rate_text(81200), rate_text(-1300)) == (81200, "8.12", "-0.13")
    assert [Rate(73_000).format(locale) for locale in ("de", "en")] == ["7,3", "7.3"]
    assert percent_of(35416, parse_rate("10")) == 3542
    with pytest.raises(Invalid):
        parse_rate("1.00001")
