"""One linear pass over a document: depth, aliases, expanded fields, directives, roots, cost.

Fragments are measured once each, however often they are spread, and sums saturate: the work is
linear in the size of the document. Cycles and unknown names are left to validation.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from finview.api.engine.context import TooComplex

TOKENS_MAX = 4_000
DEPTH_MAX = 12
INTROSPECTION_DEPTH_MAX = 16
ALIASES_MAX = 60
FIELDS_MAX = 1_500
DIRECTIVES_MAX = 60
ROOTS_MAX = 20
DEFINITIONS_MAX = 80
REPEATS_MAX = 60
OBJECT_REPEATS_MAX = 40
FRAGMENTS_NESTED_MAX = 20
COST_MAX = 20_000
PAGE_DEFAULT = 50
PAGE_MAX = 200
LIST_COST = 10
COUNT_COST = 20
INTROSPECTION_COST = 100
_SATURATED = 1_000_000_000
_INTROSPECTION = ("__schema", "__type")
_ITEMS = ("nodes", "edges")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a selection amounts to once its fragments are put in.

    `items` is the cost of one item of the page that encloses the selection, `cost` all the rest;
    `deep` is the depth below an introspection field.
    """

    depth: int = 0
    deep: int = 0
    aliases: int = 0
    fields: int = 0
    directives: int = 0
    roots: int = 0
    cost: int = 0
    items: int = 0

    def plus(self, other: "Measure") -> "Measure":
        """Return both beside each other."""
        return Measure(
            max(self.depth, other.depth),
            max(self.deep, other.deep),
            min(self.aliases + other.aliases, _SATURATED),
            min(self.fields + other.fields, _SATURATED),
            min(self.directives + other.directives, _SATURATED),
            min(self.roots + other.roots, _SATURATED),
            min(self.cost + other.cost, _SATURATED),
            min(self.items + other.items, _SATURATED),
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """What `check` learned: the operations that introspect, and the variables of page sizes."""

    introspecting: frozenset[str | None]
    pages: frozenset[str]


def check(schema: GraphQLSchema, document: DocumentNode) -> Shape:
    """Raise `TooComplex` for the first limit of structure that a document breaks.

    What depends on variables is left to `cost`.
    """
    refuse_over((("operations and fragments", len(document.definitions), DEFINITIONS_MAX),))
    meter = Meter(schema, document, {})
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    whole, introspecting = Measure(), set()
    for operation in operations:
        found = meter.operation(operation)
        if found.deep:
            introspecting.add(operation.name.value if operation.name else None)
        whole = whole.plus(replace(found, roots=0))
        refuse_over((("root fields", found.roots, ROOTS_MAX),))
    # Summed over all operations: none of them is free, though only one will run.
    refuse_over(
        (
            ("depth", whole.depth, DEPTH_MAX),
            ("introspection depth", whole.deep, INTROSPECTION_DEPTH_MAX),
            ("aliases", whole.aliases, ALIASES_MAX),
            ("fields", whole.fields, FIELDS_MAX),
            # Validation compares fields of one name pair by pair: that is quadratic.
            ("repeated fields", meter.most_repeated(leaves=True), REPEATS_MAX),
            ("repeated objects", meter.most_repeated(leaves=False), OBJECT_REPEATS_MAX),
            ("directives", whole.directives + _outer_directives(document), DIRECTIVES_MAX),
        )
    )
    return Shape(frozenset(introspecting), frozenset(meter.pages))


def cost(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> int:
    """Return the static cost of an operation with its variables; raises `TooComplex`."""
    found = Meter(schema, document, variables_of(operation, variables)).operation(operation).cost
    refuse_over((("cost", found, COST_MAX),))
    return found


def variables_of(operation: OperationDefinitionNode, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the variables that were given and the whole numbers that others default to."""
    defaults = {
        node.variable.name.value: int(node.default_value.value)
        for node in operation.variable_definitions or ()
        if isinstance(node.default_value, IntValueNode)
    }
    return {**defaults, **given}


def refuse_over(limits: Iterable[tuple[str, int, int]]) -> None:
    """Raise `TooComplex` for the first (name, value, allowed) whose value is over."""
    for name, value, allowed in limits:
        if value > allowed:
            raise TooComplex(name, allowed)


def _outer_directives(document: DocumentNode) -> int:
    """Return how many directives stand at operations, fragments and variables."""
    found = 0
    for node in document.definitions:
        found += len(getattr(node, "directives", None) or ())
        for variable in getattr(node, "variable_definitions", None) or ():
            found += len(variable.directives or ())
    return found


class Meter:
    """Measures the operations of one document, each fragment once."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]
    ) -> None:
        self.schema = schema
        self.variables = variables
        self.fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self.pages: set[str] = set()
        """The variables that stand for page sizes: with the same values the cost is the same."""
        self._names: Counter[tuple[bool, str]] = Counter()
        self._known: dict[str, Measure] = {}
        self._open: set[str] = set()

    def most_repeated(self, *, leaves: bool) -> int:
        """Return how often the most frequent name of an answer stands in what was measured."""
        return max((n for (leaf, _), n in self._names.items() if leaf is leaves), default=0)

    def operation(self, node: OperationDefinitionNode) -> Measure:
        """Measure an operation."""
        return self._selection(node.selection_set, self.schema.get_root_type(node.operation))

    def _selection(
        self, selections: SelectionSetNode | None, parent: GraphQLNamedType | None
    ) -> Measure:
        found = Measure()
        for node in selections.selections if selections is not None else ():
            part = Measure()
            if isinstance(node, FieldNode):
                part = self._field(node, parent)
                name = node.alias.value if node.alias else node.name.value
                self._names[node.selection_set is None, name] += 1
            elif isinstance(node, InlineFragmentNode):
                named = node.type_condition
                of = self.schema.get_type(named.name.value) if named else parent
                part = self._selection(node.selection_set, of)
            elif isinstance(node, FragmentSpreadNode):
                part = self._fragment(node.name.value)
            found = found.plus(part)
            if node.directives:
                found = replace(found, directives=found.directives + len(node.directives))
        return found

    def _fragment(self, name: str) -> Measure:
        node = self.fragments.get(name)
        if node is None or name in self._open:
            return Measure()
        if len(self._open) >= FRAGMENTS_NESTED_MAX:
            raise TooComplex("nested fragments", FRAGMENTS_NESTED_MAX)
        if name not in self._known:
            self._open.add(name)
            of = self.schema.get_type(node.type_condition.name.value)
            self._known[name] = self._selection(node.selection_set, of)
            self._open.discard(name)
        return self._known[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Measure:
        name = node.name.value
        definition = None
        if isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)):
            definition = self.schema.get_field(parent, name)
        inner = self._selection(
            node.selection_set, get_named_type(definition.type) if definition else None
        )
        found = Measure(
            depth=inner.depth + 1,
            deep=inner.deep,
            aliases=inner.aliases + (node.alias is not None),
            fields=inner.fields + 1,
            directives=inner.directives,
            roots=1,
        )
        if name in _INTROSPECTION:
            return replace(found, depth=1, deep=inner.depth + 1, cost=INTROSPECTION_COST)
        return replace(found, **self._cost(node, definition, inner))

    def _cost(
        self, node: FieldNode, definition: GraphQLField | None, inner: Measure
    ) -> dict[str, int]:
        name = node.name.value
        if name == "totalCount":
            return {"cost": COUNT_COST}
        if node.selection_set is None:
            return {}
        each = min(inner.cost + 1, _SATURATED)
        if definition is not None and "first" in definition.args:
            whole = inner.cost + inner.items * self._page(node, definition)
            return {"cost": min(whole + 1, _SATURATED)}
        if definition is not None and not _is_list(definition):
            return {"cost": min(each + inner.items, _SATURATED)}
        if name in _ITEMS:
            return {"items": each}
        return {"cost": min(each * (LIST_COST if definition is not None else 1), _SATURATED)}

    def _page(self, node: FieldNode, definition: GraphQLField) -> int:
        """Return how many items a page may have: `first`, its default, or the general default."""
        default = definition.args["first"].default_value
        size: Any = default if isinstance(default, int) else PAGE_DEFAULT
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                if isinstance(argument.value, IntValueNode):
                    size = int(argument.value.value[:12])
                elif isinstance(argument.value, VariableNode):
                    self.pages.add(argument.value.name.value)
                    size = self.variables.get(argument.value.name.value, size)
        return max(1, min(size, PAGE_MAX)) if isinstance(size, int) else PAGE_DEFAULT


def _is_list(definition: GraphQLField) -> bool:
    kind = definition.type
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    return isinstance(kind, GraphQLList)
