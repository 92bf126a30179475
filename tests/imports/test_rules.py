"""A row's section and its reasons follow from its cells, the column formats and the import."""

import re
from datetime import date

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.i18n import LOCALES, catalogue
from finview.imports.cells import ColumnFormat
from finview.imports.fields import FIELDS
from finview.imports.rulebook import RULES, hint, message
from finview.imports.rules import Context, check_row

GOOD = {
    "last_name": ("Müller", "s"),
    "first_name": ("Jörg", "s"),
    "street": ("Hauptstr.", "s"),
    "house_no": ("12", "n"),
    "postcode": ("01067", "s"),
    "city": ("Dresden", "s"),
    "country": ("DE", "s"),
    "phone": ("030 23125999", "s"),
    "mobile": ("", ""),
    "email": ("a@example.org", "s"),
    "date_of_birth": ("1980-05-01T00:00:00", "d"),
    "iban": ("DE16000000007701345042", "s"),
    "customer_case_number": ("K1", "s"),
    "invoice_number": ("R1", "s"),
    "invoice_date": ("2026-01-02", "d"),
    "due_date": ("2026-01-20", "d"),
    "amount": ("100.5", "n"),
    "currency": ("EUR", "s"),
    "notes": ("", ""),
}
FIRM = {"company": ("Kranz GmbH", "s"), "last_name": ("", ""), "first_name": ("", "")}


def checked(changes=None, *, marks=(), overrides=None, **context):
    cells = {**GOOD, **(changes or {})}
    ctx = Context(
        **{
            "debtor_kind": "CONSUMER",
            "phone_country": "DE",
            "currency": "EUR",
            "today": date(2026, 11, 22),
            "fields": (*cells, None),
            **context,
        }
    )
    return check_row(2, [*cells.values(), ("ignored", "s")], marks, ctx, overrides or {})


def bad(result):
    return {found.code for found in result.issues if found.section != "READY"}


def fixed(result):
    return {found.code for found in result.issues if found.section == "READY"}


def test_a_clean_row_is_ready_without_a_word():
    result = checked()

    assert (result.section, result.issues) == ("READY", [])
    assert result.values["amount"].value == 10050
    assert result.values["invoice_date"].value == "2026-01-02"
    assert result.values["phone"].value == "+493023125999"
    assert {value.source for value in result.values.values()} == {"FILE"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"last_name": ("#N/A", "e")}, "CELL_ERROR"),
        ({"last_name": ("", ""), "first_name": ("Jörg", "s")}, "DEBTOR_NAME_MISSING"),
        ({"last_name": ("-", "s")}, "DEBTOR_NAME_MISSING"),
        ({"amount": ("", "")}, "AMOUNT_MISSING"),
        ({"amount": (" \xa0", "s")}, "AMOUNT_MISSING"),
        ({"amount": ("-", "s")}, "AMOUNT_INVALID"),
        ({"amount": ("siehe Anlage", "s")}, "AMOUNT_INVALID"),
        ({"amount": ("TRUE", "b")}, "AMOUNT_INVALID"),
        ({"amount": ("0", "n")}, "AMOUNT_ZERO"),
        ({"amount": ("0,00 €", "s")}, "AMOUNT_ZERO"),
        ({"amount": ("1000000000000000", "n")}, "AMOUNT_TOO_LARGE"),
        ({"amount": ("#REF!", "e")}, "CELL_ERROR"),
        ({"amount": ("", "f")}, "FORMULA_NOT_CALCULATED"),
        ({"currency": ("XQZ", "s")}, "CURRENCY_UNKNOWN"),
        ({"invoice_date": ("", "")}, "DATE_MISSING"),
        ({"invoice_date": ("31.02.2025", "s")}, "DATE_INVALID"),
        ({"invoice_date": ("#N/A", "e")}, "CELL_ERROR"),
    ],
)
def test_what_makes_a_row_faulty(change, code):
    result = checked(change)

    assert (result.section, bad(result)) == ("FAULTY", {code})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mobile": ("#N/A", "e")}, "CELL_ERROR"),
        ({"notes": ("=1+1", "f")}, "FORMULA_NOT_CALCULATED"),
        ({"last_name": ("SchÃ¤fner", "s")}, "TEXT_MOJIBAKE"),
        ({"last_name": ("x" * 101, "s")}, "TEXT_TOO_LONG"),
        ({"invoice_number": ("12345678901234567", "n")}, "NUMBER_PRECISION_LOST"),
        ({"invoice_number": ("1.23457E+11", "s")}, "NUMBER_PRECISION_LOST"),
        ({"last_name": ("Malerbetrieb Kranz GmbH", "s")}, "DEBTOR_KIND_MISMATCH"),
        ({"amount": ("-20", "n")}, "AMOUNT_NEGATIVE"),
        ({"amount": ("1.234", "s")}, "AMOUNT_AMBIGUOUS"),
        ({"amount": ("1.005", "n")}, "AMOUNT_PRECISION"),
        ({"currency": ("kr", "s")}, "CURRENCY_AMBIGUOUS"),
        ({"currency": ("", ""), "amount": ("$ 5", "s")}, "CURRENCY_AMBIGUOUS"),
        ({"amount": ("5,00 CHF", "s")}, "CURRENCY_AMBIGUOUS"),
        ({"invoice_number": ("", "")}, "INVOICE_NUMBER_MISSING"),
        ({"date_of_birth": ("00.00.1975", "s")}, "DATE_INVALID"),
        ({"due_date": ("03/04/2026", "s")}, "DATE_AMBIGUOUS"),
        ({"invoice_date": ("2099-01-15", "d"), "due_date": ("2099-02-15", "d")}, "DATE_IN_FUTURE"),
        ({"due_date": ("2025-12-31", "d")}, "DUE_BEFORE_INVOICE"),
        ({"date_of_birth": ("1897-05-05", "d")}, "BIRTH_DATE_IMPLAUSIBLE"),
        ({"date_of_birth": ("2008-11-23", "d")}, "BIRTH_DATE_IMPLAUSIBLE"),
        ({"phone": ("keine", "s")}, "PHONE_INVALID"),
        ({"phone": ("110", "n")}, "PHONE_SPECIAL"),
        ({"email": ("ohne-at.example.com", "s")}, "EMAIL_INVALID"),
        ({"email": ("a@gmial.com", "s")}, "EMAIL_DOMAIN_TYPO"),
        ({"postcode": ("803310", "s")}, "POSTCODE_INVALID"),
        ({"country": ("Atlantis", "s")}, "COUNTRY_UNKNOWN"),
        ({"iban": ("DE17000000007701345042", "s")}, "IBAN_INVALID"),
    ],
)
def test_what_needs_cleansing(change, code):
    result = checked(change)

    assert (result.section, bad(result)) == ("NEEDS_CLEANSING", {code})


@pytest.mark.parametrize(
    ("change", "code", "field", "value"),
    [
        ({"last_name": ("\xa0 Barth ", "s")}, "AUTOFIX_WHITESPACE", "last_name", "Barth"),
        ({"city": ("Dres\x00den\u202e", "s")}, "AUTOFIX_CONTROL_CHARS", "city", "Dresden"),
        ({"last_name": ("HÄRING", "s")}, "AUTOFIX_NAME_CASE", "last_name", "Häring"),
        ({"amount": ("2.493,67 €", "s")}, "AUTOFIX_NUMBER_TEXT", "amount", 249367),
        ({"amount": ("0.30000000000000004", "n")}, "AUTOFIX_FLOAT_NOISE", "amount", 30),
        ({"currency": ("", "")}, "AUTOFIX_CURRENCY_DEFAULT", "currency", "EUR"),
        ({"currency": ("€", "s")}, "AUTOFIX_CURRENCY_SYMBOL", "currency", "EUR"),
        ({"invoice_date": ("02.01.2026", "s")}, "AUTOFIX_DATE_TEXT", "invoice_date", "2026-01-02"),
        ({"invoice_date": ("46024", "n")}, "AUTOFIX_DATE_TEXT", "invoice_date", "2026-01-02"),
        ({"due_date": ("", "")}, "AUTOFIX_DUE_DATE", "due_date", "2026-02-01"),
        ({"phone": ("1713920098", "n")}, "AUTOFIX_PHONE", "phone", "+491713920098"),
        ({"email": ("A.B@EXAMPLE.COM", "s")}, "AUTOFIX_EMAIL_CASE", "email", "A.B@example.com"),
        ({"postcode": ("1067", "n")}, "AUTOFIX_LEADING_ZERO", "postcode", "01067"),
        ({"country": ("Deutschland", "s")}, "AUTOFIX_COUNTRY", "country", "DE"),
        ({"invoice_number": ("12345.0", "n")}, "AUTOFIX_ID_NUMBER", "invoice_number", "12345"),
    ],
)
def test_what_is_repaired_stays_ready_with_its_origin(change, code, field, value):
    result = checked(change)

    assert (result.section, result.values[field].value) == ("READY", value)
    assert (result.values[field].source, code in result.values[field].codes) == ("AUTO_FIX", True)
    assert code in fixed(result)


def test_a_second_phone_number_takes_the_free_place():
    result = checked({"phone": ("030 23125999 / 0171 3920098", "s")})

    assert result.values["phone"].value == "+493023125999"
    assert result.values["mobile"].value == "+491713920098"
    assert fixed(result) == {"AUTOFIX_PHONE_SPLIT"}


def test_the_amounts_sign_is_the_currency_when_there_is_no_other():
    result = checked({"currency": ("", ""), "amount": ("£99.90", "s")})

    assert (result.values["currency"].value, result.keys.amount_minor) == ("GBP", 9990)
    assert fixed(result) == {"AUTOFIX_CURRENCY_SYMBOL", "AUTOFIX_NUMBER_TEXT"}


def test_decimals_follow_the_currency():
    assert checked({"currency": ("JPY", "s"), "amount": ("1200", "n")}).keys.amount_minor == 1200
    assert bad(checked({"currency": ("JPY", "s"), "amount": ("12.5", "n")})) == {"AMOUNT_PRECISION"}


def test_a_settled_column_leaves_no_question():
    formats = {
        "amount": ColumnFormat(decimal="COMMA"),
        "due_date": ColumnFormat(date_order="DMY"),
    }
    result = checked({"amount": ("1.234", "s"), "due_date": ("03/04/2026", "s")}, formats=formats)

    assert (result.section, result.keys.amount_minor) == ("READY", 123400)
    assert result.values["due_date"].value == "2026-04-03"


@pytest.mark.parametrize("text", ["1.234", "-1,234"])
def test_the_suggestion_for_an_ambiguous_amount_is_not_ambiguous(text):
    (found,) = checked({"amount": (text, "s")}).issues

    assert found.suggestion in {"1234.00", "-1234.00"}
    assert "AMOUNT_AMBIGUOUS" not in bad(checked(overrides={"amount": found.suggestion}))


def test_no_way_to_reach_the_debtor():
    nothing = dict.fromkeys(("street", "house_no", "postcode", "city", "phone", "email"), ("", ""))

    assert bad(checked(nothing)) == {"CONTACT_MISSING"}
    assert bad(checked({**nothing, "email": ("x", "s")})) == {"EMAIL_INVALID"}


@pytest.mark.parametrize(
    ("country", "due", "code"),
    [
        ("DE", "2022-12-31", {"CLAIM_LIMITATION"}),
        ("DE", "2023-01-01", set()),
        ("AT", "2023-11-21", {"CLAIM_LIMITATION"}),
        ("GB", "2020-11-21", {"CLAIM_LIMITATION"}),
        ("GB", "2020-11-22", set()),
        ("US", "1990-01-01", set()),
    ],
)
def test_limitation_follows_the_debtors_country(country, due, code):
    change = {"country": (country, "s"), "postcode": ("", ""), "due_date": (due, "d")}

    assert bad(checked({**change, "invoice_date": (due, "d")})) == code


def test_a_number_of_the_debtors_country_is_suggested():
    abroad = {"country": ("AT", "s"), "postcode": ("", ""), "phone": ("01 5123456", "s")}
    (found,) = checked(abroad, phone_country="GB").issues

    assert (found.code, found.suggestion) == ("PHONE_INVALID", "+4315123456")


@pytest.mark.parametrize("name", ["E. K. Meier", "E.V. Braun", "Anna Sa", "Limited", "Inge Corp"])
def test_initials_and_short_names_are_no_legal_form(name):
    assert ("DEBTOR_KIND_MISMATCH" in bad(checked({"last_name": (name, "s")}))) == (
        name == "Inge Corp"
    )


def test_german_rows_with_an_austrian_town_keep_four_digits():
    vienna = {"postcode": ("1010", "s"), "city": ("Wien", "s")}

    assert checked({**vienna, "country": ("", "")}).values["postcode"].value == "1010"
    assert bad(checked(vienna)) == {"POSTCODE_INVALID"}
    assert bad(checked({**vienna, "country": ("AT", "s")})) == set()


@pytest.mark.parametrize(
    ("full", "first", "last", "codes"),
    [
        ("Jörg Müller", "Jörg", "Müller", set()),
        ("Müller, Jörg", "Jörg", "Müller", {"AUTOFIX_NAME_ORDER"}),
        ("Ludwig van Beethoven", "Ludwig", "van Beethoven", set()),
        ("Dr. Hans Peter Müller", "Dr. Hans Peter", "Müller", set()),
        ("MÜLLER, JÖRG", "Jörg", "Müller", {"AUTOFIX_NAME_CASE", "AUTOFIX_NAME_ORDER"}),
        ("Maria Garcia Lopez", "Maria Garcia", "Lopez", {"NAME_SPLIT_UNSURE"}),
        ("Hans und Erika Müller", "Hans und Erika", "Müller", {"NAME_SPLIT_UNSURE"}),
    ],
)
def test_a_full_name_is_split_where_that_is_sure(full, first, last, codes):
    none = {"last_name": ("", ""), "first_name": ("", "")}
    result = checked({**none, "full_name": (full, "s")})

    assert {found.code for found in result.issues} == codes
    assert "NAME_SPLIT_UNSURE" in codes or result.values["first_name"].value == first
    assert "NAME_SPLIT_UNSURE" in codes or result.values["last_name"].value == last


def test_a_business_file_wants_companies():
    business = {"debtor_kind": "BUSINESS"}
    moved = {"last_name": ("Kranz GmbH", "s"), "first_name": ("", "")}

    assert checked(FIRM, **business).section == "READY"
    assert bad(checked(**business)) == {"DEBTOR_KIND_MISMATCH"}
    assert checked(moved, **business).values["company"].value == "Kranz GmbH"
    assert bad(checked({**FIRM, "company": ("", "")}, **business)) == {"DEBTOR_NAME_MISSING"}


def test_vat_numbers_are_masked_in_messages():
    result = checked(
        {**FIRM, "vat_id": ("GB123456789", "s")}, debtor_kind="BUSINESS", phone_country="GB"
    )

    (found,) = result.issues
    assert (found.code, found.params["value"]) == ("VAT_INVALID", "GB…789")


def test_settings_can_require_the_invoice_number_and_relax_the_date():
    missing = {"invoice_number": ("", "")}

    assert checked(missing, invoice_number_required=True).section == "FAULTY"
    relaxed = checked({"invoice_date": ("", "")}, invoice_date_required=False)
    assert relaxed.section == "READY"
    late = checked({"due_date": ("", "")}, payment_term_days=10)
    assert late.values["due_date"].value == "2026-01-12"


def test_a_csv_holds_nothing_but_text_so_reading_it_is_no_repair():
    texts = {"amount": ("100,50", "s"), "due_date": ("20.01.2026", "s")}
    result = checked(texts, typed=False)

    assert (result.issues, result.values["amount"].source) == ([], "FILE")


# Amended by a person ----------------------------------------------------------------------------


def test_what_a_person_types_passes_the_same_rules():
    typed = checked({"amount": ("tbc", "s")}, overrides={"amount": "1.234,50 €"})
    wrong = checked(overrides={"email": "x@"})
    cleared = checked({"phone": ("keine", "s")}, overrides={"phone": None})

    assert (typed.section, typed.issues) == ("READY", [])
    value = typed.values["amount"]
    assert (value.value, value.source, value.raw) == (123450, "USER", "tbc")
    assert bad(wrong) == {"EMAIL_INVALID"}
    assert (cleared.section, cleared.values["phone"].source) == ("READY", "USER")


def test_a_field_without_column_can_be_filled_in():
    result = checked(overrides={"company": "", "language": "Deutsch"})

    assert (result.values["language"].value, result.values["language"].raw) == ("de", None)


@pytest.mark.parametrize(
    ("change", "overrides"),
    [
        ({"email": ("a@gmial.com", "s")}, {"email": "a@gmial.com"}),
        ({"last_name": ("SchÃ¤fner", "s")}, {"last_name": "SchÃ¤fner"}),
        ({"last_name": ("SchÃ¤fner", "s")}, {"last_name": "Schäfner"}),
        (
            {"due_date": ("2016-06-01", "d"), "invoice_date": ("2016-05-01", "d")},
            {"due_date": "01.06.2016"},
        ),
        ({"date_of_birth": ("1910-01-01", "d")}, {"date_of_birth": "1910-01-01"}),
        ({"last_name": ("Kranz Stiftung", "s")}, {"last_name": "Kranz Stiftung"}),
    ],
)
def test_typing_the_same_value_again_settles_a_doubt(change, overrides):
    assert checked(change).section == "NEEDS_CLEANSING"
    assert checked(change, overrides=overrides).section == "READY"


def test_a_misshapen_row_is_faulty_until_its_required_values_are_typed():
    by_hand = {"last_name": "Meier", "amount": "5,00", "invoice_date": "02.01.2026"}

    assert bad(checked(marks=["ROW_SHAPE"])) == {"ROW_SHAPE"}
    assert checked(marks=[("ROW_SHAPE", {"line": 7})]).issues[0].params == {"line": 7}
    assert bad(checked(marks=["ROW_SHAPE"], overrides={"amount": "5"})) == {"ROW_SHAPE"}
    assert checked(marks=["ROW_SHAPE"], overrides=by_hand).section == "READY"


def test_marks_of_the_reader_are_noted():
    merged = checked(marks=[("AUTOFIX_MERGED_FILL", {"column": 0})])

    assert [(found.code, found.field) for found in merged.issues] == [
        ("AUTOFIX_MERGED_FILL", "last_name")
    ]
    assert checked(marks=["AUTOFIX_MERGED_FILL", "SOMETHING_ELSE"]).section == "READY"


# Keys -------------------------------------------------------------------------------------------


def test_rows_of_one_debtor_share_a_key():
    umlauts = checked({"customer_case_number": ("", "")}).keys.debtor_key
    spelled = {"customer_case_number": ("", ""), "last_name": ("Mueller", "s")}

    assert checked().keys.debtor_key == "c:K1"
    assert checked({"customer_client_number": (" k 7", "s")}).keys.debtor_key == "n:K7"
    assert checked(spelled).keys.debtor_key == umlauts
    assert checked({**spelled, "first_name": ("Anna", "s")}).keys.debtor_key != umlauts
    assert len(checked({"customer_case_number": ("x" * 60, "s")}).keys.debtor_key) <= 64


# Whatever comes ---------------------------------------------------------------------------------

ANY_CELL = st.one_of(
    st.tuples(st.text(max_size=25), st.sampled_from("sndbef")),
    st.sampled_from([*GOOD.values(), ("", "")]),
)


@given(
    st.lists(ANY_CELL, max_size=len(FIELDS)),
    st.dictionaries(st.sampled_from(list(FIELDS)), st.text(max_size=12) | st.none(), max_size=3),
)
def test_every_row_gets_one_section_and_values_that_can_be_stored(cells, overrides):
    ctx = Context(
        debtor_kind="CONSUMER",
        phone_country="DE",
        currency="EUR",
        today=date(2026, 11, 22),
        fields=tuple(FIELDS),
    )
    result = check_row(2, cells, [], ctx, overrides)
    again = check_row(2, [list(cell) for cell in cells], [], ctx, overrides)

    assert result == again
    weights = [("READY", "NEEDS_CLEANSING", "FAULTY").index(i.section) for i in result.issues]
    assert result.section == ("READY", "NEEDS_CLEANSING", "FAULTY")[max(weights, default=0)]
    stored = orjson.dumps([result.values, result.issues, result.keys]).decode()
    assert not re.search(r"\\u0000|[\u202a-\u202e\u2066-\u2069]", stored)
    assert result.section != "READY" or isinstance(result.values["amount"].value, int)


# The rule table ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", list(RULES))
def test_every_rule_speaks_german_and_english(code: str):
    rule = RULES[code]
    said = [message(code, locale, {}, "x") for locale in LOCALES]
    helped = [hint(code, locale) for locale in LOCALES]

    assert len(set(said)) == len(LOCALES)
    assert catalogue("de").gettext(rule.message) != rule.message
    assert (rule.section == "READY") == (rule.hint is None)
    assert rule.hint is None or len(set(helped)) == len(LOCALES)


def test_messages_are_filled_with_their_parameters():
    (found,) = checked({"email": ("a@gmial.com", "s")}).issues
    said = message(found.code, "de", found.params, found.suggestion)

    assert "a@gmial.com" in said
    assert "a@gmail.com" in said
