"""Weighing a comparison: levels become bits, bits and the size of the database become percent."""

import math
from collections.abc import Callable
from math import log2

from finview.matching.compare import OTHER_GIVEN, Comparison, Place
from finview.matching.names import NameTable
from finview.plugins.contracts.matcher import Evidence, Party, Score

POPULATION_MIN = 1_024
"""A database smaller than this is treated as this large: its first debtors match no easier."""
HOUSEHOLD_BITS = 18.0
"""Phone, e-mail and address together count in full up to here: a household shares them."""
HOUSEHOLD_SHARE = 0.35
EVIDENCE_PERCENT_MIN = 5.0

_GIVEN = {
    "spelling": 4.5,
    "nickname": 4.0,
    "second": 3.5,
    "near": 3.5,
    "typo": 3.0,
    "slips": 2.0,
    "similar": 2.0,
    "initial": 2.0,
    "weak": -1.0,
    "other_initial": -6.0,
    "other": -6.0,
}
_FAMILY = {
    "near": 6.0,
    "part": 5.0,
    "phonetic": 5.0,
    "variant": 5.0,
    "slips": 4.5,
    "similar": 3.0,
    "initial": 1.0,
    "weak": -1.0,
    "other": -6.0,
}
_BIRTH_DATE = {
    "equal": 12.5,
    "equal_new_year": 8.0,
    "swapped": 7.0,
    "one_digit": 6.0,
    "two_digits": 2.5,
    "two_digits_other_year": 0.0,
    "other": -7.0,
}
_REGISTER = {"equal": 16.0, "one_digit": 9.0, "two_digits": 5.0, "other": -5.0}
_PHONE = {"equal": 10.0, "one_digit": 5.0, "other": -1.0}
_EMAIL = {"equal": 11.0, "near": 6.0, "domain": 4.0, "similar": 3.0, "other": -0.5}
_COMPANY = {
    "equal": 14.0,
    "near": 11.0,
    "close": 8.0,
    "subset": 3.5,
    "part": 3.5,
    "weak": -1.0,
    "other": -7.0,
}
_MIXED = {"owner": 13.0, "family_in_core": 4.0, "other": -7.0}
_POSTCODE = {"": 0.0, "equal": 5.0, "near": 2.0, "other": -2.0}
_STREET = {"": 0.0, "equal": 5.0, "near": 4.0, "similar": 2.0, "other": -2.0}
_NUMBER = {"": 0.0, "equal": 3.0, "near": 1.5, "other": -2.0}


def place_bits(place: Place, names: NameTable) -> float:
    """Return the bits of an address, -2.5 to 13; the number counts half on another street."""
    town_bits = 0.0
    if place.town == "equal":
        town_bits = min(max(-log2(names.town_share(place.town_value)) / 4, 1.0), 2.5)
    elif place.town == "other":
        town_bits = -1.0
    postcode, _, street, number, *_ = place
    number_bits = _NUMBER[number] / 2 if street == "other" else _NUMBER[number]
    total = _POSTCODE[postcode] + town_bits + _STREET[street] + number_bits
    return min(max(total, -2.5), 13.0)


def _given_bits(c: Comparison, names: NameTable) -> float:
    if c.given in {"equal", "subset"}:
        bits = names.bits("given", c.given_value, 3.5, 9.0)
        if c.given == "subset":
            bits = max(bits - 1.0, 3.5)
    else:
        bits = _GIVEN.get(c.given, 0.0)
    if c.second == "contradict":
        bits -= 3.0
    elif c.second == "agree":
        bits += 2.0
    return bits - (1.5 if c.swapped else 0.0)


def _family_bits(c: Comparison, names: NameTable) -> float:
    if c.family in {"equal", "former"}:
        bits = names.bits("family", c.family_value.replace(" ", ""), 5.0, 11.0)
        return bits - (0.5 if c.family == "former" else 0.0)
    return _FAMILY.get(c.family, 0.0)


def weigh(c: Comparison, names: NameTable) -> list[tuple[str, str, float]]:
    """Return (field, level, bits) of everything that could be compared, the damping included."""
    out: list[tuple[str, str, float]] = []
    if c.given:
        out.append(("given", c.given, _given_bits(c, names)))
    if c.family:
        out.append(("family", c.family, _family_bits(c, names)))
    if c.company:
        table = _MIXED if c.mixed else _COMPANY
        out.append(("company", c.company, table[c.company]))
    if c.birth_date:
        out.append(("birth_date", c.birth_date, _BIRTH_DATE[c.birth_date]))
    if c.register:
        out.append(("register_id", c.register, _REGISTER[c.register]))
    # Almost equal contacts are typing errors of one person's, and neighbours of another's.
    another = c.given in OTHER_GIVEN or c.company == "other"
    contact = 0.0
    if c.phone:
        bits = 0.0 if another and c.phone == "one_digit" else _PHONE[c.phone]
        out.append(("phone", c.phone, bits))
        contact += bits
    if c.email:
        bits = 8.0 if c.email == "equal" and c.shared_mailbox else _EMAIL[c.email]
        if another and c.email in {"near", "similar"}:
            bits = 0.0
        out.append(("email", c.email, bits))
        contact += bits
    if c.place is not None:
        bits = place_bits(c.place, names)
        if c.place.number == "equal" and c.place.long_number and not another:
            bits = min(bits + 1.0, 13.0)  # 3521 says more than 12
        out.append(("address", _place_level(c.place), bits))
        contact += bits
    if contact > HOUSEHOLD_BITS:
        out.append(("household", "damped", (contact - HOUSEHOLD_BITS) * (HOUSEHOLD_SHARE - 1.0)))
    return out


def _place_level(place: Place) -> str:
    if place.same_house:
        return "same_house"
    if place.street in {"equal", "near"}:
        return "same_street"
    if place.postcode == "equal" or place.town == "equal":
        return "same_town"
    return "other"


def percent_of(bits: float, population: int) -> float:
    """Return 100 / (1 + 2^-((bits - log2 N - 2) / 2.5)): the prior grows with the database."""
    exponent = (bits - log2(max(population, POPULATION_MIN)) - 2.0) / 2.5
    return 100.0 / (1.0 + math.pow(2.0, min(-exponent, 60.0)))


def _address_text(p: Party) -> str:
    place = p.addresses[0]
    return " ".join(v for v in (place.street, place.house_no, place.postcode, place.city) if v)


_TEXT: dict[str, Callable[[Party], str]] = {
    "given": lambda p: p.given,
    "family": lambda p: p.family,
    "company": lambda p: p.company_core or f"{p.given} {p.family}".strip(),
    "birth_date": lambda p: p.birth_date.isoformat() if p.birth_date else "",
    "register_id": lambda p: p.register_id,
    "phone": lambda p: ", ".join(p.phones),
    "email": lambda p: ", ".join(p.emails),
    "address": _address_text,
    "household": lambda _p: "",
}


def score_of(c: Comparison, incoming: Party, existing: Party, names: NameTable) -> Score:
    """Weigh the comparison of a pair; the score depends on nothing beside it.

    A score under 5 % carries no evidence: nobody ever looks at it.
    """
    weighed = weigh(c, names)
    percent = percent_of(sum([bits for _, _, bits in weighed]), names.population)
    if percent < EVIDENCE_PERCENT_MIN:
        return Score(percent=percent)
    return Score(
        percent=percent,
        evidence=tuple(
            [
                Evidence(
                    field=field,
                    level=level,
                    points=round(bits, 2),
                    incoming=_TEXT[field](incoming),
                    existing=_TEXT[field](existing),
                )
                for field, level, bits in weighed
            ]
        ),
    )
