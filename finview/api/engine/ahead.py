"""Slow work of a mutation, such as hashing a password, done before its session is opened.

A mutation's unit holds the writer's turn: nothing in it may take longer than its statements.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    get_argument_values,
)
from graphql.execution.collect_fields import FragmentDetails, collect_fields
from graphql.execution.values import VariableValues, get_variable_values

from finview.accounts.access import Viewer
from finview.api.engine.context import Asked
from finview.db.runtime import Services
from finview.errors import FinviewError

Ahead = Callable[[Services, Mapping[str, Any], Asked, Viewer | None], Any]
_AHEAD: dict[str, Ahead] = {}


def ahead(mutation: str) -> Callable[[Ahead], Ahead]:
    """Register what is done for a mutation before its unit, by the name of its field.

    `result_of` hands its result to the resolver; a `FinviewError` it raises is raised there.
    """

    def register(work: Ahead) -> Ahead:
        _AHEAD[mutation] = work
        return work

    return register


def work_ahead(
    services: Services,
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    inputs: Mapping[str, Any],
    asked: Asked,
    viewer: Viewer | None,
) -> None:
    """Do what is registered for the mutations of an operation, in their order."""
    definitions = operation.variable_definitions or ()
    variables = get_variable_values(schema, definitions, dict(inputs))
    if not isinstance(variables, VariableValues):
        return  # its execution says what is wrong
    fragments = {
        one.name.value: FragmentDetails(one)
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    root = schema.mutation_type
    assert root is not None
    found = collect_fields(schema, fragments, variables, root, operation)
    for key, details in found.grouped_field_set.items():
        node = details[0].node
        work = _AHEAD.get(node.name.value)
        if work is None:
            continue
        try:
            given = get_argument_values(root.fields[node.name.value], node, variables)
        except GraphQLError:
            return  # as above
        try:
            asked.ahead[key] = work(services, given, asked, viewer)
        except FinviewError as failure:
            asked.ahead[key] = failure


def result_of(asked: Asked, key: str | int) -> Any:
    """Return what was done ahead for the field with a key in the answer, or raise its failure."""
    found = asked.ahead[str(key)]
    if isinstance(found, FinviewError):
        raise found
    return found
