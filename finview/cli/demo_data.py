"""Invented people, companies and invoices: the demo's existing debtors and the sample workbooks.

Everything here is made up. Phone numbers come from the ranges reserved for fiction, e-mail domains
are example.*, the bank code of every IBAN is 00000000. The same call gives the same result on
every machine, so that the shipped workbooks fit the debtors the demo creates.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from finview.cases.debtors import Contacts, NewAddress, NewDebtor, NewPhone
from finview.cases.models import DebtorKind

T = TypeVar("T")

PEOPLE = 240
COMPANIES = 60

FIRST_NAMES = (
    *("Annika", "Bernd", "Cornelia", "Detlef", "Elke", "Florian", "Gudrun", "Hannes", "Ilka"),
    *("Jannik", "Katharina", "Lars", "Mareike", "Norbert", "Ottilie", "Patrick", "Ramona"),
    *("Sören", "Tabea", "Ulrich", "Verena", "Wolfram", "Yvonne", "Zacharias", "Björn", "Käthe"),
)
LAST_NAMES = (
    *("Ackerknecht", "Birnstiel", "Clasen", "Dörfling", "Eschweiler", "Fährmann", "Grünhagen"),
    *("Hollerbach", "Immendorf", "Jürgensen", "Kesselring", "Lüttich", "Morgenroth", "Nüßlein"),
    *("Oberländer", "Pfaffenroth", "Quasdorf", "Rübenach", "Schönfelder", "Tannhäuser"),
    *("Uhlenbrock", "Vogelsang", "Wüstefeld", "Zillmann", "Brückner", "Hägele", "Löwenstein"),
)
STREETS = (
    *("Ahornstraße", "Birkenweg", "Am Mühlbach", "Drosselgasse", "Eichenallee", "Finkenstraße"),
    *("Gartenstraße", "Hasenwinkel", "Im Rosengrund", "Kastanienweg", "Lindenplatz"),
    *("Marktstraße", "Nelkenweg", "Postgasse", "Schillerstraße", "Tulpenweg", "Wiesenstraße"),
)
CITIES = (
    *(("04109", "Leipzig"), ("01067", "Dresden"), ("10115", "Berlin"), ("20095", "Hamburg")),
    *(("28195", "Bremen"), ("30159", "Hannover"), ("40213", "Düsseldorf"), ("50667", "Köln")),
    *(("60311", "Frankfurt am Main"), ("70173", "Stuttgart"), ("80331", "München")),
    *(("90402", "Nürnberg"), ("99084", "Erfurt"), ("24103", "Kiel"), ("55116", "Mainz")),
)
TRADES = (
    *("Tischlerei", "Malerbetrieb", "Elektrotechnik", "Gartenbau", "Druckerei", "Spedition"),
    *("Bäckerei", "Fahrradhaus", "Metallbau", "Gebäudereinigung"),
)
SUBJECTS = ("Stromlieferung", "Gaslieferung", "Glasfaseranschluss", "Wärmepumpe, Miete")
DOMAINS = ("example.com", "example.net", "example.org")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One invented consumer."""

    first: str
    last: str
    street: str
    house_no: str
    postcode: str
    city: str
    email: str
    phone: str
    born: date


class Dice:
    """A fixed sequence of numbers that looks thrown; the same on every version of Python."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def upto(self, end: int) -> int:
        """Return the next number from 0 to below `end`."""
        # The 64-bit generator of Knuth's MMIX; its high bits are the good ones.
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % end

    def one(self, values: Sequence[T]) -> T:
        """Return one of `values`."""
        return values[self.upto(len(values))]

    def day(self, first: date, days: int) -> date:
        """Return a day of the `days` days from `first` on."""
        return first + timedelta(days=self.upto(days))


def people(count: int, *, seed: int, phones_from: int) -> list[Person]:
    """Return `count` people no two of whom share first and last name, or the phone."""
    dice = Dice(seed)
    found: dict[tuple[str, str], Person] = {}
    while len(found) < count:
        first, last = dice.one(FIRST_NAMES), dice.one(LAST_NAMES)
        postcode, city = dice.one(CITIES)
        person = Person(
            first=first,
            last=last,
            street=dice.one(STREETS),
            house_no=str(1 + dice.upto(120)),
            postcode=postcode,
            city=city,
            email=f"{_plain(first)}.{_plain(last)}@{dice.one(DOMAINS)}",
            phone=phone(phones_from + len(found)),
            born=dice.day(date(1948, 1, 1), 20_000),
        )
        found.setdefault((first, last), person)
    return list(found.values())


def existing_people() -> list[Person]:
    """Return the consumers the demo's database knows before the import."""
    return people(PEOPLE, seed=17, phones_from=0)


def new_people(count: int) -> list[Person]:
    """Return people the database does not know: nobody shares a name with an existing one."""
    known = {(p.first, p.last) for p in existing_people()}
    drawn = people(count + 3 * PEOPLE // 2, seed=4711, phones_from=PEOPLE)
    return [person for person in drawn if (person.first, person.last) not in known][:count]


def existing_debtors() -> list[NewDebtor]:
    """Return the 300 debtors of the demo: 240 consumers and 60 businesses."""
    return [*(_consumer(p, n) for n, p in enumerate(existing_people())), *_companies()]


def _consumer(person: Person, n: int) -> NewDebtor:
    known_phone = n % 3 != 2
    return NewDebtor(
        kind=DebtorKind.CONSUMER,
        locale="de",
        first_name=person.first,
        last_name=person.last,
        date_of_birth=person.born if n % 4 != 3 else None,
        contacts=Contacts(
            addresses=(
                NewAddress(
                    street=person.street,
                    house_no=person.house_no,
                    postcode=person.postcode,
                    city=person.city,
                    country="DE",
                ),
            ),
            emails=(person.email,) if n % 5 != 4 else (),
            phones=(NewPhone(raw=person.phone, e164=e164(person.phone)),) if known_phone else (),
        ),
    )


def _companies() -> Iterator[NewDebtor]:
    dice = Dice(23)
    for n in range(COMPANIES):
        last, trade = LAST_NAMES[n % len(LAST_NAMES)], TRADES[(n * 3 + n // 27) % len(TRADES)]
        postcode, city = dice.one(CITIES)
        yield NewDebtor(
            kind=DebtorKind.BUSINESS,
            locale="de",
            company_name=f"{trade} {last} {('GmbH', 'GmbH & Co. KG', 'KG', 'e. K.')[n % 4]}",
            register_no=f"HRB {900000 + n}",
            contacts=Contacts(
                addresses=(
                    NewAddress(
                        street=dice.one(STREETS),
                        house_no=str(1 + dice.upto(99)),
                        postcode=postcode,
                        city=city,
                        country="DE",
                    ),
                ),
                emails=(f"buchhaltung@{_plain(trade)}-{_plain(last)}.example",),
            ),
        )


def phone(n: int) -> str:
    """Return the n-th number of the ranges the Bundesnetzagentur reserves for films and books."""
    mobile = ("0171 39200", "0176 040690")
    if n < 200:
        return f"{mobile[n // 100]}{n % 100:02d}"
    city = ("030 23125", "040 66969", "069 90009", "089 99998", "0221 4710")
    return f"{city[n % 5]}{n // 5 % 1000:03d}"


def e164(number: str) -> str:
    """Return a German number in E.164."""
    return "+49" + number.replace(" ", "").removeprefix("0")


def iban(account: int) -> str:
    """Return an IBAN of the bank code 00000000, which no bank has, with right check digits."""
    bban = f"00000000{account:010d}"
    check = 98 - int(f"{bban}131400") % 97
    return f"DE{check:02d}{bban}"


def _plain(text: str) -> str:
    for umlaut, letters in {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}.items():
        text = text.lower().replace(umlaut, letters)
    return "".join(c for c in text if c.isalnum())


# Invented like everything in the demo; the parts a German first demand must name are all there.
UNIT: Mapping[str, Any] = {
    "company": {
        "name": "Hanse Inkasso GmbH",
        "street": "Musterkai 12",
        "postcode": "20095",
        "city": "Hamburg",
        "country": "DE",
        "email": "post@hanse-inkasso.example",
        "phone": "040 66969100",
        "website": "https://hanse-inkasso.example",
        "registerNumber": "HRB 900900",
        "vatId": "DE000000000",
        "iban": iban(9_000_001),
        "authority": "Aufsichtsamt Musterstadt, Amtsplatz 1, 20095 Hamburg",
        "privacyLink": "https://hanse-inkasso.example/datenschutz",
        "timeZone": "Europe/Berlin",
    },
    "email_settings": {
        "sender": "post@hanse-inkasso.example",
        "replyTo": "antwort@hanse-inkasso.example",
    },
    "email_footers": {
        "de": "Hanse Inkasso GmbH · Musterkai 12 · 20095 Hamburg",
        "en": "Hanse Inkasso GmbH · Musterkai 12 · 20095 Hamburg, Germany",
    },
}
COMPANY: Mapping[str, Any] = {
    "name": "Stadtwerke Nordlicht GmbH",
    "address": "Leuchtturmweg 1, 24103 Kiel",
    "street": "Leuchtturmweg 1",
    "postcode": "24103",
    "city": "Kiel",
    "country": "DE",
}
FINANCIALS: Mapping[str, Any] = {
    "costs": {"kind": "PERCENT", "percent": "10", "min": "15.00"},
    "interest": {"kind": "FIXED", "percent": "5", "startsOn": "DUE_DATE"},
}
UNIT_SETTINGS: Mapping[str, Any] = {"max_call_attempts": 5, "paid_in_full_mail": True}
BUCKET_SETTINGS: Mapping[str, Any] = {"payment_plan_reminder_days": 3}
AMENDMENTS: Mapping[str, Mapping[str, str | None]] = {
    "PHONE_INVALID": {"phone": None},
    "POSTCODE_INVALID": {"postcode": "50667"},
    "IBAN_INVALID": {"iban": None},
    "BIRTH_DATE_IMPLAUSIBLE": {"date_of_birth": None},
    "AMOUNT_MISSING": {"amount": "74,20"},
    "DATE_MISSING": {"invoice_date": "03.02.2025"},
}
"""What the demo's operator found out in the customer's books, by the reason it was asked for."""
