"""The pure step of a workflow: graph, state, event and now in; new state and commands out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from finview.plugins.contracts.node import CaseView, Do, Effect, End, EventView, Step, Wait
from finview.workflows.events import RESUMED, TIMER
from finview.workflows.graph import Graph, Node

STEPS_MAX = 50
NAP = timedelta(minutes=1)
"""A node that asks to be woken in the past is woken after this time, so that it can't spin."""

Runner = Callable[[Node, CaseView], Step]
"""Runs a node's type with its settings; raises `NodeFailed` when that can't be done."""


class NodeFailed(Exception):
    """A node gave no usable answer; `reason` is a code with a sentence, `why` tells more."""

    def __init__(self, reason: str, why: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """Where a run stands: the node it is in, how often each was entered, what it waits for."""

    node: str | None = None
    visits: Mapping[str, int] = field(default_factory=dict)
    entered_at: datetime | None = None
    until: datetime | None = None
    events: tuple[str, ...] = ()
    ended: bool = False
    incident: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One step taken: the node left, how, its visit, and the settings it looked at."""

    node: str
    visit: int
    outcome: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One effect a node asked for, and where."""

    node: str
    visit: int
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows from an event: the new state, the effects in order, the steps taken.

    No steps and no incident: nothing has changed.
    """

    state: RunState
    commands: tuple[Command, ...] = ()
    steps: tuple[Taken, ...] = ()


def decide(
    graph: Graph, state: RunState, case: CaseView, event: EventView | None, *, run: Runner
) -> Decision:
    """Go on until the run waits or ends; at most 50 steps, then an incident.

    `event` is None when the run starts. An event the node does not wait for changes nothing.
    `case.outreach` is what the node the run stands in has planned. Pure: no session, clock, random
    or network; simulation and production call this function.
    """
    if state.ended or state.incident or not wanted(state, event, case.now):
        return Decision(state=state)
    commands: list[Command] = []
    steps: list[Taken] = []
    before = state
    if state.node is None:
        state = _entered(graph.start, state, case.now)
    if state.node != before.node:
        case = replace(case, outreach=())
    for _ in range(STEPS_MAX):
        node = graph.nodes.get(state.node or graph.start)
        if node is None:
            return _incident(state, commands, steps, "NODE_GONE")
        visit = state.visits.get(node.id, 1)
        if visit > node.max_visits:
            return _incident(state, commands, steps, "TOO_MANY_VISITS")
        read = _Read(case.settings)
        view = replace(
            case, node=node.id, visit=visit, entered_at=state.entered_at, event=event, settings=read
        )
        try:
            answer = run(node, view)
        except NodeFailed as failed:
            return _incident(state, commands, steps, failed.reason, failed.why)
        event, case = None, replace(case, outreach=())
        taken = Taken(node=node.id, visit=visit, outcome="wait", settings=read.names)
        if isinstance(answer, Do):
            commands += [Command(node=node.id, visit=visit, effect=e) for e in answer.effects]
            answer = answer.then
        if isinstance(answer, End):
            steps.append(replace(taken, outcome="end"))
            ended = replace(state, ended=True, until=None, events=())
            return Decision(state=ended, commands=tuple(commands), steps=tuple(steps))
        if isinstance(answer, Wait):
            until = answer.until and max(answer.until, case.now + NAP)
            waiting = replace(state, until=until, events=answer.events)
            if waiting == before and not commands:
                return Decision(state=before)
            steps.append(taken)
            return Decision(state=waiting, commands=tuple(commands), steps=tuple(steps))
        target = node.target(answer.port)
        steps.append(replace(taken, outcome=answer.port))
        if target is None:
            return _incident(state, commands, steps, "PORT_NOT_CONNECTED")
        state = _entered(target, state, case.now)
    return _incident(state, commands, steps, "TOO_MANY_STEPS")


class _Read(Mapping[str, Any]):
    """Settings that remember which of them were looked at."""

    __slots__ = ("_asked", "_values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._asked: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._asked)

    def __getitem__(self, name: str) -> Any:
        self._asked[name] = None
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def wanted(state: RunState, event: EventView | None, now: datetime) -> bool:
    """Tell whether a run that stands so goes on by an event."""
    if event is None:
        return state.node is None or (state.until is None and not state.events)
    if event.type == TIMER:
        return state.until is not None and state.until <= now
    return event.type in state.events


def _entered(node: str, state: RunState, now: datetime) -> RunState:
    visits = {**state.visits, node: state.visits.get(node, 0) + 1}
    return replace(state, node=node, visits=visits, entered_at=now, until=None, events=())


def _incident(
    state: RunState, commands: list[Command], steps: list[Taken], reason: str, why: str = ""
) -> Decision:
    stopped = replace(state, incident=reason, why=why, until=None, events=())
    return Decision(state=stopped, commands=tuple(commands), steps=tuple(steps))


__all__ = [
    "RESUMED",
    "STEPS_MAX",
    "Command",
    "Decision",
    "NodeFailed",
    "RunState",
    "Runner",
    "Taken",
    "decide",
    "wanted",
]
