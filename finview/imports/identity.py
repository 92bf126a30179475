"""Who a row is about: the keys by which rows of one debtor find each other, and what may differ."""
# ruff: noqa: SIM905  # tables of words are read and edited as text

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from rapidfuzz.fuzz import ratio, token_set_ratio

from finview.imports.people import split_name
from finview.text import CACHE, words

_LENGTH_MAX = 60
_SAME_NAME = 80
"""Similarity (0–100) from which two spellings of a company or last name are one name."""
_SAME_WORD = 75

_NOISE_WORDS: Final = frozenset(
    "gmbh mbh ug ag kg ohg gbr ek ev eg co ltd limited llp plc llc inc corp haftungsbeschraenkt "
    "haftungsbeschrankt und and the die der das dr prof herr frau mr mrs ms company".split()
)
_STREET_WORDS: Final = {
    "str": "strasse",
    "st": "street",
    "rd": "road",
    "ave": "avenue",
    "pl": "platz",
    "ln": "lane",
}
_STREET_END = re.compile(r"(?<=\w)str\.?(?=[\s\d]|$)", re.IGNORECASE)
_WHO: Final = "company full_name first_name last_name street house_no postcode city".split()
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Name and address of a row's debtor, as far as they are given."""

    company: str = ""
    first: str = ""
    last: str = ""
    street: str = ""
    postcode: str = ""
    city: str = ""


def identity(values: Mapping[str, Any]) -> Identity:
    """Take name and address out of values by field (texts, or None)."""
    company, full = _text(values, "company"), _text(values, "full_name")
    first, last = _text(values, "first_name"), _text(values, "last_name")
    if full and not last and not company:
        parts = split_name(full)
        first, last = parts.first, parts.last
    return Identity(
        company=company,
        first=first,
        last=last,
        street=f"{_text(values, 'street')} {_text(values, 'house_no')}".strip(),
        postcode=_text(values, "postcode"),
        city=_text(values, "city"),
    )


def debtor_key(values: Mapping[str, Any]) -> str:
    """Return what rows of one debtor have in common within a customer's files.

    The client number, else the customer's case number, else name with birth date or address;
    empty for a row without any of them.
    """
    for prefix, field in (("n", "customer_client_number"), ("c", "customer_case_number")):
        if number := number_key(_text(values, field)):
            return short(f"{prefix}:{number}")
    who = identity(values)
    name = " ".join(words(who.company) or sorted((*words(who.first), *words(who.last))))
    if not name:
        return ""
    born, street = _text(values, "date_of_birth"), " ".join(_street(who.street))
    where = born or f"{who.postcode} {street}".strip()
    where = where or _text(values, "email").lower() or _text(values, "phone")
    return f"p:{_digest(f'{name}|{where}')}"


def who_key(values: Mapping[str, Any]) -> str:
    """Return a digest of name and address (16 characters): equal ones need no closer look."""
    return _digest("|".join(_text(values, field).casefold() for field in _WHO))[:16]


def has_number(key: str) -> bool:
    """Tell whether a debtor key stands for a number of the customer, not for a name."""
    return key[:2] in {"n:", "c:"}


def number_key(text: str) -> str:
    """Return a number as it is compared: NFKC, capitals, no blanks. Zeros and signs count."""
    return "".join(unicodedata.normalize("NFKC", text).upper().split())


def short(key: str, length: int = _LENGTH_MAX) -> str:
    """Return the key, or its digest when it is longer than what its column holds."""
    return key if len(key) <= length else f"{key[:2]}#{_digest(key)}"


def conflict(one: Identity, other: Identity) -> str | None:
    """Return which field contradicts: the name or the address; None when they can be one debtor.

    Spelling, umlauts, legal forms, initials, abbreviated streets and blank cells are no conflict.
    """
    if not _names_agree(one, other):
        return "company" if one.company and other.company else "last_name"
    return None if _places_agree(one, other) else "street"


def _names_agree(one: Identity, other: Identity) -> bool:
    if one.company and other.company:
        return _alike(_core(one.company), _core(other.company))
    if one.company or other.company:
        return True  # a company and the person behind it
    if one.last and other.last and not _alike(_core(one.last), _core(other.last)):
        # The parts may stand in each other's column.
        return set(_core(f"{one.first} {one.last}")) == set(_core(f"{other.first} {other.last}"))
    return _first_names_agree(_core(one.first), _core(other.first))


def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    a, b = " ".join(one), " ".join(other)
    if not a or not b or a == b or a.replace(" ", "") == b.replace(" ", ""):
        return True
    return max(token_set_ratio(a, b), ratio(a, b)) >= _SAME_NAME


def _first_names_agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other:
        return True
    return any(
        a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]) or ratio(a, b) >= _SAME_WORD
        for a in one
        for b in other
    )


def _places_agree(one: Identity, other: Identity) -> bool:
    same_code = one.postcode == other.postcode
    if one.street and other.street:
        if not _streets_agree(_street(one.street), _street(other.street)):
            return False
        if same_code or not one.postcode or not other.postcode:
            return True
        return _alike(words(one.city), words(other.city)) and bool(one.city and other.city)
    return same_code or not one.postcode or not other.postcode


def _streets_agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if one == other:
        return True
    numbers = [_NUMBER.findall(" ".join(part)) for part in (one, other)]
    if all(numbers) and numbers[0][0] != numbers[1][0]:
        return False
    letters = [" ".join(w for w in part if not w[0].isdigit()) for part in (one, other)]
    return not all(letters) or ratio(*letters) >= _SAME_WORD


@lru_cache(CACHE)
def _core(name: str) -> tuple[str, ...]:
    every = words(name)
    return tuple(word for word in every if word not in _NOISE_WORDS) or every


@lru_cache(CACHE)
def _street(street: str) -> tuple[str, ...]:
    """Words of a street; Hauptstr. 1 and Haupt-Straße 1 are one."""
    spelled = _STREET_END.sub("strasse ", street)
    return tuple(_STREET_WORDS.get(word, word) for word in words(spelled))


def _text(values: Mapping[str, Any], field: str) -> str:
    value = values.get(field)
    return value if isinstance(value, str) else ""


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
