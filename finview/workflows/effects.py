"""What a node asked for, written as rows in the transaction of the step."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Role
from finview.cases.closing import RULES, close_case
from finview.cases.financials import apply_charges
from finview.cases.models import Case, CloseReason
from finview.cases.tasks import OUTCOME_CHARS_MAX, TASK_DONE, open_task
from finview.cases.timeline import note
from finview.communications.models import Channel
from finview.communications.outreach import plan, withdraw
from finview.communications.wording import MESSAGES
from finview.enrichment.due import request_attempt
from finview.i18n import N_, known_codes, sentences
from finview.plugins.contracts.node import (
    CloseCase,
    Effect,
    EventView,
    OpenTask,
    OpenTicket,
    PlanOutreach,
    PostCharges,
    Record,
    Trace,
    Withdraw,
)
from finview.workflows.decide import Command
from finview.workflows.events import ENRICHMENT
from finview.workflows.models import Run

sentences({"CLOSED_BY_WORKFLOW": N_("its workflow ended so")})

TICKET_DAYS = 3
assert TASK_DONE == "TASK"


def refused(effect: Effect) -> str:
    """Return why an effect can't be carried out, nothing when it can; a plugin may ask for anything."""
    if isinstance(effect, PlanOutreach):
        if effect.channel not in list(Channel):
            return f"no channel is called {effect.channel}"
        if effect.channel != Channel.CALL and effect.template not in MESSAGES:
            return f"no message is called {effect.template}"
    elif isinstance(effect, CloseCase):
        if effect.reason not in list(RULES):
            return f"a workflow can't close a case as {effect.reason}"
    elif isinstance(effect, OpenTask):
        names = list(effect.outcomes)
        if effect.role not in list(Role) or not effect.title.strip():
            return "a task needs a title and a role that is known"
        if not names or not all(0 < len(name) <= OUTCOME_CHARS_MAX for name in names):
            return "a task needs outcomes"
    elif isinstance(effect, OpenTicket) and effect.adapter != "task":
        return f"no ticket adapter is called {effect.adapter}"
    elif isinstance(effect, Record) and effect.code not in known_codes():
        return f"no sentence is called {effect.code}"
    return ""


def carry_out(
    session: Session, case: Case, run: Run, command: Command, *, zone: str, workflow_id: int
) -> list[EventView]:
    """Carry out one effect for a locked case; return what the run hears of it at once."""
    effect, today = command.effect, clock.today(zone)
    if isinstance(effect, PlanOutreach):
        plan(
            session,
            case,
            Channel(effect.channel),
            run_id=run.id,
            node=command.node,
            visit=command.visit,
            template=effect.template,
            params=effect.params,
            workflow_id=workflow_id,
        )
    elif isinstance(effect, PostCharges):
        apply_charges(session, [case.id], on=today)
        session.refresh(case)
    elif isinstance(effect, Withdraw):
        withdraw(session, run.id)
    elif isinstance(effect, (OpenTask, OpenTicket)):
        open_task(session, case.id, **_task(effect, run, command, zone))
    elif isinstance(effect, Trace):
        state = request_attempt(session, case)
        if state != "PLANNED":
            return [EventView(type=ENRICHMENT, at=clock.now(), payload={"state": state})]
    elif isinstance(effect, CloseCase):
        close_case(session, case.id, CloseReason(effect.reason), "CLOSED_BY_WORKFLOW", by=None)
        session.refresh(case)
    else:
        note(session, effect.code, [case.id], by=None, params=dict(effect.params))
    return []


def _task(
    effect: OpenTask | OpenTicket, run: Run, command: Command, zone: str
) -> Mapping[str, Any]:
    """Return how a task is opened; nobody waits for a ticket, so it outlives its run."""
    dedupe = f"run:{run.id}:{run.seq}:{command.node}"
    today = clock.today(zone)
    if isinstance(effect, OpenTicket):
        return {
            "title": effect.text,
            "due_on": today + timedelta(days=TICKET_DAYS),
            "dedupe": f"ticket:{dedupe}",
        }
    return {
        "title": effect.title,
        "role": effect.role,
        "due_on": today + timedelta(days=effect.due_days),
        "outcomes": effect.outcomes,
        "run_id": run.id,
        "node_id": command.node,
        "visit": command.visit,
        "dedupe": f"task:{dedupe}",
    }
