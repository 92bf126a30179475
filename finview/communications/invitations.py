"""The e-mail `contact_invitation`: in the contact's language, by the bound sender, never twice."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.invitations import InvitationState, begin_sending, state_of
from finview.accounts.models import AccountUser, Invitation
from finview.communications.facts import mailbox, sender_of
from finview.communications.wording import CLOSING_PERSON, GREETING_PERSON
from finview.customers.models import BusinessUnit, Customer, CustomerContact
from finview.customers.preferences import chain
from finview.customers.units import zone_of
from finview.db.failpoints import failpoint
from finview.db.jobs import EXTERNAL, JobError, JobView, enqueue, job
from finview.i18n import N_, translate
from finview.plugins.bindings import Bound, resolve
from finview.plugins.contracts.email import (
    Accepted,
    Deferred,
    Email,
    Guarantee,
    Mailbox,
    SendResult,
)
from finview.plugins.errors import SURELY_NOT_DONE
from finview.plugins.manager import Plugins

SUBJECT = N_("Your FinView access for {customer}")
BODY = N_(
    "{inviter} has set up access for you to the cases of {customer}. Please choose your password "
    "by {expires_on}:\n\n{link}\n\nThe link expires after that; we will gladly send a new one. If "
    "you weren't expecting this, simply ignore it – nothing happens without you."
)

DEFER_S = 300
_KEYS = uuid.UUID("0c9d5a0e-7c55-4f7b-8d0f-4a2d5f0f3a61")


@dataclass(frozen=True, slots=True)
class _Request:
    bound: Bound
    email: Email


def _given_up(session: Session, view: JobView, error: JobError) -> None:  # noqa: ARG001  # the hook
    row = session.get(Invitation, view.args["invitation_id"])
    if row is not None and row.sent_at is None:
        row.failed_at = clock.now()


@job("communications.invite", shape=EXTERNAL, queue="mail", on_dead=_given_up)
class SendInvitation:
    """Send one invitation; one that may have left goes again only with a promise of the sender."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.invitation_id: int = view.args["invitation_id"]

    def before(self, session: Session) -> _Request | None:
        """Write the mail and store that it is being sent."""
        row = session.get(Invitation, self.invitation_id)
        if row is None or state_of(row, clock.now()) != InvitationState.PENDING:
            return None
        customer = session.get_one(Customer, row.customer_id)
        bound = resolve(session, self.view.services.get(Plugins), chain(customer), "email")
        if bound is None or (row.sending_at is not None and not _may_repeat(bound, row)):
            row.failed_at = clock.now()
            return None
        settings = self.view.services.settings
        token = begin_sending(row, settings.key)
        link = f"{settings.base_url.rstrip('/')}/invitations/{token}"
        return _Request(bound, _written(session, row, customer, link))

    def call(self, request: _Request) -> SendResult:
        """Hand the mail over, with no session open."""
        failpoint("communications.invite.call")
        try:
            results: list[SendResult] = request.bound.call("send", [request.email])
        except SURELY_NOT_DONE as failure:
            return Deferred(why=str(failure), after_s=DEFER_S)
        failpoint("communications.invite.sent")
        return results[0]

    def after(self, session: Session, outcome: SendResult) -> None:
        """Store the outcome."""
        row = session.get_one(Invitation, self.invitation_id)
        if isinstance(outcome, Deferred):
            row.sending_at = None
            enqueue(
                session,
                "communications.invite",
                dict(self.view.args),
                dedupe_key=f"invite:{row.id}:{self.view.id}",
                run_at=clock.now() + timedelta(seconds=outcome.after_s),
            )
        elif isinstance(outcome, Accepted):
            row.sent_at = clock.now()
        else:
            row.failed_at = clock.now()


def _written(session: Session, row: Invitation, customer: Customer, link: str) -> Email:
    user = session.get_one(AccountUser, row.user_id)
    contact = session.get_one(CustomerContact, row.contact_id)
    unit = session.get_one(BusinessUnit, customer.business_unit_id)
    inviter = session.get(AccountUser, row.invited_by) if row.invited_by else None
    name = f"{contact.first_name} {contact.last_name}"
    sender = str(unit.company.get("name") or unit.name)
    locale = user.locale
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
        key=str(uuid.uuid5(_KEYS, f"invitation/{row.id}")),
        to=Mailbox(address=user.email, name=name),
        subject=translate(SUBJECT, locale, customer=values["customer"]),
        text="\n\n".join(part for part in parts if part),
        sender=sender_of(unit),
        reply_to=mailbox(unit.email_settings.get("replyTo")),
        locale=locale,
    )


def _may_repeat(bound: Bound, row: Invitation) -> bool:
    resend = bound.provider.resend  # type: ignore[attr-defined]  # an EmailSender by its slot
    since = clock.now() - (row.sending_at or row.created_at)
    return bool(resend.guarantee == Guarantee.SAME_KEY and since <= resend.window)
