"""The e-mail `contact_invitation`: in the contact's language, by the bound sender, never twice."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.invitations import InvitationState, begin_sending, state_of
from finview.accounts.models import AccountUser, Invitation
from finview.communications.facts import mailbox, sender_of
from finview.communications.links import Link, SendLink, key_of
from finview.communications.wording import CLOSING_PERSON, GREETING_PERSON
from finview.customers.models import BusinessUnit, Customer, CustomerContact
from finview.customers.preferences import chain
from finview.customers.units import zone_of
from finview.db.cascade import ScopeRef
from finview.db.jobs import EXTERNAL, job
from finview.i18n import N_, translate
from finview.plugins.contracts.email import Email, Mailbox

SUBJECT = N_("Your FinView access for {customer}")
BODY = N_(
    "{inviter} has set up access for you to the cases of {customer}. Please choose your password "
    "by {expires_on}:\n\n{link}\n\nThe link expires after that; we will gladly send a new one. If "
    "you weren't expecting this, simply ignore it – nothing happens without you."
)


@job("communications.invite", shape=EXTERNAL, queue="mail")
class SendInvitation(SendLink):
    """Send one invitation; one that may have left goes again only with a promise of the sender."""

    kind = "communications.invite"
    argument = "invitation_id"
    model = Invitation

    def is_due(self, row: Link) -> bool:
        """Tell whether it was neither sent nor given up, and still opens something."""
        return isinstance(row, Invitation) and (
            state_of(row, clock.now()) == InvitationState.PENDING
        )

    def scopes(self, session: Session, row: Link) -> Sequence[ScopeRef]:
        """Return the scopes of the customer."""
        return chain(_customer(session, row))

    def written(self, session: Session, row: Link) -> Email:
        """Return the mail in the contact's language."""
        assert isinstance(row, Invitation)
        token = begin_sending(row, self.view.services.settings.key)
        link = self.address(f"/invitations/{token}")
        return _written(session, row, _customer(session, row), link)


def _customer(session: Session, row: Link) -> Customer:
    assert isinstance(row, Invitation)
    return session.get_one(Customer, row.customer_id)


def _written(session: Session, row: Invitation, customer: Customer, link: str) -> Email:
    user = session.get_one(AccountUser, row.user_id)
    contact = session.get_one(CustomerContact, row.contact_id)
    unit = session.get_one(BusinessUnit, customer.business_unit_id)
    inviter = session.get(AccountUser, row.invited_by) if row.invited_by else None
    name = f"{contact.first_name} {contact.last_name}"
    sender = str(unit.company.get("name") or unit.name)
    locale = contact.locale
    values = {
        "customer": str(customer.company.get("name") or customer.name),
        "inviter": inviter.name if inviter is not None else sender,
        "expires_on": clock.day_in(row.expires_at, zone_of(unit)),
        "link": link,
    }
    parts = [
        translate(GREETING_PERSON, locale, name=name),
        translate(BODY, locale, **values),
        f"{translate(CLOSING_PERSON, locale)}\n{sender}",
        str(unit.email_footers.get(locale) or ""),
    ]
    return Email(
        key=key_of("invitation", row.id),
        to=Mailbox(address=user.email, name=name),
        subject=translate(SUBJECT, locale, customer=values["customer"]),
        text="\n\n".join(part for part in parts if part),
        sender=sender_of(unit),
        reply_to=mailbox(unit.email_settings.get("replyTo")),
        locale=locale,
    )
