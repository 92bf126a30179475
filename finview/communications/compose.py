"""One message for one person: greeting, body, the blocks that are due, closing, footer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from finview import i18n
from finview.communications.instalments import Due
from finview.communications.wording import (
    BLOCKS,
    CLOSING_COMPANY,
    CLOSING_PERSON,
    GREETING_COMPANY,
    GREETING_PERSON,
    MESSAGES,
)
from finview.i18n import translate
from finview.money import Money

PAY_WITHIN = timedelta(days=14)
_GAPS = re.compile(r"\n{3,}")
_BLOCK = re.compile(r"\[([a-z_]+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a message says about a case: plain values, read once."""

    case_number: str
    currency: str
    principal_minor: int
    interest_minor: int
    costs_minor: int
    payments_minor: int
    open_minor: int
    invoice_numbers: tuple[str, ...]
    invoice_dates: tuple[date, ...]
    contract_subject: str | None = None
    contract_date: date | None = None
    breathing_until: date | None = None
    closed_on: date | None = None
    settlement_minor: int = 0
    waived_minor: int = 0
    paid_on: date | None = None
    instalment: Due | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Who writes, for whom, to whom."""

    debtor_name: str
    debtor_is_company: bool
    client: str
    unit: str
    client_address: str = ""
    unit_company: Mapping[str, Any] = field(default_factory=dict)
    footer: str = ""
    reply_to: str = ""
    address_traced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A rendered message."""

    subject: str
    text: str


def compose(template: str, claim: Claim, parties: Parties, *, locale: str, today: date) -> Message:
    """Render a shipped message in the debtor's language; raises KeyError for an unknown one."""
    message = MESSAGES[template]
    values = _values(claim, parties, today)
    due = _due(claim, parties, today)
    # Split before values are filled in, so that no value can smuggle in a block.
    pieces = _BLOCK.split(i18n.message(message.body, locale))
    body = "".join(
        i18n.filled(piece, locale, values)
        if n % 2 == 0
        else (translate(BLOCKS[due[piece]], locale, **values) if piece in due else "")
        for n, piece in enumerate(pieces)
    )
    greeting, closing = GREETING_PERSON, CLOSING_PERSON
    if parties.debtor_is_company:
        greeting, closing = GREETING_COMPANY, CLOSING_COMPANY
    parts = [
        translate(greeting, locale, name=parties.debtor_name),
        _GAPS.sub("\n\n", body).strip(),
        f"{translate(closing, locale)}\n{parties.unit}",
        parties.footer,
    ]
    return Message(
        subject=translate(message.subject, locale, **values),
        text="\n\n".join(part for part in parts if part),
    )


def compose_sms(template: str, claim: Claim, parties: Parties, *, locale: str, today: date) -> str:
    """Render a shipped message as the text of an SMS; KeyError when it has no such form."""
    text = MESSAGES[template].sms
    if not text:
        raise KeyError(template)
    return translate(text, locale, **_values(claim, parties, today))


def _values(claim: Claim, parties: Parties, today: date) -> dict[str, Any]:
    def money(minor: int) -> Money:
        return Money(minor, claim.currency)

    who = f"{parties.client}, {parties.client_address}," if parties.client_address else ""
    breathing = claim.breathing_until is not None and claim.breathing_until > today
    return {
        "case": claim.case_number,
        "client": parties.client,
        "mandate": who or parties.client,
        "creditor": parties.client,
        "claim": money(claim.open_minor),
        "principal": money(claim.principal_minor),
        "interest_amount": money(claim.interest_minor),
        "costs_amount": money(claim.costs_minor),
        "payments": money(claim.payments_minor),
        "open_amount": money(claim.open_minor),
        "contract_subject": claim.contract_subject,
        "contract_date": claim.contract_date,
        "invoice_no": list(claim.invoice_numbers),
        "invoice_date": list(claim.invoice_dates),
        "pay_by": claim.breathing_until if breathing else today + PAY_WITHIN,
        "today": today,
        "closed_on": claim.closed_on,
        "settlement_amount": money(claim.settlement_minor),
        "waived_amount": money(claim.waived_minor),
        "paid_on": claim.paid_on,
        "authority": parties.unit_company.get("authority"),
        "data_source": parties.client,
        "privacy_link": parties.unit_company.get("privacyLink"),
        "reply_to": parties.reply_to,
        **_instalment(claim, today),
        "unit": parties.unit,
    }


def _instalment(claim: Claim, today: date) -> dict[str, Any]:
    due = claim.instalment
    if due is None:
        return {}
    return {
        "instalment_no": due.number,
        "count": due.count,
        "amount": Money(due.minor, claim.currency),
        "due_on": due.due_on,
        "days": (due.due_on - today).days,
        "new_date": due.new_date,
    }


def _due(claim: Claim, parties: Parties, today: date) -> dict[str, str]:
    """Return the blocks that are due and whose data is there, each with the wording that fits."""
    contract = {
        (True, True): "ground",
        (True, False): "ground_subject",
        (False, True): "ground_contract",
        (False, False): "ground_invoice",
    }[bool(claim.contract_subject), bool(claim.contract_date)]
    facts = {
        "ground": contract if claim.invoice_numbers else None,
        "interest": "interest" if claim.interest_minor > 0 else None,
        "costs": "costs" if claim.costs_minor > 0 else None,
        # § 13a(1) no. 7 RDG: an address that the creditor did not name.
        "address_origin": "address_origin" if parties.address_traced else None,
        "authority": "authority" if parties.unit_company.get("authority") else None,
        "privacy": "privacy" if parties.unit_company.get("privacyLink") else None,
        "instalment": claim.instalment.when(today) if claim.instalment is not None else None,
    }
    return {place: wording for place, wording in facts.items() if wording}
