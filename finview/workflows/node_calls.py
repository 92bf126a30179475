"""The node that has the debtor called up, so often as the settings allow, and listens."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import Field

from finview.plugins.contracts.node import (
    CaseView,
    Do,
    Go,
    OutreachView,
    PlanOutreach,
    Step,
    Wait,
    Withdraw,
    WorkflowNode,
)
from finview.workflows.events import CALL_OUTCOME, OUTREACH, PAYMENT, RESUMED, TIMER
from finview.workflows.forms import Form
from finview.workflows.node_messages import PAUSE

SCRIPT = "call_task"
FAILURES_MAX = 10
"""So many requests in one visit may be refused before they begin; then nobody can be called."""

_HEARD = (OUTREACH, CALL_OUTCOME, PAYMENT, RESUMED)
_ASKED = ("PLANNED", "SENDING", "ACCEPTED", "UNKNOWN", "DELIVERED")


class CallSettings(Form):
    """What is said, how often one tries, and how long one waits."""

    script: str = Field("", max_length=2000, description="What to say, in the agency's language.")
    attempts: int | None = Field(
        None, ge=0, le=20, description="Call requests in all; empty: the setting of the bucket."
    )
    gap_hours: int = Field(24, ge=1, le=720, description="Hours before the next attempt.")
    outcome_days: int = Field(
        3, ge=1, le=30, description="Without a result for so many days a call is taken back."
    )


class CallNode(WorkflowNode[CallSettings]):
    """Pushes up to so many call requests, one after the other, until somebody answers.

    `max_call_attempts` counts requests in all, 0 makes none. It is read before each:
    a limit that was lowered meanwhile counts at once. A request that was refused, or a call that did
    not take place, is none.
    """

    name = "phone_call"
    title = "Phone call"
    Settings = CallSettings
    ports = ("reached", "promise", "wrong_number", "exhausted", "no_number", "not_allowed")

    def messages(self, config: CallSettings) -> tuple[PlanOutreach, ...]:  # noqa: ARG002  # the contract
        """Return the call: whoever calls says what for."""
        return (PlanOutreach(channel="CALL", template=SCRIPT),)

    def run(self, case: CaseView, config: CallSettings) -> Step:
        """Return what follows from the calls so far."""
        last = case.outreach[-1] if case.outreach else None
        if last is None:
            return _next(case, config)
        if last.outcome is not None:
            return _after(case, config, last)
        if last.state in ("PLANNED", "SENDING"):
            return Wait(events=_HEARD)
        if last.state in _ASKED:
            late = last.at + timedelta(days=config.outcome_days)
            if case.now < late:
                return Wait(until=late, events=_HEARD)
            return _taken_back(case, config)
        if last.state == "BLOCKED":
            return Go(port="not_allowed")
        if last.state == "REJECTED" and last.reason == "NO_ADDRESS":
            return _no_number(case)
        woken = case.event.type if case.event is not None else None
        if woken in (TIMER, RESUMED):
            return _next(case, config)
        if last.state == "REJECTED":
            return _wait_until(case.now + timedelta(hours=config.gap_hours))
        return _wait_until(case.now + PAUSE)


def _after(case: CaseView, config: CallSettings, last: OutreachView) -> Step:
    if last.outcome == "REACHED":
        return Go(port="reached")
    if last.outcome == "PROMISE":
        # The debtor has the whole day that was named.
        due = (last.until or last.outcome_at or case.now) + timedelta(days=1)
        return Go(port="promise") if case.now >= due else Wait(until=due, events=(RESUMED,))
    if last.outcome == "WRONG_NUMBER":
        return _next(case, config)
    heard = last.outcome_at or last.at
    again = heard + timedelta(hours=config.gap_hours)
    if last.outcome == "CALL_BACK" and last.until is not None:
        again = last.until
    if _made(case.outreach) >= _limit(case, config):
        return Go(port="exhausted")
    return _next(case, config) if case.now >= again else _wait_until(again)


def _next(case: CaseView, config: CallSettings) -> Step:
    """Push the next request, if there is a number and one is left."""
    made, limit = _made(case.outreach), _limit(case, config)
    if not case.has_phone:
        return Go(port="exhausted") if limit == 0 else _no_number(case)
    refused = sum(1 for call in case.outreach if call.state == "REJECTED")
    if made >= limit or refused >= FAILURES_MAX:
        return Go(port="exhausted")
    params = {
        "attempt": made + 1,
        "max_attempts": limit,
        "script": config.script,
        "outcome_days": config.outcome_days,
    }
    plan = PlanOutreach(channel="CALL", template=SCRIPT, params=params)
    return Do(effects=(plan,), then=Wait(events=_HEARD))


def _taken_back(case: CaseView, config: CallSettings) -> Step:
    """Take a call back that nobody told anything about; it counts as not reached."""
    if _made(case.outreach) >= _limit(case, config):
        return Do(effects=(Withdraw(),), then=Go(port="exhausted"))
    again = case.now + timedelta(hours=config.gap_hours)
    return Do(effects=(Withdraw(),), then=_wait_until(again))


def _no_number(case: CaseView) -> Go:
    wrong = any(call.outcome == "WRONG_NUMBER" for call in case.outreach)
    return Go(port="wrong_number" if wrong else "no_number")


def _wait_until(at: datetime) -> Wait:
    return Wait(until=at, events=(RESUMED,))


def _limit(case: CaseView, config: CallSettings) -> int:
    if config.attempts is not None:
        return config.attempts
    return int(case.settings["max_call_attempts"])


def _made(calls: Sequence[OutreachView]) -> int:
    """Return how many requests count: those that were taken, whatever came of them."""
    return sum(
        1
        for call in calls
        if call.outcome is not None or call.state in _ASKED or call.reason == "WITHDRAWN"
    )
