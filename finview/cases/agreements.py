"""What follows for a case from money received, or from the day an agreement was to be kept by."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.ledger_models import TxnKind
from finview.cases.lifecycle import Owner, close, locked, locked_all, owners_of
from finview.cases.models import (
    AgreementState,
    Case,
    CaseStatus,
    CloseReason,
    PaymentPlan,
    Settlement,
)
from finview.cases.plans import progress
from finview.cases.received import newest_txn
from finview.cases.settlement import lapse, settle, settlements_of
from finview.cases.statement import balances
from finview.cases.timeline import note
from finview.cases.waivers import give_up
from finview.customers.preferences import effective_many, unit_chain
from finview.db.cascade import ScopeRef
from finview.db.jobs import on_tick
from finview.db.lists import one_of
from finview.money import Money

BATCH = 100
SMALL = "waiver.small_balance"


def follow_up(session: Session, case_id: int, *, by: int | None) -> None:
    """Do what `follow_up_all` does for one case."""
    follow_up_all(session, [case_id], by=by)


def follow_up_all(session: Session, case_ids: Sequence[int], *, by: int | None) -> None:
    """Close open cases that are paid or settled, and bring their plans to what was received.

    Most cases have no agreement and something left to pay: for them nothing follows, and finding
    that out takes the same few statements whatever their number.
    """
    cases = locked_all(session, case_ids)
    owners = owners_of(session, {case.customer_id for case in cases.values()})
    small = _small_balances(session, owners)
    agreed = {*settlements_of(session, case_ids), *_planned(session, case_ids)}
    days: dict[date, list[int]] = {}
    for case in cases.values():
        if case.status != CaseStatus.CLOSED:
            days.setdefault(clock.today(owners[case.customer_id].zone), []).append(case.id)
    for today, ids in days.items():
        for case_id, balance in balances(session, ids, today).items():
            case, left = cases[case_id], balance.open.minor
            if balance.overpaid:
                _note_overpaid(session, case_id, balance.overpaid, by)
            floor = Money.floor(small[case.customer_id], case.currency).minor
            if left <= floor or case_id in agreed:
                _follow_up(session, case, today, left, floor, by)


def _note_overpaid(session: Session, case_id: int, over: Money, by: int | None) -> None:
    """Say that money is to be given back: the case stands among the overpaid ones until then."""
    told = {"minor": over.minor, "currency": over.currency}
    note(session, "TIMELINE_OVERPAID", [case_id], by=by, params={"amount": told})


def _follow_up(
    session: Session, case: Case, today: date, left: int, floor: int, by: int | None
) -> None:
    """Do what follows for one case; paid in full comes first, then nothing is waived."""
    case_id = case.id
    if 0 < left <= floor:
        told = {"minor": left, "currency": case.currency}
        key = f"{SMALL}:{case_id}:{newest_txn(session, case_id)}"
        left -= give_up(
            session,
            case,
            kind=TxnKind.WAIVER,
            rule=SMALL,
            key=key,
            on=today,
            reason="SMALL_BALANCE",
            by=by,
        )
        note(session, "TIMELINE_REST_WAIVED", [case_id], by=by, params={"amount": told})
    if left <= 0:
        progress(session, case, by=by, closing=True)
        close(session, [case_id], CloseReason.PAID_IN_FULL, by=by)
    elif not settle(session, case, by=by):
        planned = case.status == CaseStatus.PAYMENT_PLAN
        progress(session, case, by=by)
        if planned:
            _close_if_paid(session, case, today, by)


def _planned(session: Session, case_ids: Sequence[int]) -> list[int]:
    """Return those of the cases that have an active plan."""
    running = select(PaymentPlan.case_id).where(
        one_of(PaymentPlan.case_id, sorted(case_ids)), PaymentPlan.state == AgreementState.ACTIVE
    )
    return list(session.scalars(running))


def _close_if_paid(session: Session, case: Case, today: date, by: int | None) -> None:
    """Close a case of which nothing is left because a kept plan waived its interest."""
    still = balances(session, [case.id], today)[case.id].open.minor
    if still <= 0:
        close(session, [case.id], CloseReason.PAID_IN_FULL, by=by)


def _small_balances(session: Session, owners: Mapping[int, Owner]) -> dict[int, Decimal]:
    """Return up to which rest a case counts as paid, by the setting of each customer."""
    chains = [
        [ScopeRef("CUSTOMER", customer_id), *unit_chain(owner.business_unit_id)]
        for customer_id, owner in owners.items()
    ]
    found = effective_many(session, chains, "payments")
    return {key: values["small_balance"].value for key, values in zip(owners, found, strict=True)}


@on_tick("cases.agreements")
def check_due(session: Session) -> int:
    """End settlements and plans whose day has passed without the money; return how many were due.

    The case is locked before its agreement is read again, as everywhere.
    """
    due: set[int] = set()
    for agreement in (PaymentPlan, Settlement):
        due |= set(
            session.scalars(
                select(agreement.case_id)
                .where(agreement.state == AgreementState.ACTIVE, agreement.check_at <= clock.now())
                .order_by(agreement.check_at)
                .limit(BATCH)
            )
        )
    for case_id in sorted(due):
        case = locked(session, case_id)
        if not settle(session, case, by=None):
            lapse(session, case)
            progress(session, case, by=None)
    return len(due)
