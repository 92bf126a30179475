"""A workflow's graph: read from JSON, checked before it may be published."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.workflows.models import WorkflowKind

NODES_MAX = 200

sentences(
    {
        "GRAPH_SHAPE": N_("A workflow is a start and a list of nodes with id and type."),
        "GRAPH_TOO_LARGE": N_("A workflow has at most {limit} nodes."),
        "GRAPH_NODE_TWICE": N_("Two nodes have the id {node}."),
        "GRAPH_NODE_TYPE": N_("Node {node}: there is no node type {type}."),
        "GRAPH_NODE_CONFIG": N_("Node {node}: its settings are not valid: {why}."),
        "GRAPH_PORT": N_("Node {node}: the port {port} leads nowhere."),
        "GRAPH_PORT_UNKNOWN": N_("Node {node}: its type has no port {port}."),
        "GRAPH_UNREACHABLE": N_("Node {node} can't be reached."),
        "GRAPH_NO_END": N_("From node {node} no end can be reached."),
        "GRAPH_LOOP": N_("Node {node} stands in a loop that never waits."),
        "GRAPH_CHARGES": N_("Node {node}: a breathing space applies charges only at its end."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: its type, its settings, and where each port leads."""

    id: str
    type: str
    config: Mapping[str, Any] = field(default_factory=dict)
    ports: Mapping[str, str] = field(default_factory=dict)
    max_visits: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A workflow's nodes by id, and the one it starts with."""

    start: str
    nodes: Mapping[str, Node]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeType:
    """What the check needs to know of a node type; `problem` validates a node's settings."""

    ports: tuple[str, ...]
    problem: Any = None
    waits: bool = False


def read(graph: Mapping[str, Any]) -> Graph:
    """Read a graph from JSON; raises `Invalid` with the node in `path`."""
    try:
        listed = [
            Node(
                id=str(node["id"]),
                type=str(node["type"]),
                config=dict(node.get("config") or {}),
                ports={str(k): str(v) for k, v in (node.get("ports") or {}).items()},
                max_visits=int(node.get("maxVisits", 10)),
            )
            for node in graph["nodes"]
        ]
        start = str(graph["start"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Invalid("GRAPH_SHAPE", path=("graph",)) from None
    if not 0 < len(listed) <= NODES_MAX:
        raise Invalid("GRAPH_TOO_LARGE", path=("graph",), limit=NODES_MAX)
    nodes: dict[str, Node] = {}
    for node in listed:
        if node.id in nodes:
            raise Invalid("GRAPH_NODE_TWICE", path=("graph", node.id), node=node.id)
        nodes[node.id] = node
    if start not in nodes:
        raise Invalid("GRAPH_SHAPE", path=("graph", "start"))
    return Graph(start=start, nodes=nodes)


def check(graph: Graph, types: Mapping[str, NodeType], kind: WorkflowKind) -> None:
    """Raise `Invalid` for the first fault: types, settings, ports, reach, ends, busy loops."""
    for node in graph.nodes.values():
        _check_node(graph, node, types, kind)
    reached = _reach(graph, graph.start, set())
    for name in graph.nodes:
        if name not in reached:
            raise _fault("GRAPH_UNREACHABLE", name)
    ends = {n.id for n in graph.nodes.values() if not types[n.type].ports}
    for name in graph.nodes:
        if not _reach(graph, name, set()) & ends:
            raise _fault("GRAPH_NO_END", name)
    waits = {n.id for n in graph.nodes.values() if types[n.type].waits}
    for name in graph.nodes:
        if name not in waits and name in _reach_through(graph, name, waits):
            raise _fault("GRAPH_LOOP", name)


def _check_node(
    graph: Graph, node: Node, types: Mapping[str, NodeType], kind: WorkflowKind
) -> None:
    found = types.get(node.type)
    if found is None:
        raise _fault("GRAPH_NODE_TYPE", node.id, type=node.type)
    why = found.problem(node.config) if found.problem is not None else None
    if why:
        raise _fault("GRAPH_NODE_CONFIG", node.id, why=why)
    for port in found.ports:
        if node.ports.get(port) not in graph.nodes:
            raise _fault("GRAPH_PORT", node.id, port=port)
    for port in node.ports:
        if port not in found.ports:
            raise _fault("GRAPH_PORT_UNKNOWN", node.id, port=port)
    if kind == WorkflowKind.BREATHING_SPACE and node.type == "apply_charges":
        raise _fault("GRAPH_CHARGES", node.id)


def _fault(reason: str, node: str, **params: Any) -> Invalid:
    return Invalid(reason, path=("graph", node), node=node, **params)


def _reach(graph: Graph, start: str, stop: set[str]) -> set[str]:
    seen, todo = set[str](), [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            if name not in stop:
                todo += graph.nodes[name].ports.values()
    return seen


def _reach_through(graph: Graph, start: str, stop: set[str]) -> set[str]:
    """Return what can be reached from a node's ports without waiting."""
    seen: set[str] = set()
    for target in graph.nodes[start].ports.values():
        seen |= _reach(graph, target, stop)
    return seen
