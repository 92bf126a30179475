"""Debtors typed by a person: checked by the rules the cells of files are checked by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from finview import clock
from finview.accounts.users import known_locale
from finview.cases.debtors import Contacts, NewAddress, NewPhone
from finview.cases.models import DebtorKind
from finview.errors import Invalid, Required
from finview.i18n import N_, sentences
from finview.imports.cells import clean
from finview.imports.contacts import read_email, read_vat
from finview.imports.phones import read_phones
from finview.imports.places import read_postcode

sentences(
    {
        "DEBTOR_TOO_LONG": N_("This has at most {max} characters."),
        "DEBTOR_PERSON_NAME": N_("A person needs a last name."),
        "DEBTOR_COMPANY_NAME": N_("A company needs its name."),
        "DEBTOR_BIRTH_DATE": N_("Nobody who owes was born on {value}."),
        "DEBTOR_VAT": N_("This is no VAT number: {value}."),
        "DEBTOR_EMAIL": N_("This is no e-mail address: {value}."),
        "DEBTOR_PHONE": N_("This is no phone number: {value}."),
        "DEBTOR_POSTCODE": N_("{country} has no such postcode: {value}."),
        "DEBTOR_ADDRESS_EMPTY": N_("An address needs at least a street or a town."),
        "DEBTOR_POINTS_MAX": N_("At most {max} of them."),
    }
)

SOURCE: Final = "AGENCY"
"""Where an address typed by the agency was learnt (GDPR Art. 14)."""

POINTS_MAX: Final = 50
_OLDEST_YEARS: Final = 120
_LENGTHS: Final[Mapping[str, int]] = {
    "first_name": 150,
    "last_name": 150,
    "company_name": 300,
    "register_no": 60,
    "reference": 100,
    "street": 200,
    "house_no": 30,
    "city": 120,
}
_INPUT_NAMES: Final[Mapping[str, str]] = {
    "register_no": "registerNumber",
    "house_no": "houseNumber",
    "first_name": "firstName",
    "last_name": "lastName",
    "company_name": "companyName",
}
_ENTITIES: Final[Mapping[str, str]] = {
    "addresses": "address",
    "emails": "email_point",
    "phones": "phone_point",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed of a debtor, checked: fields by column, points, and which lists were given."""

    values: dict[str, Any]
    contacts: Contacts
    given: frozenset[str]


def checked(given: Mapping[str, Any], *, known: Mapping[str, Any], country: str) -> Typed:
    """Check what was typed; `known` is what the debtor has already, `country` the usual one.

    Keys are columns, and `addresses`, `emails`, `phones`; what is missing in `given` stays. Raises
    `Required` and `Invalid` with the place in the input.
    """
    values: dict[str, Any] = {name: _text(name, given[name]) for name in _LENGTHS if name in given}
    if given.get("kind") is not None:
        values["kind"] = given["kind"]
    if given.get("locale") is not None:
        values["locale"] = known_locale(given["locale"])
    if "date_of_birth" in given:
        values["date_of_birth"] = _born(given["date_of_birth"])
    addresses = _addresses(given.get("addresses") or (), country)
    home = next((a.country for a in addresses if a.country), None) or country
    if "vat_id" in given:
        values["vat_id"] = _vat(given["vat_id"], home)
    _named({**known, **values})
    contacts = Contacts(
        addresses=addresses,
        emails=_emails(given.get("emails") or ()),
        phones=_phones(given.get("phones") or (), home),
    )
    lists = frozenset(own for name, own in _ENTITIES.items() if name in given)
    return Typed(values=values, contacts=contacts, given=lists)


def _named(values: Mapping[str, Any]) -> None:
    if values.get("kind") is None:
        raise Required(path=("input", "kind"))
    business = values["kind"] == DebtorKind.BUSINESS
    if business and not values.get("company_name"):
        raise Required("DEBTOR_COMPANY_NAME", path=("input", "companyName"))
    if not business and not (values.get("last_name") or values.get("company_name")):
        raise Required("DEBTOR_PERSON_NAME", path=("input", "lastName"))


def _text(name: str, value: str | None, *path: str) -> str | None:
    tidy = clean(value or "").text.strip()
    most = _LENGTHS[name]
    if len(tidy) > most:
        where = (*(path or ("input",)), _INPUT_NAMES.get(name, name))
        raise Invalid("DEBTOR_TOO_LONG", path=where, max=most)
    return tidy or None


def _born(value: date | None) -> date | None:
    if value is None:
        return None
    today = clock.today("Europe/Berlin")
    if value > today or today.year - value.year > _OLDEST_YEARS:
        raise Invalid("DEBTOR_BIRTH_DATE", path=("input", "birthDate"), value=value)
    return value


def _vat(value: str | None, country: str) -> str | None:
    if not (value or "").strip():
        return None
    number = read_vat((value or "").strip(), country)
    if number is None:
        raise Invalid("DEBTOR_VAT", path=("input", "vatId"), value=value)
    return number


def _listed(name: str, values: Sequence[Any]) -> Sequence[Any]:
    if len(values) > POINTS_MAX:
        raise Invalid("DEBTOR_POINTS_MAX", path=("input", name), max=POINTS_MAX)
    return values


def _addresses(values: Sequence[Mapping[str, Any]], country: str) -> tuple[NewAddress, ...]:
    found = []
    for n, one in enumerate(_listed("addresses", values)):
        place = ("input", "addresses", str(n))
        texts = {
            name: _text(name, one.get(name), *place) for name in ("street", "house_no", "city")
        }
        if not (texts["street"] or texts["city"]):
            raise Required("DEBTOR_ADDRESS_EMPTY", path=place)
        land = one.get("country") or country
        postcode = (one.get("postcode") or "").strip()
        if postcode:
            state, code = read_postcode(postcode, land)
            if state != "CLEAR":
                where = (*place, "postcode")
                raise Invalid("DEBTOR_POSTCODE", path=where, country=land, value=postcode)
            postcode = code
        found.append(NewAddress(**texts, postcode=postcode or None, country=land, source=SOURCE))
    return tuple(found)


def _emails(values: Sequence[str]) -> tuple[str, ...]:
    found = []
    for n, text in enumerate(_listed("emails", values)):
        email = read_email(text.strip())
        if email.state == "INVALID":
            where = ("input", "emails", str(n))
            raise Invalid("DEBTOR_EMAIL", path=where, value=text, suggestion=email.suggestion)
        found.append(email.address)
    return tuple(found)


def _phones(values: Sequence[str], country: str) -> tuple[NewPhone, ...]:
    found = []
    for n, text in enumerate(_listed("phones", values)):
        numbers = read_phones(text, country)
        if not numbers or any(one.state not in {"VALID", "REPAIRED"} for one in numbers):
            raise Invalid("DEBTOR_PHONE", path=("input", "phones", str(n)), value=text)
        found += [NewPhone(raw=text.strip()[:80], e164=one.e164) for one in numbers]
    return tuple(found)
