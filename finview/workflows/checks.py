"""Whether a graph may be published: every fault of it, each with the node it stands at."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from finview.communications.wording import MESSAGES, MessageType
from finview.errors import FinviewError, Invalid
from finview.i18n import DEFAULT_LOCALE, LOCALES, N_, message, sentences
from finview.plugins import guard
from finview.plugins.contracts.node import PlanOutreach, WorkflowNode
from finview.plugins.manager import Plugins
from finview.plugins.slots import SLOTS
from finview.workflows.graph import Graph, Node, fault, parse
from finview.workflows.models import WorkflowKind

FAULTS_MAX = 200
"""So many faults of one graph are told; whoever mends them sees the others then."""

sentences(
    {
        "GRAPH_NODE_TYPE": N_("Node {node}: there is no node type {type}."),
        "GRAPH_NODE_CONFIG": N_("Node {node}: the setting {field} is not valid: {why}."),
        "GRAPH_NODE_REQUIRED": N_("Node {node}: the setting {field} is missing."),
        "GRAPH_NODE_UNKNOWN": N_("Node {node}: there is no setting {field}."),
        "GRAPH_NODE_RANGE": N_(
            "Node {node}: the setting {field} must lie within its limits: {why}."
        ),
        "GRAPH_PORT": N_("Node {node}: the port {port} leads nowhere."),
        "GRAPH_PORT_UNKNOWN": N_("Node {node}: its type has no port {port}."),
        "GRAPH_PORT_TARGET": N_(
            "Node {node}: the port {port} leads to {target}, which is not there."
        ),
        "GRAPH_UNREACHABLE": N_("Node {node} can't be reached."),
        "GRAPH_NO_END": N_("From node {node} no end can be reached."),
        "GRAPH_LOOP": N_("Node {node} stands in a loop that never waits an hour or longer."),
        "GRAPH_CHARGES": N_("Node {node}: a breathing space applies charges only at its end."),
        "GRAPH_PLAN_DEMAND": N_("Node {node}: a payment plan has no first demand."),
        "GRAPH_TEMPLATE": N_("Node {node}: there is no template {template}."),
        "GRAPH_TEMPLATE_LANGUAGE": N_("Node {node}: the template {template} lacks {language}."),
        "GRAPH_TEMPLATE_SMS": N_("Node {node}: the template {template} has no text for SMS."),
        "GRAPH_DEMAND_FIRST": N_(
            "Node {node}: the first message that asserts the claim must be a first demand, by "
            "e-mail or letter."
        ),
    }
)

LAUNCHED = (WorkflowKind.MAIN, WorkflowKind.BREATHING_SPACE)
"""Kinds that may be the first to write to a debtor."""
IN_WRITING = ("EMAIL", "LETTER")
_RANGES = frozenset(
    {
        *("greater_than", "greater_than_equal", "less_than", "less_than_equal"),
        *("too_short", "too_long", "string_too_short", "string_too_long"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What a node's type says of it; without `sound` nobody can tell, and nothing follows."""

    sound: bool = False
    ports: tuple[str, ...] = ()
    waits: bool = False
    messages: tuple[PlanOutreach, ...] = ()


_UNSOUND = _Known()


def problems(given: Any, kind: WorkflowKind, plugins: Plugins) -> list[Invalid]:
    """Return every fault of a graph, at most `FAULTS_MAX`: `path` starts with the node's id.

    Form, types, settings, ports, reach, ends, loops, templates, and what its kind forbids. Nothing
    that is sent can make this fail.
    """
    graph, faults = parse(given)
    known: dict[str, _Known] = {}
    for node in graph.nodes.values():
        known[node.id] = _known(node, plugins, faults)
        faults += _ports(graph, node, known[node.id])
        faults += _messages(node, known[node.id], kind)
        if kind == WorkflowKind.BREATHING_SPACE and node.type == "apply_charges":
            faults.append(fault("GRAPH_CHARGES", node.id))
    if graph.start:
        faults += _ways(graph, known)
        if kind in LAUNCHED:
            faults += _demands(graph, known)
    return faults[:FAULTS_MAX]


def _known(node: Node, plugins: Plugins, faults: list[Invalid]) -> _Known:
    """Ask a node's type about it; what it refuses becomes faults."""
    if plugins.find("workflow_node", node.type) is None:
        faults.append(fault("GRAPH_NODE_TYPE", node.id, "type", type=node.type))
        return _UNSOUND
    try:
        provider = plugins.node(node.type)
        config, refused = _settings(provider, plugins, node)
        if config is None:
            faults += refused
            return _UNSOUND
        return _Known(
            sound=True,
            ports=guard.call(provider, "ports_of", config),
            waits=guard.call(provider, "waits", config),
            messages=guard.call(provider, "messages", config),
        )
    except FinviewError as failure:
        why = failure.message(DEFAULT_LOCALE)
        faults.append(fault("GRAPH_NODE_CONFIG", node.id, "config", field="config", why=why))
        return _UNSOUND


def _settings(
    provider: WorkflowNode[Any], plugins: Plugins, node: Node
) -> tuple[Any, list[Invalid]]:
    """Return a node's settings, or what is wrong with them; the model may be foreign code."""

    def validated() -> tuple[Any, list[Invalid]]:
        try:
            return provider.Settings.model_validate(dict(node.config)), []
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            return None, [_refused(node.id, one) for one in found]

    slot = SLOTS["workflow_node"]
    distribution = plugins.info(slot.name, node.type).distribution
    return guard.inline(type(provider), slot, distribution, "Settings", validated)


def _refused(node: str, error: Mapping[str, Any]) -> Invalid:
    place = [str(part) for part in error["loc"]]
    name, kind = ".".join(place) or "config", error["type"]
    path = ("config", *place)
    if kind == "missing":
        return fault("GRAPH_NODE_REQUIRED", node, *path, field=name)
    if kind == "extra_forbidden":
        return fault("GRAPH_NODE_UNKNOWN", node, *path, field=name)
    reason = "GRAPH_NODE_RANGE" if kind in _RANGES else "GRAPH_NODE_CONFIG"
    return fault(reason, node, *path, field=name, why=str(error["msg"])[:200])


def _ports(graph: Graph, node: Node, known: _Known) -> Iterator[Invalid]:
    for port, target in node.ports.items():
        if known.sound and port not in known.ports:
            yield fault("GRAPH_PORT_UNKNOWN", node.id, "ports", port, port=port)
        elif target not in graph.nodes:
            named = {"port": port, "target": target}
            yield fault("GRAPH_PORT_TARGET", node.id, "ports", port, **named)
    for port in known.ports:
        if port not in node.ports:
            yield fault("GRAPH_PORT", node.id, "ports", port, port=port)


def _messages(node: Node, known: _Known, kind: WorkflowKind) -> Iterator[Invalid]:
    for planned in known.messages:
        if planned.channel == "CALL":
            continue  # what is said on the phone is a script, and no template
        found, named = MESSAGES.get(planned.template), {"template": planned.template}
        if found is None:
            yield fault("GRAPH_TEMPLATE", node.id, "config", **named)
            continue
        if planned.channel == "SMS" and not found.sms:
            yield fault("GRAPH_TEMPLATE_SMS", node.id, "config", **named)
        for language in _lacking(found, planned.channel):
            yield fault("GRAPH_TEMPLATE_LANGUAGE", node.id, "config", language=language, **named)
        if kind == WorkflowKind.PAYMENT_PLAN and found.first_demand:
            yield fault("GRAPH_PLAN_DEMAND", node.id, "config")


def _lacking(found: MessageType, channel: str) -> list[str]:
    """Return the languages a message was never translated into."""
    parts = [found.sms] if channel == "SMS" else [found.subject, found.body]
    return [
        locale
        for locale in LOCALES
        if locale != DEFAULT_LOCALE
        and any(part and message(part, locale) == part for part in parts)
    ]


def _ways(graph: Graph, known: Mapping[str, _Known]) -> Iterator[Invalid]:
    """Yield what can't be reached, what has no end, and loops that never wait.

    A node nobody knows may be an end, and may wait: its own fault is told, and no other because of it.
    """
    onwards = {
        name: [to for to in node.ports.values() if to in graph.nodes]
        for name, node in graph.nodes.items()
    }
    reached = _reach(onwards, [graph.start])
    backwards: dict[str, list[str]] = {name: [] for name in onwards}
    for name, targets in onwards.items():
        for target in targets:
            backwards[target].append(name)
    ends = [name for name, one in known.items() if not one.sound or not one.ports]
    ending = _reach(backwards, ends)
    restless = [name for name, one in known.items() if one.sound and not one.waits]
    looping = _loops(restless, onwards)
    for name in graph.nodes:
        if name not in reached:
            yield fault("GRAPH_UNREACHABLE", name)
        if name not in ending:
            yield fault("GRAPH_NO_END", name)
        if name in looping:
            yield fault("GRAPH_LOOP", name)


def _reach(onwards: Mapping[str, Sequence[str]], start: Iterable[str]) -> set[str]:
    seen, todo = set[str](), list(start)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += onwards[name]
    return seen


def _loops(names: Sequence[str], onwards: Mapping[str, Sequence[str]]) -> set[str]:
    """Return those of some nodes that lead back to themselves through these nodes alone.

    Warshall's closure over sets of bits: 200 nodes take some milliseconds, whatever their edges.
    """
    place = {name: n for n, name in enumerate(names)}
    reach = [sum(1 << place[to] for to in {*onwards[name]} if to in place) for name in names]
    for through in range(len(names)):
        beyond = reach[through]
        reach = [mask | beyond if mask >> through & 1 else mask for mask in reach]
    return {name for n, name in enumerate(names) if reach[n] >> n & 1}


def _demands(graph: Graph, known: Mapping[str, _Known]) -> Iterator[Invalid]:
    """Yield every node that may assert the claim before a first demand was written (§ 13a RDG)."""
    seen, todo = set[str](), [graph.start]
    while todo:
        name = todo.pop()
        if name in seen or name not in graph.nodes:
            continue
        seen.add(name)
        asserting = [m for m in known[name].messages if _asserts(m)]
        if any(not _demand(m) for m in asserting):
            yield fault("GRAPH_DEMAND_FIRST", name)
        elif not asserting:
            todo += graph.nodes[name].ports.values()


def _asserts(planned: PlanOutreach) -> bool:
    # Who calls a debtor up says what for.
    found = MESSAGES.get(planned.template)
    return planned.channel == "CALL" or (found is not None and found.asserts_claim)


def _demand(planned: PlanOutreach) -> bool:
    found = MESSAGES.get(planned.template)
    return planned.channel in IN_WRITING and found is not None and found.first_demand


__all__ = ["FAULTS_MAX", "problems"]
