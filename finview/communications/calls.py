"""Calls: what a call centre is asked to do, and what becomes of the case when it tells the result."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import PhonePoint, PointState
from finview.cases.timeline import note
from finview.communications.call_models import CallReport
from finview.communications.history import cases_named, talked
from finview.communications.models import Channel, Outreach, OutreachState
from finview.communications.outreach import NO_OUTCOME, end_tasks, finish, held_case, send_at
from finview.db.events import emit
from finview.db.lists import one_of
from finview.i18n import N_, sentences
from finview.plugins.bindings import Bound
from finview.plugins.contracts.call_centre import CallOutcome, CallResult

sentences(
    {
        "TIMELINE_CALL_ACCEPTED": N_("A call was requested."),
        "TIMELINE_CALL_REJECTED": N_("A call was refused."),
        "TIMELINE_CALL_UNKNOWN": N_("Nobody can tell whether a call was requested."),
        "TIMELINE_CALL_CANCELLED": N_("A call was taken back."),
        "TIMELINE_CALL_BLOCKED": N_("A call was not allowed."),
        "TIMELINE_CALL_REACHED": N_("By phone: reached."),
        "TIMELINE_CALL_NOT_REACHED": N_("By phone: not reached."),
        "TIMELINE_CALL_NO_OUTCOME": N_("By phone: no result came, so it counts as not reached."),
        "TIMELINE_CALL_WRONG_NUMBER": N_("By phone: {number} is a wrong number."),
        "TIMELINE_CALL_CALL_BACK": N_("By phone: wants to be called back on {until}."),
        "TIMELINE_CALL_PROMISE": N_("By phone: {amount} promised by {until}."),
        "TIMELINE_CALL_TECHNICAL": N_(
            "By phone: the call did not take place for technical reasons."
        ),
        "TIMELINE_CALL_LATE": N_("By phone, after the call was over: {result}. Nothing changes."),
        "CALL_REACHED": N_("reached"),
        "CALL_NOT_REACHED": N_("not reached"),
        "CALL_WRONG_NUMBER": N_("wrong number"),
        "CALL_CALL_BACK": N_("wants to be called back"),
        "CALL_PROMISE": N_("promised to pay"),
        "CALL_TECHNICAL": N_("did not take place"),
    }
)

CALL_OUTCOME = "CALL_OUTCOME"
"""The event that tells a run what one of its calls came to."""

AGAIN_S_FIRST = 900
AGAIN_S_MAX = 86_400
TECHNICAL_MAX = 20
"""So often one call may fail to take place before a person has to look."""

S = OutreachState
_ASKED = (S.SENDING, S.ACCEPTED, S.UNKNOWN)
_ANSWERED = (CallResult.REACHED, CallResult.CALL_BACK, CallResult.PROMISE)


def take_outcomes(session: Session, bound: Bound, told: Sequence[CallOutcome]) -> int:
    """Store what a call centre told; return how many outcomes changed something.

    A key that this binding never took is passed over in silence: its call belongs to somebody else.
    The cases are locked in the order of their ids.
    """
    keys = {outcome.key for outcome in told}
    mine = (
        Outreach.channel == Channel.CALL,
        Outreach.provider == bound.name,
        Outreach.binding_id == bound.binding_id
        if bound.binding_id is not None
        else Outreach.binding_id.is_(None),
    )
    found: dict[str, tuple[int, int]] = {
        key: (row_id, case_id)
        for row_id, case_id, key in session.execute(
            select(Outreach.id, Outreach.case_id, Outreach.idem_key).where(
                one_of(Outreach.idem_key, keys), *mine
            )
        )
    }
    known = _known(session, [row_id for row_id, _ in found.values()])
    new = [o for o in told if o.key in found and (found[o.key][0], o.outcome_id) not in known]
    counted = 0
    for outcome in sorted(new, key=lambda o: (found[o.key][1], o.at, o.outcome_id)):
        row = session.get_one(Outreach, found[outcome.key][0])
        held_case(session, row)
        counted += record(session, row, outcome, provider=bound.name)
    return counted


def _known(session: Session, row_ids: Iterable[int]) -> set[tuple[int, str]]:
    """Return which outcomes of these calls were told before."""
    found = session.execute(
        select(CallReport.outreach_id, CallReport.outcome_id).where(
            one_of(CallReport.outreach_id, list(row_ids))
        )
    )
    return {(row.outreach_id, row.outcome_id) for row in found}


def record(
    session: Session,
    row: Outreach,
    told: CallOutcome,
    *,
    provider: str,
    reason: str | None = None,
    by: int | None = None,
) -> bool:
    """Store one outcome of a call; return whether it counts. The case is locked by the caller.

    The same outcome told twice is dropped; one that comes after the call was over is kept and
    changes nothing.
    """
    session.flush()
    if (row.id, told.outcome_id) in _known(session, [row.id]):
        return False
    counts = _is_open(row) and (row.state in _ASKED or told.result != CallResult.TECHNICAL)
    promise = _promise(told)
    session.add(
        CallReport(
            outreach_id=row.id,
            case_id=row.case_id,
            customer_id=row.customer_id,
            portfolio_id=row.portfolio_id,
            provider=provider,
            outcome_id=told.outcome_id,
            result=told.result,
            at=told.at,
            call_back_at=told.call_back_at,
            promise=promise,
            note=told.note,
            counted=counts,
            received_at=clock.now(),
            actor_id=by,
        )
    )
    if told.result in _ANSWERED:
        # A conversation is one even when it comes to our ears late: the law counts it.
        also = cases_named(session, row.case_id, told.discussed)
        talked(session, [row.case_id, *also], min(told.at, clock.now()), outreach_id=row.id)
    if not counts:
        _noted(session, row, "TIMELINE_CALL_LATE", by, {"result": f"CALL_{told.result}"})
    elif told.result == CallResult.TECHNICAL:
        _again(session, row, told, by)
    else:
        _settle(session, row, told, reason, by)
    session.flush()
    return counts


def _is_open(row: Outreach) -> bool:
    """Tell whether a call that was asked for still waits for its outcome."""
    asked = row.state in _ASKED or (row.state == S.PLANNED and row.sending_at is not None)
    return asked and row.outcome is None


def _settle(
    session: Session, row: Outreach, told: CallOutcome, reason: str | None, by: int | None
) -> None:
    promise = _promise(told)
    until = told.call_back_at.isoformat() if told.call_back_at is not None else None
    if promise is not None:
        until = clock.start_of(told.promise.on).isoformat()  # type: ignore[union-attr]  # just read
    row.state, row.outcome, row.reason, row.settle_at = S.ACCEPTED, told.result, reason, None
    row.sent_at = row.sent_at or clock.now()
    row.ended_at = clock.now()
    row.detail = {"until": until, "promise": promise}
    point = session.get(PhonePoint, row.point_id) if row.point_id else None
    if point is not None:
        point.state = _state_of(point, told.result)
    code = NO_OUTCOME if reason == NO_OUTCOME else told.result
    params: dict[str, Any] = {"number": point.e164 if point is not None else "…"}
    if promise is not None:
        params |= {
            "amount": {"minor": promise["amount_minor"], "currency": promise["currency"]},
            "until": promise["on"],
        }
    elif told.call_back_at is not None:
        params["until"] = told.call_back_at.date().isoformat()
    _noted(session, row, f"TIMELINE_CALL_{code}", by, params)
    # A result that never came answers nobody's task: it is only needed no more.
    end_tasks(session, row, None if reason else told.result.value, by=by)
    session.flush()
    emit(
        session,
        CALL_OUTCOME,
        case_id=row.case_id,
        payload={
            "outreach_id": row.id,
            "run_id": row.run_id,
            "result": told.result.value,
            "reason": reason,
            "call_back_at": told.call_back_at.isoformat() if told.call_back_at else None,
            "promise": promise,
        },
        dedupe=f"call:{row.id}:{told.outcome_id}",
    )


def _state_of(point: PhonePoint, result: CallResult) -> PointState:
    """Return what is known about a number now; whoever answers makes it VALID, as delivery does."""
    if result == CallResult.WRONG_NUMBER:
        return PointState.INVALID
    if result in _ANSWERED and point.state == PointState.NOT_CONFIRMED:
        return PointState.VALID
    return PointState(point.state)


def _again(session: Session, row: Outreach, told: CallOutcome, by: int | None) -> None:
    """Plan the same call with the same key again: one that did not take place is no attempt."""
    times = session.scalar(
        select(func.count()).where(
            CallReport.outreach_id == row.id, CallReport.result == CallResult.TECHNICAL
        )
    )
    _noted(session, row, "TIMELINE_CALL_TECHNICAL", by, {})
    tries = times or 1
    if tries >= TECHNICAL_MAX:
        finish(session, row, S.REJECTED, reason="TECHNICAL")
        return
    # Surely nobody was called, so the provider's promise about the key starts anew.
    row.state, row.sending_at, row.sent_at = S.PLANNED, None, None
    wait_s = min(AGAIN_S_FIRST * 2 ** (tries - 1), AGAIN_S_MAX)
    send_at(session, row, clock.now() + timedelta(seconds=wait_s), again=f":{told.outcome_id[:60]}")


def _promise(told: CallOutcome) -> dict[str, Any] | None:
    if told.promise is None:
        return None
    return {
        "amount_minor": told.promise.amount_minor,
        "currency": told.promise.currency,
        "on": told.promise.on.isoformat(),
    }


def _noted(
    session: Session, row: Outreach, code: str, by: int | None, params: dict[str, Any]
) -> None:
    note(session, code, [row.case_id], by=by, params=params)


def no_outcome(row: Outreach, at: datetime) -> CallOutcome:
    """Return what stands for an outcome that never came."""
    asked = clock.to_ms(row.sent_at or row.planned_at)
    return CallOutcome(
        key=row.idem_key,
        outcome_id=f"no-outcome:{asked}",
        result=CallResult.NOT_REACHED,
        at=at,
    )
