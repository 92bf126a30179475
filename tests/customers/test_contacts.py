"""Contacts: one primary commercial contact, kept by the database; recipients; phones."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finview.accounts.models import AccountUser
from finview.accounts.users import create_user
from finview.customers.contacts import (
    create_contact,
    link_contact,
    remove_contact,
    update_contact,
)
from finview.customers.models import Customer, CustomerContact
from finview.customers.phones import e164
from finview.customers.primary import primary_of
from finview.customers.recipients import case_mail
from finview.db import Database
from finview.errors import InUse, Invalid
from finview.testing.book import write_book


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.unit() as opened:
        write_book(opened, cases=1)
        yield opened


@pytest.fixture
def customer(session: Session) -> Customer:
    return session.scalars(select(Customer).order_by(Customer.id)).first()  # type: ignore[return-value]


def add(session: Session, customer: Customer, name: str, **values: Any) -> CustomerContact:
    roles = {"is_commercial": False, "is_operational": False, "has_access": False} | values
    return create_contact(
        session,
        customer,
        first_name=name,
        last_name="Muster",
        email=f"{name.split(maxsplit=1)[0].lower()}@kunde.example",
        by=None,
        **roles,
    )


def primary(session: Session, contact: CustomerContact) -> None:
    with session.begin_nested():
        contact.is_primary = True
        session.flush()


@pytest.mark.both_databases
def test_the_database_keeps_one_primary_contact_and_a_commercial_one(
    session: Session, customer: Customer
) -> None:
    add(session, customer, "Anna", is_commercial=True)
    for name, commercial in (("Bert", True), ("Carl", False)):
        other = add(session, customer, name, is_commercial=commercial)
        with pytest.raises(IntegrityError):
            primary(session, other)


def test_the_primary_role_moves_and_never_gets_lost(session: Session, customer: Customer) -> None:
    anna, bert, carl = (
        add(session, customer, name, is_commercial=True) for name in ("Anna", "Bert", "Carl")
    )
    update_contact(session, carl, customer, {"is_primary": True}, by=None)
    assert primary_of(session, customer.id) == carl
    remove_contact(session, carl, customer, by=None)
    assert primary_of(session, customer.id) == anna
    update_contact(session, anna, customer, {"is_commercial": False}, by=None)
    assert primary_of(session, customer.id) == bert
    with pytest.raises(InUse) as caught:
        remove_contact(session, bert, customer, invoices_due=lambda: True, by=None)
    assert caught.value.params["reason"] == "CONTACT_LAST_COMMERCIAL"


def test_an_employee_who_becomes_commercial_is_primary_where_nobody_is(
    session: Session, customer: Customer
) -> None:
    anna = add(session, customer, "Anna")
    assert primary_of(session, customer.id) is None
    update_contact(session, anna, customer, {"is_commercial": True}, by=None)
    assert primary_of(session, customer.id) == anna


def test_people_without_access_and_inactive_ones(session: Session, customer: Customer) -> None:
    anna = add(session, customer, "Anna", is_operational=True)
    add(session, customer, "Bert", is_commercial=True)
    mail = case_mail(session, [customer.id])[customer.id]
    assert [one.name for one in mail.recipients] == ["Anna Muster"]
    session.get_one(AccountUser, anna.user_id).active = False
    mail = case_mail(session, [customer.id])[customer.id]
    assert [one.name for one in mail.recipients] == ["Bert Muster"]
    assert mail.warning == "CASE_MAIL_TO_COMMERCIAL"


@pytest.mark.both_databases
def test_the_recipients_of_many_customers_are_found_at_once(
    session: Session, customer: Customer
) -> None:
    other = session.scalars(select(Customer).where(Customer.id != customer.id)).first()
    assert other is not None
    add(session, customer, "Anna", is_operational=True, locale="en")
    found = case_mail(session, [customer.id, other.id])
    assert [r.locale for r in found[customer.id].recipients] == ["en"]
    assert (found[other.id].recipients, found[other.id].warning) == ((), "CASE_MAIL_TO_NOBODY")


def test_a_linked_person_keeps_the_name_a_contact_has(session: Session, customer: Customer) -> None:
    other = session.scalars(select(Customer).where(Customer.id != customer.id)).first()
    assert other is not None
    anna = add(session, customer, "Anna Lena", phone="+493023125001")
    user = session.get_one(AccountUser, anna.user_id)
    roles = {"is_commercial": False, "is_operational": False, "by": None}
    linked = link_contact(session, other, user, **roles)
    # The number was told to one customer; the other one does not learn it.
    assert (linked.first_name, linked.last_name, linked.phone) == ("Anna Lena", "Muster", None)
    single = create_user(session, email="cher@kunde.example", name="Cher")
    assert link_contact(session, other, single, **roles).last_name == "Cher"


@pytest.mark.parametrize(
    ("phone", "country", "found"),
    [
        ("030 23125001", "DE", "+493023125001"),
        ("+41 44 668 18 00", "DE", "+41446681800"),
        ("", "DE", None),
        (None, None, None),
    ],
)
def test_a_phone_number_is_kept_in_e164(
    phone: str | None, country: str | None, found: str | None
) -> None:
    assert e164(phone, country) == found


@pytest.mark.parametrize(
    ("phone", "country", "reason", "field"),
    [
        ("12", "DE", "PHONE_NOT_VALID", "phone"),
        ("viel", "DE", "PHONE_NOT_VALID", "phone"),
        ("030 23125001", None, "PHONE_NOT_VALID", "phone"),
        ("030 23125001", "XX", "PHONE_COUNTRY_UNKNOWN", "phoneCountry"),
    ],
)
def test_a_phone_number_that_is_none_is_refused(
    phone: str, country: str | None, reason: str, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        e164(phone, country)
    assert (caught.value.params["reason"], caught.value.path) == (reason, ("input", field))


def test_a_new_number_without_prefix_is_read_in_the_country_of_the_old_one(
    session: Session, customer: Customer
) -> None:
    anna = add(session, customer, "Anna", phone="0664 1234567", phone_country="AT")
    update_contact(session, anna, customer, {"phone": "0664 7654321"}, by=None)
    assert anna.phone == "+436647654321"
