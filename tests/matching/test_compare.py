"""Every field's level is the documented one, from either side."""

from datetime import date

import pytest

from finview.matching.compare import compare
from finview.matching.names import shipped
from finview.matching.normalise import RawParty, party

NAMES = shipped().with_counts({}, 100_000)


def level(field, left, right):
    a, b = (party(RawParty(**{"kind": "person", "country": "DE", **f})) for f in (left, right))
    one, two = compare(a, b, NAMES), compare(b, a, NAMES)
    assert one == two
    return getattr(one, field)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("Karl-Heinz", "Karlheinz", "equal"),
        ("Stephan", "Stefan", "spelling"),
        ("Bob", "Robert", "nickname"),
        ("Maria Magdalena", "Maria", "subset"),
        ("Karl Heinz", "Heinz", "second"),
        ("Micheal", "Michael", "typo"),
        ("Samhael", "Samuel", "slips"),
        ("Xajahra", "Xejahra", "slips"),
        ("Joy", "Joyce", "similar"),
        ("Hanna", "Hannes", "similar"),
        ("M", "Martin", "initial"),
        ("M", "M", "initial"),
        ("M", "Anna", "other_initial"),
        ("Anna Eva", "Olaf Jan", "other"),
        ("", "Anna", "missing"),
        ("Jens und Ute", "Ute", "subset"),
        ("Jens und Ute", "", "missing"),
        ("Jens und Ute", "Uta", "nickname"),
        ("Lorrain", "Lorraine", "typo"),
        ("Mario", "Maria", "near"),
    ],
)
def test_first_names(one, two, expected):
    left, right = ({"first_name": n, "last_name": "Koch"} for n in (one, two))
    assert level("given", left, right) == expected


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("Müller-Lüdenscheid", "Müller", "part"),
        ("Wagner geb. Fischer", "Fischer", "former"),
        ("Al-Hassan", "Alhassan", "near"),
        ("Zimmerman", "Zimmermann", "near"),
        ("Gonzalez", "Glbzalez", "slips"),
        ("Schmidtke", "Schmytkeh", "phonetic"),
        ("Meyer", "Maier", "variant"),
        ("Schneider", "Schneiders", "similar"),
        ("K", "Koch", "initial"),
        ("K", "Otto", "other"),
        ("Koch", "Seidel", "other"),
        ("", "Koch", "missing"),
    ],
)
def test_last_names(one, two, expected):
    left, right = ({"first_name": "Anna", "last_name": n} for n in (one, two))
    assert level("family", left, right) == expected


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (date(1980, 3, 4), date(1980, 3, 4), "equal"),
        (date(1980, 1, 1), date(1980, 1, 1), "equal_new_year"),
        (date(1980, 3, 4), date(1980, 4, 3), "swapped"),
        (date(1980, 3, 4), date(1980, 3, 5), "one_digit"),
        (date(1980, 3, 14), date(1980, 3, 25), "two_digits"),
        (date(1980, 3, 4), date(1981, 3, 5), "two_digits_other_year"),
        (date(1980, 3, 4), date(2000, 3, 4), "other"),
        (date(1980, 3, 4), None, ""),
    ],
)
def test_birth_dates(one, two, expected):
    assert level("birth_date", {"name": "A", "dob": one}, {"name": "B", "dob": two}) == expected


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("DE 811234567", "DE811234567", "equal"),
        ("DE811234567", "811234567", "equal"),
        ("DE811234567", "DE811234568", "one_digit"),
        ("DE811234567", "DE811234589", "two_digits"),
        ("DE811234567", "DE999888777", "other"),
        ("HRB 1234", "DE811234567", ""),
    ],
)
def test_register_numbers(one, two, expected):
    left, right = ({"name": "A", "register_id": n} for n in (one, two))
    assert level("register", left, right) == expected


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("anna.koch@web.de", "Anna.Koch@web.de", "equal"),
        ("anna.koch@web.de", "ana.koch@web.de", "near"),
        ("einkauf@nordstahl.de", "jan@nordstahl.de", "domain"),
        ("annamaria.koch1980@web.de", "annamaria.koch1980@web.info", "similar"),
        ("anna@web.de", "olaf@gmx.de", "other"),
    ],
)
def test_mailboxes(one, two, expected):
    left, right = ({"name": "A", "emails": (m,)} for m in (one, two))
    assert level("email", left, right) == expected


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("Nordlicht Energie", "Energie Nordlicht GmbH", "equal"),
        ("Kaltenbach Logistik", "Kaltenbach Logisitk", "near"),
        ("Auto Haus Klein", "Autohaus Kleim", "near"),
        ("Edeka Berlin", "Edeka", "close"),
        ("Kaltenbach Holding", "Kaltenbach", "subset"),
        ("Kaltenbach Optik", "Kaltenbach Handel", "part"),
        ("Kaltenbach Xaver", "Kaltenbach Yanis", "weak"),
        ("Restaurant Akropolis", "Restaurant Athen", "other"),
        ("Restaurant", "Restaurant Athen", "other"),
    ],
)
def test_company_names(one, two, expected):
    left, right = ({"kind": "company", "company": n, "city": "Berlin"} for n in (one, two))
    assert level("company", left, right) == expected


@pytest.mark.parametrize(
    ("firm", "expected"),
    [
        ("Max Koch e.K.", "owner"),
        ("Blumenhaus, Inh. Max Koch", "owner"),
        ("Koch Sanitär GmbH", "family_in_core"),
        ("Nordstahl AG", "other"),
    ],
)
def test_a_person_and_a_company(firm, expected):
    person = {"first_name": "Max", "last_name": "Koch"}
    assert level("company", person, {"kind": "company", "company": firm}) == expected


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (
            ("Hauptstr.", "12", "10115", "Berlin"),
            ("Haupstr.", "12a", "10151", "Berlin-Mitte"),
            True,
        ),
        (("35th Street", "12", "", ""), ("36th Street", "12", "", ""), False),
        (("Hauptstr.", "5821", "", ""), ("Hauptstr.", "821", "", ""), True),
        (("Hauptstr.", "12", "10115", "Berlin"), ("Hauptstr.", "12", "50667", "Köln"), False),
        (("Hauptstr.", "12", "", "Berlin"), ("Hauptstr.", "12", "", "Köln"), False),
        (("Hauptstr.", "12", "4109", ""), ("Hauptstr.", "12", "04109", ""), True),
        (("Am Markt", "1", "", ""), ("Seeweg", "1", "", ""), False),
    ],
)
def test_addresses_are_one_house(one, two, same):
    fields = ("street", "house_no", "postcode", "city")
    left, right = ({"name": "A", **dict(zip(fields, place, strict=True))} for place in (one, two))
    assert level("place", left, right).same_house is same


def test_names_in_each_others_column_are_swapped_back():
    left = {"first_name": "Krüger", "last_name": "Anna"}
    right = {"first_name": "Anna", "last_name": "Krüger"}
    assert level("swapped", left, right)
    assert level("swapped", {**left, "first_name": "Krueeger"}, right)
    assert level("given_value", left, right) == "anna"
    assert not level("swapped", {**left, "first_name": "Seidel"}, right)
