"""Contacts of which nobody knows whether they left: asked about, sent again, or given to a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import literal_column, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.tasks import open_task
from finview.communications.channels import CARRIERS
from finview.communications.models import Channel, Outreach, OutreachState
from finview.communications.outreach import SETTLING, finish, held_case, send_at
from finview.communications.policy import ContactOutcome, look
from finview.db.failpoints import failpoint
from finview.db.jobs import EXTERNAL, SHORT, JobError, JobView, Subject, enqueue, job
from finview.db.schedule import Every, recurring
from finview.errors import ProviderFailedError
from finview.i18n import N_, sentences
from finview.plugins.bindings import Bound, bound_by, unbound
from finview.plugins.contracts.delivery import NEVER, Accepted, Guarantee, Refused, Resend
from finview.plugins.errors import SURELY_NOT_DONE, Misconfigured
from finview.plugins.manager import Plugins

sentences(
    {
        "TASK_UNKNOWN_EMAIL": N_("Nobody can tell whether an e-mail left: please find out."),
        "TASK_UNKNOWN_SMS": N_("Nobody can tell whether a text message left: please find out."),
        "TASK_UNKNOWN_LETTER": N_("Nobody can tell whether a letter left: please find out."),
        "TASK_UNKNOWN_CALL": N_("Nobody can tell whether a call was handed over: please find out."),
    }
)

S = OutreachState
ASK_AGAIN = timedelta(minutes=10)
"""Between two answers "not known" that together mean: it never arrived."""

PATIENCE = timedelta(hours=48)
"""How long a webhook may still settle it before a person is asked."""

RECONCILE_S = 300
BATCH = 500
TASK_DAYS = 2
OUTCOMES = ("left", "not_left")


def taker(session: Session, plugins: Plugins, row: Outreach) -> Bound | None:
    """Return the provider a contact was handed to; None when it is bound there no more."""
    if row.provider is None:
        return None
    if row.binding_id is not None:
        return bound_by(session, plugins, row.binding_id, row.provider)
    return unbound(plugins, CARRIERS[Channel(row.channel)].slot, row.provider)


def promise_of(session: Session, plugins: Plugins, row: Outreach) -> Resend:
    """Return what the provider of a contact promises about its key; NEVER where none can be made."""
    try:
        bound = taker(session, plugins, row)
    except Misconfigured:
        bound = None
    found: Resend = getattr(bound.provider, "resend", NEVER) if bound is not None else NEVER
    return found


def may_repeat(resend: Resend, row: Outreach) -> bool:
    """Tell whether the same key may be handed over again: the provider drops a second one."""
    since = row.sending_at or row.planned_at
    return resend.guarantee == Guarantee.SAME_KEY and clock.now() - since <= resend.window


def unsure(session: Session, row: Outreach, resend: Resend) -> None:
    """Store that nobody knows whether a contact left, and when to look at it again.

    While its provider can settle it the run waits; otherwise the run goes on and a person is asked
    after 48 hours.
    """
    can_tell = resend.guarantee == Guarantee.LOOKUP or may_repeat(resend, row)
    if not can_tell:
        _as_never(session, row)
        return
    row.state, row.reason, row.settle_at = S.UNKNOWN, SETTLING, clock.now()
    session.flush()
    _settle_later(session, row, clock.now())


def _as_never(session: Session, row: Outreach) -> None:
    row.settle_at = (row.sending_at or row.planned_at) + PATIENCE
    finish(session, row, S.UNKNOWN, reason="NO_ANSWER")


@dataclass(frozen=True, slots=True)
class _Question:
    bound: Bound
    key: str


_UNSURE = "UNSURE"
_Answer = Accepted | Refused | str | None


def _gave_up(session: Session, view: JobView, error: JobError) -> None:  # noqa: ARG001  # the hook
    row = session.get(Outreach, view.args["outreach_id"])
    if row is not None:
        held_case(session, row)
        if row.state == S.UNKNOWN and row.reason == SETTLING:
            _as_never(session, row)


@job("communications.settle", shape=EXTERNAL, queue="outreach", on_dead=_gave_up)
class Settle:
    """Find out about one contact nobody knows of, as its provider declares (`resend`)."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.outreach_id: int = view.args["outreach_id"]

    def before(self, session: Session) -> _Question | None:
        """Send again by the same key, ask by the key, or open the task; whatever may be done."""
        row = session.get(Outreach, self.outreach_id)
        if row is None:
            return None
        case = held_case(session, row)
        if row.state != S.UNKNOWN or row.settle_at is None or row.settle_at > clock.now():
            return None
        if row.reason != SETTLING:
            patient_until = (row.sending_at or row.planned_at) + PATIENCE
            if clock.now() < patient_until:
                row.settle_at = patient_until
            else:
                _ask_a_person(session, row)
            return None
        plugins = self.view.services.get(Plugins)
        bound, resend = taker(session, plugins, row), promise_of(session, plugins, row)
        if bound is not None and resend.guarantee == Guarantee.LOOKUP:
            return _Question(bound, row.idem_key)
        if not may_repeat(resend, row):
            _as_never(session, row)
            return None
        said = look(session, row, case)
        if said.outcome == ContactOutcome.ALLOW:
            row.state, row.reason, row.settle_at = S.SENDING, None, None
            send_at(session, row, None, again=f":settle:{self.view.id}")
        elif said.outcome == ContactOutcome.DELAY:
            _settle_later(session, row, said.send_at or clock.now() + ASK_AGAIN)
        else:
            _as_never(session, row)
        return None

    def call(self, request: _Question) -> _Answer:
        """Ask what became of the key, with no session open."""
        try:
            found: Sequence[Any] = request.bound.call("lookup", [request.key])
        except (*SURELY_NOT_DONE, ProviderFailedError):
            return _UNSURE
        failpoint("communications.settle.asked")
        answer: _Answer = found[0]
        return answer

    def after(self, session: Session, outcome: _Answer) -> None:
        """Store the state the provider knows; what it twice does not know is sent again."""
        row = session.get_one(Outreach, self.outreach_id)
        held_case(session, row)
        if row.state != S.UNKNOWN or row.reason != SETTLING:
            return
        if isinstance(outcome, Accepted):
            row.provider_ref, row.settle_at, row.reason = outcome.reference[:300], None, None
            finish(session, row, S.ACCEPTED)
        elif isinstance(outcome, Refused):
            row.settle_at, row.reason = None, None
            finish(session, row, S.REJECTED)
        elif outcome is None:
            self._not_known(session, row)
        else:
            _as_never(session, row)

    def _not_known(self, session: Session, row: Outreach) -> None:
        kept = dict(row.detail or {})
        first = kept.get("not_known_at")
        if first is not None and clock.now() - datetime.fromisoformat(first) >= ASK_AGAIN:
            kept.pop("not_known_at")
            row.state, row.reason, row.settle_at, row.sending_at = S.PLANNED, None, None, None
            row.detail = kept or None
            session.flush()
            send_at(session, row, None, again=f":settle:{self.view.id}")
            return
        row.detail = {"not_known_at": clock.now().isoformat()} | kept
        _settle_later(session, row, clock.now() + ASK_AGAIN)


def _settle_later(session: Session, row: Outreach, at: datetime) -> None:
    row.settle_at = at
    session.flush()
    _enqueue(session, row, at)


def _enqueue(session: Session, row: Outreach, at: datetime) -> None:
    enqueue(
        session,
        "communications.settle",
        {"outreach_id": row.id},
        dedupe_key=f"settle:{row.id}:{clock.to_ms(at)}",
        run_at=at,
        subject=Subject(
            kind="case", id=row.case_id, customer_id=row.customer_id, portfolio_id=row.portfolio_id
        ),
    )


def _ask_a_person(session: Session, row: Outreach) -> None:
    row.settle_at = None
    session.flush()
    open_task(
        session,
        row.case_id,
        title=f"TASK_UNKNOWN_{row.channel}",
        due_on=clock.today() + timedelta(days=TASK_DAYS),
        outcomes=OUTCOMES,
        dedupe=f"outreach:{row.id}:unknown",
    )


@job("communications.reconcile", shape=SHORT, queue="outreach")
def reconcile(session: Session, view: JobView) -> None:
    """Enqueue the settling of every contact whose time has come; the next round takes the rest."""
    due = session.scalars(
        select(Outreach)
        .where(
            # Written out: a bound value would hide the partial index from the planner.
            Outreach.state == literal_column("'UNKNOWN'"),
            Outreach.settle_at.is_not(None),
            Outreach.settle_at <= clock.now(),
        )
        .order_by(Outreach.settle_at)
        .limit(BATCH)
    ).all()
    for row in due:
        _enqueue(session, row, row.settle_at or clock.now())
    view.result = {"due": len(due)}


recurring("communications.reconcile", Every(RECONCILE_S))
