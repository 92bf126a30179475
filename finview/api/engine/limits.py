"""One linear pass over a document: depth, aliases, expanded fields, directives, roots, cost.

Fragments are measured once each, however often they are spread, and sums saturate: the work is
linear in the size of the document. Cycles and unknown fragments are left to validation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from finview.api.engine.context import TooComplex

TOKENS_MAX = 4_000
DEPTH_MAX = 12
INTROSPECTION_DEPTH_MAX = 16
ALIASES_MAX = 60
FIELDS_MAX = 1_500
DIRECTIVES_MAX = 60
ROOTS_MAX = 20
COST_MAX = 20_000
PAGE_DEFAULT = 50
PAGE_MAX = 200
_SATURATED = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Measure:
    """What a selection amounts to once its fragments are put in."""

    depth: int = 0
    aliases: int = 0
    fields: int = 0
    directives: int = 0
    cost: int = 0
    roots: int = 0

    def plus(self, other: "Measure") -> "Measure":
        """Return both beside each other."""
        return Measure(
            max(self.depth, other.depth),
            min(self.aliases + other.aliases, _SATURATED),
            min(self.fields + other.fields, _SATURATED),
            min(self.directives + other.directives, _SATURATED),
            min(self.cost + other.cost, _SATURATED),
            min(self.roots + other.roots, _SATURATED),
        )


def check(document: DocumentNode, variables: Mapping[str, Any]) -> int:
    """Raise `TooComplex` for the first limit the document breaks; return its static cost."""
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    meter = _Meter(fragments, variables)
    total = 0
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            found = meter.selection(node.selection_set)
            deep = INTROSPECTION_DEPTH_MAX if meter.introspects else DEPTH_MAX
            for name, value, allowed in (
                ("depth", found.depth, deep),
                ("aliases", found.aliases, ALIASES_MAX),
                ("fields", found.fields, FIELDS_MAX),
                ("directives", found.directives, DIRECTIVES_MAX),
                ("root fields", found.roots, ROOTS_MAX),
                ("cost", found.cost, COST_MAX),
            ):
                if value > allowed:
                    raise TooComplex(name, allowed)
            total = max(total, found.cost)
    return total


class _Meter:
    def __init__(
        self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ) -> None:
        self.fragments = fragments
        self.variables = variables
        self.known: dict[str, Measure] = {}
        self.open: set[str] = set()
        self.introspects = False

    def selection(self, selections: SelectionSetNode | None) -> Measure:
        """Measure a selection set; its own fields count as roots."""
        found = Measure()
        for node in selections.selections if selections is not None else ():
            found = found.plus(Measure(directives=len(node.directives or ())))
            if isinstance(node, FieldNode):
                found = found.plus(self._field(node))
            elif isinstance(node, InlineFragmentNode):
                found = found.plus(self.selection(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                found = found.plus(self._fragment(node.name.value))
        return found

    def _fragment(self, name: str) -> Measure:
        if name in self.known:
            return self.known[name]
        if name in self.open or name not in self.fragments:
            return Measure()
        self.open.add(name)
        self.known[name] = self.selection(self.fragments[name].selection_set)
        self.open.discard(name)
        return self.known[name]

    def _field(self, node: FieldNode) -> Measure:
        self.introspects = self.introspects or node.name.value in ("__schema", "__type")
        inner = self.selection(node.selection_set)
        times, own = self._page(node), 20 if node.name.value == "totalCount" else 0
        return Measure(
            depth=inner.depth + 1,
            aliases=inner.aliases + (node.alias is not None),
            fields=inner.fields + 1,
            directives=inner.directives,
            cost=min((inner.cost + (1 if node.selection_set else 0)) * times + own, _SATURATED),
            roots=1,
        )

    def _page(self, node: FieldNode) -> int:
        """Return how many objects a field may stand for: `first`, if it is a connection."""
        for argument in node.arguments or ():
            if argument.name.value == "first":
                value: Any = PAGE_DEFAULT
                if isinstance(argument.value, IntValueNode):
                    value = int(argument.value.value)
                elif isinstance(argument.value, VariableNode):
                    value = self.variables.get(argument.value.name.value, PAGE_DEFAULT)
                return max(1, min(value, PAGE_MAX)) if isinstance(value, int) else PAGE_DEFAULT
        nodes = {"nodes", "edges"}
        chosen = node.selection_set.selections if node.selection_set is not None else ()
        paged = any(isinstance(n, FieldNode) and n.name.value in nodes for n in chosen)
        return PAGE_DEFAULT if paged else 1
