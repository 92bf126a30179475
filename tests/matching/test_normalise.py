"""What a person means by a name, an address or a number survives how it was typed."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finview.matching.normalise import RawParty, party
from finview.text import cologne, skeleton, words


def person(**fields):
    return party(RawParty(kind="person", **fields))


def company(name, **fields):
    return party(RawParty(kind="company", company=name, **fields))


@pytest.mark.parametrize("typed", ["Müller", "Mueller", "MULLER", "Mu\u0308ller", "  müller "])
def test_umlauts_and_their_transcriptions_are_one_spelling(typed):
    assert person(first_name="Jörg", last_name=typed).family == "muller"


@pytest.mark.parametrize(
    ("typed", "same"),
    [("Łukasz", "Lukasz"), ("Yılmaz", "Yilmaz"), ("Groß", "Gross"), ("Søren", "Soeren")],
)
def test_foreign_letters_meet_their_plain_form(typed, same):
    assert skeleton(typed) == skeleton(same)


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(text):
    once = " ".join(words(text))
    assert " ".join(words(once)) == once


def test_cologne_phonetics_follow_the_published_examples():
    assert cologne("mullerludenscheidt") == "65752682"
    assert cologne("wikipedia") == "3412"
    assert cologne("meyer") == cologne("maier")


@pytest.mark.parametrize(
    ("fields", "given_name", "family", "suffix"),
    [
        ({"name": "Hofmann, Sabine"}, "sabine", "hofmann", ""),
        ({"name": "Hofmann Sabine"}, "sabine", "hofmann", ""),
        ({"name": "Herr Dr. med. Peter von Braun"}, "peter", "braun", ""),
        ({"first_name": "Friedrich", "last_name": "von der Heide"}, "friedrich", "heide", ""),
        ({"first_name": "Friedrich von", "last_name": "Heide"}, "friedrich", "heide", ""),
        ({"first_name": "Hans jun.", "last_name": "Koch"}, "hans", "koch", "jr"),
        ({"first_name": "William", "last_name": "Carter Sr"}, "william", "carter", "sr"),
        ({"first_name": "Kath", "last_name": "Mac Donald"}, "kath", "macdonald", ""),
        ({"first_name": "Patric:a", "last_name": "O'Neill"}, "patrica", "oneill", ""),
        ({"first_name": "Daniel", "last_name": "Herr"}, "daniel", "herr", ""),
        ({"last_name": "Dr. Sabine Hofmann"}, "sabine", "hofmann", ""),
    ],
)
def test_titles_particles_and_suffixes_are_read(fields, given_name, family, suffix):
    read = person(**fields)
    assert (read.given, read.family, read.suffix) == (given_name, family, suffix)


def test_a_maiden_name_is_kept_beside_the_name():
    read = person(first_name="Julia", last_name="Wagner geb. Fischer")
    assert (read.family, read.alt_family) == ("wagner", "fischer")


@pytest.mark.parametrize(
    ("fields", "given_name"),
    [
        ({"name": "Eheleute Jens und Ute Baumann"}, "jens ute"),
        ({"name": "Baumann, Jens & Ute"}, "jens ute"),
        ({"first_name": "Jens und Ute", "last_name": "Baumann"}, "jens ute"),
        ({"name": "Familie Baumann"}, ""),
        ({"name": "Mr and Mrs Baumann"}, ""),
    ],
)
def test_a_couple_in_one_row_counts_as_two_people(fields, given_name):
    read = person(**fields)
    assert (read.people, read.given, read.family) == (2, given_name, "baumann")


@pytest.mark.parametrize(
    ("typed", "core", "form"),
    [
        ("Bäckerei Schröder Gesellschaft mit beschränkter Haftung", "backerei schroder", "gmbh"),
        ("Müller & Söhne OHG", "muller sohne", "ohg"),
        ("Müller und Soehne OHG", "muller sohne", "ohg"),
        ("Meyer GmbH & Co. KG", "meyer", "gmbhcokg"),
        ("Solarfuchs UG (haftungsbeschränkt)", "solarfuchs", "ug"),
        ("Rosi e. K.", "rosi", "ek"),
        ("The Copper Kettle Limited", "copper kettle", "ltd"),
        ("Nord Handelsgesellschaft mbH", "nord handels", "gmbh"),
        ("Orion Systems Ltd Zweigniederlassung Deutschland", "orion systems", "ltd branch"),
        ("Foo Sp. z o.o.", "foo", "spzoo"),
        ("AG", "ag", ""),
    ],
)
def test_the_legal_form_is_apart_from_the_core(typed, core, form):
    read = company(typed)
    assert (read.company_core, read.legal_form) == (core, form)


def test_trading_name_and_owner_of_a_company_are_kept():
    assert company("John Hill t/a Hill Plumbing").alt_family == "hill plumbing"
    owner = company("Bäckerei Nord, Inh. Hans Müller")
    assert (owner.company_core, owner.given, owner.family) == ("backerei nord", "hans", "muller")


@pytest.mark.parametrize(
    ("street", "number"),
    [
        ("Hauptstraße 12a", ""),
        ("Hauptstr.12 A", ""),
        ("Haupt-Str.", "12 a"),
        ("Haupt Straße 12a", "12a"),
        ("c/o Meier, Hauptstr. 12a", ""),
    ],
)
def test_a_street_is_one_street_however_written(street, number):
    place = person(last_name="X", street=street, house_no=number).addresses[0]
    assert (place.street, place.house_no) == ("hauptst", "12a")


def test_english_numbers_stand_in_front_and_flats_are_left_out():
    place = person(last_name="X", street="Flat 3, 12 High Street").addresses[0]
    assert (place.street, place.house_no) == ("highst", "12")


def test_a_number_inside_a_street_name_stays():
    place = person(last_name="X", street="Straße des 17. Juni 135").addresses[0]
    assert (place.street, place.house_no) == ("stdes17juni", "135")


@pytest.mark.parametrize(
    ("code", "country", "read"),
    [("4109", "DE", "04109"), ("D-04109", "DE", "04109"), ("SW1A 1AA", "GB", "sw1a1aa")],
)
def test_postcodes_get_their_lost_zero_and_lose_their_blanks(code, country, read):
    assert person(last_name="X", postcode=code, country=country).addresses[0].postcode == read


@pytest.mark.parametrize(
    "town", ["Frankfurt am Main", "Frankfurt/M.", "FRANKFURT", "Frankfurt a. M."]
)
def test_towns_lose_what_tells_them_apart_on_maps_only(town):
    assert person(last_name="X", city=town).addresses[0].city == "frankfurt"


@pytest.mark.parametrize(
    "typed", ["030 1234567", "+49 (0)30 123 45 67", "0049 30/1234567", "49301234567"]
)
def test_a_phone_number_is_one_number_however_written(typed):
    assert person(last_name="X", phones=(typed,), country="DE").phones == ("+49301234567",)


@pytest.mark.parametrize("typed", ["000000", "12345", "keine", "111111111"])
def test_what_is_no_phone_number_is_not_known(typed):
    assert person(last_name="X", phones=(typed,), country="DE").phones == ()


def test_mailboxes_lose_tags_and_gmail_dots_and_placeholders():
    emails = ("R.Johnson+bills@googlemail.com", "rjohnson@gmail.com", "keine@keine.de", "x")
    assert person(last_name="X", emails=emails).emails == ("rjohnson@gmail.com",)


@pytest.mark.parametrize("born", [date(1900, 1, 1), date(1970, 1, 1), date(1111, 11, 11)])
def test_placeholder_birth_dates_are_not_known(born):
    assert person(last_name="X", dob=born).birth_date is None


FIELD = st.text(alphabet="aäeéiouzMüß .-,&/'\"()0179und", max_size=18)


@settings(max_examples=150)
@given(FIELD, FIELD, FIELD, FIELD, FIELD, FIELD)
def test_whatever_is_typed_normalises_and_twice_the_same(first, last, name, firm, street, number):
    raw = RawParty(
        kind="company" if firm else "person",
        company=firm,
        first_name=first,
        last_name=last,
        name=name,
        street=street,
        house_no=number,
        phones=(number,),
        emails=(name,),
    )
    assert party(raw) == party(raw)
