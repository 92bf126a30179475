"""Reads the arguments of a field as its resolver would get them, most of them beforehand."""

from collections.abc import Callable
from typing import Any

import strawberry
from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLField,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    get_argument_values,
    is_scalar_type,
    is_specified_scalar_type,
)
from graphql.execution.values import VariableValues
from strawberry.types.arguments import StrawberryArgument, convert_arguments

from finview.api.engine.complete import definition_of

Read = Callable[[VariableValues], dict[str, Any]]


def reader(schema: strawberry.Schema, definition: GraphQLField, node: FieldNode) -> Read:
    """Return what reads the arguments of `node` for the variables of a request.

    What stands in the document is converted once. A variable of a built-in scalar is taken as it
    was coerced, where it was given; all else is left to graphql-core and Strawberry.
    """
    arguments: list[StrawberryArgument] = definition_of(definition).arguments
    converter = schema.schema_converter
    names = {schema.config.name_converter.get_graphql_name(a): a.python_name for a in arguments}

    def convert(asked: FieldNode, variables: VariableValues) -> dict[str, Any]:
        given = get_argument_values(definition, asked, variables)
        return convert_arguments(given, arguments, converter.scalar_registry, schema.config)

    direct, fixed = {}, []
    for argument in node.arguments or ():
        value = argument.value
        if not _asks_variable(value):
            fixed.append(argument)
        elif isinstance(value, VariableNode) and _is_plain(definition, argument):
            direct[names[argument.name.value]] = value.name.value
        else:
            return lambda variables: convert(node, variables)
    rest = FieldNode(name=node.name, arguments=tuple(fixed))
    constants: dict[str, Any] | None = None

    def read(variables: VariableValues) -> dict[str, Any]:
        nonlocal constants
        coerced = variables.coerced
        if any(name not in coerced for name in direct.values()):
            return convert(node, variables)
        if constants is None:
            constants = convert(rest, variables)
        return constants | {python: coerced[name] for python, name in direct.items()}

    return read


def _is_plain(definition: GraphQLField, argument: ArgumentNode) -> bool:
    type_ = definition.args[argument.name.value].type
    return is_scalar_type(type_) and is_specified_scalar_type(type_)


def _asks_variable(value: ValueNode) -> bool:
    if isinstance(value, ObjectValueNode):
        return any(_asks_variable(field.value) for field in value.fields)
    if isinstance(value, ListValueNode):
        return any(_asks_variable(one) for one in value.values)
    return isinstance(value, VariableNode)


__all__ = ["reader"]
