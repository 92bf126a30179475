"""Business units: what may stand in their data, what is missing, zones and laws."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.components import Financials
from finview.cases.snapshots import snapshot_for
from finview.communications.facts import sender_of
from finview.customers import units
from finview.customers.companies import checked_block
from finview.customers.models import BusinessUnit, Customer
from finview.db import Database
from finview.errors import Invalid
from finview.testing.book import write_book

IBAN = "DE89370400440532013000"


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.unit() as opened:
        yield opened


def unit(session: Session, **blocks: Any) -> BusinessUnit:
    return units.create_unit(session, name="Nord", blocks=blocks, by=None)


@pytest.mark.parametrize(
    ("block", "value", "reason", "path"),
    [
        ("company", [1], "BLOCK_NOT_OBJECT", ()),
        ("company", "text", "BLOCK_NOT_OBJECT", ()),
        ("company", {"country": "Germany"}, "COUNTRY_UNKNOWN_CODE", ("country",)),
        ("company", {"country": "XX"}, "COUNTRY_UNKNOWN_CODE", ("country",)),
        ("company", {"timeZone": "Berlin"}, "TIME_ZONE_UNKNOWN", ("timeZone",)),
        ("company", {"timeZone": 1}, "TIME_ZONE_UNKNOWN", ("timeZone",)),
        ("company", {"email": "keine"}, "EMAIL_NOT_VALID", ("email",)),
        ("company", {"website": "javascript:x"}, "LINK_NOT_WEB", ("website",)),
        ("company", {"more": "x" * 70_000}, "BLOCK_TOO_LARGE", ()),
        ("email_settings", {"senderName": "a\r\nBcc: b"}, "TEXT_NOT_LINE", ("senderName",)),
        ("email_settings", {"sender": 1}, "TEXT_NOT_LINE", ("sender",)),
        ("invoice_settings", {"paymentTermDays": -1}, "NUMBER_OUT_OF_RANGE", ("paymentTermDays",)),
        ("invoice_settings", {"vatPercent": "viel"}, "NUMBER_OUT_OF_RANGE", ("vatPercent",)),
        ("invoice_settings", {"vatPercent": True}, "NUMBER_OUT_OF_RANGE", ("vatPercent",)),
        ("email_footers", {"fr": "x"}, "LOCALE_NOT_SHIPPED", ("fr",)),
        ("email_footers", {"de": 1}, "TEXT_OVER_LIMIT", ("de",)),
        ("bank", {"iban": "DE89370400440532013001"}, "IBAN_NOT_VALID", ("iban",)),
        ("bank", {"bic": "X"}, "BIC_NOT_VALID", ("bic",)),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(
    block: str, value: Any, reason: str, path: tuple[str, ...]
) -> None:
    with pytest.raises(Invalid) as caught:
        checked_block(block, value)
    assert caught.value.params["reason"] == reason
    assert caught.value.path == ("input", block, *path)


def test_known_values_are_kept_in_their_usual_form_and_unknown_ones_as_they_are() -> None:
    company = {"country": "de", "iban": "DE89 3704 0044 0532 0130 00", "email": "", "own": [1]}
    assert checked_block("company", company) == {"country": "DE", "iban": IBAN, "own": [1]}
    assert checked_block("bank", {"bic": "cobadeff xxx"}) == {"bic": "COBADEFFXXX"}
    assert checked_block("bank", None) == {}


def test_what_is_missing_is_told_and_blocks_nothing(session: Session) -> None:
    bare = unit(session, company={"name": "Nord GmbH"}, bank={"iban": IBAN})
    told = units.missing_data(bare)
    assert "company.street" in told
    assert "emailSettings.sender" in told
    assert {"company.name", "bank.iban"}.isdisjoint(told)
    assert units.activate_unit(session, bare, by=None).active


def test_the_bank_account_may_stand_with_the_company(session: Session) -> None:
    assert "bank.iban" not in units.missing_data(unit(session, company={"iban": IBAN}))


def test_the_sender_has_the_name_that_was_chosen(session: Session) -> None:
    company, mail = {"name": "Nord GmbH"}, {"sender": "a@nord.example"}
    plain = sender_of(unit(session, company=company, email_settings=mail))
    named = sender_of(unit(session, email_settings={**mail, "senderName": "Forderungen Nord"}))
    assert plain is not None
    assert named is not None
    assert (plain.name, named.name) == ("Nord GmbH", "Forderungen Nord")


def test_the_law_is_the_chosen_one_else_that_of_the_country(session: Session) -> None:
    write_book(session, cases=1)
    customer = session.scalars(select(Customer)).first()
    assert customer is not None
    served = session.get_one(BusinessUnit, customer.business_unit_id)

    def law() -> str:
        return snapshot_for(session, customer, Financials()).law

    assert law() == "de"
    served.company = {"country": "GB"}
    assert law() == "uk"
    served.base_rate_source = units.checked_base_rates("de", {"de", "uk"})
    assert law() == "de"
    with pytest.raises(Invalid) as caught:
        units.checked_base_rates("fr", {"de", "uk"})
    assert caught.value.params["reason"] == "BASE_RATE_SOURCE_UNKNOWN"


def test_days_begin_in_the_zone_of_the_unit(session: Session) -> None:
    assert units.zone_of(unit(session)) == units.ZONE
    assert units.zone_of(unit(session, company={"timeZone": "Europe/London"})) == "Europe/London"
