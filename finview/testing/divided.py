"""A world divided among two customers with two portfolios each, every kind of thing on all sides.

All four portfolios live through the same story with other people and sums, so that whatever one of
them has the others have too, and nothing an answer shows to one of them can be mistaken for another's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Viewer, viewer_of
from finview.accounts.models import AccountUser, ApiToken, SignInSession
from finview.accounts.users import user_named
from finview.app import open_services, prepare
from finview.cases.tasks import open_task
from finview.db.runtime import Services
from finview.settings import Settings
from finview.testing.client import Client, client_for
from finview.testing.factories import (
    LAUNCH_DAY,
    Agency,
    Row,
    consumer,
    new_agency,
    new_bucket,
    new_portfolio,
    table,
)
from finview.testing.ownership import Ownership, Side, read
from finview.testing.story import Story

WORDS = ("Quarzel", "Rumpelt", "Tschirm", "Zwickel")
"""What marks the people of each portfolio: A1, A2, B1, B2."""

SHARED = {
    "first_name": "Gerda",
    "last_name": "Gemeinsam",
    "email": "gerda@gemeinsam.example",
    "street": "Teilweg",
    "house_no": "1",
    "postcode": "10115",
    "city": "Berlin",
}
"""One debtor of everybody: what each customer told of it stays with that customer."""

TELLS = "Tschirm"
"""Whose file knows when the shared debtor was born."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Divided:
    """The world: its services, who looks at it, and whose everything is."""

    services: Services
    owners: Ownership
    viewers: Mapping[str, Viewer]
    clients: Mapping[str, Client]
    own: Mapping[str, set[Side]]
    forbidden: Mapping[str, tuple[frozenset[str], tuple[str, ...]]]
    words: Mapping[str, Sequence[str]]


def divided(settings: Settings) -> Iterator[Divided]:
    """Make the world in an empty database with all tables; closes it at the end."""
    with clock.standing_at(LAUNCH_DAY):
        services = open_services(settings)
        prepare(services)
        sides = _agencies(services)
        for act in (_live, _again):
            for n, (word, agency) in enumerate(zip(WORDS, sides, strict=True)):
                act(agency, n, word, settings.data_dir)
        _bank(sides, settings.data_dir)
        for agency in (sides[0], sides[2]):
            _settle(agency)
        stopped = 'mutation { outboundHoldCreate(channel: SMS, reason: "x") { hold { id } } }'
        sides[0].client.ask(stopped)
        people = _people(sides)
        yield _seen(services, people)
        services.close()


def _agencies(services: Services) -> list[Agency]:
    first = new_agency(services)
    second = first.with_customer("Wasserwerke Süd", company={"street": "Südstraße 7"})
    found: list[Agency] = []
    for agency in (first, second):
        other = new_portfolio(agency.client, agency.customer, f"Buch {len(found)} zwei")
        bucket = new_bucket(agency.client, other, f"Topf {len(found)} zwei")
        ids = {"unit": agency.unit, "customer": agency.customer}
        again = Agency(
            services=services, client=agency.client, portfolio=other, bucket=bucket, **ids
        )
        found += [agency, again]
    return found


def _rows(n: int, word: str) -> list[Row]:
    """Return rows of which no value is another portfolio's, but for those of the shared debtor."""
    small = word.lower()

    def row(k: int, **changes: Any) -> Row:
        own = {
            "customer_case_number": f"AZ-{word}-{k}",
            "customer_client_number": f"KD-{word}-{k}",
            "last_name": f"{word}mann" + "sen" * k,
            "street": f"{word}weg",
            "email": f"post{k}@{small}.example",
            "phone": f"030 23125{n}{k}7",
            "invoice_number": f"RE-{word}-{k}",
            "amount": f"{1000 + 211 * n + 13 * k},{17 + n}",
            "contract_subject": f"{word}vertrag {k}",
            "date_of_birth": f"19{61 + n}-0{k + 1}-1{n}",
        }
        return consumer(3 * n + k, **{**own, **changes})

    return [
        row(0),
        row(1),
        row(2, **SHARED, **({} if word == TELLS else {"date_of_birth": None})),
        row(3, amount=None),  # stays behind: issues, an error workbook
    ]


def _live(agency: Agency, n: int, word: str, folder: Path) -> None:
    """Let a portfolio live: an import with its files, money, agreements."""
    tiers = [{"upTo": "500.00", "amount": f"{71 + n}.31"}, {"amount": f"{91 + n}.31"}]
    tiered = {"costs": {"kind": "TIERED", "mode": "BRACKET", "tiers": tiers}}
    new_bucket(agency.client, agency.portfolio, f"{word}staffel", tiered)
    invoice = folder / f"{word}-rechnung.pdf"
    invoice.write_bytes(b"%PDF-1.4 " + word.encode())
    path = table(folder, _rows(n, word), name=f"{word}-eins.csv")
    story = Story.linked(agency, path, invoices=[invoice]).launch()
    one, two, three = (case["id"] for case in story.cases("id"))
    client = agency.client
    euro = {"currency": "EUR"}
    client.do(
        "paymentRecord",
        "case { id }",
        caseId=one,
        amount={"amount": f"{31 + n}.{41 + n}", **euro},
        receivedOn="2026-11-02",
        idempotencyKey=f"pay-{word}",
    )
    client.do(
        "paymentPlanCreate",
        "case { id }",
        caseId=two,
        instalments=3,
        firstDueOn=f"2027-0{n + 1}-15",
    )
    client.do(
        "settlementAgree",
        "case { id }",
        caseId=three,
        amount={"amount": f"{401 + n}.{51 + n}", **euro},
        payBy=f"2027-05-1{n}",
    )
    client.do("caseHold", "case { id }", caseId=one, reason="DISPUTE", note=f"{word}einwand")
    with agency.services.db.unit() as session:
        open_task(session, int(three.partition("_")[2]), title=f"{word}mann zurückrufen")


def _again(agency: Agency, n: int, word: str, folder: Path) -> None:
    """Let a portfolio tell more of the same people, once others have told of the shared one."""
    known, _, shared, _ = _rows(n, word)
    numbers = {
        "customer_case_number": f"AZ-{word}-9",
        "customer_client_number": f"KD-{word}-9",
        "invoice_number": f"RE-{word}-9",
        "date_of_birth": None,
    }
    doubtful = {"street": f"{word}allee", "email": f"neu@{word.lower()}.example", "phone": None}
    more = {"phone": f"030 23125{n}88", "customer_client_number": f"KD-{word}-8"}
    rows = [{**known, **numbers, **doubtful}, {**shared, **numbers, **more}]
    Story.created(agency, table(folder, rows, name=f"{word}-zwei.xlsx"))  # a notice: it is none
    broken = folder / f"{word}-kaputt.xlsx"
    broken.write_bytes(b"PK\x03\x04 no workbook")
    Story.begin(agency, broken).read()


def _bank(sides: Sequence[Agency], folder: Path) -> None:
    """Let the bank tell of money for a case of each portfolio, and of money nobody knows."""
    client, numbers = sides[0].client, "{ cases(first: 200) { nodes { number portfolio { id } } } }"
    cases = client.ask(numbers)["cases"]["nodes"]
    lines = ["Buchungstag;Auftraggeber;Verwendungszweck;Betrag;Währung"]
    for n, (word, agency) in enumerate(zip(WORDS, sides, strict=True)):
        own = next(c["number"] for c in cases if c["portfolio"]["id"] == agency.portfolio)
        lines.append(f"02.11.2026;{word}zahler;{own} {word}geld;{5 + n},{61 + n};EUR")
        lines.append(f"02.11.2026;Unbekannt {n};Danke;{8 + n},00;EUR")
    path = folder / "kontoauszug.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    given = {"uploadId": client.upload(path), "businessUnitId": sides[0].unit}
    client.do("bankStatementImport", "job { id }", **given)
    client.drain()


def _settle(agency: Agency) -> None:
    """Let a customer be settled with, and its workbook be written."""
    payload = agency.client.ask(
        """mutation($c: ID!) { clientStatementCreate(
             customerId: $c, from: "2026-11-01", to: "2026-11-02") {
             statement { payout { amount } } errors { code } } }""",
        c=agency.customer,
    )["clientStatementCreate"]
    assert payload["errors"] == []
    agency.client.drain()


def _people(sides: list[Agency]) -> Mapping[str, tuple[str, set[Side]]]:
    """Create contacts of every kind at both customers; return who looks, by e-mail address."""
    for agency, last in ((sides[0], "Nordstern"), (sides[2], "Südpol")):
        for kind in ("commercial", "operational", "employee"):
            agency.client.do(
                "contactCreate",
                "contact { id }",
                customerId=agency.customer,
                firstName=kind.title(),
                lastName=last,
                phone=f"+49 30 2312{len(last)}{len(kind)}1",
                email=f"{kind}@{last.lower().replace('ü', 'ue')}.example",
                isCommercial=kind == "commercial",
                isOperational=kind == "operational",
                hasAccess=True,
                portfolioIds=[agency.portfolio] if kind == "employee" else None,
            )
    sides[0].client.drain()
    key = {a.portfolio: ("portfolio", int(a.portfolio.split("_")[1])) for a in sides}
    customer = ("customer", int(sides[0].customer.split("_")[1]))
    both = {customer, key[sides[0].portfolio], key[sides[1].portfolio]}
    return {
        "commercial": ("commercial@nordstern.example", both),
        "operational": ("operational@nordstern.example", both),
        "employee": ("employee@nordstern.example", {customer, key[sides[0].portfolio]}),
    }


def _seen(services: Services, people: Mapping[str, tuple[str, set[Side]]]) -> Divided:
    emails = {who: email for who, (email, _) in people.items()} | {"staff": "operator@example.org"}
    clients = {who: client_for(services, email, role=None) for who, email in emails.items()}
    with services.db.unit() as session:
        for user in session.scalars(select(AccountUser)).all():
            _sign_in(session, user)
    with services.db.reading() as session:
        viewers = {
            who: viewer_of(session, user_named(session, email)) for who, email in emails.items()
        }
    with services.db.engine.connect() as connection:
        owners = read(connection)
    everything = {side for of in owners.sides.values() for found in of.values() for side in found}
    own = {who: sides for who, (_, sides) in people.items()} | {"staff": everything}
    forbidden = {who: owners.foreign(sides, SHARED.values()) for who, sides in own.items()}
    return Divided(
        services=services,
        owners=owners,
        viewers=viewers,
        clients=clients,
        own=own,
        forbidden=forbidden,
        words={who: _telling(values) for who, (values, _) in forbidden.items()},
    )


def _sign_in(session: Session, user: AccountUser) -> None:
    """Leave a session and a token of a user, as signing in and `tokenCreate` do."""
    at = clock.now()
    created = {"user_id": user.id, "created_at": at, "expires_at": at + timedelta(days=1)}
    agent = f"Browser of {user.email}"
    secret = f"{user.id:064x}"
    session.add(SignInSession(secret_sha256=secret, user_agent=agent, last_seen_at=at, **created))
    name = f"Token of {user.email}"
    session.add(ApiToken(secret_sha256=secret, name=name, **created))


def _telling(values: frozenset[str]) -> Sequence[str]:
    """Return what somebody who guesses would look for: numbers, names, mail addresses."""
    marks = ("AZ-", "KD-", "RE-", "mann", "@", "-eins", "C-", "D-", "I-", "Süd", "Nordwerk")
    return sorted(v for v in values if any(mark in v for mark in marks) and len(v) < 60)[::9][:8]
