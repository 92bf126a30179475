"""Parsed, measured and validated documents, kept by their text."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
    validate,
)

from finview.api.engine import limits
from finview.api.engine.context import TooComplex
from finview.api.schema import build

DOCUMENTS_MAX = 512
CHARS_MAX = 512 * 1024
"""Text of all kept documents together; a parsed one takes some hundred times its text."""
COSTS_MAX = 64
FAULTS_MAX = 5


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document; `introspects` tells whether it asks for the schema itself."""

    node: OperationDefinitionNode
    name: str | None
    introspects: bool

    @property
    def kind(self) -> OperationType:
        """Return whether it is a query, a mutation or a subscription."""
        return self.node.operation


@dataclass(slots=True, kw_only=True)
class Document:
    """A document that was parsed, measured and validated once.

    `memo` is for whatever else is derived from it, such as plans: it is dropped together with it.
    """

    node: DocumentNode
    operations: tuple[Operation, ...]
    pages: frozenset[str]
    faults: tuple[GraphQLError, ...] = ()
    memo: dict[Any, Any] = field(default_factory=dict)
    costs: dict[Any, int] = field(default_factory=dict)
    quick: frozenset[str | None] = frozenset()
    """The operations that were quick when they last ran."""

    def operation(self, name: str | None) -> Operation | None:
        """Return the operation of a name, or the only one; None when that is not one."""
        found = [o for o in self.operations if name is None or o.name == name]
        return found[0] if len(found) == 1 else None

    def remember(self, operation: Operation, *, quick: bool) -> None:
        """Remember whether an operation was quick."""
        if (operation.name in self.quick) is not quick:
            name = frozenset({operation.name})
            self.quick = self.quick | name if quick else self.quick - name

    def cost(self, operation: Operation, variables: Mapping[str, Any]) -> int:
        """Return the cost of an operation; raises `TooComplex`. Only page sizes can change it."""
        sizes = tuple(v if isinstance(v := variables.get(n), int) else None for n in self.pages)
        key = (operation.name, sizes)
        found = self.costs.get(key)
        if found is None:
            found = limits.cost(core_schema(), self.node, operation.node, variables)
            if len(self.costs) >= COSTS_MAX:
                self.costs.clear()
            self.costs[key] = found
        return found


@cache
def core_schema() -> GraphQLSchema:
    """Return graphql-core's view of the schema."""
    schema: GraphQLSchema = build()._schema  # noqa: SLF001  # Strawberry has no public name for it
    return schema


class Documents:
    """The latest documents by their text, at most 512 of them; thread-safe."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, bool], Document] = OrderedDict()
        self._chars = 0

    def of(self, query: str, *, hide_suggestions: bool) -> Document:
        """Return a document; raises GraphQLError (syntax) and `TooComplex` before validation."""
        key = (query, hide_suggestions)
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self.hits += 1
                self._kept.move_to_end(key)
                return known
            self.misses += 1
        made = _made(query, hide_suggestions=hide_suggestions)
        if not made.faults:
            self._keep(key, made)
        return made

    def _keep(self, key: tuple[str, bool], made: Document) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = made
            self._chars += len(key[0])
            while len(self._kept) > DOCUMENTS_MAX or self._chars > CHARS_MAX:
                (dropped, _), _ = self._kept.popitem(last=False)
                self._chars -= len(dropped)


def _made(query: str, *, hide_suggestions: bool) -> Document:
    schema = core_schema()
    try:
        node = parse(query, max_tokens=limits.TOKENS_MAX)
        shape = limits.check(schema, node)
    except RecursionError:
        raise TooComplex("depth", limits.DEPTH_MAX) from None
    faults = validate(schema, node, max_errors=FAULTS_MAX, hide_suggestions=hide_suggestions)
    operations = tuple(
        Operation(one, name := one.name.value if one.name else None, name in shape.introspecting)
        for one in node.definitions
        if isinstance(one, OperationDefinitionNode)
    )
    return Document(node=node, operations=operations, pages=shape.pages, faults=tuple(faults))


DOCUMENTS = Documents()
