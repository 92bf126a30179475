"""Customers: created under an active business unit, with a short unique number."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import viewer_of
from finview.accounts.models import AccountUser
from finview.accounts.names import checked_name
from finview.accounts.users import known_locale
from finview.customers.companies import checked_block
from finview.customers.models import Bucket, BusinessUnit, Customer, CustomerContact, Setting
from finview.db import audit
from finview.db.jobs import enqueue
from finview.errors import Duplicate, Invalid, Required
from finview.i18n import N_, sentences
from finview.money import known_currency

sentences(
    {
        "CUSTOMER_NAME_REQUIRED": N_("A customer needs a name."),
        "CUSTOMER_NUMBER_TAKEN": N_("Another customer has the number {number}."),
        "CUSTOMER_NUMBER_FORM": N_("A customer number has 1 to 20 letters, digits or - / _ ."),
        "CUSTOMER_UNIT_REQUIRED": N_("A customer needs a business unit."),
        "RESPONSIBLE_NOT_STAFF": N_("Only people of the agency can be responsible for a customer."),
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
    company: Any = None,
    responsible: AccountUser | None = None,
    by: int | None,
) -> Customer:
    """Create a customer; a missing number is made, currency and language default to EUR and de."""
    if unit is None:
        raise Required("CUSTOMER_UNIT_REQUIRED", path=("input", "businessUnitId"))
    customer = Customer(
        number=_free_number(session, number),
        name=_name(name),
        business_unit_id=_active(session, unit).id,
        currency=_currency(currency or "EUR"),
        locale=known_locale(locale or "de"),
        company=checked_block("company", company),
        responsible_user_id=_staff(session, responsible).id if responsible else None,
        created_at=clock.now(),
    )
    _flushed(session, customer)
    audit.record(
        session,
        "customer.create",
        actor_id=by,
        subject=("customer", customer.id),
        after=_facts(customer),
    )
    return customer


def update_customer(
    session: Session,
    customer: Customer,
    *,
    unit: BusinessUnit | None = None,
    changes: Mapping[str, Any],
    by: int | None,
) -> Customer:
    """Change what is given of name, number, currency, locale, company, unit and `responsible`.

    The caller has taken the row's next version. `responsible` None takes the responsible operator
    away.
    """
    before = _facts(customer)
    if "responsible" in changes:
        person = changes["responsible"]
        customer.responsible_user_id = _staff(session, person).id if person else None
    if unit is not None and unit.id != customer.business_unit_id:
        customer.business_unit_id = _active(session, unit).id
    if "name" in changes:
        customer.name = _name(changes["name"])
    if changes.get("number") not in (None, customer.number):
        customer.number = _free_number(session, changes["number"])
    if changes.get("currency"):
        customer.currency = _currency(changes["currency"])
    if changes.get("locale"):
        customer.locale = known_locale(changes["locale"])
    if "company" in changes:
        customer.company = checked_block("company", changes["company"])
    _flushed(session, customer)
    if "company" in changes:
        # Messages that wait for the client's data may go now.
        about = {"customer_id": customer.id}
        dedupe_key = f"completed:customer:{customer.id}"
        enqueue(session, "communications.completed", about, dedupe_key=dedupe_key)
    audit.record(
        session,
        "customer.update",
        actor_id=by,
        subject=("customer", customer.id),
        before=before,
        after=_facts(customer),
    )
    return customer


def grant_enrichment(
    session: Session, customer: Customer, *, granted: bool, by: int | None
) -> Customer:
    """Grant or take back a customer's use of enrichment; what was set before stays unused (S4).

    The caller has checked that an administrator asks, and has taken the row's next version.
    """
    before = customer.enrichment_granted
    if before != granted:
        customer.enrichment_granted = granted
        audit.record(
            session,
            "customer.enrichment",
            actor_id=by,
            subject=("customer", customer.id),
            before={"granted": before},
            after={"granted": granted},
        )
    return customer


def next_step(session: Session, customer: Customer) -> str | None:
    """Return the next tab of the set-up: COMPANY, CONTACTS, SETTINGS, FINANCE, None when done."""
    if not customer.company:
        return "COMPANY"
    if not _exists(session, CustomerContact.customer_id == customer.id):
        return "CONTACTS"
    own = (Setting.scope_kind == "CUSTOMER", Setting.scope_id == customer.id)
    if not customer.settings_saved and not _exists(session, *own):
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


def _active(session: Session, unit: BusinessUnit) -> BusinessUnit:
    # A lock of the row's key: nobody deletes the unit before the customer stands.
    session.refresh(unit, with_for_update={"read": True, "key_share": True})
    if not unit.active:
        raise Invalid("BUSINESS_UNIT_INACTIVE", path=("input", "businessUnitId"))
    return unit


def _staff(session: Session, user: AccountUser) -> AccountUser:
    if not (user.active and viewer_of(session, user).staff):
        raise Invalid("RESPONSIBLE_NOT_STAFF", path=("input", "responsibleUserId"))
    return user


def _flushed(session: Session, customer: Customer) -> None:
    """Write a customer; somebody else may have taken the number a moment ago."""
    session.add(customer)
    number = customer.number
    try:
        session.flush()
    except IntegrityError:
        raise _taken(number) from None


def _taken(number: str) -> Duplicate:
    return Duplicate("CUSTOMER_NUMBER_TAKEN", path=("input", "number"), number=number)


def _facts(customer: Customer) -> dict[str, Any]:
    names = ("number", "name", "business_unit_id", "currency", "locale", "company")
    return {name: getattr(customer, name) for name in (*names, "responsible_user_id")}


def _currency(code: str) -> str:
    if not known_currency(code):
        raise Invalid("CURRENCY_NOT_KNOWN", path=("input", "currency"), currency=code)
    return code


def _free_number(session: Session, wanted: str | None) -> str:
    if wanted is None:
        count = session.scalar(select(func.max(Customer.id))) or 0
        while _number_used(session, number := f"K{count + 1:04d}"):
            count += 1
        return number
    number = wanted.strip()
    if not 0 < len(number) <= 20 or not all(c.isalnum() or c in "-/_." for c in number):
        raise Invalid("CUSTOMER_NUMBER_FORM", path=("input", "number"))
    if _number_used(session, number):
        raise _taken(number)
    return number


def _number_used(session: Session, number: str) -> bool:
    return session.scalar(select(Customer.id).where(Customer.number == number)) is not None
