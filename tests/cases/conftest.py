"""A customer with a portfolio and a bucket, and short ways to open cases."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

import pytest
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.cases import NewCase, NewInvoice, OpenedCase, open_cases
from finview.cases.debtors import NewDebtor, create_debtors
from finview.cases.models import DebtorKind
from finview.customers.models import Bucket, BusinessUnit, Customer, Portfolio
from finview.db import Database

T = TypeVar("T")


@dataclass(frozen=True)
class Book:
    """The ids of a customer's book."""

    customer: int
    portfolio: int
    bucket: int


def saved(session: Session, row: T) -> T:
    session.add(row)
    session.flush()
    return row


@pytest.fixture
def book(database: Database) -> Book:
    with database.unit() as session:
        at = clock.now()
        forms = ("company", "email_settings", "invoice_settings", "email_footers")
        empty: dict[str, Any] = {name: {} for name in forms}
        unit = saved(session, BusinessUnit(name="Unit", active=True, created_at=at, **empty))
        creditor = {"number": "1", "name": "Kunde", "currency": "EUR", "locale": "de"}
        unit_id = unit.id
        customer = saved(
            session,
            Customer(business_unit_id=unit_id, company={}, created_at=at, **creditor),
        )
        own = {"customer_id": customer.id, "created_at": at}
        portfolio = saved(session, Portfolio(name="P", **own))
        bucket = saved(session, Bucket(portfolio_id=portfolio.id, name="B", financials={}, **own))
        return Book(customer=customer.id, portfolio=portfolio.id, bucket=bucket.id)


INVOICE = NewInvoice(
    amount_minor=100_000, number="R-1", issued_on=date(2026, 8, 1), due_on=date(2026, 8, 31)
)

Opener = Callable[..., OpenedCase]


@pytest.fixture
def opener(book: Book) -> Opener:
    """Open one case: `opener(session, invoice, …, kind=…, currency=…)`."""

    def open_one(
        session: Session,
        *invoices: NewInvoice,
        kind: DebtorKind = DebtorKind.CONSUMER,
        currency: str = "EUR",
    ) -> OpenedCase:
        new = NewDebtor(kind=kind, locale="de", first_name="Eva", last_name="Muster")
        (debtor,) = create_debtors(session, [new], by=None, import_id=1)
        case = NewCase(
            customer_id=book.customer,
            portfolio_id=book.portfolio,
            debtor_id=debtor,
            currency=currency,
            invoices=invoices or (INVOICE,),
        )
        return open_cases(session, [case], by=None, import_id=1)[0]

    return open_one
