"""Customers: created under an active business unit, with a short unique number."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.names import checked_name
from finview.accounts.users import known_locale
from finview.customers.models import Bucket, BusinessUnit, Customer, CustomerContact, Setting
from finview.db import audit
from finview.errors import Duplicate, Invalid, Required
from finview.i18n import N_, sentences
from finview.money import known_currency

sentences(
    {
        "CUSTOMER_NAME_REQUIRED": N_("A customer needs a name."),
        "CUSTOMER_NUMBER_TAKEN": N_("Another customer has the number {number}."),
        "CUSTOMER_NUMBER_FORM": N_("A customer number has 1 to 20 letters, digits or - / _ ."),
        "CUSTOMER_UNIT_REQUIRED": N_("A customer needs a business unit."),
        "CURRENCY_NOT_KNOWN": N_("This is not an ISO 4217 currency code: {currency}."),
    }
)


def create_customer(
    session: Session,
    *,
    name: str | None,
    unit: BusinessUnit | None,
    number: str | None = None,
    currency: str | None = None,
    locale: str | None = None,
    company: Mapping[str, Any] | None = None,
    by: int | None,
) -> Customer:
    """Create a customer; a missing number is made, currency and language default to EUR and de."""
    if unit is None:
        raise Required("CUSTOMER_UNIT_REQUIRED", path=("input", "businessUnitId"))
    customer = Customer(
        number=_free_number(session, number),
        name=_name(name),
        business_unit_id=_active(unit).id,
        currency=_currency(currency or "EUR"),
        locale=known_locale(locale or "de"),
        company=dict(company or {}),
        created_at=clock.now(),
    )
    session.add(customer)
    session.flush()
    audit.record(session, "customer.create", actor_id=by, subject=("customer", customer.id))
    return customer


def update_customer(
    session: Session,
    customer: Customer,
    *,
    unit: BusinessUnit | None = None,
    changes: Mapping[str, Any],
    by: int | None,
) -> Customer:
    """Change what is given of name, number, currency, locale, company and business unit."""
    if "name" in changes:
        customer.name = _name(changes["name"])
    if changes.get("number") not in (None, customer.number):
        customer.number = _free_number(session, changes["number"])
    if changes.get("currency"):
        customer.currency = _currency(changes["currency"])
    if changes.get("locale"):
        customer.locale = known_locale(changes["locale"])
    if "company" in changes:
        customer.company = dict(changes["company"] or {})
    if unit is not None and unit.id != customer.business_unit_id:
        customer.business_unit_id = _active(unit).id
    customer.lock_version += 1
    audit.record(
        session,
        "customer.update",
        actor_id=by,
        subject=("customer", customer.id),
        fields=sorted(changes),
    )
    return customer


def next_step(session: Session, customer: Customer) -> str | None:
    """Return the next tab of the set-up: COMPANY, CONTACTS, SETTINGS, FINANCE, None when done."""
    if not customer.company:
        return "COMPANY"
    if not _exists(session, CustomerContact.customer_id == customer.id):
        return "CONTACTS"
    if not _exists(session, Setting.scope_kind == "CUSTOMER", Setting.scope_id == customer.id):
        return "SETTINGS"
    if not _exists(session, Bucket.customer_id == customer.id):
        return "FINANCE"
    return None


def customer_named(session: Session, text: str) -> list[Customer]:
    """Return the customers whose number, or whose name in any spelling of case, is `text`."""
    return list(
        session.scalars(
            select(Customer)
            .where(or_(Customer.number == text, func.lower(Customer.name) == text.lower()))
            .limit(2)
        )
    )


def _exists(session: Session, *conditions: Any) -> bool:
    return bool(session.scalar(select(select(1).where(*conditions).exists())))


def _name(name: str | None) -> str:
    return checked_name(name, "CUSTOMER_NAME_REQUIRED", path=("input", "name"))


def _active(unit: BusinessUnit) -> BusinessUnit:
    if not unit.active:
        raise Invalid("BUSINESS_UNIT_INACTIVE", path=("input", "businessUnitId"))
    return unit


def _currency(code: str) -> str:
    if not known_currency(code):
        raise Invalid("CURRENCY_NOT_KNOWN", path=("input", "currency"), currency=code)
    return code


def _free_number(session: Session, wanted: str | None) -> str:
    if wanted is None:
        count = session.scalar(select(func.max(Customer.id))) or 0
        return f"K{count + 1:04d}"
    number = wanted.strip()
    if not 0 < len(number) <= 20 or not all(c.isalnum() or c in "-/_." for c in number):
        raise Invalid("CUSTOMER_NUMBER_FORM", path=("input", "number"))
    if session.scalar(select(Customer.id).where(Customer.number == number)) is not None:
        raise Duplicate("CUSTOMER_NUMBER_TAKEN", path=("input", "number"), number=number)
    return number
