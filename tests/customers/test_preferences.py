"""The cascade of settings: nearest value, source, what may be set where, all changes or none."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from finview.customers.models import Bucket, BusinessUnit, Customer, Portfolio, Setting
from finview.customers.preferences import (
    PREFERENCES,
    chain,
    effective,
    of_buckets,
    of_customers,
    set_settings,
    show_settings,
    unit_chain,
)
from finview.db import Database
from finview.db.audit import AuditEvent
from finview.db.cascade import SYSTEM, ScopeRef
from finview.errors import EnrichmentNotGranted, FinviewError, Invalid, Required
from finview.testing.book import write_book


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.unit() as opened:
        write_book(opened, cases=2)
        yield opened


@pytest.fixture
def customer(session: Session) -> Customer:
    return session.scalars(select(Customer).order_by(Customer.id)).first()  # type: ignore[return-value]


def found(session: Session, customer: Customer, name: str) -> tuple[Any, str]:
    one = effective(session, chain(customer))[name]
    return one.value, one.source


def put(session: Session, scopes: list[ScopeRef], **values: Any) -> None:
    set_settings(session, scopes, values, granted=True, by=None)


def test_each_setting_has_a_default_that_it_accepts_itself() -> None:
    for preference in PREFERENCES.values():
        if preference.default is not None:
            preference.check(preference.default)


@pytest.mark.both_databases
def test_the_nearest_scope_wins_and_null_inherits_live(
    session: Session, customer: Customer
) -> None:
    own, unit = chain(customer), unit_chain(customer.business_unit_id)
    assert found(session, customer, "small_balance") == (Decimal(0), "SYSTEM")
    put(session, [SYSTEM], small_balance=Decimal("0.50"))
    assert found(session, customer, "small_balance") == (Decimal("0.50"), "SYSTEM")
    put(session, unit, small_balance=Decimal("1.00"))
    put(session, own, small_balance=Decimal("2.00"))
    assert found(session, customer, "small_balance") == (Decimal("2.00"), "CUSTOMER")
    put(session, own, small_balance=None)
    assert found(session, customer, "small_balance") == (Decimal("1.00"), "BUSINESS_UNIT")


@pytest.mark.parametrize(
    ("values", "error", "reason"),
    [
        ({"nonsense": 1}, Invalid, "SETTING_UNKNOWN"),
        ({"breathing_space_days": 0}, Invalid, "SETTING_OUT_OF_RANGE"),
        ({"attempts": -1}, Invalid, "SETTING_OUT_OF_RANGE"),
        ({"small_balance": Decimal("-0.01")}, Invalid, "SETTING_OUT_OF_RANGE"),
        ({"small_balance": Decimal("0.0001")}, Invalid, "SETTING_OUT_OF_RANGE"),
        ({"plan_interest": "LATER"}, Invalid, "SETTING_CHOICE"),
        ({"paid_in_full_template": "nope"}, Invalid, "SETTING_CHOICE"),
        ({"review_percent": 80}, Invalid, "SETTING_ORDER"),
        ({"auto_match_percent": 50, "review_percent": 60}, Invalid, "SETTING_ORDER"),
        ({"breathing_space_enabled": True}, Required, "BREATHING_DAYS_REQUIRED"),
    ],
)
def test_what_makes_no_sense_is_refused(
    session: Session,
    customer: Customer,
    values: dict[str, Any],
    error: type[FinviewError],
    reason: str,
) -> None:
    with pytest.raises(error) as caught, session.begin_nested():
        put(session, chain(customer), max_call_attempts=9, **values)
    assert caught.value.params["reason"] == reason
    assert caught.value.path[0] == "input"
    assert session.scalar(select(func.count()).select_from(Setting)) == 0


def test_a_bucket_can_not_override_what_belongs_to_the_customer(
    session: Session, customer: Customer
) -> None:
    bucket = session.scalars(select(Bucket).where(Bucket.customer_id == customer.id)).first()
    for name, value in {"case_per_invoice": True, "linked_notice": True, "plan_tolerance_days": 1}.items():  # fmt: skip
        with pytest.raises(Invalid) as caught:
            put(session, chain(customer, bucket), **{name: value})
        assert caught.value.params["reason"] == "SETTING_NOT_HERE"


def test_a_chain_that_leads_back_is_refused(session: Session, customer: Customer) -> None:
    own = chain(customer)
    for cyclic in ([*own, own[0]], [own[0], own[0]], list(reversed(own))):
        with pytest.raises(Invalid) as caught:
            put(session, cyclic, max_call_attempts=1)
        assert caught.value.params["reason"] == "OVERRIDE_CYCLIC"


def test_a_unit_can_not_break_the_order_of_its_customers(
    session: Session, customer: Customer
) -> None:
    put(session, chain(customer), review_percent=70)
    with pytest.raises(Invalid) as caught, session.begin_nested():
        put(session, unit_chain(customer.business_unit_id), auto_match_percent=65)
    assert caught.value.params["reason"] == "SETTING_ORDER"
    assert caught.value.path == ("input", "imports", "auto_match_percent")
    put(session, unit_chain(customer.business_unit_id), auto_match_percent=75)


def test_enrichment_is_set_only_where_it_was_granted(session: Session, customer: Customer) -> None:
    with pytest.raises(EnrichmentNotGranted):
        set_settings(session, chain(customer), {"attempts": 2}, granted=False, by=None)
    # To inherit again needs no entitlement.
    set_settings(session, chain(customer), {"attempts": None}, granted=False, by=None)


def test_a_change_is_recorded_with_the_names_that_changed(
    session: Session, customer: Customer
) -> None:
    put(session, chain(customer), max_call_attempts=4, plan_tolerance_days=3)
    put(session, chain(customer), max_call_attempts=5, plan_tolerance_days=3)
    events = session.scalars(
        select(AuditEvent).where(AuditEvent.action == "settings.update").order_by(AuditEvent.id)
    ).all()
    assert [e.data["changed"] for e in events] == [
        ["max_call_attempts", "plan_tolerance_days"],
        ["max_call_attempts"],
    ]


def more(session: Session, customer: Customer, count: int) -> list[int]:
    """Add buckets to a customer until it has so many; return their ids."""
    portfolio = session.scalars(
        select(Portfolio).where(Portfolio.customer_id == customer.id)
    ).first()
    assert portfolio is not None
    made = [
        Bucket(
            customer_id=customer.id,
            portfolio_id=portfolio.id,
            name=f"Bucket {n}",
            financials={},
            created_at=customer.created_at,
        )
        for n in range(count)
    ]
    session.add_all(made)
    session.flush()
    return [bucket.id for bucket in made]


@pytest.mark.both_databases
def test_the_settings_of_any_number_take_two_statements(
    session: Session, customer: Customer
) -> None:
    ids = more(session, customer, 200)
    put(session, [ScopeRef("BUCKET", ids[7]), *chain(customer)], max_call_attempts=1)
    session.flush()
    sent: list[str] = []
    engine = session.get_bind()

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    few = of_buckets(session, ids[:10])
    spent = len(sent)
    many = of_buckets(session, ids)
    customers = of_customers(session, [customer.id])
    event.remove(engine, "before_cursor_execute", count)
    assert (spent, len(sent)) == (2, 6)
    assert len(few) == 10
    assert {many[i].values["max_call_attempts"].source for i in ids} == {"BUCKET", "SYSTEM"}
    assert set(show_settings(customers[customer.id].values)) == {
        "workflow", "enrichment", "imports", "communication", "payments"
    }  # fmt: skip


def test_units_keep_a_place_for_everything(session: Session) -> None:
    unit = session.scalars(select(BusinessUnit)).one()
    assert (unit.bank, unit.base_rate_source, unit.logo_file_id) == ({}, None, None)
