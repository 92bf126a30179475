"""The statement explains every cent: its lines add up to the balance, on any day."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from finview.cases.cases import NewInvoice, OpenedCase
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.lifecycle import end_breathing, launch
from finview.cases.statement import balances, invoices_open, statement
from finview.db import Database
from finview.errors import NotFound
from finview.money import Money

Opener = Callable[..., OpenedCase]
ON = date(2026, 11, 2)
TERMS = {"costs": {"percent": "10"}, "admin": "2.50", "interest": {"percent": "7.3"}}
DATES = st.dates(date(2026, 1, 1), date(2027, 12, 31))
INVOICES = st.builds(
    NewInvoice,
    amount_minor=st.integers(1, 10**10),
    issued_on=DATES,
    due_on=st.none() | DATES,
    costs_minor=st.integers(0, 9_999),
    interest_minor=st.integers(0, 9_999),
)
POLICIES = st.sampled_from(["DEFERRED", "WAIVED", "FROM_END"])


def linked(session: Session, book: Any, case: OpenedCase, breathing: Breathing) -> None:
    link(
        session,
        [case.id],
        bucket_id=book.bucket,
        financials=Financials.model_validate(TERMS),
        breathing=breathing,
        on=ON,
        by=None,
    )


@given(
    invoices=st.lists(INVOICES, min_size=1, max_size=4),
    policy=POLICIES,
    days=st.integers(0, 60),
    as_of=DATES,
)
def test_the_lines_add_up_to_the_balance(
    database: Database,
    opener: Opener,
    book: Any,
    invoices: list[NewInvoice],
    policy: str,
    days: int,
    as_of: date,
) -> None:
    terms = {"enabled": days > 0, "days": days, "policy": policy}
    with database.unit() as session:
        case = opener(session, *invoices)
        linked(session, book, case, Breathing.model_validate(terms))
        launch(session, [case.id], on=ON, by=None)
        end_breathing(session, [case.id])
        balance = balances(session, [case.id], as_of)[case.id]
        lines = statement(session, case.id, as_of)
        assert sum(line.amount.minor for line in lines) == balance.open.minor
        assert all(line.rule and line.rule_version and line.on <= as_of for line in lines)
        assert min(balance.principal.minor, balance.interest.minor, balance.costs.minor) >= 0
        opened = invoices_open(session, case.invoice_ids, as_of)
        assert sum(money.minor for money in opened.values()) == balance.principal.minor


@pytest.mark.both_databases
def test_every_line_says_where_it_comes_from(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case = opener(session)
        linked(session, book, case, Breathing(enabled=True, days=14))
        launch(session, [case.id], on=ON, by=None)
        end_breathing(session, [case.id])
        lines = statement(session, case.id, date(2026, 11, 21))
        assert [(line.rule, line.amount.text) for line in lines] == [
            ("claim.principal", "1000.00"),
            ("cost.percent", "100.00"),
            ("cost.admin", "2.50"),
            ("interest.fixed", "15.20"),
            ("interest.fixed", "1.00"),
        ]
        rest = lines[-1].inputs
        assert (rest["accrued"], rest["posted"], rest["dayCount"]) == ("16.20", "15.20", "ACT_365")
        (segment,) = rest["segments"]
        assert (segment["days"], segment["amount"]) == (5, "1.000000")


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (
            "en",
            [
                "Principal of invoice R-1",
                "Collection costs, 10 % of €1,000.00",
                "Administrative costs",
                "Interest on invoice R-1: 7.3 % a year for 62 days until Nov 2, 2026",
            ],
        ),
        (
            "de",
            [
                "Hauptforderung aus Rechnung R-1",
                "Inkassokosten, 10 % von 1.000,00\xa0€",
                "Verwaltungskosten",
                "Zinsen auf Rechnung R-1: 7,3 % im Jahr für 62 Tage bis 02.11.2026",
            ],
        ),
    ],
)
def test_the_statement_speaks_both_languages(
    database: Database, opener: Opener, book: Any, locale: str, words: list[str]
) -> None:
    with database.unit() as session:
        case = opener(session)
        linked(session, book, case, Breathing())
        assert [line.text(locale) for line in statement(session, case.id, ON)] == words


def test_withdrawn_charges_stay_out_of_the_statement(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case = opener(session)
        linked(session, book, case, Breathing())
        linked(session, book, case, Breathing(enabled=True, days=5))
        assert [line.rule for line in statement(session, case.id, ON)] == ["claim.principal"]


@pytest.mark.both_databases
def test_a_statement_changes_nothing_and_can_be_read(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case = opener(session)
        linked(session, book, case, Breathing())
    with database.reading() as session:
        first, *_ = statement(session, case.id, ON)
        assert first.amount == Money(100_000, "EUR")
        assert balances(session, [case.id, 999], ON).keys() == {case.id}
        with pytest.raises(NotFound):
            statement(session, 999, ON)
