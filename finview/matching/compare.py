"""Comparing two parties field by field: each field gets a level, a stable word; no weighing here."""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import product
from string import ascii_lowercase
from typing import NamedTuple

from finview.matching.alike import (
    SAME_GIVEN,
    alike,
    couple_given,
    edits,
    family_word,
    given_names,
    given_word,
    ordered,
)
from finview.matching.companies import GENERIC, distinctive, numbers
from finview.matching.names import NameTable
from finview.matching.places import is_role_mailbox, own_domain
from finview.plugins.contracts.matcher import Party, PartyAddress
from finview.text import CACHE

SAME_FAMILY = frozenset({"equal", "former", "part", "near", "phonetic", "slips"})
_DIGITS = re.compile(r"\d")
OTHER_GIVEN = frozenset({"weak", "other", "other_initial"})


class Place(NamedTuple):
    """Two addresses compared; an empty level means one side doesn't say."""

    postcode: str = ""
    town: str = ""
    street: str = ""
    number: str = ""
    long_number: bool = False
    town_value: str = ""

    @property
    def same_house(self) -> bool:
        """Tell whether street and number agree and neither postcode nor town contradicts both."""
        return (
            self.street in {"equal", "near"}
            and (self.number in {"equal", "near"})
            and not (self.postcode == "other" and self.town in {"", "other"})
            and not (self.town == "other" and self.postcode == "")
        )


class Comparison(NamedTuple):
    """Every field's level; "" where it can't be compared.

    `namesakes` is how many debtors of the whole database are expected to bear the shared name.
    """

    given: str = ""
    given_value: str = ""
    second: str = ""
    other_gender: bool = False
    family: str = ""
    family_value: str = ""
    swapped: bool = False
    suffix: str = ""
    couple: bool = False
    namesakes: float = 0.0
    birth_date: str = ""
    register: str = ""
    phone: str = ""
    email: str = ""
    shared_mailbox: bool = False
    place: Place | None = None
    company: str = ""
    legal_form: str = ""
    numbers: str = ""
    group: bool = False
    mixed: bool = False


def _family(a: Party, b: Party, names: NameTable) -> tuple[str, str]:
    if not a.family or not b.family:
        return "missing" if a.family or b.family else "", ""
    if a.family == b.family:
        return "equal", a.family
    level = family_word(a.family, b.family, names)
    if level not in {"equal", "near"} and (a.alt_family or b.alt_family):
        for x, y in (
            (a.alt_family, b.family),
            (a.family, b.alt_family),
            (a.alt_family, b.alt_family),
        ):
            if x and y and family_word(x, y, names) == "equal":
                return "former", x
    value = min(a.family, b.family) if level != "equal" else a.family
    return level, value


def _swap(a: Party, b: Party, names: NameTable) -> tuple[str, str, str, str] | None:
    """Compare with one side's names exchanged; only a full agreement counts.

    The side whose first name is a known one says which of the two is the first name.
    """
    if not (a.given and a.family and b.given and b.family):
        return None
    given_a, family_a = a.given.replace(" ", ""), a.family.replace(" ", "")
    given_b, family_b = b.given.replace(" ", ""), b.family.replace(" ", "")
    crossed = (given_a == family_b, family_a == given_b)
    if not any(crossed):
        return None
    if not all(crossed):
        rest = (given_b, family_a) if crossed[0] else (given_a, family_b)
        if family_word(*ordered(*rest), names) != "near":
            return None
    sides = [(not names.is_given(p.given1), p.given1, p.family) for p in (a, b)]
    _unknown, given, family = min(sides)
    return "equal", "equal" if all(crossed) else "near", given, family


def _birth_date(a: Party, b: Party) -> str:
    x, y = a.birth_date, b.birth_date
    if x is None or y is None:
        return ""
    if x == y:
        return "equal_new_year" if (x.month, x.day) == (1, 1) else "equal"
    if abs(x.year - y.year) >= 15:
        return "other"
    if x.year == y.year and (x.month, x.day) == (y.day, y.month):
        return "swapped"
    off = sum(p != q for p, q in zip(f"{x:%Y%m%d}", f"{y:%Y%m%d}", strict=True))
    if off == 1:
        return "one_digit"
    if off == 2:
        return "two_digits" if x.year == y.year else "two_digits_other_year"
    return "other"


def _register(a: str, b: str) -> str:
    if not a or not b:
        return ""
    if a == b:
        return "equal"
    bare_a, bare_b = (v[2:] if v[:2].isalpha() and v[2:].isdigit() else v for v in (a, b))
    if bare_a == bare_b and (bare_a == a or bare_b == b):
        return "equal"
    if a.startswith("HR") != b.startswith("HR"):
        return ""
    off = edits(*ordered(a, b))
    if min(len(a), len(b)) >= 6 and off <= 2:
        return "one_digit" if off == 1 else "two_digits"
    return "other"


def _phone(a: tuple[str, ...], b: tuple[str, ...]) -> str:
    if not a or not b:
        return ""
    if len(a) == len(b) == 1:  # nearly all: no need of sets
        x, y = a[0][-9:], b[0][-9:]
        return "equal" if x == y else "one_digit" if edits(*ordered(x, y)) == 1 else "other"
    tails_a, tails_b = {n[-9:] for n in a}, {n[-9:] for n in b}
    if tails_a & tails_b:
        return "equal"
    if any(edits(*ordered(x, y)) == 1 for x, y in product(tails_a, tails_b)):
        return "one_digit"
    return "other"


def _email(a: Party, b: Party) -> tuple[str, bool]:
    """Return the level and whether the agreeing mailbox is one several people may read."""
    if not a.emails or not b.emails:
        return "", False
    if len(a.emails) == len(b.emails) == 1:  # nearly all: no need of sets
        x, y = a.emails[0], b.emails[0]
        return ("equal", is_role_mailbox(x)) if x == y else _mailboxes(*ordered(x, y))
    same = set(a.emails) & set(b.emails)
    if same:
        shared = all(is_role_mailbox(m) for m in same)
        return "equal", shared
    levels = {_mailboxes(*ordered(x, y)) for x, y in product(a.emails, b.emails)}
    return next((found for found in _EMAIL_LEVELS if found in levels), ("other", False))


_EMAIL_LEVELS = (("near", False), ("near", True), ("domain", True), ("similar", False))


@lru_cache(CACHE)
def _mailboxes(a: str, b: str) -> tuple[str, bool]:
    if own_domain(a) and own_domain(a) == own_domain(b):
        return "domain", True
    if edits(a, b) <= 2 and min(len(a), len(b)) >= 10:
        return "near", is_role_mailbox(a)
    return ("similar" if alike(a, b) >= 0.93 else "other"), False


@lru_cache(CACHE)
def _postcode(a: str, b: str) -> str:
    if (len(a) == len(b) and edits(a, b) == 1) or a.lstrip("0") == b.lstrip("0"):
        return "near"
    return "near" if a[:3] == b[:3] and min(len(a), len(b)) >= 5 else "other"


@lru_cache(CACHE)
def _town(a: str, b: str) -> str:
    return "equal" if b.startswith(a + " ") or alike(a, b) >= 0.92 else "other"


@lru_cache(CACHE)
def _street(a: str, b: str) -> str:
    if _DIGITS.findall(a) != _DIGITS.findall(b):
        return "other"  # 35th street and 36th street
    likeness = alike(a, b)
    if likeness >= 0.92 or (edits(a, b) == 1 and min(len(a), len(b)) >= 5):
        return "near"
    return "similar" if likeness >= 0.85 else "other"


@lru_cache(CACHE)
def _number(a: str, b: str) -> str:
    digits_a, digits_b = (v.partition("-")[0].rstrip(ascii_lowercase) for v in (a, b))
    if digits_a == digits_b and digits_a:
        return "near"
    if min(len(a), len(b)) >= 3 and max(len(a), len(b)) >= 4 and edits(a, b) == 1:
        return "near"
    return "other"


def _level(a: str, b: str, compare_values: Callable[[str, str], str]) -> str:
    if a == b:
        return "equal" if a else ""
    if not a or not b:
        return ""
    return compare_values(a, b) if a < b else compare_values(b, a)


def _place(a: PartyAddress, b: PartyAddress) -> Place:
    town = _level(a.city, b.city, _town)
    return Place(  # by position: this runs for every pair, and names cost as much as a comparison
        _level(a.postcode, b.postcode, _postcode),
        town,
        _level(a.street, b.street, _street),
        _level(a.house_no, b.house_no, _number),
        len(a.house_no) >= 3 and a.house_no[:3].isdigit(),
        min(a.city, b.city) if town == "equal" else "",
    )


_LEVEL_VALUE = {"equal": 3, "near": 2, "similar": 1, "": 0, "other": -2}


def best_place(a: Party, b: Party) -> Place | None:
    """Compare the two addresses that agree most; None when one side has none."""
    if not a.addresses or not b.addresses:
        return None
    if len(a.addresses) == len(b.addresses) == 1:
        return _place(a.addresses[0], b.addresses[0])
    places = (_place(x, y) for x, y in product(a.addresses, b.addresses))
    return max(places, key=lambda p: (sum(_LEVEL_VALUE[level] for level in p[:4]), p))


def _paired(
    a: tuple[str, ...], b: tuple[str, ...], names: NameTable
) -> tuple[list[str], list[str]]:
    """Take away the words both have, allowing a typing error; return what is left on each side."""
    left_a = [w for w in a if w not in b]
    left_b = [w for w in b if w not in a]
    for x in list(left_a):
        for y in left_b:
            low, high = ordered(x, y)
            known = names.known("family", x) and names.known("family", y)
            if not known and min(len(x), len(y)) >= 5 and edits(low, high) <= 1 + (len(high) >= 9):
                left_a.remove(x)
                left_b.remove(y)
                break
    return left_a, left_b


def _cores(a: str, b: str, names: NameTable) -> str:
    """Compare two company cores; a distinctive word on each side that the other lacks is another firm."""
    if a == b:
        return "equal"
    tokens_a, tokens_b = tuple(a.split()), tuple(b.split())
    joined_a, joined_b = ordered("".join(tokens_a), "".join(tokens_b))
    if joined_a == joined_b or sorted(tokens_a) == sorted(tokens_b):
        return "equal"
    left_a, left_b = _paired(tokens_a, tokens_b, names)
    if not left_a and not left_b:
        return "near"
    off = edits(joined_a, joined_b)
    if off == 1 and len(joined_a) >= 6 and len(tokens_a) != len(tokens_b):
        return "near"  # one letter and a blank: Auto Haus, Autohauss
    if not left_a or not left_b:
        fewer = tokens_a if not left_a else tokens_b
        return "subset" if any(w not in GENERIC for w in fewer) else "other"
    special_a = [w for w in left_a if w not in GENERIC]
    special_b = [w for w in left_b if w not in GENERIC]
    shared = [w for w in tokens_a if w in tokens_b and w not in GENERIC]
    if special_a and special_b:
        likeness = alike(joined_a, joined_b)
        return "weak" if shared and likeness >= 0.7 else "other"
    return "part" if shared else "other"


_CORE_RANK = {
    level: rank
    for rank, level in enumerate(("equal", "near", "close", "subset", "part", "weak", "other"))
}


def _towns(a: Party, b: Party) -> frozenset[str]:
    return frozenset(w for p in (*a.addresses, *b.addresses) for w in p.city.split())


def _company(a: Party, b: Party, names: NameTable) -> str:
    cores_a = [c for c in (a.company_core, a.alt_family) if c]
    cores_b = [c for c in (b.company_core, b.alt_family) if c]
    if not cores_a or not cores_b:
        return ""
    levels = [_cores(*ordered(x, y), names) for x, y in product(cores_a, cores_b)]
    level = min(levels, key=_CORE_RANK.__getitem__)
    if level == "subset":
        extra = set(a.company_core.split()) ^ set(b.company_core.split())
        if extra <= _towns(a, b) | {"city"}:
            return "close"
    return level


def _acronym(core: str) -> str:
    return "".join(w[0] for w in core.split())


def _is_group(a: str, b: str) -> bool:
    """Tell whether two firms share a distinctive word, or one is the other's acronym."""
    words_a = {w for w in distinctive(a) if len(w) >= 4 and w not in GENERIC}
    if words_a & set(distinctive(b)):
        return True
    first_a, first_b = a.split()[:1], b.split()[:1]
    for short, whole in ((first_a, b), (first_b, a)):
        fits = short and 3 <= len(short[0]) <= 5 and len(whole.split()) >= 3
        if fits and _acronym(whole).startswith(short[0]):
            return True
    return False


def _mixed(person: Party, firm: Party, names: NameTable) -> str:
    """Compare a person with a firm: its owner, or a name that is the firm's own (sole trader)."""
    if not person.family:
        return ""
    if firm.family and firm.family == person.family:
        level = given_names(person.given, firm.given, names)[0]
        if level in SAME_GIVEN:
            return "owner"
    tokens = set(firm.company_core.split())
    family = person.family.replace(" ", "")
    if family in tokens or set(person.family.split()) <= tokens:
        given = {
            t
            for t in tokens
            if person.given1 and given_word(t, person.given1, names)[0] in SAME_GIVEN
        }
        return "owner" if given else "family_in_core"
    return "other"


def _firm_fields(a: Party, b: Party, names: NameTable) -> dict[str, object]:
    numbers_a, numbers_b = numbers(a.company_core), numbers(b.company_core)
    differ = ""
    if numbers_a != numbers_b:
        differ = "other" if numbers_a - numbers_b and numbers_b - numbers_a else "missing"
    form = ""
    if a.legal_form and b.legal_form:
        form = "equal" if a.legal_form == b.legal_form else "other"
    return {
        "company": _company(a, b, names),
        "legal_form": form,
        "numbers": differ,
        "group": _is_group(a.company_core, b.company_core),
    }


def _person_fields(a: Party, b: Party, names: NameTable) -> dict[str, object]:
    couple = a.people > 1 or b.people > 1
    key = (a.given, b.given, couple)
    found = names.memo.get(key)
    if found is None:
        compare_given = couple_given if couple else given_names
        found = names.memo[key] = compare_given(a.given, b.given, names)
    given, given_value, second, crossed = found
    family, family_value = _family(a, b, names)
    swapped = False
    if not couple and not (given in SAME_GIVEN and family in SAME_FAMILY):
        swap = _swap(a, b, names)
        if swap:
            given, family, given_value, family_value = swap
            swapped, crossed, second = True, False, ""
    suffix = ""
    if a.suffix != b.suffix:
        suffix = "other" if a.suffix and b.suffix else "missing"
    namesakes = 0.0
    if given in SAME_GIVEN and family in SAME_FAMILY:
        share = names.share("given", given_value)
        namesakes = names.population * share * names.share("family", family_value.replace(" ", ""))
    return {
        "namesakes": namesakes,
        "given": given,
        "given_value": given_value,
        "second": second,
        "other_gender": crossed,
        "family": family,
        "family_value": family_value,
        "swapped": swapped,
        "suffix": suffix,
        "couple": couple,
    }


def compare(a: Party, b: Party, names: NameTable) -> Comparison:
    """Return the levels of all fields; which side is which makes no difference."""
    email, shared = _email(a, b)
    firm_a, firm_b = bool(a.company_core), bool(b.company_core)
    if firm_a and firm_b:
        fields = _firm_fields(a, b, names)
    elif firm_a or firm_b:
        person, firm = (b, a) if firm_a else (a, b)
        fields = {"company": _mixed(person, firm, names), "mixed": True}
    else:
        fields = _person_fields(a, b, names)
    return Comparison(
        birth_date=_birth_date(a, b),
        register=_register(a.register_id, b.register_id),
        phone=_phone(a.phones, b.phones),
        email=email,
        shared_mailbox=shared,
        place=best_place(a, b),
        **fields,  # type: ignore[arg-type]  # the three builders above name their fields
    )
