"""The nodes that ask somebody else: a person, a ticket system, an enricher."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from finview import clock
from finview.accounts.access import Role
from finview.plugins.contracts.node import (
    CaseView,
    Do,
    Go,
    OpenTask,
    OpenTicket,
    Step,
    Trace,
    Wait,
    WorkflowNode,
)
from finview.workflows.events import ENRICHMENT, TASK, TIMER
from finview.workflows.forms import Form, PortName

OVERDUE = "overdue"
OUTCOMES_MAX = 10
TRACE_DAYS = 90
"""A search that has told nothing for so long has failed."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class TaskSettings(Form):
    """What a person is asked to do, who, until when, and what may come of it."""

    title: Words = Field(max_length=200)
    role: Role = Role.OPERATOR
    due_days: int = Field(3, ge=0, le=365)
    outcomes: list[PortName] = Field(["done"], min_length=1, max_length=OUTCOMES_MAX)

    @field_validator("outcomes")
    @classmethod
    def _distinct(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names) or OVERDUE in names:
            raise ValueError("each outcome once, and none is called overdue")
        return names


class TaskNode(WorkflowNode[TaskSettings]):
    """Opens a task and waits for its outcome; after the due day it leaves by `overdue`."""

    name = "manual_task"
    title = "Task"
    Settings = TaskSettings
    ports = (OVERDUE,)

    def ports_of(self, config: TaskSettings) -> tuple[str, ...]:
        """Return a port for each outcome, and `overdue`."""
        return (*config.outcomes, OVERDUE)

    def run(self, case: CaseView, config: TaskSettings) -> Step:
        """Ask once; the task stays open when it is overdue."""
        wait = Wait(until=_overdue(case, config), events=(TASK,))
        if case.event is None:
            task = OpenTask(
                title=config.title,
                role=config.role.value,
                due_days=config.due_days,
                outcomes=tuple(config.outcomes),
            )
            return Do(effects=(task,), then=wait)
        outcome = case.event.payload.get("outcome")
        if case.event.type == TASK and outcome in config.outcomes:
            return Go(port=str(outcome))
        return Go(port=OVERDUE) if case.event.type == TIMER else wait


def _overdue(case: CaseView, config: TaskSettings) -> datetime:
    """Return when the due day is over, where the agency is."""
    entered = clock.day_in(case.entered_at or case.now, case.zone)
    return clock.start_of(entered + timedelta(days=config.due_days + 1), case.zone)


class TicketSettings(Form):
    """The text of a ticket, and where it is opened."""

    text: Words = Field(max_length=200)
    adapter: str = Field("task", pattern="^task$", description="`task` is a task of the agency.")


class TicketNode(WorkflowNode[TicketSettings]):
    """Opens a ticket and goes on at once."""

    name = "ticket"
    title = "Ticket"
    Settings = TicketSettings
    ports = ("created", "failed")

    def run(self, case: CaseView, config: TicketSettings) -> Step:  # noqa: ARG002  # the contract
        """Open it."""
        effect = OpenTicket(text=config.text, adapter=config.adapter)
        return Do(effects=(effect,), then=Go(port="created"))


class EnrichmentSettings(Form):
    """When, how often and by whom one searches are settings of the customer and the bucket."""


class EnrichmentNode(WorkflowNode[EnrichmentSettings]):
    """Has the debtor searched for and waits for what comes of it."""

    name = "enrichment"
    title = "Enrichment"
    Settings = EnrichmentSettings
    ports = ("hit", "no_hit", "not_granted", "failed")

    def run(self, case: CaseView, config: EnrichmentSettings) -> Step:  # noqa: ARG002  # the contract
        """Ask for one search; one that is skipped is made up for later."""
        wait = Wait(
            until=(case.entered_at or case.now) + timedelta(days=TRACE_DAYS), events=(ENRICHMENT,)
        )
        if case.event is None:
            return Do(effects=(Trace(),), then=wait)
        state = str(case.event.payload.get("state"))
        port = {
            "HIT": "hit",
            "NO_HIT": "no_hit",
            "EXHAUSTED": "no_hit",
            "NOT_GRANTED": "not_granted",
            "OFF": "not_granted",
            "FAILED": "failed",
        }.get(state)
        if case.event.type == ENRICHMENT and port is not None:
            return Go(port=port)
        return Go(port="failed") if case.event.type == TIMER else wait
