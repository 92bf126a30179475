"""The e-mails `password_reset` and `account_created`: a link to choose a password by."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.models import AccountUser, PasswordLink
from finview.accounts.password_links import begin_sending
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

RESET_SUBJECT = N_("Reset your password")
RESET_BODY = N_(
    "Choose a new password by {expires}:\n\n{link}\n\nIf this wasn't you, your current password "
    "stays valid."
)
WELCOME_SUBJECT = N_("Your FinView account")
WELCOME_BODY = N_(
    "{inviter} has set up an account for you. Please choose your password by {expires}:\n\n{link}"
    "\n\nThe link expires after that; you can then ask for a new one on the sign-in page."
)
ZONE = "Europe/Berlin"


@job("communications.password_link", shape=EXTERNAL, queue="mail")
class SendPasswordLink(SendLink):
    """Send one link; nothing is sent for an address that nobody has."""

    kind = "communications.password_link"
    argument = "link_id"
    model = PasswordLink

    def is_due(self, row: Link) -> bool:
        """Tell whether the link has somebody to go to and still opens something."""
        return (
            isinstance(row, PasswordLink)
            and row.user_id is not None
            and row.sent_at is None
            and row.failed_at is None
            and row.voided_at is None
            and row.expires_at > clock.now()
        )

    def scopes(self, session: Session, row: Link) -> Sequence[ScopeRef]:
        """Return the scopes of the person's customer; the agency's own people have none."""
        customer = _customer_of(session, row)
        return chain(customer) if customer is not None else ()

    def written(self, session: Session, row: Link) -> Email:
        """Return the mail in the person's language."""
        assert isinstance(row, PasswordLink)
        token = begin_sending(row, self.view.services.settings.key)
        return _written(session, row, self.address(f"/password-reset/{token}"))


def _customer_of(session: Session, row: Link) -> Customer | None:
    wanted = (
        select(Customer)
        .join(CustomerContact, CustomerContact.customer_id == Customer.id)
        .where(CustomerContact.user_id == row.user_id)
    )
    return session.scalars(wanted.order_by(CustomerContact.id).limit(1)).one_or_none()


def _written(session: Session, row: PasswordLink, link: str) -> Email:
    user = session.get_one(AccountUser, row.user_id)
    customer = _customer_of(session, row)
    unit = session.get_one(BusinessUnit, customer.business_unit_id) if customer else None
    inviter = session.get(AccountUser, row.invited_by) if row.invited_by else None
    sender = str(unit.company.get("name") or unit.name) if unit else "FinView"
    locale = user.locale
    zone = ZoneInfo(zone_of(unit) if unit else ZONE)
    values = {
        "expires": row.expires_at.astimezone(zone),
        "link": link,
        "inviter": inviter.name if inviter else sender,
    }
    parts = [
        translate(GREETING_PERSON, locale, name=user.name),
        translate(WELCOME_BODY if row.is_welcome else RESET_BODY, locale, **values),
        f"{translate(CLOSING_PERSON, locale)}\n{sender}",
        str(unit.email_footers.get(locale) or "") if unit else "",
    ]
    return Email(
        key=key_of("password", row.id),
        to=Mailbox(address=user.email, name=user.name),
        subject=translate(WELCOME_SUBJECT if row.is_welcome else RESET_SUBJECT, locale),
        text="\n\n".join(part for part in parts if part),
        sender=sender_of(unit) if unit else None,
        reply_to=mailbox(unit.email_settings.get("replyTo")) if unit else None,
        locale=locale,
    )
