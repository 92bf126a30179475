"""The workflow_node slot: a step of a workflow that looks at a case and says what shall happen."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel

from finview.plugins.contracts.host import Host
from finview.plugins.contracts.provider import Provider

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """What woke a waiting node: a type such as TIMER or PAYMENT, when, and its payload."""

    type: str
    at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutreachView:
    """One contact that this visit of the node has planned.

    `state` is PLANNED, SENDING, ACCEPTED, REJECTED, UNKNOWN, CANCELLED, BLOCKED, DELIVERED or
    RETURNED. `outcome` is a call's result (REACHED, NOT_REACHED, WRONG_NUMBER, CALL_BACK, PROMISE,
    TECHNICAL), None while there is none; `until` the instant of a call-back or a promise. `reason`
    says why a contact was REJECTED, BLOCKED or CANCELLED, such as NO_ADDRESS.
    """

    attempt: int
    channel: str
    state: str
    at: datetime
    outcome: str | None = None
    outcome_at: datetime | None = None
    until: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as nodes see it: plain values read at the start of the step, never live objects.

    Amounts are minor units of `currency`. `balances` counts what is open by component (PRINCIPAL,
    COST, INTEREST). `event` is None when the node is entered, else what woke it. `facts` holds
    further declared facts, `settings` the effective settings of the cascade by name. `outreach` is
    what this visit of the node planned so far, oldest first.
    """

    id: int
    number: str
    now: datetime
    currency: str
    open_minor: int
    balances: Mapping[str, int] = field(default_factory=dict)
    status: str = "OPEN"
    debtor_kind: Literal["CONSUMER", "BUSINESS"] = "CONSUMER"
    locale: str = "en"
    zone: str = "UTC"
    opened_on: date | None = None
    node: str = ""
    visit: int = 1
    entered_at: datetime | None = None
    event: EventView | None = None
    has_email: bool = False
    has_phone: bool = False
    has_address: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    outreach: tuple[OutreachView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Leave the node by `port`."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Stay until an instant or one of the events; then the node runs again with `case.event` set.

    At least one of the two. The event of an instant is TIMER; RESUMED, if it is among the events,
    tells that the run went on after a hold, an agreement or a pause: what was planned and had not
    left by then was taken back.
    """

    until: datetime | None = None
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The run is over; only a node type without ports says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOutreach:
    """Plan one message to the debtor; the core gates it, sends it and reports the outcome."""

    channel: Literal["EMAIL", "LETTER", "SMS", "CALL"]
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostCharges:
    """Post the costs, the interest, or both, by the case's own financial components."""

    costs: bool = True
    interest: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTask:
    """Ask a person to do something; completing it sends the event TASK with the `outcome` chosen."""

    title: str
    role: str = "OPERATOR"
    due_days: int = 3
    outcomes: tuple[str, ...] = ("done",)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTicket:
    """Hand a text to people outside as a ticket of `adapter`; the outcome comes as event TICKET."""

    text: str
    adapter: str = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Look for the debtor with the next enricher; the outcome comes as event ENRICHMENT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Take back what this visit planned and nobody answered yet, such as an open call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCase:
    """Close the case for a reason (`CloseReason` of the API)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write a line on the case's timeline; `code` has a sentence, `params` fill it."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


Effect = PlanOutreach | PostCharges | OpenTask | OpenTicket | Trace | Withdraw | CloseCase | Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Apply the effects in order, then go, wait or end; the core does it in the same transaction."""

    effects: tuple[Effect, ...]
    then: Go | Wait | End


Step = Go | Wait | End | Do


class WorkflowNode(Provider[S]):
    """A node type: `name` is its type in the graph, `Settings` the form of one node.

    One instance serves every node of its type, so the node's own configuration comes with each
    call; keep no state. A node whose type ends the run has no ports (`ports = ()`) and returns
    `End`. Where the ports follow from a node's settings, override `ports_of`; `ports` are then those
    that every node of the type has.
    """

    ports: ClassVar[tuple[str, ...]]

    def __init__(self, host: Host | None = None) -> None:
        self.host = host or Host(self.name)

    def ports_of(self, config: S) -> tuple[str, ...]:  # noqa: ARG002  # authors use it
        """Return the ports of one node with these settings; default: `ports`."""
        return self.ports

    def waits(self, config: S) -> bool:  # noqa: ARG002  # authors use it
        """Tell whether one node with these settings keeps a run for at least an hour, or until an
        event with a time-out; a loop of a graph needs such a node. Default: it does not.
        """
        return False

    def messages(self, config: S) -> tuple[PlanOutreach, ...]:  # noqa: ARG002  # authors use it
        """Return what one node with these settings may send to the debtor; default: nothing.

        Publishing checks that the templates exist and that a first demand comes first.
        """
        return ()

    @abstractmethod
    def run(self, case: CaseView, config: S) -> Step:
        """Return what shall happen, without doing it.

        Runs inside a transaction and in simulations: pure, quick, no files, no network, no clock
        but `case.now`. A returned port must be one of `ports_of(config)`.
        """
