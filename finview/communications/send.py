"""The job that hands a planned contact over: SENDING is committed before any provider is called."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, case, not_, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, Debtor
from finview.communications.channels import CARRIERS, Carrier, Sending
from finview.communications.facts import Address, stored_point
from finview.communications.models import Channel, Outreach, OutreachState
from finview.communications.outreach import (
    WITHDRAWN,
    finish,
    held_case,
    send_at,
    take_back,
    wait,
)
from finview.communications.policy import ContactOutcome, Verdict, decide
from finview.communications.settle import may_repeat, promise_of, taker, unsure
from finview.customers.models import Bucket, BusinessUnit, Customer
from finview.customers.preferences import chain
from finview.db.failpoints import failpoint
from finview.db.jobs import EXTERNAL, Job, JobError, JobView, job
from finview.plugins.bindings import Bound, resolve
from finview.plugins.contracts.call_centre import CallRequest, CallWindow
from finview.plugins.contracts.delivery import NEVER, Accepted, Deferred, Refused, SendResult
from finview.plugins.errors import SURELY_NOT_DONE
from finview.plugins.manager import Plugins

S = OutreachState


@dataclass(frozen=True, slots=True)
class _Request:
    bound: Bound
    method: str
    item: Any


def _given_up(session: Session, view: JobView, error: JobError) -> None:  # noqa: ARG001  # the hook
    row = session.get(Outreach, view.args["outreach_id"])
    if row is None or row.state not in (S.PLANNED, S.SENDING):
        return
    if row.state == S.PLANNED:
        finish(session, row, S.REJECTED, reason="GIVEN_UP")
    else:
        unsure(session, row, promise_of(session, view.services.get(Plugins), row))


@job("communications.send", shape=EXTERNAL, queue="outreach", on_dead=_given_up)
class Send:
    """Hand over one planned contact, never twice."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.outreach_id: int = view.args["outreach_id"]
        self.repeats = False
        """Whether an earlier try may have left: then nothing this one comes to undoes SENDING."""

    def before(self, session: Session) -> _Request | None:
        """Ask the contact policy and store SENDING; what may have left goes again only by a promise.

        The case's row is locked, so a payment is either seen here or comes after SENDING.
        """
        row = session.get(Outreach, self.outreach_id)
        if row is None or row.state not in (S.PLANNED, S.SENDING):
            return None
        case = held_case(session, row)
        if row.state not in (S.PLANNED, S.SENDING):
            return None
        if CARRIERS[Channel(row.channel)].answers and row.reason == WITHDRAWN:
            take_back(session, row)
            return None
        plugins = self.view.services.get(Plugins)
        said = _decided(session, row, case)
        if row.state == S.SENDING:
            return self._again(session, plugins, row, case, said)
        if said.outcome != ContactOutcome.ALLOW:
            _held_back(session, row, said)
            return None
        carrier = CARRIERS[Channel(row.channel)]
        customer = session.get_one(Customer, case.customer_id)
        bucket = session.get(Bucket, case.bucket_id) if case.bucket_id else None
        bound = resolve(session, plugins, chain(customer, bucket), carrier.slot)
        address = carrier.address(session, case.debtor_id)
        if address is None or bound is None:
            reason = "NO_ADDRESS" if address is None else "NO_PROVIDER"
            finish(session, row, S.REJECTED, reason=reason)
            return None
        failpoint("communications.send.before")
        item = _item(session, carrier, row, case, address, said)
        row.state, row.provider, row.point_id = S.SENDING, bound.name, address.point_id
        row.binding_id, row.reason, row.not_before = bound.binding_id, None, None
        row.sending_at = row.sending_at or clock.now()
        return _Request(bound, carrier.method, item)

    def _again(
        self, session: Session, plugins: Plugins, row: Outreach, case: Case, said: Verdict
    ) -> _Request | None:
        """Hand over once more what may have left, to the same provider and address, if that is safe."""
        bound = taker(session, plugins, row)
        resend = NEVER if row.reason == WITHDRAWN else promise_of(session, plugins, row)
        carrier = CARRIERS[Channel(row.channel)]
        if bound is None or said.outcome != ContactOutcome.ALLOW or not may_repeat(resend, row):
            unsure(session, row, resend)
            return None
        address = stored_point(session, row.channel, row.point_id) if row.point_id else None
        address = address or carrier.address(session, case.debtor_id)
        if address is None:
            unsure(session, row, resend)
            return None
        self.repeats = True
        return _Request(bound, carrier.method, _item(session, carrier, row, case, address, said))

    def call(self, request: _Request) -> SendResult:
        """Hand it over, with no session open.

        What a provider surely did not do leaves the contact planned; the job fails by the
        provider's own word: later, parked until the binding is mended, or dead.
        """
        failpoint("communications.send.call")
        try:
            results: list[SendResult] = request.bound.call(request.method, [request.item])
        except SURELY_NOT_DONE:
            failpoint("communications.send.not_done")
            self._not_sent()
            raise
        failpoint("communications.send.sent")
        return results[0]

    def _not_sent(self) -> None:
        """Take SENDING back, unless the job is somebody else's by now, or an earlier try may have left."""
        if self.repeats:
            return
        with self.view.services.db.unit() as session:
            mine = select(Job.id).where(Job.id == self.view.id, Job.attempt == self.view.attempt)
            if session.scalar(mine.with_for_update()) is None:
                return
            calls = Outreach.channel == Channel.CALL
            withdrawn = and_(Outreach.reason == WITHDRAWN, not_(calls))
            session.execute(
                update(Outreach)
                .where(Outreach.id == self.outreach_id, Outreach.state == S.SENDING)
                .values(
                    # What was withdrawn meanwhile must not go at the next try.
                    state=case((withdrawn, S.CANCELLED.value), else_=S.PLANNED.value),
                    sending_at=None,
                )
                .execution_options(synchronize_session=False)
            )

    def after(self, session: Session, outcome: SendResult) -> None:
        """Store the outcome and let the workflow go on.

        Whoever writes an event of the case holds its row. A call's own outcome may have come before
        the answer to its request; then that stands. One that was taken back meanwhile stays so.
        """
        row = session.get_one(Outreach, self.outreach_id)
        held_case(session, row)
        if row.state != S.SENDING:
            return
        if CARRIERS[Channel(row.channel)].answers and row.reason == WITHDRAWN:
            take_back(session, row)
            return
        failpoint("communications.send.after")
        if isinstance(outcome, Deferred) and row.reason == WITHDRAWN:
            finish(session, row, S.CANCELLED)
            return
        if isinstance(outcome, Deferred):
            if not self.repeats:
                row.state, row.sending_at = S.PLANNED, None
            at = clock.now() + timedelta(seconds=outcome.after_s)
            send_at(session, row, at, again=f":{self.view.id}")
            return
        row.reason = None  # of a withdrawal that came too late
        if isinstance(outcome, Accepted):
            row.provider_ref = outcome.reference[:300]
        finish(session, row, S.REJECTED if isinstance(outcome, Refused) else S.ACCEPTED)


def _decided(session: Session, row: Outreach, case: Case) -> Verdict:
    """Ask the gate; a legally required notice takes the channel that is left to it."""
    said = decide(session, row, case)
    if said.instead is None or row.state != S.PLANNED or said.final:
        return said
    row.channel = said.instead
    session.flush()
    return decide(session, row, case)


def _item(
    session: Session, carrier: Carrier, row: Outreach, case: Case, address: Address, said: Verdict
) -> Any:
    customer = session.get_one(Customer, case.customer_id)
    sending = Sending(
        row=row,
        case=case,
        debtor=session.get_one(Debtor, case.debtor_id),
        customer=customer,
        unit=session.get_one(BusinessUnit, customer.business_unit_id),
        address=address,
    )
    item = carrier.item(session, sending)
    if isinstance(item, CallRequest) and item.window is None and said.window is not None:
        # Calls are made later than they are handed over: outside these hours nobody may.
        item = replace(item, window=CallWindow(opens=said.window.opens, closes=said.window.closes))
    return item


def _held_back(session: Session, row: Outreach, said: Verdict) -> None:
    """Store what the gate said instead of sending."""
    if said.outcome == ContactOutcome.DELAY:
        wait(session, row, said)
        return
    state = S.CANCELLED if said.final else S.BLOCKED
    finish(session, row, state, reason=said.reasons[0] if said.reasons else "")
