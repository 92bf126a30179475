"""The node types that ship with finview; they register through the same hook as any plugin's."""

from typing import Any, ClassVar, Literal

from finview.plugins.contracts.node import (
    CaseView,
    CloseCase,
    Do,
    End,
    Go,
    PostCharges,
    Step,
    WorkflowNode,
)
from finview.plugins.hookspecs import hookimpl
from finview.workflows.forms import Form
from finview.workflows.node_calls import CallNode
from finview.workflows.node_conditions import ConditionNode
from finview.workflows.node_messages import EmailNode, LetterNode, SmsNode
from finview.workflows.node_people import EnrichmentNode, TaskNode, TicketNode
from finview.workflows.node_waits import WaitEventNode, WaitNode


class ChargesSettings(Form):
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


class CloseSettings(Form):
    """Why the case is closed; a paid one closes by itself."""

    reason: Literal["WRITTEN_OFF", "WITHDRAWN"]


class CloseNode(WorkflowNode[CloseSettings]):
    """Closes the case, gives up what is open, and ends the run."""

    name = "close"
    title = "Close the case"
    Settings = CloseSettings
    ports: ClassVar[tuple[str, ...]] = ()

    def run(self, case: CaseView, config: CloseSettings) -> Step:  # noqa: ARG002  # the contract
        """Close it."""
        return Do(effects=(CloseCase(reason=config.reason),), then=End())


class EndSettings(Form):
    """An end has no settings."""


class EndNode(WorkflowNode[EndSettings]):
    """Ends the run."""

    name = "end"
    title = "End"
    Settings = EndSettings
    ports: ClassVar[tuple[str, ...]] = ()

    def run(self, case: CaseView, config: EndSettings) -> Step:  # noqa: ARG002  # the contract
        """End it."""
        return End()


@hookimpl
def finview_workflow_nodes() -> list[type[WorkflowNode[Any]]]:
    """Return the built-in node types."""
    return [
        EmailNode,
        LetterNode,
        SmsNode,
        CallNode,
        WaitNode,
        WaitEventNode,
        ConditionNode,
        ApplyChargesNode,
        EnrichmentNode,
        TaskNode,
        TicketNode,
        CloseNode,
        EndNode,
    ]
