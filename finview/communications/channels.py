"""The one table of channels: which slot carries a contact, and how a planned row becomes an item."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, Debtor
from finview.communications.call_requests import request_of
from finview.communications.compose import Parties, compose, compose_sms
from finview.communications.facts import (
    Address,
    address_line,
    claim_of,
    email_of,
    mailbox,
    parties_of,
    phone_of,
    postal_of,
    sender_of,
)
from finview.communications.letters import letter_pdf
from finview.communications.models import Channel, Outreach
from finview.customers.models import BusinessUnit, Customer
from finview.customers.units import zone_of
from finview.plugins.contracts.call_centre import CallRequest
from finview.plugins.contracts.email import Email, Mailbox
from finview.plugins.contracts.letter import Letter
from finview.plugins.contracts.sms import Sms

COUNTRY_CHARS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What an item is made of: the row, the case, whom it goes to and who writes."""

    row: Outreach
    case: Case
    debtor: Debtor
    customer: Customer
    unit: BusinessUnit
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """How one channel is carried.

    `method` of the slot's provider takes a list of what `item` makes. `address` returns the best
    contact point of a debtor, None without one. `answers`: being accepted is not the end, an
    outcome follows (a call).
    """

    slot: str
    method: str
    address: Callable[[Session, int], Address | None]
    item: Callable[[Session, Sending], Any]
    answers: bool = False


def _parties(session: Session, sending: Sending) -> Parties:
    found = parties_of(session, sending.case, sending.debtor, locale=sending.debtor.locale)
    return replace(found, address_traced=sending.address.traced)


def _email(session: Session, sending: Sending) -> Email:
    debtor, today = sending.debtor, clock.today()
    message = compose(
        sending.row.template,
        claim_of(session, sending.case, today=today, params=sending.row.params),
        _parties(session, sending),
        locale=debtor.locale,
        today=today,
    )
    return Email(
        key=sending.row.idem_key,
        to=Mailbox(address=sending.address.value, name=debtor.name),
        subject=message.subject,
        text=message.text,
        sender=sender_of(sending.unit),
        reply_to=mailbox(sending.unit.email_settings.get("replyTo")),
        locale=debtor.locale,
    )


def _sms(session: Session, sending: Sending) -> Sms:
    debtor, today = sending.debtor, clock.today()
    return Sms(
        key=sending.row.idem_key,
        phone=sending.address.value,
        text=compose_sms(
            sending.row.template,
            claim_of(session, sending.case, today=today, params=sending.row.params),
            _parties(session, sending),
            locale=debtor.locale,
            today=today,
        ),
        locale=debtor.locale,
    )


def _letter(session: Session, sending: Sending) -> Letter:
    debtor, today = sending.debtor, clock.today(zone_of(sending.unit))
    parties = _parties(session, sending)
    claim = claim_of(session, sending.case, today=today, params=sending.row.params)
    message = compose(sending.row.template, claim, parties, locale=debtor.locale, today=today)
    lines = (debtor.name, *sending.address.value.split("\n"))
    params = sending.row.params or {}
    return Letter(
        key=sending.row.idem_key,
        address=lines,
        country=lines[-1] if len(lines[-1]) == COUNTRY_CHARS else "",
        pdf=letter_pdf(
            subject=message.subject,
            text=message.text,
            sender=" · ".join(part for part in (parties.unit, address_line(sending.unit)) if part),
            address=lines,
            footer=parties.footer,
            locale=debtor.locale,
            on=today,
        ),
        duplex=bool(params.get("duplex", True)),
        registered=bool(params.get("registered", False)),
        locale=debtor.locale,
    )


def _call(_session: Session, sending: Sending) -> CallRequest:
    return request_of(
        sending.row,
        case_number=sending.case.number,
        phone=sending.address.value,
        locale=sending.debtor.locale,
        agency_locale=sending.customer.locale,
    )


CARRIERS: Mapping[Channel, Carrier] = MappingProxyType(
    {
        Channel.EMAIL: Carrier(slot="email", method="send", address=email_of, item=_email),
        Channel.SMS: Carrier(slot="sms", method="send", address=phone_of, item=_sms),
        Channel.LETTER: Carrier(slot="letter", method="send", address=postal_of, item=_letter),
        Channel.CALL: Carrier(
            slot="call_centre", method="push", address=phone_of, item=_call, answers=True
        ),
    }
)
