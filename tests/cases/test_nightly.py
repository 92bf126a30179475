"""What is looked after at night: rates that became known, and a ledger somebody tampered with."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from finview import clock
from finview.app import open_services
from finview.cases import law
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.ledger_models import LedgerTxn
from finview.cases.lifecycle import launch
from finview.cases.packs.de import Germany
from finview.cases.receipts import record_payment
from finview.cases.statement import balances
from finview.db import Database
from finview.db.jobs import Job, enqueue
from finview.db.runtime import Services
from finview.jobs.runner import drain
from finview.money import Money
from finview.plugins.contracts.jurisdiction import Rates
from finview.plugins.contracts.provider import NoSettings
from finview.settings import Settings


class Newer(Germany):
    """The same law once the next half-year was published."""

    version = "2027.1"

    def base_rates(self) -> Rates:
        base = super().base_rates()
        steps = (*base.steps, (date(2027, 1, 1), 20_000))
        return replace(base, steps=steps, provisional_from=date(2027, 7, 1))


@pytest.fixture(autouse=True)
def _february() -> Iterator[None]:
    with clock.standing_at(datetime(2027, 2, 1, 12, tzinfo=UTC)):
        yield


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    opened = open_services(settings)
    yield opened
    opened.close()


def paid_case(session: Session, opener: Any, book: Any) -> int:
    """Open a case at base rate + 5 and pay a part, so that interest was posted."""
    case_id: int = opener(session).id
    terms = Financials.model_validate({"interest": {"points": "5"}})
    given = {"bucket_id": book.bucket, "financials": terms, "breathing": Breathing()}
    link(session, [case_id], on=date(2026, 11, 2), by=None, **given)
    launch(session, [case_id], on=date(2026, 11, 2), by=None)
    amount = Money(10_000, "EUR")
    record_payment(session, case_id, amount, received_on=date(2027, 2, 1), key="p", by=None)
    return case_id


def run(services: Services, kind: str) -> Job:
    with services.db.unit() as session:
        job_id = enqueue(session, kind, {})
    drain(services)
    with services.db.reading() as session:
        return session.get_one(Job, job_id)


def provisional(session: Session, case_id: int) -> list[tuple[str, bool]]:
    wanted = select(LedgerTxn.rule_version, LedgerTxn.provisional, LedgerTxn.reverses_id)
    rows = session.execute(
        wanted.where(LedgerTxn.case_id == case_id, LedgerTxn.kind == "INTEREST")
    ).all()
    return [(row.rule_version, row.provisional) for row in rows if row.reverses_id is None]


@pytest.mark.both_databases
def test_interest_posted_on_a_carried_on_rate_is_posted_anew_when_the_rate_is_known(
    services: Services, opener: Any, book: Any
) -> None:
    with services.db.unit() as session:
        case_id = paid_case(session, opener, book)
        before = balances(session, [case_id], date(2027, 2, 1))[case_id].open.minor
    assert run(services, "cases.provisional").result == {"cases": 0}
    law.use(services.db, [Newer(NoSettings())])
    assert run(services, "cases.provisional").result == {"cases": 1}
    with services.db.reading() as session:
        # 31 days of 1000.00 at 0.48 percentage points more; both postings stand, one of them undone.
        after = balances(session, [case_id], date(2027, 2, 1))[case_id].open.minor
        assert after - before == 41
        versions = dict(provisional(session, case_id))
        assert versions.pop("2027.1") is False
        assert list(versions.values()) == [True]
    assert run(services, "cases.provisional").result == {"cases": 0}


def test_a_ledger_that_was_tampered_with_fails_the_nightly_check(
    services: Services, opener: Any, book: Any
) -> None:
    with services.db.unit() as session:
        paid_case(session, opener, book)
    assert run(services, "cases.spot_check").result == {"cases": 1}
    _tamper(services.db)
    found = run(services, "cases.spot_check")
    assert found.state == "DEAD"
    assert (found.error_params or {})["reason"] == "LEDGER_FAULTS"


def _tamper(database: Database) -> None:
    with database.unit() as session:
        session.execute(text("DROP TRIGGER ledger_txn_seal"))
        session.execute(text("UPDATE ledger_txn SET reason = 'x' WHERE kind = 'PAYMENT'"))
