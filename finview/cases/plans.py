"""Payment plans: exactly n parts of what is open, filled in order by the money received."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.cases.lifecycle import at_rest, locked, require, set_status, zone
from finview.cases.models import AgreementState, Case, CaseStatus, Instalment, PaymentPlan
from finview.cases.plan_costs import charge_plan
from finview.cases.reading import read_claims
from finview.cases.reasons import given_reason
from finview.cases.received import check_sum, newest_txn, received, received_after
from finview.cases.statement import balances
from finview.cases.timeline import chunks, note
from finview.cases.waivers import Place, accrued_until, give_up, open_places, taken_back
from finview.customers.models import Customer
from finview.customers.preferences import chain, effective
from finview.db import audit, events
from finview.errors import Invalid, State
from finview.i18n import N_, sentences
from finview.money import Money, split_minor

CODES = sentences(
    {
        "PLAN_ACTIVE": N_("This case has a payment plan already."),
        "PLAN_INSTALMENTS": N_("A payment plan has between {min} and {max} instalments."),
        "PLAN_EVERY_MONTHS": N_("Instalments are due every {min} to {max} months."),
        "PLAN_FIRST_DUE": N_("The first instalment is due between {first} and {last}."),
        "PLAN_NOTICE_FUTURE": N_("A notice is delivered before the agreement."),
        "PLAN_NOTHING_OPEN": N_("Nothing is open that could be paid in instalments."),
        "PLAN_NONE": N_("No payment plan runs for this case."),
        "PLAN_CUSTOM_SUM": N_("The instalments add up to {sum}, but {open} are open."),
        "PLAN_CUSTOM_ORDER": N_("The due dates of the instalments must rise."),
        "PLAN_PARTS_TOO_SMALL": N_("The open amount is too small for {count} instalments."),
    }
)

INSTALMENTS_MAX = 120
EVERY_MONTHS_MAX = 12
FIRST_DUE_DAYS_MAX = 366
PLAN_INTEREST = "waiver.plan_interest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One instalment and how much of it is paid."""

    number: int
    due_on: date
    amount: Money
    paid: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A payment plan with its instalments in order."""

    id: int
    case_id: int
    state: str
    parts: tuple[Part, ...]


def split_plan(
    total: int, count: int, first_due_on: date, every_months: int
) -> list[tuple[date, int]]:
    """Return due day and minor units of each part: equal by largest remainder, anchor day kept.

    A short month shortens the day, the next one has it again: 31 Jan, 28 Feb, 31 Mar.
    """
    amounts = split_minor(total, [1] * count)
    return [
        (_months_later(first_due_on, k * every_months), minor) for k, minor in enumerate(amounts)
    ]


def remind_on(due_on: date, days: int, agreed_on: date) -> date:
    """Return the day of an instalment's reminder: so many days before, not before the agreement."""
    return max(due_on - timedelta(days=days), agreed_on)


def create_plan(
    session: Session,
    case_id: int,
    *,
    instalments: int,
    first_due_on: date,
    every_months: int = 1,
    custom: Sequence[tuple[date, Money]] | None = None,
    notice_on: date | None = None,
    by: int | None,
) -> PaymentPlan:
    """Agree that what is open today is paid in parts; the case waits for them.

    `custom` are other parts than equal ones. `notice_on` is the day on which the debtor was told of
    the costs of the agreement in text form: they are charged, and part of what is open. Raises `State` (PLAN_ACTIVE, PLAN_NOTHING_OPEN,
    CASE_…) and `Invalid` (PLAN_…, AMOUNT_…).
    """
    case = locked(session, case_id)
    if case.status == CaseStatus.PAYMENT_PLAN:
        raise State("PLAN_ACTIVE", path=("input", "caseId"))
    require(case, CaseStatus.ACTIVE, CaseStatus.BREATHING_SPACE)
    today = clock.today(zone(session, case))
    if custom is None:
        _check(instalments, first_due_on, every_months, today)
    if notice_on is not None and notice_on > today:
        raise Invalid("PLAN_NOTICE_FUTURE", path=("input", "costNoticeDeliveredOn"))
    _open_now(session, case, today)
    charge_plan(session, case, notice_on=notice_on, on=today, by=by)
    total = _open_now(session, case, today)
    if custom is not None:
        parts = _custom_parts(case, custom, total, today, ("input", "custom"))
    elif total < instalments:
        path = ("input", "instalments")
        raise Invalid("PLAN_PARTS_TOO_SMALL", path=path, count=instalments)
    else:
        parts = split_plan(total, instalments, first_due_on, every_months)
    plan = _agreed(session, case, parts, total, today, by)
    set_status(session, case_id, CaseStatus.PAYMENT_PLAN, by=by)
    told = {"minor": total, "currency": case.currency}
    params = {"count": len(parts), "amount": told, "on": parts[0][0].isoformat()}
    note(session, "TIMELINE_PLAN_AGREED", [case_id], by=by, params=params)
    audit.record(session, "plan.agree", actor_id=by, subject=("case", case_id), plan=plan.id)
    events.emit(session, "plan.agreed", case_id=case_id, payload={"plan_id": plan.id})
    return plan


def change_plan(
    session: Session,
    case_id: int,
    custom: Sequence[tuple[date, Money]],
    reason: str,
    *,
    by: int | None,
) -> PaymentPlan:
    """Agree on other instalments over what is open now; the old plan ends and stays as history.

    Raises `State` (PLAN_NONE, PLAN_NOTHING_OPEN), `Required` and `Invalid` (PLAN_…, AMOUNT_…).
    """
    reason = given_reason(reason, ("input", "reason"))
    case = locked(session, case_id)
    before = active_plan(session, case_id)
    if before is None:
        raise State("PLAN_NONE", path=("input", "caseId"))
    today = clock.today(zone(session, case))
    total = _open_now(session, case, today)
    parts = _custom_parts(case, custom, total, today, ("input", "instalments"))
    end_plan(session, case, before, AgreementState.ENDED, by=by, closing=True)
    plan = _agreed(session, case, parts, total, today, by)
    note(session, "TIMELINE_PLAN_CHANGED", [case_id], by=by, params={"reason": reason})
    audit.record(session, "plan.change", actor_id=by, subject=("case", case_id), plan=plan.id)
    events.emit(session, "plan.changed", case_id=case_id, payload={"plan_id": plan.id})
    return plan


def cancel_plan(session: Session, case_id: int, reason: str, *, by: int | None) -> None:
    """End the plan of a case by hand: all is due, its workflow goes on.

    Raises `State` (PLAN_NONE) and `Required` without a reason.
    """
    reason = given_reason(reason, ("reason",))
    case = locked(session, case_id)
    plan = active_plan(session, case_id)
    if plan is None:
        raise State("PLAN_NONE", path=("caseId",))
    end_plan(session, case, plan, AgreementState.ENDED, by=by)
    note(session, "TIMELINE_PLAN_CANCELLED", [case_id], by=by, params={"reason": reason})
    audit.record(session, "plan.cancel", actor_id=by, subject=("case", case_id), plan=plan.id)


def broken_by_reversal(session: Session, case_id: int, *, by: int | None) -> None:
    """Let the newest plan count as broken if it was kept by money that went back since.

    Interest that was waived because it was kept is owed again.
    """
    newest = select(PaymentPlan).where(PaymentPlan.case_id == case_id)
    plan = session.scalars(newest.order_by(PaymentPlan.id.desc()).limit(1)).one_or_none()
    if plan is None or plan.state != AgreementState.KEPT:
        return
    if received_after(session, case_id, plan.after_txn_id) < plan.total_minor:
        plan.state = AgreementState.BROKEN
        session.flush()
        taken_back(session, case_id, (PLAN_INTEREST,), by=by)


def _open_now(session: Session, case: Case, today: date) -> int:
    total = balances(session, [case.id], today)[case.id].open.minor
    if total <= 0:
        raise State("PLAN_NOTHING_OPEN", path=("input", "caseId"))
    return total


def _custom_parts(
    case: Case,
    custom: Sequence[tuple[date, Money]],
    total: int,
    today: date,
    path: tuple[str, ...],
) -> list[tuple[date, int]]:
    """Return the parts of a plan as they were given; raises `Invalid` with the place."""
    if not 1 <= len(custom) <= INSTALMENTS_MAX:
        raise Invalid("PLAN_INSTALMENTS", path=path, min=1, max=INSTALMENTS_MAX)
    last = today + timedelta(days=FIRST_DUE_DAYS_MAX)
    before = today
    for n, (due_on, amount) in enumerate(custom):
        if amount.currency != case.currency:
            place = (*path, str(n), "amount", "currency")
            raise Invalid("AMOUNT_CURRENCY", path=place, currency=case.currency)
        check_sum(amount, (*path, str(n), "amount", "amount"))
        if not n and not today <= due_on <= last:
            place = (*path, "0", "dueOn")
            raise Invalid("PLAN_FIRST_DUE", path=place, first=today, last=last)
        if due_on < before or (n and due_on == before):
            raise Invalid("PLAN_CUSTOM_ORDER", path=(*path, str(n), "dueOn"))
        before = due_on
    given = sum(amount.minor for _, amount in custom)
    if given != total:
        told = {"sum": Money(given, case.currency), "open": Money(total, case.currency)}
        shown = {name: f"{money.text} {money.currency}" for name, money in told.items()}
        raise Invalid("PLAN_CUSTOM_SUM", path=path, **shown)
    return [(due_on, amount.minor) for due_on, amount in custom]


def _agreed(
    session: Session,
    case: Case,
    parts: Sequence[tuple[date, int]],
    total: int,
    today: date,
    by: int | None,
) -> PaymentPlan:
    plan = PaymentPlan(
        case_id=case.id,
        customer_id=case.customer_id,
        portfolio_id=case.portfolio_id,
        state=AgreementState.ACTIVE,
        currency=case.currency,
        total_minor=total,
        agreed_on=today,
        agreed_at=clock.now(),
        agreed_by=by,
        after_txn_id=newest_txn(session, case.id),
    )
    session.add(plan)
    session.flush()
    session.add_all(
        Instalment(plan_id=plan.id, number=number, due_on=due_on, amount_minor=minor)
        for number, (due_on, minor) in enumerate(parts, 1)
    )
    tolerance = tolerance_of(session, case)
    plan.check_at = _check_at(parts[0][0], tolerance.days, zone(session, case))
    session.flush()
    return plan


def plans_of(session: Session, case_ids: Sequence[int]) -> dict[int, Plan]:
    """Return the plan of each case that has one that is kept or was: not broken, not replaced."""
    found: dict[int, Plan] = {}
    for chunk in chunks(sorted(case_ids)):
        wanted = PaymentPlan.state.in_((AgreementState.ACTIVE, AgreementState.KEPT))
        plans = session.scalars(
            select(PaymentPlan)
            .where(PaymentPlan.case_id.in_(chunk), wanted)
            .order_by(PaymentPlan.id)
        ).all()
        newest = {plan.case_id: plan for plan in plans}
        found |= _told(session, list(newest.values()))
    return found


def plan_of(session: Session, plan: PaymentPlan) -> Plan:
    """Return one plan, also one that was broken or replaced."""
    return _told(session, [plan])[plan.case_id]


def _told(session: Session, plans: Sequence[PaymentPlan]) -> dict[int, Plan]:
    if not plans:
        return {}
    parts: dict[int, list[Instalment]] = {}
    for part in session.scalars(
        select(Instalment)
        .where(Instalment.plan_id.in_([plan.id for plan in plans]))
        .order_by(Instalment.plan_id, Instalment.number)
    ):
        parts.setdefault(part.plan_id, []).append(part)
    money = received(session, [plan.case_id for plan in plans])
    told = {}
    for plan in plans:
        left = sum(p.minor for p in money.get(plan.case_id, ()) if p.id > plan.after_txn_id)
        listed = []
        for part in parts[plan.id]:
            paid = min(left, part.amount_minor)
            left -= paid
            listed.append(
                Part(
                    number=part.number,
                    due_on=part.due_on,
                    amount=Money(part.amount_minor, plan.currency),
                    paid=Money(paid, plan.currency),
                )
            )
        told[plan.case_id] = Plan(
            id=plan.id, case_id=plan.case_id, state=plan.state, parts=tuple(listed)
        )
    return told


def progress(session: Session, case: Case, *, by: int | None, closing: bool = False) -> None:
    """Bring the active plan of a locked case to what was received: kept, broken, or still running.

    When it ends the case goes back to where it would be without it, unless it is `closing`. A kept
    plan leaves what accrued meanwhile: that is asked for afterwards.
    """
    plan = active_plan(session, case.id)
    if plan is None:
        return
    paid = received_after(session, case.id, plan.after_txn_id)
    tolerance = tolerance_of(session, case)
    if paid + tolerance.minor >= plan.total_minor:
        end_plan(session, case, plan, AgreementState.KEPT, by=by, closing=closing)
        note(session, "TIMELINE_PLAN_KEPT", [case.id], by=by)
        if tolerance.waives_interest and not closing:
            _waive_interest(session, case, plan, by)
        return
    waiting = _first_uncovered(session, plan, paid + tolerance.minor)
    plan.check_at = _check_at(waiting.due_on, tolerance.days, zone(session, case))
    if plan.check_at <= clock.now() and not closing:
        end_plan(session, case, plan, AgreementState.BROKEN, by=by)
        note(session, "TIMELINE_PLAN_BROKEN", [case.id], by=by, params={"number": waiting.number})
    session.flush()


def active_plan(session: Session, case_id: int) -> PaymentPlan | None:
    """Return the plan of a case that runs at present."""
    statement = select(PaymentPlan).where(
        PaymentPlan.case_id == case_id, PaymentPlan.state == AgreementState.ACTIVE
    )
    return session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def end_plan(
    session: Session,
    case: Case,
    plan: PaymentPlan,
    state: AgreementState,
    *,
    by: int | None,
    closing: bool = False,
) -> None:
    """End a plan; the case returns to its status without a plan, and its workflow goes on."""
    plan.state, plan.ended_at, plan.check_at = state, clock.now(), None
    session.flush()
    if not closing:
        set_status(session, case.id, at_rest(case), by=by)
        payload = {"plan_id": plan.id, "state": state.value}
        events.emit(session, "plan.ended", case_id=case.id, payload=payload)


def _first_uncovered(session: Session, plan: PaymentPlan, paid: int) -> Instalment:
    parts = session.scalars(
        select(Instalment).where(Instalment.plan_id == plan.id).order_by(Instalment.number)
    )
    due = 0
    for part in parts:
        due += part.amount_minor
        if due > paid:
            return part
    raise AssertionError("a plan that is not covered has a part that is not")


def _check_at(due_on: date, days: int, zone_name: str) -> datetime:
    return clock.start_of(due_on + timedelta(days=days + 1), zone_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What a customer lets pass: days late, minor units short, interest while a plan is kept."""

    days: int
    minor: int
    waives_interest: bool


def tolerance_of(session: Session, case: Case) -> Tolerance:
    """Return the customer's settings for plans, read live."""
    customer = session.get_one(Customer, case.customer_id)
    found = effective(session, chain(customer), "payments")
    return Tolerance(
        days=found["plan_tolerance_days"].value,
        minor=Money.floor(found["plan_tolerance_amount"].value, case.currency).minor,
        waives_interest=found["plan_interest"].value == "WAIVED",
    )


def _waive_interest(session: Session, case: Case, plan: PaymentPlan, by: int | None) -> None:
    """Waive the interest that accrued while a plan was kept; what else is open stays.

    Money pays interest before principal, so what is left of a plan that was kept is principal as a
    rule: so much of it is waived as interest accrued since the agreement.
    """
    today = clock.today(zone(session, case))
    claims = read_claims(session, [case.id], as_of=date.max)[case.id]
    before = read_claims(session, [case.id], as_of=plan.agreed_on)[case.id]
    left = accrued_until(claims, today) - accrued_until(before, plan.agreed_on)
    only: dict[Place, int] = {}
    for place, minor in sorted(open_places(claims, today).items(), key=_interest_first):
        only[place] = min(minor, max(left, 0))
        left -= only[place]
    give_up(
        session,
        case,
        kind=TxnKind.WAIVER,
        rule=PLAN_INTEREST,
        key=f"plan-interest:{plan.id}:{newest_txn(session, case.id)}",
        on=today,
        reason="PLAN_KEPT",
        by=by,
        only=only,
    )


def _interest_first(item: tuple[Place, int]) -> tuple[int, str]:
    kind = item[0][0]
    order = (AccountKind.INTEREST, AccountKind.PRINCIPAL)
    return order.index(kind) if kind in order else len(order), str(item[0])


def _check(instalments: int, first_due_on: date, every_months: int, today: date) -> None:
    if not 1 <= instalments <= INSTALMENTS_MAX:
        path = ("input", "instalments")
        raise Invalid("PLAN_INSTALMENTS", path=path, min=1, max=INSTALMENTS_MAX)
    if not 1 <= every_months <= EVERY_MONTHS_MAX:
        path = ("input", "everyMonths")
        raise Invalid("PLAN_EVERY_MONTHS", path=path, min=1, max=EVERY_MONTHS_MAX)
    last = today + timedelta(days=FIRST_DUE_DAYS_MAX)
    if not today <= first_due_on <= last:
        raise Invalid("PLAN_FIRST_DUE", path=("input", "firstDueOn"), first=today, last=last)


def _months_later(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1]))
