"""The pure step of a workflow: graph, state, event and now in; new state and commands out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from finview.plugins.contracts.node import (
    CaseView,
    Do,
    Effect,
    EventView,
    Go,
    Step,
    Wait,
)
from finview.workflows.graph import Graph, Node

STEPS_MAX = 50

Runner = Callable[[Node, CaseView], Step]
"""Runs a node's type with its settings; the guard stands behind it."""

IsEnd = Callable[[Node], bool]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One step taken: the node left, how, and its visit."""

    node: str
    visit: int
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One effect a node asked for, and where."""

    node: str
    visit: int
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows from an event: the new state, the effects in order, the steps taken."""

    state: RunState
    commands: tuple[Command, ...] = ()
    steps: tuple[Taken, ...] = ()


def decide(
    graph: Graph,
    state: RunState,
    case: CaseView,
    event: EventView | None,
    *,
    run: Runner,
    is_end: IsEnd,
) -> Decision:
    """Go on until the run waits or ends; at most 50 steps, then an incident.

    `event` is None when the run starts. An event the node does not wait for changes nothing. Pure:
    no session, clock, random or network; simulation and production call this function.
    """
    if state.ended or not _wanted(state, event, case.now):
        return Decision(state=state)
    commands: list[Command] = []
    steps: list[Taken] = []
    if state.node is None:
        state = _entered(graph.start, state, case.now)
    for _ in range(STEPS_MAX):
        node = graph.nodes[state.node or graph.start]
        visit = state.visits.get(node.id, 1)
        if visit > node.max_visits:
            return _incident(state, commands, steps, "TOO_MANY_VISITS")
        if is_end(node):
            steps.append(Taken(node=node.id, visit=visit, outcome="end"))
            ended = replace(state, ended=True, until=None, events=())
            return Decision(state=ended, commands=tuple(commands), steps=tuple(steps))
        view = replace(case, node=node.id, visit=visit, entered_at=state.entered_at, event=event)
        answer = run(node, view)
        event = None
        if isinstance(answer, Do):
            commands += [Command(node=node.id, visit=visit, effect=e) for e in answer.effects]
            answer = answer.then
        if isinstance(answer, Wait):
            steps.append(Taken(node=node.id, visit=visit, outcome="wait"))
            waiting = replace(state, until=answer.until, events=answer.events)
            return Decision(state=waiting, commands=tuple(commands), steps=tuple(steps))
        target = node.ports.get(answer.port)
        steps.append(Taken(node=node.id, visit=visit, outcome=answer.port))
        if target is None:
            return _incident(state, commands, steps, "PORT_NOT_CONNECTED")
        state = _entered(target, state, case.now)
    return _incident(state, commands, steps, "TOO_MANY_STEPS")


def _wanted(state: RunState, event: EventView | None, now: datetime) -> bool:
    if event is None:
        return state.node is None or (state.until is None and not state.events)
    if event.type == "TIMER":
        return state.until is not None and state.until <= now
    return event.type in state.events


def _entered(node: str, state: RunState, now: datetime) -> RunState:
    visits = {**state.visits, node: state.visits.get(node, 0) + 1}
    return replace(state, node=node, visits=visits, entered_at=now, until=None, events=())


def _incident(state: RunState, commands: list[Command], steps: list[Taken], why: str) -> Decision:
    stopped = replace(state, incident=why, until=None, events=())
    return Decision(state=stopped, commands=tuple(commands), steps=tuple(steps))


__all__ = ["Command", "Decision", "Go", "RunState", "Taken", "decide"]
