"""Phones, e-mails, account and tax numbers, places, currencies: read, repaired, doubted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.imports.contacts import masked, read_email, read_iban, read_language, read_vat
from finview.imports.currencies import places, read_currency
from finview.imports.phones import read_phones
from finview.imports.places import nearest_country, read_country, read_postcode, town_abroad


@pytest.mark.parametrize(
    ("text", "country", "state", "e164"),
    [
        ("030 23125999", "DE", "VALID", "+493023125999"),
        ("030/23125999", "DE", "VALID", "+493023125999"),
        ("(030) 2312-5999", "DE", "VALID", "+493023125999"),
        ("+49 171 3920098", "GB", "VALID", "+491713920098"),
        ("020 7946 0999", "GB", "VALID", "+442079460999"),
        ("212 555 2368", "US", "VALID", "+12125552368"),
        ("1713920098", "DE", "REPAIRED", "+491713920098"),
        ("491713920098", "DE", "REPAIRED", "+491713920098"),
        ("0049 171 3920098", "DE", "REPAIRED", "+491713920098"),
        ("+49 (0)171 3920098", "DE", "REPAIRED", "+491713920098"),
        ("Tel.: 030 23125999", "DE", "REPAIRED", "+493023125999"),
        ("0171 3920098 (privat)", "DE", "REPAIRED", "+491713920098"),
        ("110", "DE", "SPECIAL", ""),
        ("0900 1234567", "DE", "SPECIAL", "+499001234567"),
        ("keine", "DE", "INVALID", ""),
        ("n/a", "GB", "INVALID", ""),
        ("0171 12", "DE", "INVALID", ""),
        ("12345", "DE", "INVALID", ""),
        ("555", "GB", "INVALID", ""),
        ("9" * 60, "DE", "INVALID", ""),
    ],
)
def test_a_phone_number_is_read_as_its_country_writes_it(text, country, state, e164):
    (phone,) = read_phones(text, country)

    assert (phone.state, phone.e164) == (state, e164)


@pytest.mark.parametrize("sign", [" / ", "/", "; ", ", ", " oder ", "\n"])
def test_two_numbers_in_one_cell_are_told_apart(sign: str):
    found = read_phones(f"030 23125999{sign}0171 3920098", "DE")

    assert [phone.e164 for phone in found] == ["+493023125999", "+491713920098"]
    assert [phone.mobile for phone in found] == [False, True]


def test_dashes_are_no_phone_number():
    assert read_phones("-", "DE") == ()
    assert read_phones("--/--", "DE") == ()


@given(st.text(max_size=30), st.sampled_from(["DE", "GB", "US", "IT", "XX"]))
def test_no_text_breaks_the_phone_parser(text, country):
    assert all(phone.state for phone in read_phones(text, country))


@given(
    st.sampled_from(["160", "170", "171", "172", "175", "177"]),
    st.integers(2_000_000, 9_999_999),
    st.sampled_from(["0{} {}", "+49 {} {}", "0049-{}-{}", "+49(0){}/{}", "49{}{}", "{}{}"]),
)
def test_a_german_mobile_number_has_one_e164_however_it_is_written(prefix, number, spelling):
    (phone,) = read_phones(spelling.format(prefix, number), "DE")

    assert phone.e164 == f"+49{prefix}{number}"
    assert phone.mobile


@pytest.mark.parametrize(
    ("text", "state", "address", "suggestion"),
    [
        ("Kontakt.000@EXAMPLE.COM", "CASED", "Kontakt.000@example.com", None),
        ("info@müller.de", "VALID", "info@müller.de", None),
        ("a@weg.de", "VALID", "a@weg.de", None),
        ("a@mail.com", "VALID", "a@mail.com", None),
        ("a@gmial.com", "TYPO", "a@gmial.com", "a@gmail.com"),
        ("a@web.ed", "TYPO", "a@web.ed", "a@web.de"),
        ("a@firma.con", "TYPO", "a@firma.con", "a@firma.com"),
        ("kontakt(at)example.de", "INVALID", "", "kontakt@example.de"),
        ("doppelt@@example.org", "INVALID", "", "doppelt@example.org"),
        ("Max <m@x.de>", "INVALID", "", "m@x.de"),
        ("m@x.de; n@x.de", "INVALID", "", "m@x.de"),
        ("ohne-at.example.com", "INVALID", "", None),
        ("a@x", "INVALID", "", None),
        ("a..b@x.de", "INVALID", "", "a.b@x.de"),
        (f"{'a' * 65}@x.de", "INVALID", "", None),
    ],
)
def test_an_email_address_is_read_repaired_or_doubted(text, state, address, suggestion):
    email = read_email(text)

    assert (email.state, email.address, email.suggestion) == (state, address, suggestion)


@given(st.text(max_size=60))
def test_no_text_breaks_the_email_parser(text):
    assert read_email(text).state in {"VALID", "CASED", "TYPO", "INVALID"}


def test_account_and_tax_numbers_are_checked_by_their_digits():
    assert read_iban("de16 0000 0000 7701 3450 42") == "DE16000000007701345042"
    assert read_iban("IBAN: DE16000000007701345042") == "DE16000000007701345042"
    assert read_iban("DE17000000007701345042") is None
    assert read_iban("DE12") is None
    assert read_vat("GB769937453", "GB") == "GB769937453"
    assert read_vat("123456789", "GB") is None
    assert read_vat("GB12", "GB") is None
    assert read_vat("DE 136 695 976", "DE") == "DE136695976"
    assert read_vat("136695976", "DE") == "DE136695976"
    assert read_vat("CHE-107.787.577 MWST", "CH") == "CHE107787577MWST"
    assert masked("DE17000000007701345042") == "DE…042"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("DE", "DE"), ("D", "DE"), ("Deutschland", "DE"), ("GERMANY", "DE"), ("deu", "DE")),
        *(("UK", "GB"), ("United Kingdom", "GB"), ("Großbritannien", "GB"), ("U.S.A.", "US")),
        *(("Österreich", "AT"), ("Oesterreich", "AT"), ("Schweiz", "CH"), ("NL", "NL")),
        *(("XX", None), ("Atlantis", None), ("EU", None)),
    ],
)
def test_countries_are_known_by_name_plate_and_code(text, code):
    assert read_country(text) == code


def test_a_mistyped_country_is_suggested():
    assert nearest_country("Deutchland") == "DE"
    assert nearest_country("Xyz") is None


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("01067", "DE", ("CLEAR", "01067")),
        ("D-80331", "DE", ("CLEAR", "80331")),
        ("4109", "DE", ("ZERO", "04109")),
        ("803310", "DE", ("INVALID", "803310")),
        ("D-8O331", "DE", ("INVALID", "D-8O331")),
        ("A-80331", "DE", ("INVALID", "A-80331")),
        ("1010", "AT", ("CLEAR", "1010")),
        ("bs14dj", "GB", ("CLEAR", "BS1 4DJ")),
        ("EC1A 1BB", "GB", ("CLEAR", "EC1A 1BB")),
        ("LS1", "GB", ("INVALID", "LS1")),
        ("9999 ZZ", "GB", ("INVALID", "9999 ZZ")),
        ("1234ab", "NL", ("CLEAR", "1234 AB")),
        ("00-950", "PL", ("CLEAR", "00-950")),
        ("ABC 123", "ZW", ("CLEAR", "ABC 123")),
    ],
)
def test_postcodes_follow_their_country(text, country, expected):
    assert read_postcode(text, country) == expected


def test_towns_abroad_keep_their_four_digits():
    assert town_abroad("Wien") == "AT"
    assert town_abroad("Zürich") == "CH"
    assert town_abroad("Dresden") is None


def test_currencies_by_code_sign_and_word():
    assert read_currency("EUR", "EUR").exact
    assert read_currency("€", "GBP").code == "EUR"
    assert read_currency("Fr.", "EUR").code == "CHF"
    assert "USD" in read_currency("$", "EUR").possible
    assert read_currency("$", "USD").code == "USD"
    assert read_currency("kr", "EUR").code is None
    assert read_currency("DEM", "EUR") == read_currency("XQZ", "EUR")
    assert (places("EUR"), places("JPY"), places("KWD")) == (2, 0, 3)


def test_languages_that_are_shipped():
    assert [read_language(text) for text in ("Deutsch", "EN", "de-AT", "fr")] == [
        "de",
        "en",
        "de",
        None,
    ]
