"""Candidate keys of a party: equal keys meet, the sum of their weights says how promising a pair is."""

import re
from functools import lru_cache
from hashlib import blake2b
from itertools import combinations

from finview.matching.companies import GENERIC, distinctive
from finview.matching.names import NameTable, shipped
from finview.matching.places import is_role_mailbox, own_domain
from finview.plugins.contracts.matcher import Party, PartyAddress
from finview.text import CACHE, cologne

KEY_WEIGHT_MIN = 2
"""A candidate needs this sum of weights."""
KEY_CAP = 100
"""A key held by more debtors than this is too common to find anyone and is dropped."""
CANDIDATES_MAX = 10
"""So many best candidates of a party are scored."""


def key_of(text: str) -> int:
    """Return the signed 64-bit BLAKE2b of a key's letter and text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def _sounds(text: str) -> list[str]:
    """Return the codes of a name: each word's and, for several words, that of all joined."""
    parts = text.split()
    codes = [cologne(p) for p in parts if len(p) > 1]
    if len(parts) > 1:
        codes.append(cologne("".join(parts)))
    return codes


@lru_cache(CACHE)
def _given_sounds(given: str) -> tuple[str, ...]:
    """Return the codes a given name is found by: its words and the head of its nickname class."""
    names: NameTable = shipped()
    codes = dict.fromkeys(_sounds(given))
    for part in given.split()[:3]:
        for head in names.heads(part):
            codes[cologne(head)] = None
    return tuple(c for c in codes if c)


@lru_cache(CACHE)
def _family_sounds(family: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(c for c in _sounds(family) if c))


def _pair(letter: str, a: str, b: str) -> str:
    return f"{letter}{a}|{b}" if a <= b else f"{letter}{b}|{a}"


def _name_keys(p: Party, out: dict[str, int]) -> tuple[str, ...]:
    """Add the keys of a personal name; return every code the person is found by."""
    given = _given_sounds(p.given)
    family = _family_sounds(p.family)
    families = family + _family_sounds(p.alt_family) if p.alt_family else family
    for g in given:
        for f in families:
            out[_pair("n", g, f)] = 3
    if p.given1 and p.family:
        out[_pair("m", p.given1[:4], p.family[:4])] = 1
        if p.alt_family:
            out[_pair("m", p.given1[:4], p.alt_family[:4])] = 1
        for place in p.addresses:
            if place.city:
                a, b = sorted((p.given1[:3], p.family[:3]))
                out[f"c{a}|{b}|{place.city[:10]}"] = 3
    plain = _family_sounds(p.given) if p.given else ()
    return tuple(dict.fromkeys(plain + families))


def _company_keys(p: Party, out: dict[str, int]) -> tuple[str, ...]:
    codes: list[str] = []
    for core in (p.company_core, p.alt_family):
        if not core:
            continue
        tokens = core.split()
        joined = "".join(tokens)
        out["f" + "".join(sorted(tokens))] = 4
        out["f" + joined[:8]] = 4
        special = [t for t in distinctive(core) if len(t) > 1][:5]
        for a, b in combinations(
            sorted({t[:8] for t in (special if len(special) > 1 else tokens[:5])}), 2
        ):
            out[f"k{a}|{b}"] = 3
        for word in special:
            if len(word) >= 4:
                out["q" + word[:10]] = 1
            for place in p.addresses:
                if place.city:
                    out[f"y{place.city[:10]}|{word[:8]}"] = 2
        codes += [cologne(t) for t in special[:3]] + [cologne(joined)]
        if 2 <= len(tokens) <= 3 and not any(t in GENERIC for t in tokens):
            # A sole trader's firm is its owner's name: Max Müller e.K. meets Max Müller.
            out[_pair("n", cologne(tokens[0]), cologne(tokens[-1]))] = 3
    if p.family:
        codes += _name_keys(p, out)
    for mail in p.emails:
        domain = own_domain(mail)
        if domain:
            out["w" + domain] = 3
    return tuple(dict.fromkeys(c for c in codes if c))


_DIGITS = re.compile(r"\d+")


def _contact_keys(p: Party, out: dict[str, int]) -> None:
    if p.register_id:
        out["i" + p.register_id] = 6
    if p.external_id:
        out["x" + p.external_id] = 6
    for mail in p.emails:
        weight = 3 if is_role_mailbox(mail) and not own_domain(mail) else 5
        out["e" + mail] = weight
    for number in p.phones:
        out["t" + number[-9:]] = 5


def number_of(place: PartyAddress) -> str:
    """Return the digits of the house number: 12a and 12 meet."""
    digits = _DIGITS.match(place.house_no)
    return digits[0] if digits else place.house_no


def party_keys(p: Party) -> list[tuple[int, int]]:
    """Return the party's keys as (signed 64-bit key, weight), about 12, each key once.

    The weights and letters are those of the design's key table; the order is stable.
    """
    out: dict[str, int] = {}
    _contact_keys(p, out)
    codes = _company_keys(p, out) if p.company_core else _name_keys(p, out)
    if p.birth_date:
        born = p.birth_date.isoformat()
        for code in codes:
            out[f"d{born}|{code}"] = 5
        for place in p.addresses:
            if place.postcode:
                out[f"b{born}|{place.postcode}"] = 2
    for place in p.addresses:
        street, number, code = place.street, place.house_no, place.postcode
        if code:
            for name in codes:
                out[f"z{code}|{name}"] = 3
        if street:
            for name in codes:
                out[f"s{street[:6]}|{name}"] = 2
            if number:
                plain = number_of(place)
                out[f"h{street[:8]}|{plain}"] = 2
                if code:
                    out[f"a{code}|{street[:5]}|{plain}"] = 2
        if number_of(place) and place.city and p.family and not p.company_core:
            out[f"v{place.city[:8]}|{number_of(place)}|{cologne(p.family)}"] = 2
    return [(key_of(text), weight) for text, weight in out.items()]
