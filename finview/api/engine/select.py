"""Reads a selection as the executor would: fragments, merging, skip and include."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
)


class Unplanned(Exception):
    """The read path leaves this operation to the executor; the text says why."""


class Undeclared(Unplanned):
    """The same, for every request whose skip and include fall out the same way."""


class Selection:
    """The selections of one operation; remembers which variables their structure depends on."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.variables = variables
        self.choices: dict[str, Any] = {}

    def fields(
        self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode | None]
    ) -> dict[str, list[FieldNode]]:
        """Return the selected fields of an object by their keys in the answer, in order."""
        found: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for one in sets:
            for node in self._walk(type_, one, seen):
                key = node.alias.value if node.alias else node.name.value
                found.setdefault(key, []).append(node)
        return found

    def _walk(
        self, type_: GraphQLObjectType, selected: SelectionSetNode | None, seen: set[str]
    ) -> Iterator[FieldNode]:
        for node in selected.selections if selected is not None else ():
            if node.directives and not self._wanted(node.directives):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                if self._applies(node, type_):
                    yield from self._walk(type_, node.selection_set, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self.fragments[node.name.value]
                if self._applies(fragment, type_):
                    yield from self._walk(type_, fragment.selection_set, seen)

    def _applies(
        self, fragment: FragmentDefinitionNode | InlineFragmentNode, type_: GraphQLObjectType
    ) -> bool:
        condition = fragment.type_condition
        if condition is None or condition.name.value == type_.name:
            return True
        other = self.schema.type_map[condition.name.value]
        return is_abstract_type(other) and self.schema.is_sub_type(other, type_)

    def _wanted(self, directives: Sequence[DirectiveNode]) -> bool:
        for directive in directives:
            name = directive.name.value
            if name not in ("skip", "include"):
                raise Undeclared(f"directive {name}")
            if self._flag(directive) is (name == "skip"):
                return False
        return True

    def _flag(self, directive: DirectiveNode) -> bool:
        given = (directive.arguments or ())[0].value
        if isinstance(given, BooleanValueNode):
            return given.value
        assert isinstance(given, VariableNode)
        value = self.know(given.name.value)
        if not isinstance(value, bool):
            raise Unplanned("a directive without a value")
        return value

    def know(self, name: str) -> Any:
        """Return a variable's value; the plan then holds for this value only."""
        self.choices[name] = self.variables.get(name)
        return self.choices[name]


__all__ = ["Selection", "Undeclared", "Unplanned"]
