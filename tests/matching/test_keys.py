"""Two spellings of one debtor share keys worth a look."""

from datetime import date

import pytest

from finview.matching.keys import KEY_WEIGHT_MIN, party_keys
from finview.matching.normalise import RawParty, party

HOME = {"street": "Hauptstr.", "house_no": "12", "postcode": "10115", "city": "Berlin"}
AWAY = {"street": "Am Ring", "house_no": "5", "postcode": "50667", "city": "Köln"}


def shared(left, right):
    a, b = (
        dict(party_keys(party(RawParty(**{"kind": "person", "country": "DE", **fields}))))
        for fields in (left, right)
    )
    return sum(weight for key, weight in a.items() if key in b)


NAME = {"first_name": "Sabine", "last_name": "Hofmann"}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({**NAME, **HOME}, {"name": "Hofmann, Sabine", **AWAY}),
        ({**NAME, **HOME}, {"first_name": "Hofmann", "last_name": "Sabine", **AWAY}),
        ({**NAME, "last_name": "Meyer"}, {**NAME, "last_name": "Maier"}),
        (
            {"first_name": "Bob", "last_name": "Johnson"},
            {"first_name": "Robert", "last_name": "Johnson"},
        ),
        ({**NAME, "last_name": "Wagner geb. Hofmann"}, NAME),
        ({**NAME, **HOME}, {"first_name": "Sabine", "last_name": "Otto", **HOME}),
        ({**NAME, "emails": ("sh@web.de",)}, {"last_name": "Otto", "emails": ("SH@web.de",)}),
        ({**NAME, "phones": ("030 1234567",)}, {"last_name": "X", "phones": ("+49301234567",)}),
        ({"last_name": "Hofmann", "dob": date(1980, 2, 3)}, {**NAME, "dob": date(1980, 2, 3)}),
        ({**NAME, **HOME}, {"kind": "company", "company": "Sabine Hofmann e.K.", **HOME}),
    ],
)
def test_spellings_of_one_debtor_meet(left, right):
    assert shared(left, right) >= KEY_WEIGHT_MIN


def test_companies_meet_by_core_and_by_their_own_domain():
    left = {"kind": "company", "company": "Auto-Haus Klein GmbH", "emails": ("a@klein-auto.de",)}
    right = {"kind": "company", "company": "Autohaus Klein"}
    other = {"kind": "company", "company": "Nordstahl AG", "emails": ("b@klein-auto.de",)}
    assert shared(left, right) >= KEY_WEIGHT_MIN
    assert shared(left, other) >= KEY_WEIGHT_MIN


def test_strangers_share_no_key():
    assert shared({**NAME, **HOME}, {"first_name": "Olaf", "last_name": "Krause", **AWAY}) == 0


def test_keys_fit_a_signed_eight_byte_column_and_never_change():
    keys = party_keys(party(RawParty(kind="person", country="DE", **NAME, **HOME)))
    assert len({key for key, _weight in keys}) == len(keys)
    assert all(-(2**63) <= key < 2**63 and 1 <= weight <= 6 for key, weight in keys)
    assert keys == party_keys(party(RawParty(kind="person", country="DE", **NAME, **HOME)))
