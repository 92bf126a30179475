"""Outcomes of calls that people enter: their own calls, and those nobody can tell anything of."""

import re
import uuid
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case
from finview.cases.task_models import Task
from finview.communications.calls import record
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import CALL_WITHDRAW, TASK_LIST, held_case
from finview.customers.models import BusinessUnit, Customer
from finview.customers.units import zone_of
from finview.db import audit
from finview.db.jobs import enqueue
from finview.errors import Invalid, NotFound, Required, State
from finview.i18n import N_, sentences
from finview.money import Money
from finview.plugins.contracts.call_centre import CallOutcome, CallResult, Promise

CODES = sentences(
    {
        "TASK_NOT_A_CALL": N_("This task is not about a call."),
        "CALL_OVER": N_("This call is over: its result is known, or it was taken back."),
        "CALL_BACK_WHEN": N_("Please say when to call back: later than now, within a year."),
        "CALL_PROMISE_WHAT": N_("Please say how much is promised, and by when."),
        "CALL_PROMISE_WHEN": N_("A promise is for today or later, within a year."),
        "CALL_PROMISE_CURRENCY": N_("The case is in {currency}."),
        "CALL_BY_HAND": N_("Only a call centre tells of calls that did not take place."),
        "CALL_NEEDS_MORE": N_("This result needs more than its name: please enter it as a result."),
    }
)

SIMPLE = (
    CallResult.REACHED.value,
    CallResult.NOT_REACHED.value,
    CallResult.WRONG_NUMBER.value,
    CallResult.CALL_BACK.value,
    CallResult.PROMISE.value,
)
"""What a call by one of our own people can come to."""

NOTE_CHARS_MAX = 2000
YEAR = timedelta(days=366)
_ABOUT = re.compile(r"(?:call:(\d+)|outreach:(\d+):unknown)")


def call_of(session: Session, task: Task) -> Outreach:
    """Return the call a task is about; raises `State` (TASK_NOT_A_CALL) for any other task."""
    found = _ABOUT.fullmatch(task.dedupe or "")
    row = session.get(Outreach, int(found[1] or found[2])) if found is not None else None
    if row is None or row.channel != Channel.CALL:
        raise State("TASK_NOT_A_CALL", path=("input", "taskId"))
    return row


def is_call(task: Task) -> bool:
    """Tell whether completing a task says what a call came to."""
    return (task.dedupe or "").startswith("call:")


def record_by_hand(
    session: Session,
    task_id: int,
    result: CallResult,
    *,
    call_back_at: datetime | None = None,
    promise: tuple[Money, date] | None = None,
    note: str = "",
    by: int | None,
) -> None:
    """Store what a person says a call came to; the task is done and the workflow goes on.

    Raises `NotFound`, `State` (TASK_NOT_A_CALL, CALL_OVER), `Required` and `Invalid` for a
    call-back without a future instant and a promise without amount and day.
    """
    if result == CallResult.TECHNICAL:
        raise Invalid("CALL_BY_HAND", path=("input", "result"))
    task = session.get(Task, task_id)
    if task is None:
        raise NotFound(path=("input", "taskId"))
    row = call_of(session, task)
    case = held_case(session, row)
    told = CallOutcome(
        key=row.idem_key,
        outcome_id=f"by-hand:{uuid.uuid4()}",
        result=result,
        at=clock.now(),
        call_back_at=_call_back(result, call_back_at),
        promise=_promised(session, case, result, promise),
        note=note[:NOTE_CHARS_MAX],
    )
    if not record(session, row, told, provider=TASK_LIST, by=by):
        raise State("CALL_OVER", path=("input", "taskId"))
    if row.provider != TASK_LIST:
        # Somebody else has the call, or may have it: nobody is to be called once more.
        enqueue(session, CALL_WITHDRAW, {"outreach_id": row.id})
    audit.record(
        session,
        "call.outcome",
        actor_id=by,
        subject=("outreach", row.id),
        case_id=row.case_id,
        result=result.value,
    )


def complete_call(session: Session, task: Task, outcome: str, *, by: int | None) -> None:
    """Complete the task of a call with an outcome that says all; raises `Invalid` for the others."""
    if outcome not in task.outcomes:
        raise Invalid("TASK_OUTCOME", path=("outcome",), outcomes=list(task.outcomes))
    if outcome in (CallResult.CALL_BACK, CallResult.PROMISE):
        raise Invalid("CALL_NEEDS_MORE", path=("outcome",))
    record_by_hand(session, task.id, CallResult(outcome), by=by)


def _call_back(result: CallResult, at: datetime | None) -> datetime | None:
    if result != CallResult.CALL_BACK:
        return None
    if at is None:
        raise Required("CALL_BACK_WHEN", path=("input", "callBackAt"))
    if not clock.now() < at <= clock.now() + YEAR:
        raise Invalid("CALL_BACK_WHEN", path=("input", "callBackAt"))
    return at


def _promised(
    session: Session, case: Case, result: CallResult, promise: tuple[Money, date] | None
) -> Promise | None:
    if result != CallResult.PROMISE:
        return None
    if promise is None:
        raise Required("CALL_PROMISE_WHAT", path=("input", "promise"))
    amount, on = promise
    customer = session.get_one(Customer, case.customer_id)
    today = clock.today(zone_of(session.get_one(BusinessUnit, customer.business_unit_id)))
    if not today <= on <= today + YEAR:
        raise Invalid("CALL_PROMISE_WHEN", path=("input", "promise", "on"))
    if amount.currency != case.currency:
        raise Invalid(
            "CALL_PROMISE_CURRENCY", path=("input", "promise", "amount"), currency=case.currency
        )
    if amount.minor <= 0:
        raise Invalid("CALL_PROMISE_WHAT", path=("input", "promise", "amount"))
    return Promise(amount_minor=amount.minor, currency=amount.currency, on=on)
