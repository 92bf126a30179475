"""The primary commercial contact: exactly one where there is a commercial contact at all."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.customers.models import CustomerContact
from finview.errors import InUse, Invalid, State
from finview.i18n import N_, sentences

sentences(
    {
        "CONTACT_PRIMARY_COMMERCIAL": N_("Only a commercial contact can be the primary one."),
        "CONTACT_PRIMARY_NEEDED": N_(
            "One commercial contact is the primary one. Make another one primary instead."
        ),
        "CONTACT_LAST_COMMERCIAL": N_(
            "This is the last commercial contact, and invoices are due. Add another one first."
        ),
    }
)


def primary_of(session: Session, customer_id: int) -> CustomerContact | None:
    """Return the primary commercial contact of a customer: none only without a commercial one."""
    statement = select(CustomerContact).where(
        CustomerContact.customer_id == customer_id, CustomerContact.is_primary
    )
    return session.scalars(statement).one_or_none()


def settle_roles(
    session: Session,
    contact: CustomerContact,
    changes: Mapping[str, Any],
    invoices_due: Callable[[], bool],
) -> None:
    """Change the commercial and the primary role so that one commercial contact is primary."""
    commercial, primary = changes.get("is_commercial"), changes.get("is_primary")
    if commercial is None:
        commercial = contact.is_commercial
    if primary and not commercial:
        raise Invalid("CONTACT_PRIMARY_COMMERCIAL", path=("input", "isPrimary"))
    if primary is False and contact.is_primary and commercial:
        raise State("CONTACT_PRIMARY_NEEDED", path=("input", "isPrimary"))
    if not commercial:
        give_up_primary(session, contact, invoices_due, path=("input", "isCommercial"))
        contact.is_commercial = False
        return
    contact.is_commercial = True
    now = primary_of(session, contact.customer_id)
    if now is None or (primary and now.id != contact.id):
        if now is not None:
            _demote(session, now)
        contact.is_primary = True


def give_up_primary(
    session: Session,
    contact: CustomerContact,
    invoices_due: Callable[[], bool],
    *,
    path: tuple[str, ...],
) -> None:
    """Pass the primary role to the oldest other commercial contact, if this one has it."""
    if not contact.is_primary:
        return
    heir = session.scalars(
        select(CustomerContact)
        .where(
            CustomerContact.customer_id == contact.customer_id,
            CustomerContact.is_commercial,
            CustomerContact.id != contact.id,
        )
        .order_by(CustomerContact.id)
        .limit(1)
    ).one_or_none()
    if heir is None and invoices_due():
        raise InUse("CONTACT_LAST_COMMERCIAL", path=path)
    _demote(session, contact)
    if heir is not None:
        heir.is_primary = True
        heir.lock_version += 1
        session.flush()


def _demote(session: Session, contact: CustomerContact) -> None:
    """Take the primary role away at once: the index allows no second one even for a moment."""
    contact.is_primary = False
    contact.lock_version += 1
    session.flush()
