"""The node types that ship with finview; they register through the same hook as any plugin's."""

from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from finview.communications.wording import MESSAGES
from finview.plugins.contracts.node import (
    CaseView,
    Do,
    Go,
    PlanOutreach,
    PostCharges,
    Step,
    Wait,
    WorkflowNode,
)
from finview.plugins.hookspecs import hookimpl

OUTREACH_DONE = "OUTREACH"
_OUTCOMES = {"ACCEPTED": "sent", "REJECTED": "failed", "UNKNOWN": "failed"}


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EmailSettings(_Form):
    """Which message the node sends."""

    template: str = Field(json_schema_extra={"enum": [*sorted(MESSAGES)]})


class EmailNode(WorkflowNode[EmailSettings]):
    """Plans one e-mail and waits until it was handed over."""

    name = "email"
    title = "E-mail"
    Settings = EmailSettings
    ports = ("sent", "no_address", "failed")

    def run(self, case: CaseView, config: EmailSettings) -> Step:
        """Plan on entering; leave by the outcome of the outreach."""
        if case.event is None:
            if not case.has_email:
                return Go(port="no_address")
            plan = PlanOutreach(channel="EMAIL", template=config.template)
            return Do(effects=(plan,), then=Wait(events=(OUTREACH_DONE,)))
        return Go(port=_OUTCOMES.get(str(case.event.payload.get("state")), "failed"))


class WaitSettings(_Form):
    """How long the node waits."""

    days: int = Field(0, ge=0, le=730)
    hours: int = Field(0, ge=0, le=24 * 30)


class WaitNode(WorkflowNode[WaitSettings]):
    """Waits some days or hours."""

    name = "wait"
    title = "Wait"
    Settings = WaitSettings
    ports = ("done",)

    def run(self, case: CaseView, config: WaitSettings) -> Step:
        """Wait from the instant the node was entered."""
        until = (case.entered_at or case.now) + timedelta(days=config.days, hours=config.hours)
        return Go(port="done") if case.now >= until else Wait(until=until)


class ChargesSettings(_Form):
    """What the node posts."""

    what: Literal["COSTS", "INTEREST", "BOTH"] = "BOTH"


class ApplyChargesNode(WorkflowNode[ChargesSettings]):
    """Posts costs and interest by the case's own financial components."""

    name = "apply_charges"
    title = "Apply costs and interest"
    Settings = ChargesSettings
    ports = ("done",)

    def run(self, case: CaseView, config: ChargesSettings) -> Step:  # noqa: ARG002  # the contract
        """Post once; charges that stand already are not posted again."""
        effect = PostCharges(costs=config.what != "INTEREST", interest=config.what != "COSTS")
        return Do(effects=(effect,), then=Go(port="done"))


class EndSettings(_Form):
    """An end has no settings."""


class EndNode(WorkflowNode[EndSettings]):
    """Ends the run."""

    name = "end"
    title = "End"
    Settings = EndSettings
    ports: ClassVar[tuple[str, ...]] = ()

    def run(self, case: CaseView, config: EndSettings) -> Step:  # noqa: ARG002  # the contract
        """Never runs: a run that enters an end is over."""
        raise AssertionError("an end is not run")


@hookimpl
def finview_workflow_nodes() -> list[type[WorkflowNode[Any]]]:
    """Return the built-in node types."""
    return [EmailNode, WaitNode, ApplyChargesNode, EndNode]
