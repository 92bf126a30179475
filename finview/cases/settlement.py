"""Settlements: a smaller amount received by a day ends the case, else the full claim stands."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.ledger_models import TxnKind
from finview.cases.lifecycle import at_rest, close, locked, require, set_status, zone
from finview.cases.models import (
    AgreementState,
    Case,
    CaseStatus,
    CloseReason,
    PaymentPlan,
    Settlement,
)
from finview.cases.plans import active_plan, end_plan
from finview.cases.reasons import given_reason
from finview.cases.received import check_amount, newest_txn, received_after
from finview.cases.statement import balances
from finview.cases.timeline import chunks, note
from finview.cases.waivers import give_up
from finview.db import audit, events
from finview.db.lists import one_of
from finview.errors import Invalid, State
from finview.i18n import N_, sentences
from finview.money import Money, minor_text

CODES = sentences(
    {
        "SETTLEMENT_ACTIVE": N_("A settlement was agreed for this case already."),
        "SETTLEMENT_AMOUNT": N_("A settlement is not more than what is open: {open}."),
        "SETTLEMENT_NONE": N_("No settlement is open for this case."),
        "SETTLEMENT_PAY_BY": N_("The settlement is to be paid between {first} and {last}."),
    }
)

PAY_BY_DAYS_MAX = 366
RULE = "waiver.settlement"


def agree_settlement(
    session: Session, case_id: int, amount: Money, *, pay_by: date, by: int | None
) -> Settlement:
    """Agree that `amount`, received from now on by a day, settles the case; a plan ends.

    The claim account stays as it is. Raises `State` (SETTLEMENT_ACTIVE, CASE_…) and `Invalid`
    (AMOUNT_…, SETTLEMENT_…).
    """
    case = locked(session, case_id)
    if case.status == CaseStatus.SETTLEMENT:
        raise State("SETTLEMENT_ACTIVE", path=("input", "caseId"))
    require(case, CaseStatus.ACTIVE, CaseStatus.BREATHING_SPACE, CaseStatus.PAYMENT_PLAN)
    zone_name = zone(session, case)
    today = clock.today(zone_name)
    check_amount(case, amount)
    open_now = balances(session, [case_id], today)[case_id].open
    if amount.minor > open_now.minor:
        path = ("input", "amount", "amount")
        raise Invalid("SETTLEMENT_AMOUNT", path=path, open=f"{open_now.text} {open_now.currency}")
    last = today + timedelta(days=PAY_BY_DAYS_MAX)
    if not today <= pay_by <= last:
        raise Invalid("SETTLEMENT_PAY_BY", path=("input", "payBy"), first=today, last=last)
    plan = active_plan(session, case_id)
    if plan is not None:
        end_plan(session, case, plan, AgreementState.ENDED, by=by, closing=True)
    made = Settlement(
        case_id=case_id,
        customer_id=case.customer_id,
        portfolio_id=case.portfolio_id,
        state=AgreementState.ACTIVE,
        currency=amount.currency,
        amount_minor=amount.minor,
        pay_by=pay_by,
        agreed_at=clock.now(),
        agreed_by=by,
        after_txn_id=newest_txn(session, case_id),
        check_at=clock.start_of(pay_by + timedelta(days=1), zone_name),
    )
    session.add(made)
    session.flush()
    set_status(session, case_id, CaseStatus.SETTLEMENT, by=by)
    told = {"minor": amount.minor, "currency": amount.currency}
    params = {"amount": told, "on": pay_by.isoformat()}
    note(session, "TIMELINE_SETTLEMENT_AGREED", [case_id], by=by, params=params)
    audit.record(
        session, "settlement.agree", actor_id=by, subject=("case", case_id), settlement=made.id
    )
    payload = {"settlement_id": made.id}
    events.emit(session, "settlement.agreed", case_id=case_id, payload=payload)
    return made


def settle(session: Session, case: Case, *, by: int | None) -> bool:
    """Close a locked case whose settlement was paid in time; return whether it was.

    Money entered late counts by its day of receipt: a settlement that lapsed meanwhile was kept
    after all, unless something else was agreed since.
    """
    found = _newest(session, case.id)
    if found is None or found.state not in (AgreementState.ACTIVE, AgreementState.BROKEN):
        return False
    paid = received_after(session, case.id, found.after_txn_id, until=found.pay_by)
    if paid < found.amount_minor:
        return False
    found.state, found.ended_at = AgreementState.KEPT, clock.now()
    session.flush()
    waived = _waive(session, case, found, paid, by)
    told = {"minor": waived, "currency": case.currency}
    note(session, "TIMELINE_SETTLEMENT_KEPT", [case.id], by=by, params={"amount": told})
    close(session, [case.id], CloseReason.PAID_IN_SETTLEMENT, by=by)
    return True


def lapse(session: Session, case: Case, *, by: int | None = None) -> None:
    """End the settlement of a locked case whose day has passed: the full claim stands."""
    found = _newest(session, case.id)
    if found is None or found.state != AgreementState.ACTIVE or found.check_at > clock.now():
        return
    found.state, found.ended_at = AgreementState.BROKEN, clock.now()
    session.flush()
    params = {"on": found.pay_by.isoformat()}
    note(session, "TIMELINE_SETTLEMENT_LAPSED", [case.id], by=by, params=params)
    set_status(session, case.id, at_rest(case), by=by)
    payload = {"settlement_id": found.id}
    events.emit(session, "settlement.lapsed", case_id=case.id, payload=payload)


def cancel_settlement(session: Session, case_id: int, reason: str, *, by: int | None) -> None:
    """End the settlement of a case by hand: the full claim stands again.

    Raises `State` (SETTLEMENT_NONE) and `Required` without a reason.
    """
    reason = given_reason(reason, ("reason",))
    case = locked(session, case_id)
    found = _newest(session, case.id)
    if found is None or found.state != AgreementState.ACTIVE:
        raise State("SETTLEMENT_NONE", path=("caseId",))
    found.state, found.ended_at = AgreementState.ENDED, clock.now()
    session.flush()
    note(session, "TIMELINE_SETTLEMENT_CANCELLED", [case.id], by=by, params={"reason": reason})
    set_status(session, case.id, at_rest(case), by=by)
    audit.record(
        session, "settlement.cancel", actor_id=by, subject=("case", case_id), settlement=found.id
    )
    events.emit(
        session, "settlement.cancelled", case_id=case.id, payload={"settlement_id": found.id}
    )


def settlements_of(session: Session, case_ids: Sequence[int]) -> dict[int, Settlement]:
    """Return the newest settlement of each case that ever had one."""
    found: dict[int, Settlement] = {}
    for chunk in chunks(sorted(case_ids)):
        rows = session.scalars(
            select(Settlement).where(one_of(Settlement.case_id, chunk)).order_by(Settlement.id)
        )
        found |= {row.case_id: row for row in rows}
    return found


def revive(session: Session, case: Case) -> None:
    """Let a kept settlement of a locked case fail, because the money for it went back.

    It runs on while its day has not passed.
    """
    found = _newest(session, case.id)
    if found is None or found.state != AgreementState.KEPT:
        return
    paid = received_after(session, case.id, found.after_txn_id, until=found.pay_by)
    if paid < found.amount_minor:
        late = found.check_at <= clock.now()
        found.state = AgreementState.BROKEN if late else AgreementState.ACTIVE
        found.ended_at = clock.now() if late else None
        session.flush()


def _newest(session: Session, case_id: int) -> Settlement | None:
    """Return the settlement agreed last; a lapsed one counts until a plan is agreed after it."""
    statement = select(Settlement).where(Settlement.case_id == case_id)
    newest = statement.order_by(Settlement.id.desc()).limit(1)
    found = session.scalars(newest.execution_options(populate_existing=True)).one_or_none()
    if found is None or found.state != AgreementState.BROKEN:
        return found
    later = select(PaymentPlan.id).where(
        PaymentPlan.case_id == case_id, PaymentPlan.agreed_at >= found.ended_at
    )
    return None if session.scalars(later.limit(1)).first() else found


def _waive(session: Session, case: Case, settled: Settlement, paid: int, by: int | None) -> int:
    """Waive what is open today, interest included, and return how much."""
    return give_up(
        session,
        case,
        kind=TxnKind.WAIVER,
        rule=RULE,
        key=f"settlement:{settled.id}:{newest_txn(session, case.id)}",
        on=clock.today(zone(session, case)),
        reason="SETTLEMENT_KEPT",
        by=by,
        inputs={
            "settlement": settled.id,
            "agreed": minor_text(settled.amount_minor, case.currency),
            "payBy": settled.pay_by.isoformat(),
            "received": minor_text(paid, case.currency),
        },
    )
