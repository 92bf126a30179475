"""Writes the sample workbooks of this folder; run by hand, its output is kept in the repository.

    python examples/make_samples.py

Everything in them is invented (see finview/cli/demo_data.py). `consumer_de.xlsx` is what a German
utility might send: title lines, texts among numbers, several invoices per customer, mistakes of
many kinds, and people the demo's database knows already. `business_en.xlsx` is a tidy British file.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Font

from finview.cli import demo_data
from finview.cli.demo_data import Dice, Person

HERE = Path(__file__).parent
NEW_PEOPLE = 72
HEADERS = {
    "client": "Kundennummer",
    "salutation": "Anrede",
    "first": "Vorname",
    "last": "Nachname",
    "street": "Straße",
    "house_no": "Hausnr.",
    "postcode": "PLZ",
    "city": "Ort",
    "country": "Land",
    "born": "Geburtsdatum",
    "email": "E-Mail",
    "phone": "Telefon",
    "invoice": "Rechnungsnummer",
    "issued": "Rechnungsdatum",
    "due": "Fällig am",
    "amount": "Offener Betrag",
    "currency": "Währung",
    "contract_date": "Vertragsdatum",
    "subject": "Vertragsgegenstand",
    "iban": "IBAN",
    "clerk": "Sachbearbeiter",
    "note": "Bemerkung",
}
Row = dict[str, Any]

# Rows that stay READY after an automatic repair, and rows a person has to look at.
ODD: list[Row] = [
    {"last": "  {last}\u00a0"},
    {"first": "{FIRST}", "last": "{LAST}"},
    {"email": "{EMAIL}"},
    {"phone": "{phone} / 0171 3920099"},
    {"phone": "+49 (0)30 23125777"},
    {"country": "Bundesrepublik Deutschland"},
    {"country": "D", "currency": "€"},
    {"currency": None},
    {"due": None},
    {"amount": 89.99000000000001},
    {"amount": "1.249,90 €"},
    {"amount": "312,50-", "note": "Gutschrift"},
    {"amount": "-45,00"},
    {"amount": "nach Vereinbarung"},
    {"amount": None},
    {"amount": 0},
    {"amount": "#N/A"},
    {"issued": None},
    {"issued": "31.02.2025"},
    {"issued": date(2035, 3, 1), "due": date(2035, 3, 15)},
    {"due": date(2025, 1, 2)},
    {"due": "sofort"},
    {"issued": date(2020, 5, 4), "due": date(2020, 5, 18)},
    {"invoice": None},
    {"email": "{first}.{last}(at)example.de"},
    {"email": "{last}@example,org"},
    {"phone": "0221 12"},
    {"phone": "siehe Akte"},
    {"postcode": "506677"},
    {"postcode": "D-ABCDE"},
    {"iban": "DE00000000001234567890"},
    {"iban": "DE12 0000 0000 0000"},
    {"born": date(2019, 8, 30)},
    {"last": "MÃ¼hlenbruch"},
    {"first": None, "last": "Pralinenwerk Sonnenschein GmbH"},
    {"first": None, "last": None},
    {"currency": "XYQ"},
    {"currency": "$"},
    {
        "street": None,
        "house_no": None,
        "postcode": None,
        "city": None,
        "email": None,
        "phone": None,
    },
    *({"country": "Deutschl."} for _ in range(6)),
]


def consumer_rows() -> Iterator[Row]:
    """Yield the rows of the German file, in the order of their invoices."""
    known = demo_data.existing_people()
    debtors = [*_sure(known), *_doubtful(known), *demo_data.new_people(NEW_PEOPLE)]
    dice = Dice(2025)
    odd = iter(ODD)
    first_new = len(debtors) - NEW_PEOPLE
    number, twice = 41200, Row()
    for n, person in enumerate(debtors):
        strange = next(odd, None) if n >= first_new and n % 3 != 2 else None
        for _ in range(1 if strange else 1 + dice.upto(3)):
            number += 1 + dice.upto(4)
            row = _row(person, n, number, dice)
            if strange:
                row |= {k: _filled(v, person) for k, v in strange.items()}
            if n == first_new + 1:
                twice = row
            yield row
    # The same invoice twice, another name under a number given away already, two currencies.
    yield twice
    yield twice | {"invoice": f"SW-25-{number + 5}", "first": "Ewald", "last": "Tiefenbrunn"}
    yield _row(debtors[-1], len(debtors) - 1, number + 9, dice) | {"currency": "CHF"}


def _sure(known: list[Person]) -> Iterator[Person]:
    """Yield existing debtors as another clerk would type them: the match is clear."""
    plain = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
    for n, at in enumerate((3, 8, 12, 21, 30, 36, 44, 52, 60, 69, 77, 84, 92, 101)):
        person = known[at]
        if n % 4 == 1:
            street = person.street.replace("straße", "str.").translate(plain)
            person = replace(person, last=person.last.translate(plain), street=street)
        elif n % 4 == 2:
            person = replace(
                person, street="Am Neubau", house_no="7", postcode="39104", city="Magdeburg"
            )
        elif n % 4 == 3:
            person = replace(person, first=f"Dr. {person.first}")
        yield person


def _doubtful(known: list[Person]) -> Iterator[Person]:
    """Yield people who may or may not be an existing debtor: somebody has to decide."""
    for n, at in enumerate((110, 118, 125, 133, 140, 149, 156, 164, 172)):
        person = known[at]
        fresh = replace(person, email=f"kontakt{n}@example.org", phone=demo_data.phone(900 + n))
        if n % 3 == 0:
            yield replace(fresh, first=f"{person.first[0]}.", born=date(1900, 1, 1))
        elif n % 3 == 1:
            yield replace(fresh, street="Nordring", house_no="18", born=date(1900, 1, 1))
        else:
            yield replace(person, first="Friedhelm", born=date(1900, 1, 1))


def _row(person: Person, n: int, number: int, dice: Dice) -> Row:
    issued = dice.day(date(2025, 2, 3), 200)
    amount = (1500 + dice.upto(90_000)) / 100
    as_text, date_text = dice.upto(10) < 3, dice.upto(10) < 3
    due = issued + timedelta(days=14)
    return {
        "client": f"SW-{70100 + 7 * n}",
        "salutation": "Frau" if person.first.removeprefix("Dr. ")[-1:] in "aeu" else "Herr",
        "first": person.first,
        "last": person.last,
        "street": person.street,
        "house_no": person.house_no,
        "postcode": int(person.postcode)
        if person.postcode[0] == "0" and n % 3 == 0
        else person.postcode,
        "city": person.city,
        "country": "DE",
        "born": None if person.born.year < 1901 or n % 6 == 5 else person.born,
        "email": person.email,
        "phone": person.phone,
        "invoice": f"SW-25-{number}",
        "issued": f"{issued:%d.%m.%Y}" if date_text else issued,
        "due": f"{due:%d.%m.%Y}" if date_text else due,
        "amount": _german(amount) if as_text else amount,
        "currency": "EUR",
        "contract_date": issued - timedelta(days=400 + n),
        "subject": demo_data.SUBJECTS[n % len(demo_data.SUBJECTS)],
        "iban": demo_data.iban(1_000_000 + n) if n % 3 == 0 else None,
        "clerk": ("Frau Petersen", "Herr Lindqvist")[n % 2],
        "note": "Ratenzahlung angefragt" if n % 19 == 4 else None,
    }


def _filled(value: Any, person: Person) -> Any:
    if not isinstance(value, str):
        return value
    return value.format(
        first=person.first.lower(),
        last=person.last,
        FIRST=person.first.upper(),
        LAST=person.last.upper(),
        EMAIL=person.email.replace("@example", "@EXAMPLE"),
        phone=person.phone,
    )


def _german(amount: float) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def write_consumer(path: Path) -> int:
    """Write the German workbook and return its number of data rows."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Offene Posten"
    sheet.append(["Stadtwerke Nordlicht GmbH – Übergabe offener Forderungen"])
    sheet.append(["Stand 30.09.2025, alle Beträge brutto"])
    sheet.append([])
    sheet.append(list(HEADERS.values()))
    for row in (1, 4):
        for cell in sheet[row]:
            cell.font = Font(bold=True)
    total, count = 0.0, 0
    for row in consumer_rows():
        count += 1
        total += row["amount"] if isinstance(row["amount"], int | float) else 0
        sheet.append([row[name] for name in HEADERS])
        for at, name in enumerate(HEADERS, 1):
            _shown(sheet.cell(sheet.max_row, at), name)
        if count == 60:
            sheet.append([])
    sheet.append(["Summe", *([None] * 14), round(total, 2)])
    _save(book, path)
    return count


def write_business(path: Path) -> int:
    """Write the British workbook and return its number of data rows."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Ledger"
    sheet.append(
        [
            *("Account no.", "Company name", "Registration number", "Address", "Town", "Postcode"),
            *("Country", "Email", "Phone", "Invoice number", "Invoice date", "Due date"),
            *("Amount due", "Currency", "Contract date", "Contract subject"),
        ]
    )
    dice = Dice(77)
    words = (
        "Harbour",
        "Meadow",
        "Foxglove",
        "Kestrel",
        "Larkfield",
        "Pebble",
        "Thornbury",
        "Willow",
    )
    trades = ("Joinery", "Catering", "Print Works", "Logistics", "Interiors")
    towns = (("Leeds", "LS1 1UR"), ("Bristol", "BS1 5TR"), ("Edinburgh", "EH1 1BB"))
    for n in range(40):
        town, postcode = towns[n % 3]
        name = f"{words[n % 8]} {trades[n // 8]}"
        for k in range(1 + dice.upto(2)):
            issued = dice.day(date(2025, 2, 3), 200)
            sheet.append(
                [
                    *(f"A{1000 + n}", f"{name} Ltd", f"ZZ{100200 + n}", f"{3 + n} Canal Street"),
                    *(
                        town,
                        postcode,
                        "United Kingdom",
                        f"accounts@{name.replace(' ', '').lower()}.example",
                    ),
                    *(f"020 7946 {100 + n:04d}", f"INV-{5000 + 3 * n + k}", issued),
                    *(issued + timedelta(days=30), (5000 + dice.upto(400_000)) / 100, "GBP"),
                    *(issued - timedelta(days=300), "Maintenance agreement"),
                ]
            )
    _save(book, path)
    return int(sheet.max_row) - 1


def _shown(cell: Any, name: str) -> None:
    if isinstance(cell.value, date):
        cell.number_format = "dd.mm.yyyy"
    elif name == "amount" and isinstance(cell.value, int | float):
        cell.number_format = "#,##0.00"
    if cell.value == "#N/A":
        cell.data_type = "e"


def _save(book: Workbook, path: Path) -> None:
    book.properties.creator = "finview"
    for column, width in zip("ABCDEFGHIJKLMNOPQRSTUV", (14, *([13] * 21)), strict=True):
        book.active.column_dimensions[column].width = width
    book.save(path)


if __name__ == "__main__":
    write_consumer(HERE / "consumer_de.xlsx")
    write_business(HERE / "business_en.xlsx")
