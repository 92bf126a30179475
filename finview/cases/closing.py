"""Closing by hand and opening again: written off, withdrawn, reopened."""

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.ledger_models import TxnKind
from finview.cases.lifecycle import at_rest, close, locked, released, zone
from finview.cases.models import Case, CaseStatus, CloseReason
from finview.cases.reasons import given_reason
from finview.cases.received import newest_txn, received
from finview.cases.settlement import revive, settlements_of
from finview.cases.statement import statement
from finview.cases.timeline import note
from finview.cases.waivers import give_up, taken_back
from finview.db import audit, events
from finview.errors import Invalid, State
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "CLOSE_REASON": N_("A case is closed by hand as written off or withdrawn only."),
        "CASE_OPEN": N_("The case is open."),
        "CASE_PAID": N_("The case is closed because it was paid."),
    }
)

WRITE_OFF, WITHDRAWAL = "write_off", "withdrawn"
RULES = {CloseReason.WRITTEN_OFF: WRITE_OFF, CloseReason.WITHDRAWN: WITHDRAWAL}
SETTLED = "waiver.settlement"
REVIVED = {
    CloseReason.PAID_IN_SETTLEMENT: (SETTLED,),
    CloseReason.PAID_IN_FULL: ("waiver.small_balance",),
}


def close_case(
    session: Session, case_id: int, reason: CloseReason, text: str, *, by: int | None
) -> int:
    """Close an open case as written off or withdrawn and return how much was given up.

    What is open today, interest included, is written off with the reason; commission never comes of
    it, and no message goes to the debtor. Plans and settlements end, workflows stop. Raises `Invalid`
    (CLOSE_REASON), `Required` without a reason, `State` (CASE_CLOSED).
    """
    rule = RULES.get(reason)
    if rule is None:
        raise Invalid("CLOSE_REASON", path=("input", "closeReason"))
    text = given_reason(text, ("input", "note"))
    case = locked(session, case_id)
    if case.status == CaseStatus.CLOSED:
        raise State("CASE_CLOSED", path=("input", "caseId"))
    given = give_up(
        session,
        case,
        kind=TxnKind.WRITE_OFF,
        rule=rule,
        key=f"{rule}:{case_id}:{newest_txn(session, case_id)}",
        on=clock.today(zone(session, case)),
        reason=text,
        by=by,
    )
    close(session, [case_id], reason, by=by)
    told = {"minor": given, "currency": case.currency}
    note(session, "TIMELINE_GIVEN_UP", [case_id], by=by, params={"amount": told, "reason": text})
    audit.record(session, "case.close", actor_id=by, subject=("case", case_id), why=reason.value)
    return given


def reopen_case(session: Session, case_id: int, reason: str, *, by: int | None) -> None:
    """Open a case again that was written off or withdrawn: what was given up is owed as before.

    Raises `State`: CASE_OPEN, CASE_PAID (money decides about those), and `Required`.
    """
    reason = given_reason(reason, ("reason",))
    case = locked(session, case_id)
    if case.status != CaseStatus.CLOSED:
        raise State("CASE_OPEN", path=("caseId",))
    if case.close_reason not in tuple(RULES):
        raise State("CASE_PAID", path=("caseId",))
    taken_back(session, case_id, tuple(RULES.values()), by=by, newest=True)
    opened_again(session, case, reason, by=by)


def opened_again(session: Session, case: Case, reason: str, *, by: int | None) -> None:
    """Take a locked, closed case back to where it would be.

    What was waived because it counted as paid is owed again; a write-off stands, it was decided by
    a person. Workflows hear of it by `case.reopened`.
    """
    rules = REVIVED.get(CloseReason(case.close_reason or CloseReason.PAID_IN_FULL), ())
    taken_back(session, case.id, rules, by=by)
    revive(session, case)
    status = at_rest(case) if case.launched_at is not None else CaseStatus.NEW
    session.execute(
        update(Case)
        .where(Case.id == case.id)
        .values(
            status=status, close_reason=None, closed_at=None, lock_version=Case.lock_version + 1
        )
        .execution_options(synchronize_session=False)
    )
    session.expire(case)
    note(session, "TIMELINE_CASE_REOPENED", [case.id], by=by, params={"reason": reason})
    audit.record(session, "case.reopen", actor_id=by, subject=("case", case.id))
    events.emit(session, "case.reopened", case_id=case.id)
    released(session, case.id)


def closing_facts(session: Session, case: Case) -> dict[str, Any]:
    """Return what a message about a closed case says of it; nothing for an open one.

    The day it was closed, and of a kept settlement its amount, what was waived, and the day the
    last money came.
    """
    if case.closed_at is None:
        return {}
    facts: dict[str, Any] = {"closed_on": clock.day_in(case.closed_at, zone(session, case))}
    found = settlements_of(session, [case.id]).get(case.id)
    if case.close_reason != CloseReason.PAID_IN_SETTLEMENT or found is None:
        return facts
    lines = statement(session, case.id, facts["closed_on"])
    money = received(session, [case.id]).get(case.id, [])
    return {
        **facts,
        "settlement_minor": found.amount_minor,
        "waived_minor": -sum(line.amount.minor for line in lines if line.rule == SETTLED),
        "paid_on": max((payment.on for payment in money), default=None),
    }
