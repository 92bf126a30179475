"""What a message needs to know of a case and its parties, read once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from finview.cases.closing import closing_facts
from finview.cases.components import Breathing
from finview.cases.models import Address as PostalAddress
from finview.cases.models import (
    Case,
    Debtor,
    DebtorKind,
    EmailPoint,
    Invoice,
    PhonePoint,
    PointState,
)
from finview.cases.statement import balances
from finview.communications.compose import Claim, Parties
from finview.communications.instalments import due_of
from finview.communications.models import Channel
from finview.customers.models import BusinessUnit, Customer
from finview.plugins.contracts.email import Mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One contact point of a debtor: the address or number, and the row it stands in.

    `traced`: we found it out ourselves, the creditor did not name it.
    """

    value: str
    point_id: int
    traced: bool = False


TRACED = "enrichment:"
"""How the source of a contact point begins that a tracing service has found."""

_RANK = {PointState.CONFIRMED: 0, PointState.VALID: 1, PointState.NOT_CONFIRMED: 2}


def _best(points: Iterable[Any]) -> Any:
    """Return the best of contact points: confirmed before valid before new, then the oldest.

    Among equals one that was traced comes first: it was looked for because the others were silent.
    """

    def order(row: Any) -> tuple[int, bool, int]:
        return _RANK.get(PointState(row.state), 3), not _is_traced(row), row.id

    return min(points, key=order, default=None)


def _is_traced(point: Any) -> bool:
    return bool(point.source.startswith(TRACED))


def _point_of(
    session: Session, debtor_id: int, value: InstrumentedAttribute[str]
) -> Address | None:
    """Return the best point of the kind that `value` is a column of, never an INVALID one."""
    kind: Any = value.class_
    wanted = select(value.label("value"), kind.state, kind.id, kind.source).where(
        kind.debtor_id == debtor_id, kind.state != PointState.INVALID
    )
    best = _best(session.execute(wanted))
    if best is None:
        return None
    return Address(value=best.value, point_id=best.id, traced=_is_traced(best))


def email_of(session: Session, debtor_id: int) -> Address | None:
    """Return the debtor's best e-mail address."""
    return _point_of(session, debtor_id, EmailPoint.address)


def phone_of(session: Session, debtor_id: int) -> Address | None:
    """Return the debtor's best phone number in E.164."""
    return _point_of(session, debtor_id, PhonePoint.e164)


def postal_of(session: Session, debtor_id: int) -> Address | None:
    """Return the debtor's best postal address as the lines of an envelope, without the name."""
    found = session.scalars(
        select(PostalAddress).where(
            PostalAddress.debtor_id == debtor_id, PostalAddress.state != PointState.INVALID
        )
    ).all()
    best = _best(row for row in found if row.city and (row.street or row.postcode))
    if best is None:
        return None
    return Address(value=_envelope(best), point_id=best.id, traced=_is_traced(best))


def _envelope(address: PostalAddress) -> str:
    street = " ".join(part for part in (address.street, address.house_no) if part)
    place = " ".join(part for part in (address.postcode, address.city) if part)
    return "\n".join(line for line in (street, place, address.country or "") if line)


def claim_of(
    session: Session, case: Case, *, today: date, params: Mapping[str, Any] | None = None
) -> Claim:
    """Return what is owed on a case at the end of `today`; `params` are those of the contact."""
    balance = balances(session, [case.id], today)[case.id]
    invoices = session.execute(
        select(Invoice.number, Invoice.issued_on)
        .where(Invoice.case_id == case.id)
        .order_by(Invoice.id)
        .limit(50)
    ).all()
    breathing = Breathing.model_validate(case.breathing or {})
    return Claim(
        case_number=case.number,
        currency=case.currency,
        principal_minor=balance.principal.minor,
        interest_minor=balance.interest.minor,
        costs_minor=balance.costs.minor,
        payments_minor=balance.payments.minor,
        open_minor=balance.open.minor,
        invoice_numbers=tuple(row.number for row in invoices if row.number),
        invoice_dates=tuple(row.issued_on for row in invoices if row.issued_on),
        contract_subject=case.contract_subject or _subject(session, case),
        contract_date=case.contract_date,
        breathing_until=breathing.ends_on,
        instalment=due_of(params),
        **closing_facts(session, case),
    )


def parties_of(session: Session, case: Case, debtor: Debtor, *, locale: str) -> Parties:
    """Return who writes, for whom and to whom."""
    customer = session.get_one(Customer, case.customer_id)
    unit = session.get_one(BusinessUnit, customer.business_unit_id)
    return Parties(
        debtor_name=debtor.name,
        debtor_is_company=debtor.kind == DebtorKind.BUSINESS,
        client=str(customer.company.get("name") or customer.name),
        client_address=client_address(customer),
        unit=str(unit.company.get("name") or unit.name),
        unit_company={**unit.company, **unit.bank},
        footer=str(unit.email_footers.get(locale) or ""),
        reply_to=str(unit.email_settings.get("replyTo") or unit.email_settings.get("sender") or ""),
    )


def sender_of(unit: BusinessUnit) -> Mailbox | None:
    """Return the sender a business unit writes as; without one, that of the installation."""
    address = unit.email_settings.get("sender")
    own = unit.email_settings.get("senderName")
    name = str(own or unit.company.get("name") or unit.name)
    return Mailbox(address=str(address), name=name) if address else None


def mailbox(address: object) -> Mailbox | None:
    """Return a mailbox of an address, if there is one."""
    return Mailbox(address=str(address)) if address else None


def client_address(customer: Customer) -> str:
    """Return a customer's address in one line, empty when it has none."""
    return _line(customer.company)


def _subject(session: Session, case: Case) -> str | None:
    """Return the subject of contracts that stands with the customer, for cases without their own."""
    subject = session.get_one(Customer, case.customer_id).company.get("contractSubject")
    return str(subject) if subject else None


_POINTS: Mapping[str, tuple[Any, Callable[[Any], str]]] = {
    Channel.EMAIL: (EmailPoint, attrgetter("address")),
    Channel.LETTER: (PostalAddress, _envelope),
    Channel.SMS: (PhonePoint, attrgetter("e164")),
    Channel.CALL: (PhonePoint, attrgetter("e164")),
}


def stored_point(session: Session, channel: str, point_id: int) -> Address | None:
    """Return the contact point a message was handed over for, whatever is known of it by now."""
    model, value = _POINTS[channel]
    row = session.get(model, point_id)
    if row is None:
        return None
    return Address(value=value(row), point_id=point_id, traced=_is_traced(row))


def address_line(unit: BusinessUnit) -> str:
    """Return a business unit's address in one line, empty when it has none."""
    return _line(unit.company)


def _line(company: dict[str, Any]) -> str:
    lines = (company.get("street"), company.get("postcode"), company.get("city"))
    return str(company.get("address") or " ".join(str(part) for part in lines if part))
