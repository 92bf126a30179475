"""The viewer: made of grants, with the portfolios behind them as long as those are few."""

import pytest
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import PORTFOLIOS_MAX, Role, Viewer, grant, viewer_of
from finview.accounts.tokens import create_token, viewer_by
from finview.accounts.users import create_user
from finview.customers.models import Portfolio
from finview.db import Database
from finview.testing.book import Book, write_book

pytestmark = pytest.mark.both_databases


def viewer(database: Database, *, more: int = 0, whole: bool = True) -> tuple[Viewer, Book]:
    """Return a customer's user, signed in by token, where the customer has `more` portfolios."""
    with database.unit() as session:
        book = write_book(session, cases=1)
        first, own = next(iter(book.portfolios.items()))
        own.extend(_more(session, first, more))
        user = create_user(session, email="a@example.org", name="A")
        only = () if whole else own[:1]
        grant(session, user.id, Role.CUSTOMER_USER, customer_id=first, portfolio_ids=only)
        token = create_token(session, user)
        found = viewer_by(session, token)
        assert found is not None
        assert found.all_portfolios == viewer_of(session, user).all_portfolios
    return found, book


def _more(session: Session, customer_id: int, count: int) -> list[int]:
    made = [
        Portfolio(customer_id=customer_id, name=f"More {n}", created_at=clock.now())
        for n in range(count)
    ]
    session.add_all(made)
    session.flush()
    return [one.id for one in made]


def test_a_customer_granted_as_a_whole_means_each_of_its_portfolios(database: Database) -> None:
    found, book = viewer(database, more=1)
    first = next(iter(book.portfolios.values()))
    assert found.all_portfolios == frozenset(first)
    assert found.portfolios == frozenset()


def test_a_granted_portfolio_means_no_other_one(database: Database) -> None:
    found, book = viewer(database, more=1, whole=False)
    assert found.all_portfolios == {next(iter(book.portfolios.values()))[0]}


def test_many_portfolios_are_not_told_one_by_one(database: Database) -> None:
    found, book = viewer(database, more=PORTFOLIOS_MAX + 1)
    assert found.all_portfolios == frozenset()
    assert found.customers == {next(iter(book.portfolios))}
