"""Contacts: new people and existing users, their roles at a customer, their portfolios."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts import access, invitations, oidc
from finview.accounts.models import AccountUser, Invitation
from finview.accounts.names import NAME_MAX, PERSON_NAME_MAX, checked_name
from finview.accounts.users import create_user, find_user, known_locale, normal_email
from finview.customers.models import Customer, CustomerContact, Portfolio
from finview.customers.phones import e164, region_of
from finview.customers.preferences import chain, effective
from finview.customers.primary import give_up_primary, primary_of, settle_roles
from finview.db import audit
from finview.db.jobs import Subject, enqueue
from finview.errors import Duplicate, NotFound, State
from finview.i18n import N_, sentences

sentences(
    {
        "CONTACT_NAME_REQUIRED": N_("A contact needs a first name and a last name."),
        "CONTACT_EXISTS": N_("This person is a contact of this customer already."),
        "CONTACT_EMAIL_KNOWN": N_("This e-mail address is known. Please select the existing user."),
        "CONTACT_WITHOUT_ACCESS": N_("This contact may not sign in. Grant access first."),
        "CONTACT_SIGNED_UP": N_("This person has signed up already."),
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

    A known address raises `Duplicate` with the user's id: that person can be selected.
    """
    first, last = _name(first_name, "first_name"), _name(last_name, "last_name")
    address = normal_email(email)
    _locked(session, customer)
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
        locale=user.locale,
        is_commercial=is_commercial,
        is_primary=is_commercial and primary_of(session, customer.id) is None,
        is_operational=is_operational,
        has_access=has_access,
        portfolio_ids=_own(session, customer, portfolio_ids),
        created_at=clock.now(),
    )
    _saved(session, contact, "contact.create", {}, by)
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
    """Link an existing user with access; no invitation is sent. A second link is a `Duplicate`.

    Where the customer's setting `linked_notice` is on, the person is told by e-mail.
    """
    _locked(session, customer)
    if _contact(session, customer.id, user.id) is not None:
        raise Duplicate("CONTACT_EXISTS", path=("input", "userId"))
    first, last = _known_name(session, user)
    contact = CustomerContact(
        customer_id=customer.id,
        user_id=user.id,
        first_name=first,
        last_name=last,
        locale=user.locale,
        is_commercial=is_commercial,
        is_primary=is_commercial and primary_of(session, customer.id) is None,
        is_operational=is_operational,
        has_access=True,
        portfolio_ids=_own(session, customer, portfolio_ids),
        created_at=clock.now(),
    )
    _saved(session, contact, "contact.link", {}, by)
    if effective(session, chain(customer), "communication")["linked_notice"].value:
        enqueue(
            session,
            "communications.linked",
            {"contact_id": contact.id},
            dedupe_key=f"linked:{contact.id}",
            subject=Subject(kind="contact", id=contact.id, customer_id=customer.id, actor_id=by),
        )
    return contact


def update_contact(
    session: Session,
    contact: CustomerContact,
    customer: Customer,
    changes: Mapping[str, Any],
    *,
    invoices_due: Callable[[], bool] = lambda: False,
    by: int | None,
) -> CustomerContact:
    """Change names, phone, language, roles, access and portfolios; rights follow at once.

    Access granted to a person who never signed up sends an invitation, access taken makes it void.
    `is_primary` moves the primary role here in one transaction. The caller has taken the row's next
    version. Raises `Invalid`, `State` (CONTACT_PRIMARY_NEEDED), and `InUse` when the last
    commercial contact would cease to be one while invoices are due.
    """
    before, had_access = _facts(contact), contact.has_access
    _locked(session, customer)
    for name in ("first_name", "last_name"):
        if name in changes:
            setattr(contact, name, _name(changes[name], name))
    for name in ("is_operational", "has_access"):
        if changes.get(name) is not None:
            setattr(contact, name, changes[name])
    if changes.get("locale") is not None:
        contact.locale = known_locale(changes["locale"])
    if "phone" in changes:
        contact.phone = e164(
            changes["phone"], changes.get("phone_country") or region_of(contact.phone)
        )
    if changes.get("portfolio_ids") is not None:
        contact.portfolio_ids = _own(session, customer, changes["portfolio_ids"])
    settle_roles(session, contact, changes, invoices_due)
    _saved(session, contact, "contact.update", before, by)
    if had_access and not contact.has_access:
        invitations.void(session, contact.id)
    elif contact.has_access and not had_access and not _signed_up(session, contact):
        _invite(session, contact, by)
    return contact


def remove_contact(
    session: Session,
    contact: CustomerContact,
    customer: Customer,
    *,
    invoices_due: Callable[[], bool] = lambda: False,
    by: int | None,
) -> None:
    """Remove a person from a customer: rights end at once, links of invitations are void.

    The user stays, perhaps at another customer. Raises `InUse` (CONTACT_LAST_COMMERCIAL) for the
    last commercial contact while invoices are due.
    """
    _locked(session, customer)
    before = _facts(contact)
    give_up_primary(session, contact, invoices_due, path=("id",))
    access.revoke(session, contact.user_id, customer_id=contact.customer_id)
    invitations.void(session, contact.id)
    key = contact.id
    session.delete(contact)
    session.flush()
    audit.record(session, "contact.remove", actor_id=by, subject=("contact", key), before=before)


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
    user = session.get_one(AccountUser, contact.user_id)
    return user.password_hash is not None or oidc.is_linked(session, user.id)


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


def _locked(session: Session, customer: Customer) -> None:
    """Let one writer at a time change the people of a customer: one of them is the primary one."""
    session.execute(select(Customer.id).where(Customer.id == customer.id).with_for_update())


def _known_name(session: Session, user: AccountUser) -> tuple[str, str]:
    """Return first and last name as another customer's contact spells them, else as the user."""
    newest = select(CustomerContact).where(CustomerContact.user_id == user.id)
    contact = session.scalars(newest.order_by(CustomerContact.id.desc()).limit(1)).one_or_none()
    if contact is not None:
        return contact.first_name, contact.last_name
    first, _, last = user.name.partition(" ")
    return first[:PERSON_NAME_MAX], (last or first)[:PERSON_NAME_MAX]


def _facts(contact: CustomerContact) -> dict[str, Any]:
    return {name: getattr(contact, name) for name in _AUDITED}


_AUDITED = (
    *("first_name", "last_name", "phone", "locale", "is_commercial", "is_primary"),
    *("is_operational", "has_access", "portfolio_ids"),
)


def _saved(
    session: Session,
    contact: CustomerContact,
    action: str,
    before: Mapping[str, Any],
    by: int | None,
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
        before=before,
        after=_facts(contact),
    )
    return contact
