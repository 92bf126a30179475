"""What must never merge by itself, and what a person must see, whatever a matcher says."""

from datetime import date
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finview.i18n import sentence
from finview.matching.decide import verdict
from finview.matching.guards import SENTENCES, floors, guards
from finview.matching.names import shipped
from finview.matching.normalise import RawParty, party

HOME = {"street": "Hauptstr.", "house_no": "12", "postcode": "10115", "city": "Berlin"}
AWAY = {"street": "Am Ring", "house_no": "5", "postcode": "50667", "city": "Köln"}
NAMES = shipped().with_counts({}, 100_000)
BORN = date(1980, 3, 4)


def known(first="", last="", firm="", **fields):
    kind = "company" if firm else "person"
    values = {"first_name": first, "last_name": last, "company": firm, "country": "DE"}
    return party(RawParty(**{"kind": kind, **values, **fields}))


def judged(left, right, said=100.0):
    """Return the percent the core lets stand when a matcher says `said`."""
    return verdict(said, guards(left, right, NAMES), floors(left, right, NAMES))


def codes(left, right):
    found = (*guards(left, right, NAMES), *floors(left, right, NAMES))
    return {f.code for f in found}


FIRST_NAMES = ["Anna", "Jens", "Ute", "Martin", "Sabine", "Mehmet", "Olga", "Paul", "Lea", "Fatma"]


@pytest.mark.parametrize(("one", "two"), list(combinations(FIRST_NAMES, 2)))
def test_different_known_first_names_never_merge_even_if_all_else_is_equal(one, two):
    same = {"dob": BORN, "emails": ("f@web.de",), "phones": ("0301234567",), "register_id": "DE1"}
    assert judged(known(one, "Koch", **HOME, **same), known(two, "Koch", **HOME, **same)) < 80


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(n for f, n in NAMES._counts if f == "given" and len(n) > 1)),
    st.sampled_from(sorted(n for f, n in NAMES._counts if f == "given" and len(n) > 1)),
)
def test_no_two_names_of_the_list_merge_unless_one_is_a_form_of_the_other(one, two):
    percent = judged(known(one, "Koch", **HOME), known(two, "Koch", **HOME))
    assert percent < 80 or one == two or NAMES.related(one, two)


@pytest.mark.parametrize(
    ("left", "right", "code", "cap"),
    [
        (known("Jan", "Koch", **HOME), known("Max", "Koch", **HOME), "FIRST_NAME_DIFFERS", 55),
        (
            known("Lena", "Koch", dob=BORN, **HOME),
            known("Lisa", "Koch", dob=BORN, **HOME),
            "FIRST_NAME_TWINS",
            70,
        ),
        (
            known("Karl", "Koch", dob=date(1950, 2, 2), **HOME),
            known("Jonas", "Koch", dob=BORN, **HOME),
            "FIRST_NAME_AND_BIRTH_DATE_DIFFER",
            20,
        ),
        (known("Jan", "Koch", **HOME), known("Max", "Otto", **HOME), "BOTH_NAMES_DIFFER", 25),
        (
            known("Christian", "Lang", **HOME),
            known("Christiane", "Lang", **HOME),
            "MAN_AND_WOMAN",
            58,
        ),
        (known("M.", "Wolf", **HOME), known("Martin", "Wolf", **HOME), "FIRST_NAME_INITIAL", 75),
        (known("", "Wolf", **HOME), known("Martin", "Wolf", **HOME), "FIRST_NAME_MISSING", 72),
        (
            known("Hans", "Wolf", **HOME),
            known("Johannes", "Wolf", **HOME),
            "FIRST_NAME_SHORT_FORM",
            76,
        ),
        (
            known("Jens und Ute", "Koch", **HOME),
            known("Ute", "Koch", **HOME),
            "TWO_PEOPLE",
            70,
        ),
        (
            known("Jan", "Koch jun.", **HOME),
            known("Jan", "Koch sen.", **HOME),
            "SUFFIX_DIFFERS",
            62,
        ),
        (
            known("Jan", "Koch", dob=BORN, **HOME),
            known("Jan", "Koch", dob=date(1951, 8, 9), **HOME),
            "BIRTH_DATE_DIFFERS",
            60,
        ),
        (known("Petra", "Meyer", **HOME), known("Petra", "Maier", **HOME), "LAST_NAME_DIFFERS", 70),
        (known("Jan", "Koch"), known("Jan", "Koch", **HOME), "NAME_ONLY", 72),
        (
            known("Zofia", "Quirin", **HOME),
            known("Zofia", "Quirin", **AWAY),
            "ADDRESS_DIFFERS",
            66,
        ),
        (
            known("Thomas", "Müller", **HOME),
            known("Thomas", "Müller", **AWAY),
            "NAMESAKE",
            35,
        ),
        (
            known(firm="Fuchs UG", **HOME),
            known(firm="Fuchs GmbH", **HOME),
            "LEGAL_FORM_DIFFERS",
            74,
        ),
        (
            known(firm="Wind Nord 5 GmbH", **HOME),
            known(firm="Wind Nord 6 GmbH", **HOME),
            "COMPANY_NUMBER_DIFFERS",
            30,
        ),
        (
            known(firm="Kaltenbach GmbH", **HOME),
            known(firm="Kaltenbach Holding GmbH", **HOME),
            "COMPANY_PARTLY",
            60,
        ),
        (known(firm="Elektro Hansen", **HOME), known(firm="Lüders", **HOME), "COMPANY_DIFFERS", 40),
        (
            known(firm="Fuchs AG", register_id="DE111222333", **HOME),
            known(firm="Fuchs AG", register_id="DE987654321", **HOME),
            "REGISTER_DIFFERS",
            45,
        ),
        (
            known("Max", "Reinhardt", **HOME),
            known(firm="Max Reinhardt e.K.", **HOME),
            "PERSON_AND_COMPANY",
            68,
        ),
    ],
)
def test_a_guard_caps_even_a_matcher_that_is_sure(left, right, code, cap):
    assert f"MATCH_{code}" in codes(left, right)
    assert judged(left, right) <= cap
    assert guards(left, right, NAMES) == guards(right, left, NAMES)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (known("M.", "Wolf", dob=BORN, **HOME), known("Martin", "Wolf", dob=BORN, **HOME)),
        (
            known("Hans", "Wolf", emails=("h@w.de",), **HOME),
            known("Johannes", "Wolf", emails=("h@w.de",), **HOME),
        ),
        (known("Stephan", "Wolf", **HOME), known("Stefan", "Wolf", **HOME)),
        (known("Micheal", "Wolf", **HOME), known("Michael", "Wolf", **HOME)),
        (known("Jan", "Zimmerman", **HOME), known("Jan", "Zimmermann", **HOME)),
        (
            known("Anna", "Koch", dob=BORN, **HOME),
            known("Anna", "Seidel", dob=BORN, **HOME),
        ),
        (known("Scott", "James", **HOME), known("James", "Scott", **HOME)),
        (known(firm="Auto-Haus Klein GmbH", **HOME), known(firm="Autohaus Klein GmbH", **HOME)),
    ],
)
def test_what_is_confirmed_is_not_capped(left, right):
    assert judged(left, right) == 100


@pytest.mark.parametrize(
    ("left", "right", "code"),
    [
        (known("Anna", "Koch", **HOME), known("Anna", "Seidel", **HOME), "MARRIAGE"),
        (
            known("Jan", "Winkler", **HOME),
            known("Jan", "Winkler", **{**AWAY, "city": "Berlin"}),
            "SAME_TOWN",
        ),
        (known(firm="Kaltenbach AG", **HOME), known(firm="Kaltenbach AG", **AWAY), "BRANCH"),
        (
            known(firm="Kaltenbach Logistik GmbH", **HOME),
            known(firm="Kaltenbach Optik GmbH", **HOME),
            "GROUP",
        ),
        (
            known("Max", "Reinhardt", **HOME),
            known(firm="Malerbetrieb Max Reinhardt", **HOME),
            "SOLE_TRADER",
        ),
    ],
)
def test_a_floor_shows_a_person_what_a_matcher_would_dismiss(left, right, code):
    assert f"MATCH_FLOOR_{code}" in codes(left, right)
    assert 40 <= judged(left, right, said=1.0) < 80


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (known("Olaf", "Sommer", **HOME), known("Birgit", "Krause", **HOME)),
        (known("Thomas", "Müller", **HOME), known("Thomas", "Müller", **AWAY)),
        (known(firm="Apotheke am Markt", **HOME), known(firm="Apotheke am Markt", **AWAY)),
        (known(firm="Pizzeria Roma", **HOME), known(firm="Pizzeria Napoli", **HOME)),
        (known(firm="Wind 5 GmbH", **HOME), known(firm="Wind 6 GmbH", **HOME)),
    ],
)
def test_strangers_are_lifted_by_no_floor(left, right):
    assert judged(left, right, said=1.0) == 1.0


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_every_guard_and_floor_speaks_german_and_english(code):
    assert sentence(code, "en") != code
    assert sentence(code, "de") not in {code, sentence(code, "en")}
