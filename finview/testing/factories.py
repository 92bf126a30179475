"""Builders of valid things for tests: rows, workbooks, and an agency with its customers."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl

from finview.db import testclock
from finview.db.runtime import Services
from finview.testing.client import Client, client_for

LAUNCH_DAY = datetime(2026, 11, 2, 9, tzinfo=UTC)
"""Where tests let the clock stand: a Monday morning, the day of the worked examples."""

GERMAN: Mapping[str, str] = {
    "customer_case_number": "Aktenzeichen",
    "customer_client_number": "Kundennummer",
    "company": "Firma",
    "register_no": "Handelsregisternummer",
    "first_name": "Vorname",
    "last_name": "Nachname",
    "date_of_birth": "Geburtsdatum",
    "street": "Straße",
    "house_no": "Hausnummer",
    "postcode": "PLZ",
    "city": "Ort",
    "country": "Land",
    "email": "E-Mail",
    "phone": "Telefon",
    "invoice_number": "Rechnungsnummer",
    "invoice_date": "Rechnungsdatum",
    "due_date": "Fälligkeitsdatum",
    "amount": "Betrag",
    "currency": "Währung",
    "contract_subject": "Vertragsgegenstand",
    "contract_date": "Vertragsdatum",
}
ENGLISH: Mapping[str, str] = {
    "customer_case_number": "Case number",
    "customer_client_number": "Customer number",
    "company": "Company",
    "register_no": "Company registration number",
    "first_name": "First name",
    "last_name": "Last name",
    "date_of_birth": "Date of birth",
    "street": "Street",
    "house_no": "House number",
    "postcode": "Postcode",
    "city": "City",
    "country": "Country",
    "email": "E-mail",
    "phone": "Phone",
    "invoice_number": "Invoice number",
    "invoice_date": "Invoice date",
    "due_date": "Due date",
    "amount": "Amount",
    "currency": "Currency",
    "contract_subject": "Contract subject",
    "contract_date": "Contract date",
}

_PEOPLE = (
    ("Anna", "Schmidt", "Hauptstraße", "10115", "Berlin"),
    ("Bernd", "Lange", "Ringweg", "20095", "Hamburg"),
    ("Carla", "Wimmer", "Lindenallee", "80331", "München"),
    ("Dieter", "Obermann", "Am Markt", "50667", "Köln"),
    ("Eva", "Thalberg", "Goethestraße", "60311", "Frankfurt am Main"),
    ("Frank", "Petersen", "Hafenstraße", "24103", "Kiel"),
    ("Gisela", "Zander", "Bergstraße", "01067", "Dresden"),
    ("Holger", "Ruland", "Schulweg", "30159", "Hannover"),
    ("Ines", "Kolbe", "Gartenstraße", "04109", "Leipzig"),
    ("Jonas", "Viertel", "Mühlenweg", "28195", "Bremen"),
    ("Karin", "Aschenbach", "Kirchplatz", "70173", "Stuttgart"),
    ("Lutz", "Degenhardt", "Waldstraße", "90402", "Nürnberg"),
)
_SYLLABLES = (
    *("dorn", "falk", "grim", "hust", "jel", "kops", "lunt", "mirz", "nau", "pelk", "quist", "rab"),
    *(
        "stoff",
        "tram",
        "ulb",
        "vonk",
        "welz",
        "xant",
        "ybbs",
        "zorn",
        "bleu",
        "chur",
        "drax",
        "elz",
    ),
    *("fjor", "gnat", "osch", "hax", "iller", "jung", "kroll", "luv", "moor", "nied", "ober"),
    "prag",
)
_FIRMS = ("Nordlicht Handels", "Tischlerei Hagedorn", "Spedition Brinkmann", "Gartenbau Wrede")

Row = dict[str, Any]


def consumer(n: int, **changes: Any) -> Row:
    """Return a valid row of a consumer file; another `n` is another person with another invoice.

    Keys are field names; a change to None leaves the cell empty.
    """
    first, last, street, postcode, city = _PEOPLE[n % len(_PEOPLE)]
    again = "" if n < len(_PEOPLE) else str(n // len(_PEOPLE))
    return {
        "customer_case_number": f"A-{n}",
        "first_name": first,
        "last_name": last + ("" if not again else "sen" * int(again)),
        "street": street,
        "house_no": str(n + 1),
        "postcode": postcode,
        "city": city,
        "email": f"{first}.{last}{again}@example.org".lower(),
        "invoice_number": f"R-{n}",
        "invoice_date": date(2026, 3, 1) + timedelta(days=n % 28),
        "due_date": date(2026, 4, 1) + timedelta(days=n % 28),
        "amount": 100 + n,
        "contract_subject": "Stromlieferung",
        "contract_date": date(2025, 1, 15),
    } | changes


def stranger(n: int, **changes: Any) -> Row:
    """Return a consumer's row whose name and street are like those of no other `n` below 2,000.

    A matcher may take two of `consumer` for one person: twelve names and streets come again.
    """
    first, last = _SYLLABLES[n % 13], _SYLLABLES[13 + n // 13 % 13]
    name = f"{last}{first}{_SYLLABLES[26 + n // 169]}".capitalize()
    street = f"{first}{last}weg".capitalize()
    mail = f"{name}{n}@example.org".lower()
    return consumer(n, last_name=name, street=street, email=mail) | changes


def business(n: int, **changes: Any) -> Row:
    """Return a valid row of a business file; another `n` is another company."""
    _, _, street, postcode, city = _PEOPLE[n % len(_PEOPLE)]
    firm = _FIRMS[n % len(_FIRMS)]
    return {
        "customer_case_number": f"B-{n}",
        "company": f"{firm} GmbH",
        "register_no": f"HRB {90000 + n}",
        "street": street,
        "house_no": str(n + 1),
        "postcode": postcode,
        "city": city,
        "email": f"buchhaltung@{firm.split()[0].lower()}{n}.example",
        "invoice_number": f"B-{n}",
        "invoice_date": date(2026, 3, 1) + timedelta(days=n % 28),
        "due_date": date(2026, 4, 1) + timedelta(days=n % 28),
        "amount": 1000 + n,
    } | changes


def workbook(
    folder: Path,
    rows: Sequence[Row],
    *,
    headers: Mapping[str, str] = GERMAN,
    name: str = "cases.xlsx",
) -> Path:
    """Write rows as an .xlsx file: a column for each field that any of them has."""
    return write_sheet(folder / name, _lines(rows, headers))


def table(
    folder: Path,
    rows: Sequence[Row],
    *,
    headers: Mapping[str, str] = GERMAN,
    name: str = "cases.csv",
) -> Path:
    """Write rows as a .csv file: read faster than a workbook, where the format does not matter."""
    with (folder / name).open("w", newline="", encoding="utf-8") as target:
        csv.writer(target, delimiter=";").writerows(_lines(rows, headers))
    return folder / name


def _lines(rows: Sequence[Row], headers: Mapping[str, str]) -> list[list[Any]]:
    used = list(dict.fromkeys(field for row in rows for field in row))
    order = {field: n for n, field in enumerate(headers)}
    used.sort(key=lambda field: order.get(field, len(order)))
    titles = [headers.get(field, field) for field in used]
    return [titles, *([row.get(field) for field in used] for row in rows)]


def write_sheet(path: Path, cells: Iterable[Sequence[Any]]) -> Path:
    """Write cells as the only sheet of a workbook."""
    book = openpyxl.Workbook()
    sheet = book.active
    for line in cells:
        sheet.append(list(line))
    book.save(path)
    return path


FINANCIALS: Mapping[str, Any] = {
    "costs": {"kind": "FIXED", "amount": "40.00"},
    "interest": {"kind": "FIXED", "percent": "5"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """An agency that can begin: an active business unit, a customer, a portfolio, a bucket.

    Ids are public ids of the API; `client` is signed in as an administrator.
    """

    services: Services
    client: Client
    unit: str
    customer: str
    portfolio: str
    bucket: str

    def with_customer(self, name: str, **values: Any) -> "Agency":
        """Return the same agency seen from another, new customer."""
        return _with_customer(self.services, self.client, self.unit, name, values)

    def with_bucket(self, name: str, **financials: Any) -> "Agency":
        """Return the same with another, new bucket of the portfolio."""
        bucket = new_bucket(self.client, self.portfolio, name, financials)
        given = {"customer": self.customer, "portfolio": self.portfolio, "bucket": bucket}
        return Agency(services=self.services, client=self.client, unit=self.unit, **given)

    def set(self, group: str, **values: Any) -> None:
        """Set settings of the customer: `set("imports", casePerInvoice=True)`."""
        self.client.do(
            "customerSettingsUpdate",
            "customer { id }",
            **{"customerId": self.customer, group: values},
        )

    def later(self, **delta: float) -> None:
        """Move the clock forward by a timedelta's arguments and run what has become due."""
        with self.services.db.unit() as session:
            testclock.advance(session, timedelta(**delta))
        self.client.drain()

    def outbox(self) -> list[str]:
        """Return the e-mails that have left, as text, oldest first."""
        from email import message_from_bytes
        from email.policy import default

        found = sorted(self.services.settings.outbox_dir.glob("*.eml"))
        mails = [message_from_bytes(path.read_bytes(), policy=default) for path in found]
        return [f"{m['To']}\n{m['Subject']}\n{m.get_content()}" for m in mails]


def new_agency(services: Services, *, client: Client | None = None) -> Agency:
    """Set up an agency over GraphQL, with the customer Stadtwerke Nord."""
    client = client or client_for(services)
    unit = client.do(
        "businessUnitCreate",
        "businessUnit { id }",
        name="Inkasso Nord",
        company={
            "name": "Inkasso Nord GmbH",
            "country": "DE",
            "authority": "Aufsichtsamt Musterstadt, Amtsplatz 1, 20095 Hamburg",
        },
        emailSettings={"sender": "forderung@inkasso-nord.example"},
    )
    activate = "mutation($id: ID!) { businessUnitActivate(id: $id) { errors { code } } }"
    client.ask(activate, id=unit["id"])
    return _with_customer(services, client, unit["id"], "Stadtwerke Nord", {})


def new_bucket(
    client: Client, portfolio: str, name: str, financials: Mapping[str, Any] | None = None
) -> str:
    """Create a bucket and return its id; without `financials` it charges 40 and 5 %."""
    made = client.do(
        "bucketCreate",
        "bucket { id }",
        portfolioId=portfolio,
        name=name,
        financials=dict(financials or FINANCIALS),
    )
    return str(made["id"])


def new_portfolio(client: Client, customer: str, name: str) -> str:
    """Create a portfolio and return its id."""
    made = client.do("portfolioCreate", "portfolio { id }", customerId=customer, name=name)
    return str(made["id"])


def _with_customer(
    services: Services, client: Client, unit: str, name: str, values: Mapping[str, Any]
) -> Agency:
    # What a first demand must say of the client (§ 13a RDG).
    company = {"street": "Kaiweg 1", "postcode": "20457", "city": "Hamburg"}
    fixed = {"businessUnitId": unit, "currency": "EUR", "company": company}
    wanted = {"name": name, **fixed, **values}
    customer = str(client.do("customerCreate", "customer { id }", **wanted)["id"])
    portfolio = new_portfolio(client, customer, "2026")
    return Agency(
        services=services,
        client=client,
        unit=unit,
        customer=customer,
        portfolio=portfolio,
        bucket=new_bucket(client, portfolio, "Standard"),
    )
