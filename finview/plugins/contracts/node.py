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
class CaseView:
    """A case as nodes see it: plain values read at the start of the step, never live objects.

    Amounts are minor units of `currency`. `balances` counts what is open by component (PRINCIPAL,
    COST, INTEREST). `event` is None when the node is entered, else what woke it. `facts` holds
    further declared facts, `settings` the effective settings of the cascade.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Leave the node by `port`."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Stay until an instant or one of the events; then the node runs again with `case.event` set."""

    until: datetime | None = None
    events: tuple[str, ...] = ()


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
    """Ask a person to do something."""

    title: str
    role: str = "OPERATOR"
    due_days: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCase:
    """Close the case for a reason (`CloseReason` of the API)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write a line on the case's timeline; `code` has a sentence, `params` fill it."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


Effect = PlanOutreach | PostCharges | OpenTask | CloseCase | Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Apply the effects in order, then go or wait; the core does it in the same transaction."""

    effects: tuple[Effect, ...]
    then: Go | Wait


Step = Go | Wait | Do


class WorkflowNode(Provider[S]):
    """A node type: `name` is its type in the graph, `Settings` the form of one node.

    One instance serves every node of its type, so the node's own configuration comes with each
    call; keep no state. A node whose type ends the run has no ports (`ports = ()`).
    """

    ports: ClassVar[tuple[str, ...]]

    def __init__(self, host: Host | None = None) -> None:
        self.host = host or Host(self.name)

    @abstractmethod
    def run(self, case: CaseView, config: S) -> Step:
        """Return what shall happen, without doing it.

        Runs inside a transaction and in simulations: pure, quick, no files, no network, no clock
        but `case.now`. A returned port must be one of `ports`.
        """
