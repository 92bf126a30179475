"""Contacts: new people and existing users, their roles at a customer, their portfolios."""

from collections.abc import Iterable, Mapping
from typing import Any

import phonenumbers
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts import access, invitations
from finview.accounts.models import AccountUser, Invitation
from finview.accounts.names import NAME_MAX, PERSON_NAME_MAX, checked_name
from finview.accounts.users import create_user, find_user, normal_email
from finview.customers.models import Customer, CustomerContact, Portfolio
from finview.db import audit
from finview.errors import Duplicate, Invalid, NotFound, State
from finview.i18n import N_, sentences

sentences(
    {
        "CONTACT_NAME_REQUIRED": N_("A contact needs a first name and a last name."),
        "CONTACT_EXISTS": N_("This person is a contact of this customer already."),
        "CONTACT_EMAIL_KNOWN": N_("This e-mail address is known. Please select the existing user."),
        "CONTACT_WITHOUT_ACCESS": N_("This contact may not sign in. Grant access first."),
        "CONTACT_SIGNED_UP": N_("This person has signed up already."),
        "PHONE_NOT_VALID": N_("This phone number is not valid: {phone}."),
    }
)


def create_contact(
    session: Session,
    customer: Customer,
    *,
    first_name: str,
    last_name: str,
    email: str,
    phone: str | None = None,
    phone_country: str | None = None,
    is_commercial: bool,
    is_operational: bool,
    has_access: bool,
    portfolio_ids: Iterable[int] = (),
    locale: str | None = None,
    by: int | None,
) -> CustomerContact:
    """Create a person and link it; with access an invitation is sent.

    A known address raises `Duplicate` with the user's id.
    """
    first, last = _name(first_name, "first_name"), _name(last_name, "last_name")
    address = normal_email(email)
    known = find_user(session, address)
    if known is not None:
        raise Duplicate("CONTACT_EMAIL_KNOWN", path=("input", "email"), user_id=known.id)
    number = e164(phone, phone_country)
    user = create_user(
        session,
        email=address,
        name=f"{first} {last}"[:NAME_MAX],
        locale=locale or customer.locale,
        by=by,
    )
    contact = CustomerContact(
        customer_id=customer.id,
        user_id=user.id,
        first_name=first,
        last_name=last,
        phone=number,
        is_commercial=is_commercial,
        is_operational=is_operational,
        has_access=has_access,
        portfolio_ids=_own(session, customer, portfolio_ids),
        created_at=clock.now(),
    )
    _saved(session, contact, "contact.create", by)
    if has_access:
        _invite(session, contact, by)
    return contact


def link_contact(
    session: Session,
    customer: Customer,
    user: AccountUser,
    *,
    is_commercial: bool,
    is_operational: bool,
    portfolio_ids: Iterable[int] = (),
    by: int | None,
) -> CustomerContact:
    """Link an existing user with access; no invitation is sent. A second link is a `Duplicate`."""
    if _contact(session, customer.id, user.id) is not None:
        raise Duplicate("CONTACT_EXISTS", path=("input", "userId"))
    first, _, last = user.name.partition(" ")
    contact = CustomerContact(
        customer_id=customer.id,
        user_id=user.id,
        first_name=first[:PERSON_NAME_MAX],
        last_name=(last or first)[:PERSON_NAME_MAX],
        is_commercial=is_commercial,
        is_operational=is_operational,
        has_access=True,
        portfolio_ids=_own(session, customer, portfolio_ids),
        created_at=clock.now(),
    )
    return _saved(session, contact, "contact.link", by)


def update_contact(
    session: Session,
    contact: CustomerContact,
    customer: Customer,
    changes: Mapping[str, Any],
    *,
    by: int | None,
) -> CustomerContact:
    """Change names, phone, roles, access and portfolios; rights follow at once.

    Access granted to a person who never signed up sends an invitation, access taken makes it void.
    """
    had_access = contact.has_access
    for name in ("first_name", "last_name"):
        if name in changes:
            setattr(contact, name, _name(changes[name], name))
    for name in ("is_commercial", "is_operational", "has_access"):
        if changes.get(name) is not None:
            setattr(contact, name, changes[name])
    if "phone" in changes:
        contact.phone = e164(changes["phone"], None)
    if changes.get("portfolio_ids") is not None:
        contact.portfolio_ids = _own(session, customer, changes["portfolio_ids"])
    contact.lock_version += 1
    _saved(session, contact, "contact.update", by)
    if had_access and not contact.has_access:
        invitations.void(session, contact.id)
    elif contact.has_access and not had_access and not _signed_up(session, contact):
        _invite(session, contact, by)
    return contact


def invite_contact(session: Session, contact: CustomerContact, *, by: int | None) -> Invitation:
    """Send the invitation again: a new link, the old one is void.

    Raises `State`: CONTACT_WITHOUT_ACCESS, CONTACT_SIGNED_UP.
    """
    if not contact.has_access:
        raise State("CONTACT_WITHOUT_ACCESS", path=("id",))
    if _signed_up(session, contact):
        raise State("CONTACT_SIGNED_UP", path=("id",))
    return _invite(session, contact, by)


def _invite(session: Session, contact: CustomerContact, by: int | None) -> Invitation:
    return invitations.invite(
        session,
        contact_id=contact.id,
        customer_id=contact.customer_id,
        user_id=contact.user_id,
        by=by,
    )


def _signed_up(session: Session, contact: CustomerContact) -> bool:
    return session.get_one(AccountUser, contact.user_id).password_hash is not None


def e164(phone: str | None, country: str | None) -> str | None:
    """Return a number in E.164; `country` (ISO 3166-1) serves numbers without a prefix."""
    if not (phone or "").strip():
        return None
    try:
        parsed = phonenumbers.parse(str(phone), country)
    except phonenumbers.NumberParseException:
        raise Invalid("PHONE_NOT_VALID", path=("input", "phone"), phone=phone) from None
    if not phonenumbers.is_valid_number(parsed):
        raise Invalid("PHONE_NOT_VALID", path=("input", "phone"), phone=phone)
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def _name(name: str | None, field: str) -> str:
    return checked_name(name, "CONTACT_NAME_REQUIRED", path=("input", field), most=PERSON_NAME_MAX)


def _contact(session: Session, customer_id: int, user_id: int) -> CustomerContact | None:
    statement = select(CustomerContact).where(
        CustomerContact.customer_id == customer_id, CustomerContact.user_id == user_id
    )
    return session.scalars(statement).one_or_none()


def _own(session: Session, customer: Customer, portfolio_ids: Iterable[int]) -> list[int]:
    wanted = sorted(set(portfolio_ids))
    found = set(
        session.scalars(
            select(Portfolio.id).where(
                Portfolio.customer_id == customer.id, Portfolio.id.in_(wanted)
            )
        )
    )
    if found != set(wanted):
        raise NotFound(path=("input", "portfolioIds"))
    return wanted


def _saved(
    session: Session, contact: CustomerContact, action: str, by: int | None
) -> CustomerContact:
    session.add(contact)
    session.flush()
    access.revoke(session, contact.user_id, customer_id=contact.customer_id)
    # Commercial and operational contacts see their customer, employees their portfolios only.
    wide = contact.is_commercial or contact.is_operational
    if contact.has_access and (wide or contact.portfolio_ids):
        access.grant(
            session,
            contact.user_id,
            access.Role.CUSTOMER_USER,
            customer_id=contact.customer_id,
            portfolio_ids=() if wide else contact.portfolio_ids,
        )
    audit.record(
        session,
        action,
        actor_id=by,
        subject=("contact", contact.id),
        commercial=contact.is_commercial,
        operational=contact.is_operational,
        access=contact.has_access,
    )
    return contact
