"""The life of a case: launched, out of its breathing space, another status, closed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.components import Breathing
from finview.cases.financials import apply_charges
from finview.cases.hold_models import CaseHold
from finview.cases.models import (
    AgreementState,
    Case,
    CaseStatus,
    CloseReason,
    PaymentPlan,
    Settlement,
)
from finview.cases.timeline import chunks, note
from finview.customers.models import BusinessUnit, Customer
from finview.customers.units import zone_of
from finview.db import events
from finview.db.jobs import enqueue
from finview.db.lists import one_of
from finview.errors import NotFound, State
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "CASE_NOT_LINKED": N_("{count} case(s) have no bucket yet and can't be launched."),
        "CASE_CLOSED": N_("The case is closed."),
        "CASE_NOT_LAUNCHED": N_("The workflows of this case were not launched yet."),
        "CASE_MORATORIUM": N_("A statutory moratorium protects the debtor until {until}."),
        "CASE_STATUS": N_("This is not possible while the status of the case is {status}."),
    }
)


PAID = (CloseReason.PAID_IN_FULL, CloseReason.PAID_IN_SETTLEMENT)
HELD = (CaseStatus.ON_HOLD, CaseStatus.DISPUTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchedCase:
    """A case that was launched just now; `breathing_ends_on` is None without breathing space."""

    id: int
    breathing_ends_on: date | None


def launch(
    session: Session, case_ids: Sequence[int], *, on: date, by: int | None
) -> list[LaunchedCase]:
    """Mark cases as launched on a day and return those that were not before, in order of id.

    One that was paid in full before stays closed and is left out.
    A case with a breathing space enters it: it ends `days` days after `on`. From here on the
    database keeps the ledger of the case for good. Raises `State` (CASE_NOT_LINKED) when one has
    no bucket; then nothing changes.
    """
    launched: list[LaunchedCase] = []
    for chunk in chunks(sorted(case_ids)):
        rows = session.execute(
            select(Case.id, Case.bucket_id, Case.breathing)
            .where(
                one_of(Case.id, chunk),
                Case.launched_at.is_(None),
                Case.status != CaseStatus.CLOSED,
            )
            .order_by(Case.id)
            .with_for_update()
        ).all()
        if missing := sum(1 for row in rows if row.bucket_id is None):
            raise State("CASE_NOT_LINKED", count=missing)
        for _, group in groupby(sorted(rows, key=_terms), key=_terms):
            launched += _launch(session, list(group), on, by)
    return sorted(launched, key=lambda case: case.id)


def _terms(row: Any) -> str:
    return Breathing.model_validate(row.breathing or {}).model_dump_json()


def _launch(session: Session, rows: Sequence[Any], on: date, by: int | None) -> list[LaunchedCase]:
    """Launch cases that share their breathing terms."""
    terms = Breathing.model_validate(rows[0].breathing or {})
    values: dict[str, Any] = {"launched_at": clock.now(), "status": CaseStatus.ACTIVE}
    if terms.enabled:
        terms = terms.begun(on)
        values |= {"status": CaseStatus.BREATHING_SPACE, "breathing": terms.as_json()}
    ids = [row.id for row in rows]
    _update(session, ids, values)
    note(session, "TIMELINE_CASE_LAUNCHED", ids, by=by)
    if terms.starts_on and terms.ends_on:
        days = {"start": terms.starts_on.isoformat(), "end": terms.ends_on.isoformat()}
        note(session, "TIMELINE_BREATHING_STARTED", ids, by=by, params=days)
    return [LaunchedCase(id=key, breathing_ends_on=terms.ends_on) for key in ids]


def end_breathing(session: Session, case_ids: Sequence[int], *, by: int | None = None) -> list[int]:
    """End the breathing space of cases that are in it: charge them and return their ids.

    Costs and interest are posted as of the true end, however late this is called; an end within a
    statutory moratorium is that of the moratorium, and while that lasts nothing is done. A plan or
    a settlement that was agreed meanwhile goes on.
    """
    ended: list[int] = []
    for chunk in chunks(sorted(case_ids)):
        rows = session.execute(
            select(Case.id, Case.breathing, Case.status, Case.interest_free)
            .where(
                Case.id.in_(chunk),
                Case.launched_at.is_not(None),
                Case.charges_from.is_(None),
                Case.status != CaseStatus.CLOSED,
            )
            .order_by(Case.id)
            .with_for_update()
        ).all()
        due = [row for row in rows if _is_over(row)]
        by_day = sorted((_ends_on(row), row.id) for row in due)
        for day, group in groupby(by_day, key=lambda pair: pair[0]):
            ids = [key for _, key in group]
            apply_charges(session, ids, on=day, by=by)
            note(session, "TIMELINE_BREATHING_ENDED", ids, by=by, params={"on": day.isoformat()})
            ended += ids
        breathing = [row.id for row in due if row.status == CaseStatus.BREATHING_SPACE]
        _update(session, breathing, {"status": CaseStatus.ACTIVE})
    return sorted(ended)


def _ends_on(row: Any) -> date:
    ends_on = Breathing.model_validate(row.breathing).ends_on
    assert ends_on is not None, "a case in its breathing space has dates"
    for first, end in row.interest_free or ():
        if date.fromisoformat(first) <= ends_on < date.fromisoformat(end):
            # A statutory moratorium forbids charges.
            ends_on = date.fromisoformat(end)
    return ends_on


def _is_over(row: Any) -> bool:
    if not Breathing.model_validate(row.breathing or {}).enabled:
        return False
    return not row.interest_free or _ends_on(row) <= clock.today()


def locked(session: Session, case_id: int) -> Case:
    """Return a case as it is now, held until the transaction ends; raises `NotFound`."""
    statement = select(Case).where(Case.id == case_id).with_for_update()
    found = session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise NotFound
    return found


def locked_all(session: Session, case_ids: Collection[int]) -> dict[int, Case]:
    """Return those cases that exist as they are now, by id, held until the transaction ends."""
    found: dict[int, Case] = {}
    for chunk in chunks(sorted(case_ids)):
        statement = select(Case).where(one_of(Case.id, chunk)).order_by(Case.id).with_for_update()
        rows = session.scalars(statement.execution_options(populate_existing=True))
        found |= {row.id: row for row in rows}
    return found


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a case is: its customer's business unit, and the zone in which its days begin."""

    business_unit_id: int
    zone: str


def owners_of(session: Session, customer_ids: Collection[int]) -> dict[int, Owner]:
    """Return the business unit and zone of customers, by one statement."""
    rows = session.execute(
        select(Customer.id, BusinessUnit)
        .join(BusinessUnit, BusinessUnit.id == Customer.business_unit_id)
        .where(one_of(Customer.id, sorted(customer_ids)))
    )
    return {customer_id: Owner(unit.id, zone_of(unit)) for customer_id, unit in rows}


def zone(session: Session, case: Case) -> str:
    """Return the zone in which the days of a case begin: that of its business unit."""
    customer = session.get_one(Customer, case.customer_id)
    return zone_of(session.get_one(BusinessUnit, customer.business_unit_id))


def require(case: Case, *statuses: CaseStatus) -> None:
    """Raise `State` (CASE_CLOSED, CASE_NOT_LAUNCHED, CASE_STATUS) unless in one of the states."""
    if case.status == CaseStatus.CLOSED:
        raise State("CASE_CLOSED", path=("input", "caseId"))
    if case.launched_at is None:
        raise State("CASE_NOT_LAUNCHED", path=("input", "caseId"))
    if case.status not in statuses:
        raise State("CASE_STATUS", path=("input", "caseId"), status=str(case.status))


def at_rest(case: Case) -> CaseStatus:
    """Return the status of a launched case to which nothing special happens."""
    breathing = Breathing.model_validate(case.breathing or {})
    waits = breathing.enabled and case.charges_from is None
    return CaseStatus.BREATHING_SPACE if waits else CaseStatus.ACTIVE


def set_status(
    session: Session,
    case_id: int,
    status: CaseStatus,
    *,
    by: int | None,
    lifting: bool = False,
) -> None:
    """Move an open case to another open status; raises `State` (CASE_CLOSED) for a closed one.

    A case on hold stays so until its hold is released (`lifting`): where it stands then follows from
    its agreements.
    """
    before = session.scalars(select(Case.status).where(Case.id == case_id)).one()
    if CaseStatus.CLOSED in (before, status):
        raise State("CASE_CLOSED")
    if before != status and (lifting or before not in HELD):
        _update(session, [case_id], {"status": status})
        changed = {"before": f"STATUS_{before}", "after": f"STATUS_{status}"}
        note(session, "TIMELINE_STATUS_CHANGED", [case_id], by=by, params=changed)
        if before in HELD and status not in HELD:
            released(session, case_id)


def released(session: Session, case_id: int) -> None:
    """Let what was left out while a case was held or closed be planned anew, in a job."""
    enqueue(session, "enrichment.rearm", {"case_id": case_id})


def close(session: Session, case_ids: Sequence[int], reason: CloseReason, *, by: int | None) -> int:
    """Close cases that are open and return how many; workflows hear of it by `case.closed`."""
    closed: list[int] = []
    for chunk in chunks(sorted(case_ids)):
        closed += session.scalars(
            select(Case.id)
            .where(Case.id.in_(chunk), Case.status != CaseStatus.CLOSED)
            .order_by(Case.id)
            .with_for_update()
        )
    values = {"status": CaseStatus.CLOSED, "close_reason": reason, "closed_at": clock.now()}
    _update(session, closed, values)
    for agreement in (PaymentPlan, Settlement):
        for chunk in chunks(closed):
            session.execute(
                update(agreement)
                .where(agreement.case_id.in_(chunk), agreement.state == AgreementState.ACTIVE)
                .values(state=AgreementState.ENDED, ended_at=clock.now())
                .execution_options(synchronize_session=False)
            )
    for chunk in chunks(closed):
        session.execute(
            update(CaseHold)
            .where(CaseHold.case_id.in_(chunk), CaseHold.ended_at.is_(None))
            .values(ended_at=clock.now(), ended_by=by)
            .execution_options(synchronize_session=False)
        )
    note(session, "TIMELINE_CASE_CLOSED", closed, by=by, params={"reason": f"CLOSED_{reason}"})
    for case_id in closed:
        events.emit(session, "case.closed", case_id=case_id, payload={"reason": reason})
        if reason in PAID:
            # Whether and what the debtor is told is decided by the room that writes messages.
            enqueue(
                session,
                "communications.completion",
                {"case_id": case_id},
                dedupe_key=f"completion:{case_id}:{clock.now_ms()}",
            )
    return len(closed)


def _update(session: Session, case_ids: Sequence[int], values: dict[str, Any]) -> None:
    for chunk in chunks(case_ids):
        session.execute(
            update(Case)
            .where(one_of(Case.id, chunk))
            .values(**values, lock_version=Case.lock_version + 1)
            .execution_options(synchronize_session=False)
        )
