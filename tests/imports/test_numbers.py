"""Every usual spelling of an amount is read to the cent, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.imports.numbers import read_number, read_repr, to_minor


@pytest.mark.parametrize(
    ("spelling", "text", "token"),
    [
        ("1.234,56 €", "1234.56", "€"),
        ("1,234.56", "1234.56", ""),
        ("1234,56", "1234.56", ""),
        ("EUR 1.234,-", "1234", "EUR"),
        ("12,– €", "12", "€"),
        ("1'234.50 CHF", "1234.50", "CHF"),
        ("1’234,50", "1234.50", ""),
        ("(1.000,00)", "-1000.00", ""),
        ("12,50-", "-12.50", ""),
        ("−5,00", "-5.00", ""),
        ("- 5,00 EUR", "-5.00", "EUR"),
        ("£99.9", "99.9", "£"),
        ("1 234,56", "1234.56", ""),
        ("1\u202f234,56", "1234.56", ""),
        ("12,345,678", "12345678", ""),
        ("12,34,567.00", "1234567.00", ""),
        ("1.234.567", "1234567", ""),
        ("０１２", "12", ""),
        ("0,500", "0.500", ""),
        ("1234.567", "1234.567", ""),
        (",5", "0.5", ""),
        ("100,00 H", "-100.00", ""),
        ("100.00 CR", "-100.00", ""),
        ("100,00 Soll", "100.00", ""),
        ("US$ 5", "5", "US$"),
        ("\u200e12,50\u200b", "12.50", ""),
    ],
)
def test_usual_spellings_are_read(spelling: str, text: str, token: str):
    number = read_number(spelling)

    assert (number.state, number.text, number.token) == ("CLEAR", text, token)


@pytest.mark.parametrize(
    "spelling",
    [
        *("", "abc", "1.2.3,4", "1,2,3.4.5", "NaN", "inf", "1e3", "siehe Anlage", "--5", "-(5)"),
        *("5,", "1.23.456", "0.123.456", "1,234 567", "€ 5 USD", "(5", "5)", "1.234,5.6", "-5-"),
        *("1.234,-5", "12 34", "2024-01-31", "T€ x", "٣٤"),
    ],
)
def test_anything_else_is_no_amount(spelling: str):
    assert read_number(spelling).state == "INVALID"


@pytest.mark.parametrize("spelling", ["1.234", "1,234", "-12.345", "999,999 €"])
def test_one_separator_before_three_digits_is_for_the_column_to_settle(spelling: str):
    assert read_number(spelling).state == "AMBIGUOUS"
    assert {read_number(spelling, sign).scale for sign in ("COMMA", "POINT")} == {0, 3}


@pytest.mark.parametrize(
    ("text", "places", "expected"),
    [
        ("0.30000000000000004", 2, (30, "NOISE")),
        ("1.2999999999999998", 2, (130, "NOISE")),
        ("-0.30000000000000004", 2, (-30, "NOISE")),
        ("0.30", 2, (30, "EXACT")),
        ("12.345", 2, (1234, "PRECISION")),
        ("12.355", 2, (1236, "PRECISION")),
        ("12.000001", 2, (1200, "NOISE")),
        ("12.0000011", 2, (1200, "PRECISION")),
        ("1e-07", 2, (0, "NOISE")),
        ("1e+16", 2, (10**18, "EXACT")),
        ("12.345", 3, (12345, "EXACT")),
        ("1200", 0, (1200, "EXACT")),
    ],
)
def test_number_cells_become_minor_units_without_a_float(text, places, expected):
    assert to_minor(read_repr(text), places) == expected


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "#N/A", "1_000", ""])
def test_number_cells_that_are_no_numbers(text: str):
    assert text == "1_000" or read_repr(text).state == "INVALID"


def spelled(minor: int, group: str, point: str, style: str) -> str:
    whole, cents = divmod(abs(minor), 100)
    digits = f"{whole:,}".replace(",", group)
    body = f"{digits}{point}{cents:02d}"
    if minor >= 0:
        return body
    return {"front": f"-{body}", "back": f"{body}-", "sign": f"−{body}", "book": f"({body})"}[style]


@given(
    minor=st.integers(-(10**13), 10**13),
    signs=st.sampled_from(
        [(".", ","), (",", "."), ("'", "."), (" ", ","), ("\u00a0", ","), ("", ".")]
    ),
    style=st.sampled_from(["front", "back", "sign", "book"]),
    around=st.sampled_from(["{}", "{} €", "€ {}", "EUR {}", "{} CHF", " {} "]),
    decimal=st.sampled_from([None, "COMMA", "POINT"]),
)
def test_reading_what_was_written_gives_the_same_amount(minor, signs, style, around, decimal):
    number = read_number(around.format(spelled(minor, *signs, style)), decimal)

    assert to_minor(number, 2) == (minor, "EXACT")


@given(minor=st.integers(-(10**11), 10**11))
def test_the_text_of_a_float_gives_back_its_cents(minor):
    assert to_minor(read_repr(repr(minor / 100)), 2)[0] == minor


@given(text=st.text(max_size=40))
def test_no_text_breaks_the_parser(text):
    assert read_number(text).state in {"CLEAR", "AMBIGUOUS", "INVALID"}
