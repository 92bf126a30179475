"""Holds: a case rests for a reason and a time; a statutory moratorium also stops its interest."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases import law
from finview.cases.hold_models import CaseHold, HoldReason
from finview.cases.lifecycle import HELD, at_rest, locked, set_status, zone
from finview.cases.models import (
    Address,
    AgreementState,
    Case,
    CaseStatus,
    PaymentPlan,
    PointState,
    Settlement,
)
from finview.cases.reasons import REASON_CHARS_MAX
from finview.cases.timeline import chunks, note
from finview.db import audit, events
from finview.db.jobs import enqueue, on_tick
from finview.db.lists import one_of
from finview.errors import Invalid, Required, State
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "CASE_NOT_HELD": N_("The case is not on hold."),
        "HOLD_UNTIL_PAST": N_("The last day of a hold must not lie before {first}."),
        "HOLD_UNTIL_REQUIRED": N_("This moratorium needs its last day."),
        "TIMELINE_CASE_HELD": N_("On hold: {reason}."),
        "TIMELINE_CASE_HELD_UNTIL": N_("On hold from {on} to {until}: {reason}."),
        "TIMELINE_CASE_RELEASED": N_("The hold has ended: {reason}."),
        "HOLD_ON_HOLD": N_("by decision of the agency"),
        "HOLD_INVESTIGATION": N_("facts are being clarified"),
        "HOLD_DISPUTE": N_("the debtor disputes the claim"),
        "HOLD_MORATORIUM": N_("statutory moratorium"),
        "HOLD_DEBT_ADVICE": N_("a debt adviser is acting"),
    }
)

HOLD, RELEASED = "HOLD", "RELEASED"
"""The events that tell workflows; payload `reason`, and `until` of a hold that has an end."""

ADVICE_DAYS = 30
"""How long a debt adviser is waited for (FCA CONC 7.3.11R, 7.3.12G, about 30 days; to be verified)."""

BATCH = 100


def hold_case(
    session: Session,
    case_id: int,
    reason: HoldReason,
    *,
    until: date | None = None,
    text: str | None = None,
    by: int | None,
) -> CaseHold:
    """Let a launched, open case rest; `until` is its last day, None until it is released.

    A hold that is there is replaced, except a moratorium. That one begins on the day after the
    entry and lasts as the law pack of the debtor's country has it; meanwhile no interest accrues.
    A debt adviser is given 30 days. Raises `State` (CASE_CLOSED, CASE_NOT_LAUNCHED,
    CASE_MORATORIUM), `Invalid` (HOLD_UNTIL_PAST, REASON_TOO_LONG), `Required`
    (HOLD_UNTIL_REQUIRED).
    """
    case = locked(session, case_id)
    if case.status == CaseStatus.CLOSED:
        raise State("CASE_CLOSED", path=("input", "caseId"))
    if case.launched_at is None:
        raise State("CASE_NOT_LAUNCHED", path=("input", "caseId"))
    if text is not None and len(text) > REASON_CHARS_MAX:
        raise Invalid("REASON_TOO_LONG", path=("input", "note"), max=REASON_CHARS_MAX)
    before = open_hold(session, case_id)
    if before is not None and before.reason == HoldReason.MORATORIUM:
        raise State("CASE_MORATORIUM", path=("input", "caseId"), until=before.until_on)
    first, last = _days(session, case, reason, until)
    if before is not None:
        before.ended_at, before.ended_by = clock.now(), by
        session.flush()
    made = CaseHold(
        case_id=case_id,
        customer_id=case.customer_id,
        portfolio_id=case.portfolio_id,
        reason=reason,
        from_on=first,
        until_on=last,
        ends_at=_after(session, case, last),
        note=(text or "").strip() or None,
        held_at=clock.now(),
        held_by=by,
    )
    session.add(made)
    session.flush()
    if reason is HoldReason.MORATORIUM and last is not None:
        _no_interest(session, case, first, last + timedelta(days=1))
    status = CaseStatus.DISPUTED if reason is HoldReason.DISPUTE else CaseStatus.ON_HOLD
    set_status(session, case_id, status, by=by, lifting=True)
    session.expire(case)
    told = {"reason": f"HOLD_{reason}", "on": first.isoformat()}
    if last is not None:
        told["until"] = last.isoformat()
    code = "TIMELINE_CASE_HELD" if last is None else "TIMELINE_CASE_HELD_UNTIL"
    note(session, code, [case_id], by=by, params=told)
    audit.record(session, "case.hold", actor_id=by, subject=("case", case_id), why=reason.value)
    payload = {"reason": reason.value, "until": last.isoformat() if last else None}
    events.emit(session, HOLD, case_id=case_id, payload=payload, dedupe=f"hold:{made.id}")
    return made


def release_case(session: Session, case_id: int, *, by: int | None) -> None:
    """End the hold of a case: it returns to its agreement, its breathing space, or to work.

    A moratorium that ends early bears no interest up to and including today. Raises `State`
    (CASE_NOT_HELD).
    """
    case = locked(session, case_id)
    found = open_hold(session, case_id)
    if found is None:
        raise State("CASE_NOT_HELD", path=("caseId",))
    _release(session, case, found, by=by)
    audit.record(session, "case.release", actor_id=by, subject=("case", case_id), why=found.reason)


def open_hold(session: Session, case_id: int) -> CaseHold | None:
    """Return the hold a case is under now."""
    return holds_of(session, [case_id]).get(case_id)


def holds_of(session: Session, case_ids: Sequence[int]) -> Mapping[int, CaseHold]:
    """Return the holds that cases are under now."""
    found: dict[int, CaseHold] = {}
    for chunk in chunks(case_ids):
        wanted = select(CaseHold).where(
            one_of(CaseHold.case_id, chunk), CaseHold.ended_at.is_(None)
        )
        rows = session.scalars(wanted.execution_options(populate_existing=True))
        found |= {row.case_id: row for row in rows}
    return found


def debtor_country(session: Session, debtor_id: int) -> str | None:
    """Return the country of a debtor's best address, None where no address names one."""
    rank = {PointState.CONFIRMED: 0, PointState.VALID: 1, PointState.NOT_CONFIRMED: 2}
    found = session.execute(
        select(Address.id, Address.state, Address.country).where(
            Address.debtor_id == debtor_id, Address.country.is_not(None)
        )
    ).all()
    best = min(found, key=lambda row: (rank.get(PointState(row.state), 3), row.id), default=None)
    return str(best.country).upper() if best is not None else None


@on_tick("cases.holds")
def expire(session: Session) -> int:
    """Release the cases whose hold has ended by its day; return how many."""
    due = session.scalars(
        select(CaseHold.case_id)
        .where(
            CaseHold.ended_at.is_(None),
            CaseHold.ends_at.is_not(None),
            CaseHold.ends_at <= clock.now(),
        )
        .order_by(CaseHold.ends_at)
        .limit(BATCH)
    ).all()
    for case_id in sorted(due):
        case = locked(session, case_id)
        found = open_hold(session, case_id)
        if found is not None and found.ends_at is not None and found.ends_at <= clock.now():
            _release(session, case, found, by=None)
    return len(due)


def _days(
    session: Session, case: Case, reason: HoldReason, until: date | None
) -> tuple[date, date | None]:
    """Return first and last day of a hold that is entered today."""
    today = clock.today(zone(session, case))
    first, last = today, until
    if reason is HoldReason.MORATORIUM:
        packs = law.packs_of(session)
        code = law.code_for(packs, debtor_country(session, case.debtor_id) or _unit_law(case))
        found = packs[code].moratorium(today)
        first = found[0] if found else today + timedelta(days=1)
        last = until or (found[1] if found else None)
        if last is None:
            raise Required("HOLD_UNTIL_REQUIRED", path=("input", "until"))
    elif reason is HoldReason.DEBT_ADVICE and last is None:
        last = today + timedelta(days=ADVICE_DAYS)
    if last is not None and last < first:
        raise Invalid("HOLD_UNTIL_PAST", path=("input", "until"), first=first)
    return first, last


def _unit_law(case: Case) -> str:
    return str((case.financials or {}).get("law") or law.DEFAULT_CODE).upper()


def _release(session: Session, case: Case, found: CaseHold, *, by: int | None) -> None:
    found.ended_at, found.ended_by = clock.now(), by
    session.flush()
    if found.reason == HoldReason.MORATORIUM and found.until_on is not None:
        tomorrow = clock.today(zone(session, case)) + timedelta(days=1)
        _no_interest(
            session, case, found.from_on, min(found.until_on + timedelta(days=1), tomorrow)
        )
    set_status(session, case.id, _returns_to(session, case), by=by, lifting=True)
    session.expire(case)
    params = {"reason": f"HOLD_{found.reason}"}
    note(session, "TIMELINE_CASE_RELEASED", [case.id], by=by, params=params)
    payload = {"reason": found.reason}
    dedupe = f"released:{found.id}"
    events.emit(session, RELEASED, case_id=case.id, payload=payload, dedupe=dedupe)
    # What the gate held back because of it may go now.
    enqueue(session, "communications.wake", {"case_id": case.id}, dedupe_key=f"wake:{case.id}")


def _returns_to(session: Session, case: Case) -> CaseStatus:
    """Return where a case stands without its hold: an agreement goes on if it still runs."""
    for agreement, status in (
        (Settlement, CaseStatus.SETTLEMENT),
        (PaymentPlan, CaseStatus.PAYMENT_PLAN),
    ):
        running = select(agreement.id).where(
            agreement.case_id == case.id, agreement.state == AgreementState.ACTIVE
        )
        if session.scalars(running.limit(1)).first() is not None:
            return status
    return at_rest(case)


def _after(session: Session, case: Case, last: date | None) -> datetime | None:
    return None if last is None else clock.start_of(last + timedelta(days=1), zone(session, case))


def _no_interest(session: Session, case: Case, first: date, end: date) -> None:
    """Let the days from `first` to before `end` bear no interest; a window is known by its start."""
    kept = [window for window in case.interest_free or [] if window[0] != first.isoformat()]
    if end > first:
        kept.append([first.isoformat(), end.isoformat()])
    session.execute(
        update(Case)
        .where(Case.id == case.id)
        .values(interest_free=sorted(kept) or None)
        .execution_options(synchronize_session=False)
    )
    session.expire(case)


__all__ = [
    "HELD",
    "HOLD",
    "RELEASED",
    "CaseHold",
    "HoldReason",
    "debtor_country",
    "hold_case",
    "holds_of",
    "open_hold",
    "release_case",
]
