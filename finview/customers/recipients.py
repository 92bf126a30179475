"""Who gets the automatic mail of a customer's cases: operational contacts, else the commercial one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.accounts.models import AccountUser
from finview.customers.models import CustomerContact
from finview.db.lists import one_of
from finview.i18n import N_, sentences

sentences(
    {
        "CASE_MAIL_TO_COMMERCIAL": N_(
            "No operational contact is set: the commercial contact gets the mail of the cases."
        ),
        "CASE_MAIL_TO_NOBODY": N_("No contact is set: nobody gets the mail of the cases."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One person a mail goes to, in the language of that contact."""

    contact_id: int
    user_id: int
    name: str
    email: str
    locale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMail:
    """The recipients of a customer's case mail; `warning` is the code of what is not as it should."""

    recipients: tuple[Recipient, ...]
    warning: str | None = None


def case_mail(session: Session, customer_ids: Sequence[int]) -> Mapping[int, CaseMail]:
    """Return who gets the automatic mail of cases and workflows, for each customer, at once.

    Everybody with the operational flag; with none set the primary commercial contact, and a warning
    (C2). One mailbox is written to once, whatever roles its owner has (C4); people who were
    deactivated are not written to.
    """
    rows = session.execute(
        select(CustomerContact, AccountUser.email)
        .join(AccountUser, AccountUser.id == CustomerContact.user_id)
        .where(
            one_of(CustomerContact.customer_id, list(customer_ids)),
            AccountUser.active,
            CustomerContact.is_operational | CustomerContact.is_commercial,
        )
        .order_by(CustomerContact.id)
    ).all()
    of_customer: dict[int, list[tuple[CustomerContact, str]]] = {key: [] for key in customer_ids}
    for contact, email in rows:
        of_customer[contact.customer_id].append((contact, email))
    return {key: _case_mail(found) for key, found in of_customer.items()}


def _case_mail(found: Sequence[tuple[CustomerContact, str]]) -> CaseMail:
    chosen = [entry for entry in found if entry[0].is_operational]
    warning = None
    if not chosen:
        by_rank = sorted(found, key=lambda entry: (not entry[0].is_primary, entry[0].id))
        chosen = by_rank[:1]
        warning = "CASE_MAIL_TO_COMMERCIAL" if chosen else "CASE_MAIL_TO_NOBODY"
    once = {email: contact for contact, email in reversed(chosen)}
    people = sorted(once.items(), key=lambda entry: entry[1].id)
    return CaseMail(
        recipients=tuple(
            Recipient(
                contact_id=contact.id,
                user_id=contact.user_id,
                name=f"{contact.first_name} {contact.last_name}",
                email=email,
                locale=contact.locale,
            )
            for email, contact in people
        ),
        warning=warning,
    )
