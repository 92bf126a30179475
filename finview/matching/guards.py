"""What the core holds against, or for, a pair whatever a matcher says: caps and floors with reasons."""

from dataclasses import dataclass

from finview.i18n import N_, sentences
from finview.matching.alike import SAME_GIVEN
from finview.matching.companies import is_popular
from finview.matching.compare import OTHER_GIVEN, SAME_FAMILY, Comparison, compare
from finview.matching.names import NameTable
from finview.plugins.contracts.matcher import Party

FLOOR = 45.0
"""Percent a floor lifts a pair to: a person sees it."""
BEARERS_MAX = 0.15
"""A name is rare in a town when fewer debtors than this are expected to bear it there."""
NAMESAKES_MAX = 0.05
"""With more expected bearers of a name, somebody elsewhere is rather a namesake than the same person
moved: about one debtor in twenty moves before the next claim comes."""

SENTENCES = sentences(
    {
        "MATCH_FIRST_NAME_DIFFERS": N_("The first names differ."),
        "MATCH_ONLY_LAST_NAME": N_("Nothing but the last name agrees."),
        "MATCH_FIRST_NAME_TWINS": N_(
            "The first names differ, the dates of birth are equal: twins or siblings?"
        ),
        "MATCH_FIRST_NAME_AND_BIRTH_DATE_DIFFER": N_(
            "First names and dates of birth differ: two people."
        ),
        "MATCH_BOTH_NAMES_DIFFER": N_("First and last names differ: two people."),
        "MATCH_MAN_AND_WOMAN": N_("One is a man's first name, the other a woman's."),
        "MATCH_FIRST_NAME_SIMILAR": N_("The first names are only similar."),
        "MATCH_FIRST_NAME_MISSING": N_("A first name is missing."),
        "MATCH_FIRST_NAME_INITIAL": N_("Of one first name only the initial is known."),
        "MATCH_FIRST_NAME_SHORT_FORM": N_(
            "The first names may be forms of one, and nothing personal confirms it."
        ),
        "MATCH_SECOND_NAME_DIFFERS": N_("The second first names contradict each other."),
        "MATCH_TWO_PEOPLE": N_("One entry names two people."),
        "MATCH_SUFFIX_DIFFERS": N_("One is called junior, the other senior."),
        "MATCH_SUFFIX_MISSING": N_("Only one of the two is called junior or senior."),
        "MATCH_BIRTH_DATE_DIFFERS": N_("The dates of birth differ."),
        "MATCH_LAST_NAME_DIFFERS": N_("The last names differ."),
        "MATCH_LAST_NAME_MISSING": N_("A last name is missing."),
        "MATCH_NAME_ONLY": N_("Only the name agrees."),
        "MATCH_ADDRESS_DIFFERS": N_("The address differs and nothing but the name agrees."),
        "MATCH_NAMESAKE": N_(
            "The address differs, nothing but the name agrees, and others bear that name."
        ),
        "MATCH_LEGAL_FORM_DIFFERS": N_("The legal forms differ."),
        "MATCH_COMPANY_PARTLY": N_("The company names agree only in part."),
        "MATCH_COMPANY_DIFFERS": N_("The company names differ."),
        "MATCH_COMPANY_NUMBER_DIFFERS": N_("A number in the company names differs."),
        "MATCH_COMPANY_NUMBER_MISSING": N_("Only one company name contains a number."),
        "MATCH_REGISTER_DIFFERS": N_("Register or VAT numbers differ."),
        "MATCH_REGISTER_AND_NAME_DIFFER": N_(
            "Register or VAT numbers differ and the names agree only in part: two companies."
        ),
        "MATCH_REGISTER_SIMILAR": N_("Register or VAT numbers differ in one or two places."),
        "MATCH_PERSON_AND_COMPANY": N_("One is a person, the other a company."),
        "MATCH_FLOOR_MARRIAGE": N_("Same first name at the same address: a new last name?"),
        "MATCH_FLOOR_SAME_TOWN": N_("The same rare name in the same town."),
        "MATCH_FLOOR_BRANCH": N_("The same company name at another address: a branch?"),
        "MATCH_FLOOR_GROUP": N_(
            "A distinctive word of the name is shared at the same address: one group of companies?"
        ),
        "MATCH_FLOOR_SOLE_TRADER": N_("The company bears this person's name: a sole trader?"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A named reason why a pair's percent may not exceed `cap`."""

    code: str
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A named reason why a pair's percent may not fall below `percent`."""

    code: str
    percent: float = FLOOR


_OTHER_BIRTH = frozenset({"other", "two_digits", "two_digits_other_year"})
_SAME_BIRTH = frozenset({"equal", "equal_new_year", "swapped"})


def _personal(c: Comparison) -> bool:
    """Tell whether birth date or identifier agree: what a household does not share."""
    return c.birth_date in _SAME_BIRTH or c.register == "equal"


def _contact(c: Comparison) -> bool:
    """Tell whether phone or a personal mailbox agree."""
    return c.phone == "equal" or (c.email == "equal" and not c.shared_mailbox)


def _given_guards(c: Comparison) -> list[tuple[str, float]]:
    if c.given in OTHER_GIVEN:
        if c.family in {"other", "weak"}:
            return [("MATCH_BOTH_NAMES_DIFFER", 25)]
        if c.birth_date in _OTHER_BIRTH:
            return [("MATCH_FIRST_NAME_AND_BIRTH_DATE_DIFFER", 20)]
        if c.birth_date in _SAME_BIRTH:
            return [("MATCH_FIRST_NAME_TWINS", 70)]
        house = c.place is not None and c.place.same_house
        if not house and c.phone != "equal" and c.email != "equal":
            return [("MATCH_ONLY_LAST_NAME", 30)]
        return [("MATCH_FIRST_NAME_DIFFERS", 55)]
    only_alike = c.other_gender or c.given in {"near", "similar"}
    if only_alike and c.birth_date in _OTHER_BIRTH:
        return [("MATCH_FIRST_NAME_AND_BIRTH_DATE_DIFFER", 20)]
    if c.other_gender:
        return [("MATCH_MAN_AND_WOMAN", 58)]
    sure = c.second == "agree" or _personal(c) or _contact(c)
    if c.given == "slips" and sure:
        return []
    if c.given in {"near", "similar", "slips"}:
        return [("MATCH_FIRST_NAME_SIMILAR", 75)]
    if c.given == "missing" and not _personal(c):
        return [("MATCH_FIRST_NAME_MISSING", 72)]
    if c.given == "initial" and not (_personal(c) or _contact(c)):
        return [("MATCH_FIRST_NAME_INITIAL", 75)]
    if c.given in {"second", "nickname"} and not sure:
        return [("MATCH_FIRST_NAME_SHORT_FORM", 76)]
    return []


def _person_guards(c: Comparison) -> list[tuple[str, float]]:
    out = _given_guards(c)
    house = c.place is not None and c.place.same_house
    if c.second == "contradict" and not c.birth_date.startswith("equal"):
        out.append(("MATCH_SECOND_NAME_DIFFERS", 75 if house or _contact(c) else 35))
    if c.couple:
        out.append(("MATCH_TWO_PEOPLE", 70))
    if c.suffix == "other":
        out.append(("MATCH_SUFFIX_DIFFERS", 62))
    elif c.suffix == "missing" and not _personal(c):
        out.append(("MATCH_SUFFIX_MISSING", 76))
    if c.family == "slips" and c.given == "equal" and (house or _personal(c) or _contact(c)):
        return out
    if c.family == "variant" and c.given in SAME_GIVEN and house and _contact(c):
        return out
    if c.family in {"variant", "slips", "similar", "initial", "weak", "other"}:
        sure = (
            c.given in {"equal", "spelling", "subset", "nickname"}
            and c.birth_date == "equal"
            and (house or _contact(c))
        )
        if not sure:
            out.append(("MATCH_LAST_NAME_DIFFERS", 70))
    elif c.family == "missing":
        sure = (house and c.given == "equal") or _personal(c) or _contact(c)
        out.append(("MATCH_LAST_NAME_MISSING", 70 if sure else 35))
    return out


def _company_guards(c: Comparison) -> list[tuple[str, float]]:
    out: list[tuple[str, float]] = []
    if c.legal_form == "other":
        out.append(("MATCH_LEGAL_FORM_DIFFERS", 74))
    if c.numbers == "other":
        out.append(("MATCH_COMPANY_NUMBER_DIFFERS", 30))
    elif c.numbers == "missing":
        out.append(("MATCH_COMPANY_NUMBER_MISSING", 60))
    if c.company in {"subset", "part", "weak"}:
        out.append(("MATCH_COMPANY_PARTLY", 60))
    elif c.company == "other":
        out.append(("MATCH_COMPANY_DIFFERS", 40))
    return out


def _confirmed(c: Comparison) -> bool:
    """Tell whether anything but name and address agrees, at least nearly."""
    return (
        _personal(c)
        or c.birth_date == "one_digit"
        or c.phone in {"equal", "one_digit"}
        or c.register in {"equal", "one_digit"}
        or c.email in {"equal", "near", "domain"}
    )


def _nothing_else(c: Comparison) -> list[tuple[str, float]]:
    """Cap pairs in which nothing but the name agrees."""
    if _confirmed(c):
        return []
    place = c.place
    if place is None:
        return [("MATCH_NAME_ONLY", 72)]
    telling = place.long_number or c.second == "agree"
    if place.street == "" and place.number == "equal" and telling:
        return []
    if place.street in {"equal", "near", "similar"}:
        differs = place.number == "other" and place.postcode == "other"
    elif place.street == "" and place.postcode == "equal":
        differs = False
    else:
        differs = "other" in {place.street, place.postcode, place.town}
    if differs and c.namesakes >= NAMESAKES_MAX and place.town != "equal":
        return [("MATCH_NAMESAKE", 35)]
    if differs:
        return [("MATCH_ADDRESS_DIFFERS", 66)]
    return [] if place.street else [("MATCH_NAME_ONLY", 72)]


def guards_of(c: Comparison) -> tuple[Guard, ...]:
    """Return the caps of a comparison, lowest first."""
    if c.mixed:
        out = [("MATCH_PERSON_AND_COMPANY", 68.0)]
    elif c.company:
        out = _company_guards(c)
    else:
        out = _person_guards(c)
    if c.birth_date in _OTHER_BIRTH:
        out.append(("MATCH_BIRTH_DATE_DIFFERS", 60))
    if c.register == "other" and c.company not in {"", "equal", "near"}:
        out.append(("MATCH_REGISTER_AND_NAME_DIFFER", 30))
    elif c.register == "other":
        out.append(("MATCH_REGISTER_DIFFERS", 45))
    elif c.register in {"one_digit", "two_digits"}:
        out.append(("MATCH_REGISTER_SIMILAR", 75))
    out += _nothing_else(c)
    return tuple(Guard(code=code, cap=cap) for code, cap in sorted(out, key=lambda g: (g[1], g[0])))


def guards(a: Party, b: Party, names: NameTable) -> tuple[Guard, ...]:
    """Return the caps that hold for this pair whatever a matcher says, lowest first."""
    return guards_of(compare(a, b, names))


def _person_floors(c: Comparison, names: NameTable) -> list[str]:
    against = c.birth_date in _OTHER_BIRTH or c.suffix == "other" or c.second == "contradict"
    if against or c.other_gender or c.place is None:
        return []
    if c.place.same_house:
        married = c.given in {"equal", "spelling", "subset"}
        renamed = c.family in {"variant", "similar", "weak", "other"}
        return ["MATCH_FLOOR_MARRIAGE"] if married and renamed else []
    same = c.given in SAME_GIVEN and c.family in SAME_FAMILY
    rare = c.namesakes * names.town_share(c.place.town_value) < BEARERS_MAX
    return ["MATCH_FLOOR_SAME_TOWN"] if same and rare and c.place.town == "equal" else []


def floors_of(c: Comparison, a: Party, names: NameTable) -> tuple[Floor, ...]:
    """Return the floors of a comparison; `a` is either side."""
    if c.register == "other":
        return ()
    house = c.place is not None and c.place.same_house
    codes: list[str] = []
    if c.mixed:
        if c.company == "owner" and (house or c.phone == "equal" or c.email == "equal"):
            codes = ["MATCH_FLOOR_SOLE_TRADER"]
    elif c.company:
        if c.numbers == "other":
            return ()
        common = c.company == "equal" and is_popular(a.company_core)
        if c.company in {"equal", "near"} and not house and not common:
            codes = ["MATCH_FLOOR_BRANCH"]
        elif c.company not in {"equal", "near"} and c.group and house:
            codes = ["MATCH_FLOOR_GROUP"]
    else:
        codes = _person_floors(c, names)
    return tuple(Floor(code=code) for code in codes)


def floors(a: Party, b: Party, names: NameTable) -> tuple[Floor, ...]:
    """Return the reasons why a person should see this pair however low its score is."""
    return floors_of(compare(a, b, names), a, names)


def weigh_against(
    a: Party, b: Party, names: NameTable
) -> tuple[tuple[Guard, ...], tuple[Floor, ...]]:
    """Return guards and floors of a pair from one comparison: what the core asks for every pair."""
    compared = compare(a, b, names)
    return guards_of(compared), floors_of(compared, a, names)
