"""Costs of a payment plan: charged only after the notice of § 13a(3) RDG, else told why not."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.cases import NewInvoice, OpenedCase
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.lifecycle import launch
from finview.cases.models import Instalment, PaymentPlan, TimelineEntry
from finview.cases.plans import cancel_plan, create_plan
from finview.cases.statement import balances, statement
from finview.cases.timeline import entry_text
from finview.customers.models import BusinessUnit, Customer
from finview.db import Database
from finview.errors import Invalid
from finview.money import Money

Opener = Callable[..., OpenedCase]
ON = date(2026, 11, 2)
STATUTORY = {"costs": {"kind": "STATUTORY"}}
both_databases = pytest.mark.both_databases


@pytest.fixture(autouse=True)
def _november() -> Any:
    with clock.standing_at(datetime(2026, 11, 2, 12, tzinfo=UTC)):
        yield


def launched(
    session: Session, book: Any, opener: Opener, minor: int = 30_000, days: int = 0, **terms: Any
) -> int:
    due = NewInvoice(amount_minor=minor, issued_on=ON, due_on=date(2027, 1, 1))
    case = opener(session, due)
    link(
        session,
        [case.id],
        bucket_id=book.bucket,
        financials=Financials.model_validate(terms or STATUTORY),
        breathing=Breathing(enabled=days > 0, days=days),
        on=ON,
        by=None,
    )
    launch(session, [case.id], on=ON, by=None)
    return case.id


def agree(session: Session, case_id: int, notice_on: date | None = ON, **more: Any) -> PaymentPlan:
    given = {"instalments": 3, "first_due_on": date(2026, 12, 1), **more}
    return create_plan(session, case_id, notice_on=notice_on, by=1, **given)


def costs(session: Session, case_id: int) -> int:
    return balances(session, [case_id], ON)[case_id].costs.minor


def said(session: Session, case_id: int) -> list[str]:
    wanted = select(TimelineEntry).where(TimelineEntry.case_id == case_id)
    return [
        entry_text(row.code, row.params, "en")
        for row in session.scalars(wanted.order_by(TimelineEntry.id))
        if "PLAN_COSTS" in row.code
    ]


@both_databases
@pytest.mark.parametrize(("value", "whole"), [(30_000, 9_888), (150_000, 20_615)])
def test_fee_and_flat_rate_come_to_the_worked_figures(
    database: Database, opener: Opener, book: Any, value: int, whole: int
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener, value)
        plan = agree(session, case_id)
        assert costs(session, case_id) == whole
        assert plan.total_minor == value + whole
        parts = session.scalars(select(Instalment.amount_minor)).all()
        assert sum(parts) == plan.total_minor
        (fee,) = [x for x in statement(session, case_id, ON) if x.rule == "de.rvg.1000.plan"]
        assert fee.inputs["noticeDeliveredOn"] == "2026-11-02"
        assert fee.citation == "no. 1000 no. 2 VV RVG, § 31b RVG"
        assert "the notice was delivered on" in said(session, case_id)[0]


@both_databases
def test_without_the_notice_the_plan_stands_and_the_timeline_says_why(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener)
        before = costs(session, case_id)
        plan = agree(session, case_id, None)
        assert costs(session, case_id) == before
        assert plan.total_minor == 30_000 + before
        (told,) = said(session, case_id)
        assert "not charged: the debtor was not told" in told


def test_a_second_plan_is_not_charged_again(database: Database, opener: Opener, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener)
        agree(session, case_id)
        cancel_plan(session, case_id, "moved", by=1)
        agree(session, case_id)
        assert costs(session, case_id) == 9_888
        assert "earlier payment plan" in said(session, case_id)[1]


def test_in_the_breathing_space_nothing_is_charged(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener, days=14)
        assert agree(session, case_id).total_minor == 30_000
        assert "don't apply to this case yet" in said(session, case_id)[0]


@pytest.mark.parametrize("law", ["nl", "uk"])
def test_other_laws_know_no_costs_of_a_plan(
    database: Database, opener: Opener, book: Any, law: str
) -> None:
    with database.unit() as session:
        unit_id = session.get_one(Customer, book.customer).business_unit_id
        session.get_one(BusinessUnit, unit_id).base_rate_source = law
        session.flush()
        case_id = launched(session, book, opener, costs={"amount": "25"})
        assert agree(session, case_id).total_minor == 32_500
        assert said(session, case_id) == []


def test_a_bucket_without_costs_has_none_for_a_plan(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener, interest={"percent": "5"})
        assert agree(session, case_id).total_minor == 30_000
        assert said(session, case_id) == []


def test_vat_is_charged_where_the_client_may_not_deduct_it(
    database: Database, opener: Opener, book: Any
) -> None:
    terms: dict[str, Any] = {**STATUTORY, "vat": "IF_NOT_DEDUCTIBLE", "vatPercent": "19"}
    with database.unit() as session:
        session.get_one(Customer, book.customer).company = {"vatDeductible": False}
        session.flush()
        case_id = launched(session, book, opener, **terms)
        agree(session, case_id)
        # 55.62 and 43.26 net, each with its VAT.
        assert costs(session, case_id) == 5_562 + 1_057 + 4_326 + 822


def test_a_notice_comes_before_the_agreement_and_parts_include_the_costs(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, book, opener)
        with pytest.raises(Invalid, match="PLAN_NOTICE_FUTURE") as failure:
            agree(session, case_id, date(2026, 11, 3))
        assert failure.value.path == ("input", "costNoticeDeliveredOn")
        custom = [(date(2026, 12, 1), Money(39_888, "EUR"))]
        assert agree(session, case_id, custom=custom).total_minor == 39_888
