"""Invented debtors and workbooks for the speed benchmark: names, streets and towns with their skew."""
# ruff: noqa: SIM905  # tables of words are read and edited as text

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import openpyxl

HEADERS = (
    "Aktenzeichen", "Kundennummer", "Anrede", "Vorname", "Nachname", "Straße", "Hausnummer", "PLZ",
    "Ort", "Land", "Telefon", "Mobil", "E-Mail", "Geburtsdatum", "IBAN", "Rechnungsnummer",
    "Rechnungsdatum", "Fällig am", "Hauptforderung", "Währung", "Mahnkosten", "Leistung",
)  # fmt: skip

WOMEN = (
    "Anna Maria Sabine Petra Monika Andrea Susanne Claudia Birgit Heike Nicole Stefanie Julia Katrin "
    "Melanie Sandra Karin Ute Anja Silke Gisela Ursula Renate Helga Laura Lena Lisa Sarah Jana Nadine "
    "Christina Katharina Marie Sophie Emma Hannah Mia Ayse Fatma Olga Svetlana Agnieszka Tanja Doris"
).split()
MEN = (
    "Michael Thomas Andreas Peter Wolfgang Klaus Stefan Christian Martin Frank Jürgen Uwe Bernd Ralf "
    "Markus Daniel Alexander Matthias Jan Tobias Sebastian Florian Lukas Leon Felix Paul Jonas Max "
    "Mehmet Mustafa Ali Ivan Dmitri Piotr Hans Karl Heinz Günter Horst Werner Manfred Dieter Jörg"
).split()
FAMILIES = (
    "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer "
    "Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange "
    "Werner Krause Lehmann Köhler Maier König Walter Huber Kaiser Fuchs Peters Lang Scholz Möller "
    "Weiß Jung Hahn Vogel Friedrich Keller Günther Frank Berger Winkler Roth Beck Lorenz Baumann "
    "Franke Albrecht Schuster Simon Ludwig Böhm Winter Kraus Martin Schumacher Vogt Jäger Stein Otto "
    "Sommer Groß Seidel Heinrich Brandt Haas Schreiber Graf Dietrich Ziegler Kuhn Kühn Pohl Engel "
    "Horn Busch Bergmann Yilmaz Kaya Demir Nowak Kowalski Petrov Ivanova Nguyen"
).split()
FRONTS = (
    "Ober Unter Nieder Hinter Stein Linden Eichen Buchen Mühl Wald Brunn Birken Hasel Moos Tal Berg "
    "Sand Rohr Kalt Alt Neu Gross Klein Lang Hoch Erlen Ahorn Tannen Wiesen Hirsch Wolfs Schön Grün "
    "Weiden Kirch Burg Fels Quell Heide Sonnen"
).split()
BACKS = (
    "meier hofer bauer huber mann berger maier müller wieser acher egger stetter felder brink kamp "
    "horst"
).split()
PLACES = (
    "burg hausen dorf stedt kirchen bach au tal brück furt felde rode hagen heim ingen walde"
).split()
WAYS = ("straße", "weg", "allee", "gasse", "platz", "ring")
STREETS = (
    "Hauptstraße", "Bahnhofstraße", "Schulstraße", "Gartenstraße", "Dorfstraße", "Bergstraße",
    "Kirchstraße", "Goethestraße", "Schillerstraße", "Lindenstraße",
)  # fmt: skip
MAILERS = ("web.example", "mail.example", "post.example", "gmx.example")
SERVICES = ("Stromlieferung", "Wartung Heizung", "Mobilfunk", "Warenlieferung", "Kursgebühr")
PREFIXES = ("160", "162", "170", "171", "172", "173", "175", "177")
DIALLING = ("30", "40", "89", "221", "69", "711", "351", "511")

INVOICES = ((1, 40), (2, 28), (3, 16), (4, 10), (5, 6))
"""Invoices of a debtor in the workbook, and how often: 2.1 on average."""
FAULTY_SHARE = 0.10
KNOWN_SHARE = 0.05
TODAY = date(2026, 6, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One invented debtor; empty texts are what a file leaves blank."""

    woman: bool
    first: str
    last: str
    street: str
    house_no: str
    postcode: str
    town: str
    born: date | None
    email: str
    phone: str
    mobile: str


class Skewed:
    """Draws from values of which the n-th is about n times rarer than the first."""

    def __init__(self, values: Sequence[str], flat: int = 5) -> None:
        self._values = values
        self._weights = list(accumulate(1 / (rank + flat) for rank in range(len(values))))

    def draw(self, chance: random.Random) -> str:
        """Return one value."""
        return chance.choices(self._values, cum_weights=self._weights)[0]


# The most frequent first name is borne by 1.5 %, the last name by 0.6 %, a town lived in by 4 %.
_WOMEN, _MEN = (
    Skewed([*names, *(f"{a}-{b}" for a in names[:20] for b in names[20:40])], flat=15)
    for names in (WOMEN, MEN)
)
_FAMILIES = Skewed([*FAMILIES, *(front + back for front in FRONTS for back in BACKS)], flat=60)
_STREETS = Skewed([*STREETS, *(f"{family}{way}" for way in WAYS for family in FAMILIES)])
_TOWNS = Skewed([f"{front}{place}" for place in PLACES for front in FRONTS])


def people(seed: int) -> Iterator[Person]:
    """Yield people for ever, the same for the same seed; each tenth lives with the one before."""
    chance = random.Random(seed)
    before: Person | None = None
    while True:
        woman = chance.random() < 0.5
        first = (_WOMEN if woman else _MEN).draw(chance)
        last, street, house_no = _FAMILIES.draw(chance), _STREETS.draw(chance), _house_no(chance)
        town = _TOWNS.draw(chance)
        postcode = _postcode(town, chance)
        if before is not None and chance.random() < 0.1:
            last, street, house_no = before.last, before.street, before.house_no
            town, postcode = before.town, before.postcode
        number = chance.randrange(2_000_000, 9_000_000)
        before = Person(
            woman=woman,
            first=first,
            last=last,
            street=street,
            house_no=house_no,
            postcode=postcode,
            town=town,
            born=_born(chance) if chance.random() < 0.5 else None,
            email=_email(first, last, number, chance) if chance.random() < 0.7 else "",
            phone=f"+49{chance.choice(DIALLING)}{number}" if chance.random() < 0.5 else "",
            mobile=f"+49{chance.choice(PREFIXES)}{number}" if chance.random() < 0.4 else "",
        )
        yield before


def _house_no(chance: random.Random) -> str:
    letter = chance.choice("abc") if chance.random() < 0.1 else ""
    return f"{int(chance.paretovariate(0.8)) % 180 + 1}{letter}"


def _postcode(town: str, chance: random.Random) -> str:
    return f"{10_000 + sum(ord(sign) * 31**at for at, sign in enumerate(town[:4])) % 89_000 + chance.randrange(3)}"


def _born(chance: random.Random) -> date:
    return date(1940, 1, 1) + timedelta(days=chance.randrange(23_000))


def _email(first: str, last: str, number: int, chance: random.Random) -> str:
    plain = f"{first}.{last}{number % 1000}".lower().translate(
        str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
    )
    return f"{plain}@{chance.choice(MAILERS)}"


def write_workbook(path: Path, rows: int, debtors: int) -> None:
    """Write a workbook of so many rows; some of its debtors are among the first `debtors` people."""
    chance = random.Random(7)
    known = list(islice(people(1), debtors))
    strangers = people(2)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Forderungen")
    sheet.append(HEADERS)
    written = 0
    while written < rows:
        met = chance.random() < KNOWN_SHARE and known
        person = chance.choice(known) if met else next(strangers)
        count = chance.choices(*zip(*INVOICES, strict=True))[0]
        common = _debtor_cells(person, written, chance)
        for _ in range(min(count, rows - written)):
            written += 1
            sheet.append(_row(common, written, chance))
    book.save(path)


def _debtor_cells(person: Person, number: int, chance: random.Random) -> dict[str, Any]:
    street = person.street
    if chance.random() < 0.3:
        street = street.replace("straße", "str.")
    iban = _iban(chance) if chance.random() < 0.5 else None
    return {
        "Aktenzeichen": f"2026/{number + 1:06}",
        "Kundennummer": f"K{700_000 + number}",
        "Anrede": "Frau" if person.woman else "Herr",
        "Vorname": person.first,
        "Nachname": person.last,
        "Straße": street,
        "Hausnummer": int(person.house_no) if person.house_no.isdecimal() else person.house_no,
        "PLZ": person.postcode,
        "Ort": person.town,
        "Land": "Deutschland",
        "Telefon": person.phone.replace("+49", "0") or None,
        "Mobil": person.mobile.replace("+49", "0049 ") or None,
        "E-Mail": person.email or None,
        "Geburtsdatum": person.born and f"{person.born:%d.%m.%Y}",
        "IBAN": iban,
    }


def _row(common: dict[str, Any], number: int, chance: random.Random) -> list[Any]:
    issued = TODAY - timedelta(days=chance.randrange(30, 500))
    cells = common | {
        "Rechnungsnummer": f"RE-{200_000 + number}",
        "Rechnungsdatum": issued,
        "Fällig am": issued + timedelta(days=14),
        "Hauptforderung": round(chance.lognormvariate(5, 1) + 5, 2),
        "Währung": "EUR",
        "Mahnkosten": chance.choice((None, 2.5, 5, 7.5)),
        "Leistung": chance.choice(SERVICES),
    }
    if chance.random() < FAULTY_SHARE:
        field, wrong = chance.choice(_DEFECTS)
        cells[field] = wrong
    return [cells[header] for header in HEADERS]


_DEFECTS: tuple[tuple[str, Any], ...] = (
    ("E-Mail", "keine@"),
    ("PLZ", "123"),
    ("IBAN", "DE00 1234 5678 9012 3456 78"),
    ("Rechnungsdatum", None),
    ("Hauptforderung", "auf Anfrage"),
    ("Fällig am", date(2001, 1, 1)),
    ("Telefon", "bitte erfragen"),
)


def _iban(chance: random.Random) -> str:
    account = f"{chance.randrange(10**18):018}"
    check = 98 - int(f"{account}131400") % 97  # D = 13, E = 14 (ISO 13616)
    return f"DE{check:02}{account}"
