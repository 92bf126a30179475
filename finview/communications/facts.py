"""What a message needs to know of a case and its parties, read once."""

from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.closing import closing_facts
from finview.cases.components import Breathing
from finview.cases.models import Case, Debtor, DebtorKind, EmailPoint, Invoice, PointState
from finview.cases.statement import balances
from finview.communications.compose import Claim, Parties
from finview.customers.models import BusinessUnit, Customer
from finview.plugins.contracts.email import Mailbox


def address_of(session: Session, debtor_id: int) -> str | None:
    """Return the debtor's best e-mail address: confirmed before valid before new, never INVALID."""
    rank = {PointState.CONFIRMED: 0, PointState.VALID: 1, PointState.NOT_CONFIRMED: 2}
    found = session.execute(
        select(EmailPoint.address, EmailPoint.state, EmailPoint.id).where(
            EmailPoint.debtor_id == debtor_id, EmailPoint.state != PointState.INVALID
        )
    ).all()
    best = min(found, key=lambda row: (rank.get(PointState(row.state), 3), row.id), default=None)
    return best.address if best is not None else None


def claim_of(session: Session, case: Case, *, today: date) -> Claim:
    """Return what is owed on a case at the end of `today`."""
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
        contract_subject=case.contract_subject,
        contract_date=case.contract_date,
        breathing_until=breathing.ends_on,
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
        client_address=_address(customer.company),
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


def _address(company: dict[str, Any]) -> str:
    lines = (company.get("street"), company.get("postcode"), company.get("city"))
    return str(company.get("address") or " ".join(str(part) for part in lines if part))
