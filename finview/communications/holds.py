"""General stops: one row keeps everything of a scope from going out, however many cases it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, or_, select, true
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, CaseStatus
from finview.cases.reasons import given_reason
from finview.communications.models import Channel, Outreach, OutreachState
from finview.communications.policy_models import OutboundHold
from finview.customers.models import Customer
from finview.db import audit
from finview.db.jobs import enqueue
from finview.errors import NotFound, State
from finview.i18n import N_, sentences

CODES = sentences({"OUTBOUND_HOLD_ENDED": N_("This stop has ended already.")})


class HoldScope(StrEnum):
    """What a stop is about."""

    SYSTEM = "SYSTEM"
    BUSINESS_UNIT = "BUSINESS_UNIT"
    CUSTOMER = "CUSTOMER"
    PORTFOLIO = "PORTFOLIO"
    BUCKET = "BUCKET"
    WORKFLOW = "WORKFLOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A running stop as it is compared: its scope, and the channel it is about, if one."""

    kind: str
    scope_id: int | None
    channel: str | None


def hold_outbound(
    session: Session,
    scope: HoldScope,
    scope_id: int | None,
    reason: str,
    *,
    channel: Channel | None = None,
    by: int | None,
) -> OutboundHold:
    """Stop everything outgoing of a scope, or one channel of it, with one row.

    The caller has checked that the scope exists. Raises `Required` without a reason.
    """
    made = OutboundHold(
        scope_kind=scope,
        scope_id=scope_id,
        channel=channel,
        reason=given_reason(reason, ("reason",)),
        since=clock.now(),
        by=by,
    )
    session.add(made)
    session.flush()
    audit.record(
        session,
        "outbound.hold",
        actor_id=by,
        subject=("outbound_hold", made.id),
        scope=[scope.value, scope_id],
        channel=channel,
    )
    if channel in (None, Channel.CALL):
        enqueue(session, "communications.calls_stop", {"hold_id": made.id})
    return made


def end_outbound(session: Session, hold_id: int, *, by: int | None) -> OutboundHold:
    """End a stop; what it held back goes on in chunks, spread over time.

    Raises `NotFound`, and `State` (OUTBOUND_HOLD_ENDED).
    """
    wanted = select(OutboundHold).where(OutboundHold.id == hold_id).with_for_update()
    found = session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise NotFound.row(hold_id)
    if found.ended_at is not None:
        raise State("OUTBOUND_HOLD_ENDED", path=("id",))
    found.ended_at = clock.now()
    session.flush()
    audit.record(session, "outbound.release", actor_id=by, subject=("outbound_hold", found.id))
    enqueue(session, "communications.go_on", {"hold_id": found.id})
    return found


def running(session: Session) -> Sequence[Stop]:
    """Return the stops that run now: a handful, whatever they stop."""
    rows = session.execute(
        select(OutboundHold.scope_kind, OutboundHold.scope_id, OutboundHold.channel).where(
            OutboundHold.ended_at.is_(None)
        )
    )
    return [Stop(kind=row.scope_kind, scope_id=row.scope_id, channel=row.channel) for row in rows]


def stopped(
    session: Session,
    case: Case,
    channel: Channel | None = None,
    *,
    workflow_id: int | None = None,
) -> bool:
    """Tell whether a stop covers a case, for a channel, or (None) for whatever it would do next.

    A stop of one channel lets a workflow go on: only what leaves by that channel waits.
    """
    stops = running(session)
    if not stops:
        return False
    places: dict[str, int | None] = {
        HoldScope.SYSTEM: None,
        HoldScope.CUSTOMER: case.customer_id,
        HoldScope.PORTFOLIO: case.portfolio_id,
        HoldScope.BUCKET: case.bucket_id,
        HoldScope.WORKFLOW: workflow_id,
    }
    if any(one.kind == HoldScope.BUSINESS_UNIT for one in stops):
        customer = session.get_one(Customer, case.customer_id)
        places[HoldScope.BUSINESS_UNIT] = customer.business_unit_id
    return any(
        one.channel in (None, channel)
        and (
            one.kind == HoldScope.SYSTEM
            or (one.scope_id is not None and places.get(one.kind) == one.scope_id)
        )
        for one in stops
    )


def cases_in(hold: OutboundHold) -> Any:
    """Return the condition on cases that a stop covers."""
    scopes = {
        HoldScope.SYSTEM: true(),
        HoldScope.BUSINESS_UNIT: Case.customer_id.in_(
            select(Customer.id).where(Customer.business_unit_id == hold.scope_id)
        ),
        HoldScope.CUSTOMER: Case.customer_id == hold.scope_id,
        HoldScope.PORTFOLIO: Case.portfolio_id == hold.scope_id,
        HoldScope.BUCKET: Case.bucket_id == hold.scope_id,
        # Runs are seen above this room: every case is asked, and goes on if it may.
        HoldScope.WORKFLOW: true(),
    }
    waits = select(Outreach.case_id).where(Outreach.state == OutreachState.PLANNED)
    alive = and_(Case.launched_at.is_not(None), Case.status != CaseStatus.CLOSED)
    return and_(scopes[HoldScope(hold.scope_kind)], or_(alive, Case.id.in_(waits)))
