"""Debtors: numbers, contact points without doubles, empty fields completed and put back."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from finview.accounts.access import Role, Viewer, visible
from finview.cases.cases import OpenedCase
from finview.cases.debtors import (
    Contacts,
    NewAddress,
    NewDebtor,
    NewPhone,
    add_contact_points,
    create_debtors,
    delete_debtors,
    remove_contact_points,
    restore_debtor,
    update_debtor,
)
from finview.cases.models import Address, Debtor, DebtorKind, EmailPoint, PhonePoint, TimelineEntry
from finview.cases.timeline import entry_text
from finview.db import Database
from finview.errors import Invalid, NotFound

pytestmark = pytest.mark.both_databases
HOME = NewAddress(street="Am Tor", house_no="1 a", postcode="10115", city="Berlin", country="DE")
REACHED = Contacts(
    addresses=(HOME,),
    emails=("Eva@example.org",),
    phones=(NewPhone(raw="030 1", e164="+49301"),),
    ibans=("DE02120300000000202051",),
)


def made(session: Session, **fields: object) -> int:
    new = NewDebtor(kind=DebtorKind.CONSUMER, locale="de", **fields)  # type: ignore[arg-type]
    return create_debtors(session, [new], by=None, import_id=3)[0]


def settled(session: Session) -> None:
    session.execute(update(Debtor).values(match_stale=False))


def test_a_debtor_comes_with_its_contact_points(database: Database) -> None:
    with database.unit() as session:
        key = made(session, first_name="Eva", last_name="Muster", contacts=REACHED)
        debtor = session.get_one(Debtor, key)
        assert (debtor.name, debtor.match_stale, debtor.import_id) == ("Eva Muster", True, 3)
        phone = session.scalars(select(PhonePoint)).one()
        assert (phone.raw, phone.e164, phone.state) == ("030 1", "+49301", "NOT_CONFIRMED")
        assert session.scalars(select(Address)).one().source == "CUSTOMER"


def test_known_contact_points_are_not_added_again(database: Database) -> None:
    with database.unit() as session:
        key = made(session, last_name="Muster", contacts=REACHED)
        settled(session)
        same = NewAddress(
            street="AM TOR", house_no="1a", postcode="10115", city="berlin", country="DE"
        )
        again = Contacts(addresses=(same,), emails=("eva@EXAMPLE.org",), phones=REACHED.phones)
        assert add_contact_points(session, {key: again}, by=None) == []
        assert session.scalars(select(Debtor.match_stale)).one() is False


def test_new_contact_points_are_returned_and_can_be_removed(database: Database) -> None:
    with database.unit() as session:
        key = made(session, last_name="Muster", contacts=REACHED)
        settled(session)
        new = Contacts(emails=("neu@example.org", "NEU@example.org"))
        added = add_contact_points(session, {key: new}, by=1, import_id=4)
        assert [(point.entity, point.debtor_id) for point in added] == [("email_point", key)]
        assert session.scalars(select(Debtor.match_stale)).one() is True
        remove_contact_points(session, added)
        assert session.scalars(select(EmailPoint.address)).all() == ["Eva@example.org"]


def test_only_empty_fields_are_completed(database: Database) -> None:
    with database.unit() as session:
        key = made(session, last_name="Muster", vat_id="DE1")
        born = date(1980, 1, 2)
        values = {"first_name": "Eva", "vat_id": "DE2", "date_of_birth": born, "industry": None}
        before = update_debtor(session, key, values, by=1)
        assert before == {"first_name": None, "date_of_birth": None}
        session.expire_all()
        debtor = session.get_one(Debtor, key)
        assert (debtor.name, debtor.vat_id, debtor.date_of_birth) == ("Eva Muster", "DE1", born)
        told = session.scalars(select(TimelineEntry)).one()
        words = entry_text(told.code, told.params, "de")
        assert words == "Schuldnerdaten ergänzt: Vorname, Geburtsdatum."


def test_only_what_is_still_ours_is_put_back(database: Database) -> None:
    with database.unit() as session:
        key = made(session, last_name="Muster")
        ours = {"first_name": "Eva", "industry": "Bau"}
        before = update_debtor(session, key, ours, by=None)
        session.execute(update(Debtor).values(industry="Handel"))
        assert restore_debtor(session, key, before=before, ours=ours) == ["industry"]
        session.expire_all()
        debtor = session.get_one(Debtor, key)
        assert (debtor.name, debtor.first_name, debtor.industry) == ("Muster", None, "Handel")


def test_wrong_fields_and_missing_debtors_are_refused(database: Database) -> None:
    with database.unit() as session:
        with pytest.raises(Invalid, match="DEBTOR_FIELD"):
            update_debtor(session, 1, {"number": "D-1"}, by=None)
        with pytest.raises(NotFound):
            update_debtor(session, 1, {"first_name": "Eva"}, by=None)
        assert restore_debtor(session, 1, before={}, ours={}) == []


def test_a_debtor_with_cases_stays(database: Database, opener: Callable[..., OpenedCase]) -> None:
    with database.unit() as session:
        opener(session)
        used = session.scalars(select(Debtor.id)).one()
        free = made(session, company_name="GmbH", contacts=REACHED)
        assert delete_debtors(session, [used, free]) == [used]
        assert session.scalars(select(Debtor.id)).all() == [used]
        assert session.scalar(select(func.count()).select_from(Address)) == 0


def test_one_made_by_hand_is_told_with_its_maker(database: Database) -> None:
    with database.unit() as session:
        person = NewDebtor(kind=DebtorKind.BUSINESS, locale="de", company_name="Muster GmbH")
        create_debtors(session, [person], by=5)
        told = session.scalars(select(TimelineEntry)).one()
        assert (told.code, told.actor_id) == ("TIMELINE_DEBTOR_CREATED", 5)


def test_a_customer_sees_its_debtors_only(
    database: Database, opener: Callable[..., OpenedCase], book: Any
) -> None:
    with database.unit() as session:
        opener(session)
        theirs = session.scalars(select(Debtor.id)).one()
        add_contact_points(session, {theirs: REACHED}, by=None)
        made(session, last_name="Fremd", contacts=REACHED)
        common = {"user_id": 1, "email": "", "name": "", "locale": "de"}
        role = frozenset({Role.CUSTOMER_USER})
        own = Viewer(**common, roles=role, customers=frozenset({book.customer}))
        other = Viewer(**common, roles=role, customers=frozenset({book.customer + 1}))
        assert session.scalars(visible(select(Debtor), own)).one().id == theirs
        assert session.scalars(visible(select(Address), own)).one().debtor_id == theirs
        for hidden in (Debtor, Address, EmailPoint, PhonePoint):
            assert session.scalars(visible(select(hidden), other)).all() == []
