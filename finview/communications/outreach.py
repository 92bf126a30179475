"""A message from planned to handed over: SENDING is committed before any provider is called."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, CaseStatus, Debtor
from finview.cases.timeline import note
from finview.communications.compose import compose
from finview.communications.facts import address_of, claim_of, mailbox, parties_of, sender_of
from finview.communications.models import Outreach, OutreachState
from finview.communications.wording import MESSAGES
from finview.customers.models import BusinessUnit, Customer
from finview.customers.preferences import chain
from finview.db.events import emit
from finview.db.failpoints import failpoint
from finview.db.jobs import EXTERNAL, JobError, JobView, Subject, enqueue, job
from finview.i18n import N_, sentences
from finview.plugins.bindings import Bound, resolve
from finview.plugins.contracts.email import (
    Accepted,
    Deferred,
    Email,
    Guarantee,
    Mailbox,
    Refused,
    Resend,
    SendResult,
)
from finview.plugins.errors import SURELY_NOT_DONE
from finview.plugins.manager import Plugins

sentences(
    {
        "TIMELINE_EMAIL_ACCEPTED": N_("An e-mail was sent: {template}."),
        "TIMELINE_EMAIL_REJECTED": N_("An e-mail was refused: {template}."),
        "TIMELINE_EMAIL_UNKNOWN": N_("Nobody can tell whether an e-mail left: {template}."),
        "TIMELINE_EMAIL_CANCELLED": N_("An e-mail was cancelled: {template}."),
        "MESSAGE_BREATHING_SPACE_NOTICE": N_("notice of the breathing space"),
        "MESSAGE_FIRST_DEMAND": N_("first demand"),
        "MESSAGE_REMINDER": N_("reminder"),
        "MESSAGE_CASE_CLOSED_PAID": N_("confirmation that all is paid"),
        "MESSAGE_CASE_CLOSED_SETTLED": N_("confirmation that the settlement is kept"),
    }
)

_KEYS = uuid.UUID("6b1f3c60-3f0b-4f5e-9a55-0e1f4d1d7a10")
S = OutreachState
DEFER_S = 300
SILENT = (CaseStatus.CLOSED, CaseStatus.PAYMENT_PLAN, CaseStatus.SETTLEMENT)
"""While a debtor keeps an agreement no further steps are taken."""


@dataclass(frozen=True, slots=True)
class _Request:
    bound: Bound
    email: Email


def plan_email(
    session: Session, case: Case, *, run_id: int, node: str, visit: int, template: str
) -> Outreach:
    """Plan one e-mail of a workflow's node in the caller's transaction; once per visit."""
    planned = Outreach(
        case_id=case.id,
        customer_id=case.customer_id,
        portfolio_id=case.portfolio_id,
        run_id=run_id,
        node_id=node,
        visit=visit,
        attempt=1,
        channel="EMAIL",
        template=template,
        idem_key=str(uuid.uuid5(_KEYS, f"{run_id}/{node}/{visit}/1")),
        state=S.PLANNED,
        planned_at=clock.now(),
    )
    session.add(planned)
    session.flush()
    enqueue(
        session,
        "communications.send",
        {"outreach_id": planned.id},
        dedupe_key=f"send:{planned.id}",
        subject=Subject(
            kind="case",
            id=case.id,
            customer_id=case.customer_id,
            portfolio_id=case.portfolio_id,
        ),
    )
    return planned


def withdraw(session: Session, run_id: int) -> None:
    """Cancel what a run has planned and not begun to send."""
    session.execute(
        update(Outreach)
        .where(Outreach.run_id == run_id, Outreach.state == S.PLANNED)
        .values(state=S.CANCELLED)
        .execution_options(synchronize_session=False)
    )


def outcome_of(session: Session, run_id: int, node: str, visit: int) -> OutreachState | None:
    """Return how the newest message of a node's visit ended; nothing while it may still be sent."""
    newest = (
        select(Outreach.state)
        .where(Outreach.run_id == run_id, Outreach.node_id == node, Outreach.visit == visit)
        .order_by(Outreach.attempt.desc())
        .limit(1)
    )
    state = session.scalar(newest)
    return OutreachState(state) if state and state not in (S.PLANNED, S.SENDING) else None


def _given_up(session: Session, view: JobView, error: JobError) -> None:  # noqa: ARG001  # the hook
    row = session.get(Outreach, view.args["outreach_id"])
    if row is not None and row.state in (S.PLANNED, S.SENDING):
        _finish(session, row, S.UNKNOWN if row.state == S.SENDING else S.REJECTED)


@job("communications.send", shape=EXTERNAL, queue="outreach", on_dead=_given_up)
class SendEmail:
    """Send one planned e-mail, never twice."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.outreach_id: int = view.args["outreach_id"]

    def before(self, session: Session) -> _Request | None:
        """Decide and store SENDING; a message that may have left goes again only with a promise."""
        row = session.get(Outreach, self.outreach_id)
        if row is None or row.state not in (S.PLANNED, S.SENDING):
            return None
        case = session.scalars(select(Case).where(Case.id == row.case_id).with_for_update()).one()
        debtor = session.get_one(Debtor, case.debtor_id)
        to = address_of(session, debtor.id)
        completes = MESSAGES[row.template].completes
        if case.status in SILENT and not (completes and case.status == CaseStatus.CLOSED):
            _finish(session, row, S.CANCELLED)
            return None
        customer = session.get_one(Customer, case.customer_id)
        plugins = self.view.services.get(Plugins)
        bound = resolve(session, plugins, chain(customer), "email")
        if to is None or bound is None:
            _finish(session, row, S.REJECTED)
            return None
        if row.state == S.SENDING and not _may_repeat(bound.provider.resend, row):  # type: ignore[attr-defined]  # an EmailSender by its slot
            _finish(session, row, S.UNKNOWN)
            return None
        unit = session.get_one(BusinessUnit, customer.business_unit_id)
        message = compose(
            row.template,
            claim_of(session, case, today=clock.today()),
            parties_of(session, case, debtor, locale=debtor.locale),
            locale=debtor.locale,
            today=clock.today(),
        )
        row.state, row.provider = S.SENDING, bound.name
        row.sending_at = row.sending_at or clock.now()
        return _Request(
            bound,
            Email(
                key=row.idem_key,
                to=Mailbox(address=to, name=debtor.name),
                subject=message.subject,
                text=message.text,
                sender=sender_of(unit),
                reply_to=mailbox(unit.email_settings.get("replyTo")),
                locale=debtor.locale,
            ),
        )

    def call(self, request: _Request) -> SendResult:
        """Hand the message over, with no session open."""
        failpoint("communications.send.call")
        try:
            results: list[SendResult] = request.bound.call("send", [request.email])
        except SURELY_NOT_DONE as failure:
            # Nothing left, so the row must not stay SENDING: that would read as "unknown".
            return Deferred(why=str(failure), after_s=DEFER_S)
        failpoint("communications.send.sent")
        return results[0]

    def after(self, session: Session, outcome: SendResult) -> None:
        """Store the outcome and let the workflow go on."""
        row = session.get_one(Outreach, self.outreach_id)
        if isinstance(outcome, Deferred):
            row.state = S.PLANNED
            enqueue(
                session,
                "communications.send",
                dict(self.view.args),
                dedupe_key=f"send:{row.id}:{self.view.id}",
                run_at=clock.now() + timedelta(seconds=outcome.after_s),
            )
            return
        if isinstance(outcome, Accepted):
            row.provider_ref = outcome.reference[:300]
        _finish(session, row, S.REJECTED if isinstance(outcome, Refused) else S.ACCEPTED)


def _finish(session: Session, row: Outreach, state: OutreachState) -> None:
    row.state = state
    if state == S.ACCEPTED:
        row.sent_at = clock.now()
    code = f"TIMELINE_EMAIL_{state}"
    note(
        session,
        code,
        [row.case_id],
        by=None,
        params={"template": f"MESSAGE_{row.template.upper()}"},
    )
    session.flush()
    emit(
        session,
        "OUTREACH",
        case_id=row.case_id,
        payload={"outreach_id": row.id, "run_id": row.run_id, "state": state.value},
        dedupe=f"outreach:{row.id}:{state.value}",
    )


def _may_repeat(resend: Resend, row: Outreach) -> bool:
    since = row.sending_at or row.planned_at
    within = clock.now() - since <= resend.window
    return resend.guarantee == Guarantee.SAME_KEY and within
