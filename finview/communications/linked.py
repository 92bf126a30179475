"""The e-mail `contact_linked`: tells an existing user of a further customer; off unless set."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.models import AccountUser
from finview.communications.facts import mailbox, sender_of
from finview.communications.wording import CLOSING_PERSON, GREETING_PERSON
from finview.customers.models import BusinessUnit, Customer, CustomerContact, Portfolio
from finview.customers.preferences import chain
from finview.db.failpoints import failpoint
from finview.db.jobs import EXTERNAL, JobView, enqueue, job
from finview.i18n import N_, translate
from finview.plugins.bindings import Bound, resolve
from finview.plugins.contracts.email import Deferred, Email, Guarantee, Mailbox, SendResult
from finview.plugins.errors import SURELY_NOT_DONE
from finview.plugins.manager import Plugins

SUBJECT = N_("You now have access to {customer}")
BODY = N_(
    "Your existing account now also covers {customer} ({roles}; portfolios: {portfolios}). Sign in "
    "as usual: {link}."
)
COMMERCIAL = N_("commercial contact")
OPERATIONAL = N_("operational contact")
EMPLOYEE = N_("employee")
EVERY_PORTFOLIO = N_("all")

DEFER_S = 300
_KEYS = uuid.UUID("5b8f3b4e-0b0f-4c62-9f0a-1d1c8d1b7c55")


@dataclass(frozen=True, slots=True)
class _Request:
    bound: Bound
    email: Email


@job("communications.linked", shape=EXTERNAL, queue="mail")
class SendLinkedNotice:
    """Send the notice once; one that may have left goes again only with a promise of the sender."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.contact_id: int = view.args["contact_id"]

    def before(self, session: Session) -> _Request | None:
        """Write the mail and store that it is being sent; a contact that is gone gets none."""
        contact = session.get(CustomerContact, self.contact_id)
        if contact is None or not contact.has_access:
            return None
        customer = session.get_one(Customer, contact.customer_id)
        bound = resolve(session, self.view.services.get(Plugins), chain(customer), "email")
        if bound is None or not _may_send(bound, contact):
            return None
        contact.notice_at = contact.notice_at or clock.now()
        link = self.view.services.settings.base_url.rstrip("/")
        return _Request(bound, _written(session, contact, customer, link))

    def call(self, request: _Request) -> SendResult:
        """Hand the mail over, with no session open."""
        failpoint("communications.linked.call")
        try:
            results: list[SendResult] = request.bound.call("send", [request.email])
        except SURELY_NOT_DONE as failure:
            return Deferred(why=str(failure), after_s=DEFER_S)
        return results[0]

    def after(self, session: Session, outcome: SendResult) -> None:
        """Try again later what surely did not leave."""
        contact = session.get(CustomerContact, self.contact_id)
        if contact is None or not isinstance(outcome, Deferred):
            return
        contact.notice_at = None
        enqueue(
            session,
            "communications.linked",
            dict(self.view.args),
            dedupe_key=f"linked:{contact.id}:{self.view.id}",
            run_at=clock.now() + timedelta(seconds=outcome.after_s),
        )


def _written(session: Session, contact: CustomerContact, customer: Customer, link: str) -> Email:
    user = session.get_one(AccountUser, contact.user_id)
    unit = session.get_one(BusinessUnit, customer.business_unit_id)
    locale = contact.locale
    name = f"{contact.first_name} {contact.last_name}"
    shown = str(customer.company.get("name") or customer.name)
    flags = ((contact.is_commercial, COMMERCIAL), (contact.is_operational, OPERATIONAL))
    roles = [translate(role, locale) for has, role in flags if has]
    values = {
        "customer": shown,
        "roles": roles or [translate(EMPLOYEE, locale)],
        "portfolios": _portfolios(session, contact, locale),
        "link": link,
    }
    parts = [
        translate(GREETING_PERSON, locale, name=name),
        translate(BODY, locale, **values),
        f"{translate(CLOSING_PERSON, locale)}\n{unit.company.get('name') or unit.name}",
        str(unit.email_footers.get(locale) or ""),
    ]
    return Email(
        key=str(uuid.uuid5(_KEYS, f"linked/{contact.id}")),
        to=Mailbox(address=user.email, name=name),
        subject=translate(SUBJECT, locale, customer=shown),
        text="\n\n".join(part for part in parts if part),
        sender=sender_of(unit),
        reply_to=mailbox(unit.email_settings.get("replyTo")),
        locale=locale,
    )


def _portfolios(session: Session, contact: CustomerContact, locale: str) -> list[str]:
    if contact.is_commercial or contact.is_operational:
        return [translate(EVERY_PORTFOLIO, locale)]
    wanted = select(Portfolio.name).where(Portfolio.id.in_(contact.portfolio_ids))
    return list(session.scalars(wanted.order_by(Portfolio.name))) or ["–"]


def _may_send(bound: Bound, contact: CustomerContact) -> bool:
    if contact.notice_at is None:
        return True
    resend = bound.provider.resend  # type: ignore[attr-defined]  # an EmailSender by its slot
    within = clock.now() - contact.notice_at <= resend.window
    return bool(resend.guarantee == Guarantee.SAME_KEY and within)
