"""Completes values that resolvers return, for types that have no resolvers of their own."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    is_leaf_type,
)

from finview.api.engine.select import Selection, Undeclared, Unplanned

Complete = Callable[[Any], Any]


def definition_of(field: GraphQLField) -> Any:
    """Return what Strawberry knows of a field."""
    return field.extensions["strawberry-definition"]


def completer(
    selection: Selection, type_: GraphQLOutputType, nodes: Sequence[FieldNode]
) -> Complete:
    """Return what makes JSON of a value of `type_`; raises `Unplanned` for fields that resolve."""
    if isinstance(type_, GraphQLNonNull):
        return _required(_nullable(selection, type_.of_type, nodes))
    inner = _nullable(selection, type_, nodes)
    return lambda value: None if value is None else inner(value)


def _required(inner: Complete) -> Complete:
    def complete(value: Any) -> Any:
        if value is None:
            raise Unplanned("null in a non-null place")
        return inner(value)

    return complete


def _nullable(selection: Selection, type_: Any, nodes: Sequence[FieldNode]) -> Complete:
    if isinstance(type_, GraphQLList):
        item = completer(selection, type_.of_type, nodes)
        return lambda value: [item(one) for one in value]
    if is_leaf_type(type_):
        leaf = type_.coerce_output_value

        def show(value: Any) -> Any:
            shown = leaf(value)
            if shown is None:
                raise Unplanned("a value that can't be shown")
            return shown

        return show
    if not isinstance(type_, GraphQLObjectType):
        raise Undeclared(f"the abstract type {type_}")
    return _object(selection, type_, nodes)


def _object(selection: Selection, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Complete:
    items: list[tuple[str, Complete]] = []
    for key, chosen in selection.fields(type_, [n.selection_set for n in nodes]).items():
        name = chosen[0].name.value
        if name == "__typename":
            items.append((key, _always(type_.name)))
            continue
        field = type_.fields[name]
        definition = definition_of(field)
        if definition.base_resolver is not None:
            raise Undeclared(f"{type_.name}.{name} has a resolver")
        inner = completer(selection, field.type, chosen)
        items.append((key, _attribute(attrgetter(definition.python_name), inner)))
    return lambda value: {key: make(value) for key, make in items}


def _always(shown: str) -> Complete:
    return lambda _value: shown


def _attribute(get: Complete, inner: Complete) -> Complete:
    return lambda value: inner(get(value))


__all__ = ["Complete", "completer", "definition_of"]
