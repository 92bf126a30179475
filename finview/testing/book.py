"""A generated book: customers, portfolios, debtors, cases and invoices, the same for each seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.cases import NewCase, NewInvoice, open_cases
from finview.cases.debtors import Contacts, NewAddress, NewDebtor, NewPhone, create_debtors
from finview.cases.models import Address, Case, CaseStatus, CloseReason, DebtorKind
from finview.customers.models import Bucket, BusinessUnit, Customer, Portfolio
from finview.testing.factories import FINANCIALS

CHUNK = 1_000
_NAMES = (
    "Anna Schmidt",
    'Jürgen "Jogi" Groß',
    "O'Neill\\Söhne",
    "李小龙 🐉",
    "Zeile\neins\tzwei",
    "\x01\x1f\x7f\u2028<&>%s%%:name",
)
_CITIES = ("Berlin", "Köln", 'Bad "Ort"', "Łódź")
_CURRENCIES = ("EUR", "EUR", "EUR", "USD", "JPY", "KWD", "CLF")


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What was made: the ids of customers with their portfolios, and of cases."""

    portfolios: dict[int, list[int]]
    cases: Sequence[int]


def write_book(
    session: Session, *, cases: int, customers: int = 2, seed: int = 1, awkward: bool = True
) -> Book:
    """Write a book of cases with 2.5 invoices each on average; the same arguments, the same book.

    `awkward` texts hold quotes, signs of other scripts and control characters, amounts other
    currencies.
    """
    random = Random(seed)  # noqa: S311 -- a book for tests, not a secret
    portfolios = {
        one.id: [p.id for p in _portfolios(session, one, awkward=awkward)]
        for one in _customers(session, customers)
    }
    places = [(c, p) for c, of_customer in portfolios.items() for p in of_customer]
    made: list[int] = []
    left = iter(range(cases))
    while chunk := list(islice(left, CHUNK)):
        new = [_debtor(n, random, awkward=awkward) for n in chunk]
        debtors = create_debtors(session, new, by=None, import_id=1)
        opened = open_cases(
            session,
            [
                _case(n, random, random.choice(places), random.choice(debtors), awkward=awkward)
                for n in chunk
            ],
            by=None,
        )
        made += [one.id for one in opened]
    if awkward:
        _vary(session, made, random, portfolios)
    return Book(portfolios=portfolios, cases=made)


def _customers(session: Session, count: int) -> list[Customer]:
    empty: dict[str, Any] = {"invoice_settings": {}, "email_footers": {"de": "Grüße"}}
    unit = BusinessUnit(
        name="Unit",
        active=True,
        company={"z": 1, "a": [1.5, None]},
        email_settings={},
        created_at=clock.now(),
        **empty,
    )
    session.add(unit)
    session.flush()
    made = [
        Customer(
            number=f"{1000 + n}",
            name=f"Kunde {n}",
            business_unit_id=unit.id,
            currency="EUR",
            locale="de",
            company={},
            created_at=clock.now(),
        )
        for n in range(count)
    ]
    session.add_all(made)
    session.flush()
    return made


def _portfolios(session: Session, customer: Customer, *, awkward: bool) -> list[Portfolio]:
    own = {"customer_id": customer.id, "created_at": clock.now()}
    made = [Portfolio(name=name, **own) for name in ("Strom", "Gas")]
    session.add_all(made)
    session.flush()
    for one in made if awkward else ():
        for name in ("B", "A"):
            bucket = Bucket(portfolio_id=one.id, name=name, financials=dict(FINANCIALS), **own)
            session.add(bucket)
    session.flush()
    return made


def _debtor(n: int, random: Random, *, awkward: bool) -> NewDebtor:
    name = _NAMES[n % len(_NAMES)] if awkward else f"Person {n}"
    first, _, last = name.partition(" ")
    count = random.choice((0, 1, 1, 3)) if awkward else 1 + (n % 17 == 0)
    addresses = tuple(
        NewAddress(
            street=f"Weg {n} {k}",
            house_no=random.choice((None, "1 a")),
            postcode=f"{10000 + n}",
            city=random.choice(_CITIES),
            country=random.choice(("DE", None)),
        )
        for k in range(count)
    )
    contacts = Contacts(
        addresses=addresses,
        emails=(f"p{n}@example.org",) if n % 3 == 0 else (),
        phones=(NewPhone(raw=f"030 {n}", e164=f"+4930{n:07}"),) if n % 4 == 0 else (),
    )
    kind = DebtorKind.BUSINESS if n % 5 == 0 else DebtorKind.CONSUMER
    return NewDebtor(
        kind=kind,
        locale="de",
        name=name,
        first_name=first,
        last_name=last or None,
        contacts=contacts,
    )


def _case(n: int, random: Random, place: tuple[int, int], debtor: int, *, awkward: bool) -> NewCase:
    day = date(2026, 1, 1) + timedelta(days=n % 300)
    dated = (day, day + timedelta(days=14))
    invoices = tuple(
        NewInvoice(
            amount_minor=random.choice((1, 99, 100, 12_345, 9_999_999)) + random.randrange(1000),
            number=f"R-{n}-{k}" if random.random() < 0.9 or not awkward else None,
            issued_on=dated[0] if k else None,
            due_on=dated[1] if k else None,
        )
        for k in range(2 + (n % 2))
    )
    return NewCase(
        customer_id=place[0],
        portfolio_id=place[1],
        debtor_id=debtor,
        currency=random.choice(_CURRENCIES) if awkward else "EUR",
        invoices=invoices,
        customer_case_number=f"A-{n}" if n % 2 else None,
    )


def _vary(
    session: Session, cases: Sequence[int], random: Random, portfolios: dict[int, list[int]]
) -> None:
    """Give cases states, odd times of opening, and buckets of their portfolios."""
    for key in cases:
        case = session.get_one(Case, key)
        case.status = random.choice(list(CaseStatus))
        case.opened_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(
            milliseconds=random.choice((0, 1, 999, 86_399_999)) * random.randrange(1, 50)
        )
        if case.status == CaseStatus.CLOSED:
            case.close_reason = random.choice([*CloseReason, ""])
            case.closed_at = datetime(1969, 12, 31, 23, 59, 59, 5_000, tzinfo=UTC)
    session.flush()
    blank = Address.id % 7 == 0
    session.execute(update(Address).where(blank).values(country=""))
    for of_customer in portfolios.values():
        for portfolio in of_customer:
            bucket = session.query(Bucket).filter_by(portfolio_id=portfolio).first()
            if bucket is not None:
                own = (Case.portfolio_id == portfolio) & (Case.id % 2 == 0)
                session.execute(update(Case).where(own).values(bucket_id=bucket.id))


__all__ = ["Book", "write_book"]
