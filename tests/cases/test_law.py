"""The law packs: worked figures with their statutes, and what a case does when a rate is missing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import event

from finview import clock
from finview.cases import law
from finview.cases.cases import NewInvoice
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.packs import de_fees, de_rates
from finview.cases.packs.de import FIRST_LETTER, Germany
from finview.cases.statement import balances, statement
from finview.customers.models import BusinessUnit
from finview.db import Database
from finview.errors import FinviewError
from finview.plugins.contracts.jurisdiction import ClaimFacts, Rates
from finview.plugins.contracts.provider import NoSettings
from finview.testing.vectors import evaluate

EUR = {"currency": "EUR"}
RUN = {
    "principal": "1200.00",
    **EUR,
    "default_from": "2026-01-01",
    "rate": {"fixed": "7.3"},
    "order": "DE_367",
    "events": [
        {"type": "cost", "value_on": "2026-01-11", "amount": "50.00"},
        {"type": "payment", "id": "p", "value_on": "2026-01-21", "amount": "100.00"},
        {"type": "reversal", "of": "p", "value_on": "2026-01-21", "booked_on": "2026-02-01"},
    ],
    "queries": [
        {"as_of": "2026-01-31", "known_on": "2026-01-25"},
        {"as_of": "2026-01-31", "known_on": "2026-02-10"},
    ],
}
# The statute of each figure stands in the pack; these were computed by hand from its text.
FIGURES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("base_rate_de", {"on": "2001-12-31"}, {"error": "NO_RATE"}),
    ("base_rate_de", {"on": "2012-07-01"}, {"percent": "0.12", "provisional": False}),
    ("base_rate_de", {"on": "2027-01-01"}, {"percent": "1.52", "provisional": True}),
    ("rvg_unit_fee", {"value": "500.01", "law_from": "2025-06-01"}, {"fee": "93.00"}),
    ("rvg_unit_fee", {"value": "50000.01", "law_from": "2025-06-01"}, {"fee": "1456.50"}),
    ("rvg_unit_fee", {"value": "2000.01", "law_from": "2021-01-01"}, {"fee": "222.00"}),
    ("nl_costs", {"principal": "6000.00"}, {"costs": "675.00"}),
    ("uk_lump_sum", {"invoice_amount": "1000.00", "currency": "GBP"}, {"lump_sum": "70.00"}),
    (
        "uk_moratorium",
        {"entered_on": "2027-03-01", "kind": "STANDARD"},
        {"first_day": "2027-03-02", "last_day": "2027-04-30"},
    ),
    (
        "default_start_de",
        {"basis": "DUE_DATE", "on": "2027-05-06"},
        {"last_day_to_pay": "2027-05-07", "default_from": "2027-05-08"},
    ),
    ("limitation_de", {"arisen_on": "2024-01-01"}, {"last_day": "2027-12-31"}),
    (
        "limitation_de",
        {"arisen_on": "2020-05-01", "acknowledged_on": "2024-01-05"},
        {"last_day": "2023-12-31"},
    ),
    (
        "retention_de",
        {"document": "LETTER", "dated": "2026-01-02"},
        {"erasable_from": "2033-01-01"},
    ),
    (
        "us_call_gate",
        {"attempt_days": [1] * 6, "conversation_days": [2], "call_on_day": 9},
        {"allowed": True, "reason": None},
    ),
    (
        "commission",
        {"collected": "99.99", "percent": "15", "vat_percent": "19"},
        {"commission": "15.00", "vat": "2.85", "payout": "82.14"},
    ),
]


@pytest.mark.parametrize(
    ("kind", "given", "expected"), FIGURES, ids=[f"{n}-{f[0]}" for n, f in enumerate(FIGURES)]
)
def test_a_worked_figure_comes_out_to_the_cent(
    kind: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert evaluate(kind, given) == expected


def test_a_run_shows_what_was_known_and_a_reversal_undoes_it() -> None:
    before, after = evaluate("ledger_run", RUN)["queries"]
    # 1200.00 at 7.3 % is 24 cents a day.
    assert before["allocations"] == [
        {
            "on": "2026-01-21",
            "payment": "100.00",
            "costs": "50.00",
            "interest": "4.80",
            "principal": "45.20",
            "overpaid": "0.00",
        }
    ]
    assert after["allocations"] == []
    assert (after["balance"]["interest"], after["balance"]["open"]) == ("7.20", "1257.20")


def test_a_plan_of_a_small_claim_takes_the_table_not_the_small_fee() -> None:
    table = de_fees.table_of(date(2025, 6, 1))
    assert de_fees.business_fee(4_000, 13, table, contested=False) == 4_095
    assert de_fees.business_fee(4_000, 13, table, contested=True) == 6_695
    assert de_fees.plan_fee(4_000, table) == 3_605
    with pytest.raises(FinviewError, match="MANDATE_TOO_OLD"):
        de_fees.table_of(date(2020, 12, 31))


def test_a_claim_from_before_july_2014_bears_eight_points() -> None:
    old = ClaimFacts(debtor_kind="BUSINESS", currency="EUR", issued_on=date(2014, 7, 28))
    new = replace(old, issued_on=date(2014, 7, 29))
    assert de_rates.statutory(old).steps[-1][1] == 15_200 + 80_000
    assert de_rates.statutory(new).steps[-1][1] == 15_200 + 90_000
    assert law.lump_sum(law.SHIPPED["de"], old) is None


def test_every_rule_names_its_source_and_the_day_it_was_looked_up() -> None:
    rules = [de_rates.BASE, de_rates.CONSUMER, de_rates.BUSINESS, de_fees.FLAT, de_fees.LUMP_SUM]
    rules += [rule for _, rule in de_fees.RULES.values()]
    for rule in rules:
        assert rule.citation
        assert rule.source
        assert rule.verified_on <= date(2026, 12, 31)


def test_the_first_letter_needs_its_eight_parts_where_they_are_due() -> None:
    whole = {name: "x" for _, needed in FIRST_LETTER for name in needed}
    pack = Germany(NoSettings())
    assert pack.first_letter_lacks(whole) == ()
    assert pack.first_letter_lacks({}) == ("CLIENT", "GROUND", "AUTHORITY")
    assert pack.first_letter_lacks({**whole, "vat_reason": "", "claims_vat": True}) == ("VAT",)


class Newer(Germany):
    """The same law once the next half-year was published."""

    version = "2027.1"

    def base_rates(self) -> Rates:
        base = super().base_rates()
        steps = (*base.steps, (date(2027, 1, 1), 20_000))
        return replace(base, steps=steps, provisional_from=date(2027, 7, 1))


@pytest.fixture
def _february() -> Iterator[None]:
    with clock.standing_at(datetime(2027, 2, 1, 12, tzinfo=UTC)):
        yield


@pytest.mark.usefixtures("_february")
def test_interest_on_a_rate_not_published_yet_says_so_and_follows_it_later(
    database: Database, opener: Any, book: Any
) -> None:
    terms = Financials.model_validate({"interest": {"points": "5"}})
    with database.unit() as session:
        case = opener(session).id
        given = {"bucket_id": book.bucket, "financials": terms, "breathing": Breathing()}
        link(session, [case], on=date(2026, 11, 2), by=None, **given)
        day = date(2027, 2, 1)
        (line,) = [x for x in statement(session, case, day) if x.kind == "INTEREST"]
        assert line.provisional
        assert not statement(session, case, date(2027, 1, 1))[-1].provisional
        before = balances(session, [case], day)[case].interest.minor
        law.use(database, [Newer(NoSettings())])
        # 31 days of 1000.00 at 0.48 percentage points more.
        assert balances(session, [case], day)[case].interest.minor - before == 41
        assert not statement(session, case, day)[-1].provisional


def test_a_component_the_country_has_no_law_for_is_refused(
    database: Database, opener: Any, book: Any
) -> None:
    terms = Financials.model_validate({"interest": {"points": "5"}})
    with database.unit() as session:
        unit = session.query(BusinessUnit).one()
        unit.company = {"country": "GB"}
        case = opener(session).id
        given = {"bucket_id": book.bucket, "financials": terms, "breathing": Breathing()}
        with pytest.raises(FinviewError, match="LAW_NO_BASE_RATE"):
            link(session, [case], on=date(2026, 11, 2), by=None, **given)


def test_days_the_creditor_charged_interest_for_are_not_charged_again(
    database: Database, opener: Any, book: Any
) -> None:
    due = {"issued_on": date(2026, 8, 1), "due_on": date(2026, 8, 31)}
    terms = Financials.model_validate({"interest": {"percent": "7.3"}})
    given = {"bucket_id": book.bucket, "financials": terms, "breathing": Breathing()}
    noon = datetime(2026, 11, 2, 12, tzinfo=UTC)
    with clock.standing_at(noon), database.unit() as session:
        theirs = opener(session, NewInvoice(amount_minor=100_000, interest_minor=500, **due)).id
        ours = opener(session, NewInvoice(amount_minor=100_000, **due)).id
        link(session, [theirs, ours], on=date(2026, 11, 2), by=None, **given)
        found = balances(session, [theirs, ours], date(2026, 11, 12))
    # 20 cents a day: ten days since the hand-over beside their 5.00; 72 days since default.
    assert (found[theirs].interest.minor, found[ours].interest.minor) == (700, 1_440)


def test_a_page_of_balances_is_one_statement(database: Database, opener: Any) -> None:
    with database.unit() as session:
        cases = [opener(session).id for _ in range(50)]
    seen: list[str] = []
    listener = lambda _c, _u, sql, *_: seen.append(sql)  # noqa: E731  # removed below
    with database.reading() as session:
        session.connection()
        event.listen(database.reader, "before_cursor_execute", listener)
        assert len(balances(session, cases, date(2026, 11, 12))) == 50
        event.remove(database.reader, "before_cursor_execute", listener)
    assert len(seen) == 1
