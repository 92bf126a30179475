"""What a message about an instalment says, and whether there is still a reason to send it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from finview.cases.models import AgreementState, Case, PaymentPlan
from finview.cases.plans import Plan, plan_of, tolerance_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One instalment as a message tells it: what is left of it, of how many, and until when.

    `new_date` is the last day on which a missed one is made up for.
    """

    plan_id: int
    number: int
    count: int
    minor: int
    due_on: date
    new_date: date

    def params(self) -> Mapping[str, Any]:
        """Return it as a planned contact keeps it."""
        return {
            "plan": self.plan_id,
            "instalment": self.number,
            "count": self.count,
            "minor": self.minor,
            "due_on": self.due_on.isoformat(),
            "new_date": self.new_date.isoformat(),
        }

    def when(self, today: date) -> str:
        """Return the block that tells how soon it is due."""
        days = (self.due_on - today).days
        if days < 0:
            return "instalment_past"
        return ("instalment_today", "instalment_tomorrow", "instalment_days")[min(days, 2)]


def due_of(params: Mapping[str, Any] | None) -> Due | None:
    """Return what a planned contact tells of an instalment, None when it is about something else."""
    if not params or "instalment" not in params:
        return None
    return Due(
        plan_id=params["plan"],
        number=params["instalment"],
        count=params["count"],
        minor=params["minor"],
        due_on=date.fromisoformat(params["due_on"]),
        new_date=date.fromisoformat(params["new_date"]),
    )


def left_of(plan: Plan, tolerance_minor: int) -> dict[int, int]:
    """Return by number what is left of each instalment that is not covered yet."""
    left: dict[int, int] = {}
    missing = 0
    for part in plan.parts:
        rest = part.amount.minor - part.paid.minor
        missing += rest
        if rest > 0 and missing > tolerance_minor:
            left[part.number] = rest
    return left


def is_settled(session: Session, case: Case, params: Mapping[str, Any] | None) -> bool:
    """Tell whether a message about an instalment has become pointless: it is paid, or the plan over."""
    due = due_of(params)
    if due is None:
        return False
    plan = session.get(PaymentPlan, due.plan_id, populate_existing=True)
    if plan is None or plan.state != AgreementState.ACTIVE:
        return True
    return due.number not in left_of(plan_of(session, plan), tolerance_of(session, case).minor)
