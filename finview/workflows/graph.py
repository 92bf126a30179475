"""A workflow's graph: read from JSON, whatever somebody may have sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from finview.errors import Invalid, Verbatim
from finview.i18n import N_, sentences

NODES_MAX = 200
GRAPH_BYTES_MAX = 256 * 1024
DEPTH_MAX = 20
NAME_CHARS_MAX = 60
VISITS_MAX = 1000
META = "meta"
"""A key of a graph and of a node for whoever draws it: kept as it is, and never read."""

FORMERLY: Mapping[str, str] = {
    "bounced": "failed",
    "returned": "failed",
    "not_allowed": "failed",
    "no_number": "failed",
}
"""Where a run goes on from a port that its version does not know: earlier graphs lack these."""

sentences(
    {
        "GRAPH_SHAPE": N_("A workflow is a start and a list of nodes with id and type."),
        "GRAPH_KEY": N_("A workflow has no {key}."),
        "GRAPH_BYTES": N_("A workflow has at most {limit} bytes."),
        "GRAPH_DEPTH": N_("The settings of a workflow are nested too deeply."),
        "GRAPH_TOO_LARGE": N_("A workflow has at most {limit} nodes."),
        "GRAPH_START": N_("A workflow starts at one of its nodes."),
        "GRAPH_NODE_ID": N_("Node number {number} needs an id of 1 to {limit} characters."),
        "GRAPH_NODE_SHAPE": N_("Node {node}: {key} has the wrong form."),
        "GRAPH_NODE_KEY": N_("Node {node}: a node has no {key}."),
        "GRAPH_NODE_TWICE": N_("Two nodes have the id {node}."),
    }
)

_NODE_KEYS = frozenset({"id", "type", "config", "ports", "maxVisits", META})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: its type, its settings, and where each port leads."""

    id: str
    type: str
    config: Mapping[str, Any] = field(default_factory=dict)
    ports: Mapping[str, str] = field(default_factory=dict)
    max_visits: int = 10

    def target(self, port: str) -> str | None:
        """Return the node a port leads to."""
        return self.ports.get(port) or self.ports.get(FORMERLY.get(port, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A workflow's nodes by id, and the one it starts with."""

    start: str
    nodes: Mapping[str, Node]


def kept(given: Any) -> dict[str, Any]:
    """Return a graph as it is stored; raises `Invalid` for what can't even be a draft.

    That is no object, one that is too large or nested too deeply, and text no database keeps.
    """
    if not isinstance(given, Mapping):
        raise Invalid("GRAPH_SHAPE")
    _measured(given)
    try:
        text = orjson.dumps(given)
    except (TypeError, ValueError):
        raise Invalid("GRAPH_SHAPE") from None
    if len(text) > GRAPH_BYTES_MAX:
        raise Invalid("GRAPH_BYTES", limit=GRAPH_BYTES_MAX)
    found: dict[str, Any] = orjson.loads(text)
    return found


def _measured(given: Any) -> None:
    """Walk through a value without recursion, however deep it is."""
    todo: list[tuple[Any, int]] = [(given, 1)]
    while todo:
        value, depth = todo.pop()
        if depth > DEPTH_MAX:
            raise Invalid("GRAPH_DEPTH")
        if isinstance(value, Mapping):
            todo += [(one, depth + 1) for pair in value.items() for one in pair]
        elif isinstance(value, list):
            todo += [(one, depth + 1) for one in value]
        elif isinstance(value, str) and "\0" in value:
            raise Invalid("GRAPH_SHAPE")  # PostgreSQL keeps no such text


def read(graph: Mapping[str, Any]) -> Graph:
    """Read a graph from JSON; raises `Invalid` for the first fault of its form."""
    found, faults = parse(graph)
    if faults:
        raise faults[0]
    return found


def parse(given: Any) -> tuple[Graph, list[Invalid]]:
    """Return what can be read of a graph, and every fault of its form, with the node in `path`."""
    empty = Graph(start="", nodes={})
    if not isinstance(given, Mapping) or not isinstance(given.get("nodes"), list):
        return empty, [Invalid("GRAPH_SHAPE")]
    listed = given["nodes"]
    if not 0 < len(listed) <= NODES_MAX:
        return empty, [Invalid("GRAPH_TOO_LARGE" if listed else "GRAPH_SHAPE", limit=NODES_MAX)]
    known = {"start", "nodes", META}
    faults = [Invalid("GRAPH_KEY", key=str(key)) for key in given if key not in known]
    nodes: dict[str, Node] = {}
    for number, one in enumerate(listed, 1):
        node = _node(one, number, faults)
        if node is not None and node.id in nodes:
            faults.append(fault("GRAPH_NODE_TWICE", node.id))
        elif node is not None:
            nodes[node.id] = node
    start = given.get("start")
    if not isinstance(start, str) or start not in nodes:
        faults.append(Invalid("GRAPH_START"))
        start = ""
    return Graph(start=start, nodes=nodes), faults


def _node(given: Any, number: int, faults: list[Invalid]) -> Node | None:
    name = given.get("id") if isinstance(given, Mapping) else None
    if not isinstance(name, str) or not 0 < len(name.strip()) <= len(name) <= NAME_CHARS_MAX:
        place = str(number)
        faults.append(Invalid("GRAPH_NODE_ID", path=(place,), number=number, limit=NAME_CHARS_MAX))
        return None
    faults += [
        fault("GRAPH_NODE_KEY", name, str(k), key=str(k)) for k in given if k not in _NODE_KEYS
    ]
    config, ports = given.get("config"), given.get("ports")
    visits = given.get("maxVisits", 10)
    right = {
        "type": isinstance(given.get("type"), str),
        "config": config is None or isinstance(config, Mapping),
        "ports": ports is None
        or (isinstance(ports, Mapping) and all(isinstance(to, str) for to in ports.values())),
        "maxVisits": type(visits) is int and 0 < visits <= VISITS_MAX,
    }
    faults += [fault("GRAPH_NODE_SHAPE", name, key, key=key) for key, ok in right.items() if not ok]
    return Node(
        id=name,
        type=given["type"] if right["type"] else "",
        config=dict(config or {}) if right["config"] else {},
        ports=dict(ports or {}) if right["ports"] else {},
        max_visits=visits if right["maxVisits"] else 10,
    )


def fault(reason: str, node: str, *place: str, **params: Any) -> Invalid:
    """Return a fault of one node; `place` leads into it."""
    path = [Verbatim(part) for part in (node, *place)]
    return Invalid(reason, path=path, node=node, **params)


__all__ = ["FORMERLY", "Graph", "Node", "fault", "kept", "parse", "read"]
