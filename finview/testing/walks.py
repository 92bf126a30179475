"""Queries that ask for everything, made from the schema: every field of a type, two nodes deep."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)

from finview.api.engine.documents import core_schema

HOPS = 2
"""How many nodes deep a walk goes; values on the way (money, pages, lines) do not count."""

FIRST = 4


@cache
def selection(name: str, hops: int = HOPS, inside: tuple[str, ...] = ()) -> str:
    """Return everything of a type; what takes an argument that must be given is left out."""
    kind = core_schema().type_map[name]
    if isinstance(kind, GraphQLInterfaceType):
        return "{ __typename id }"
    assert isinstance(kind, GraphQLObjectType)
    parts = ["__typename"]
    for field_name, field in kind.fields.items():
        if any(isinstance(argument.type, GraphQLNonNull) for argument in field.args.values()):
            continue
        call = f"{field_name}(first: {FIRST})" if "first" in field.args else field_name
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            parts.append(call)
        elif is_node(inner.name):
            left = hops - 1
            parts.append(f"{call} {selection(inner.name, left) if left else '{ __typename id }'}")
        elif inner.name not in inside:  # a value that holds itself is met once
            parts.append(f"{call} {selection(inner.name, hops, (*inside, name))}")
    return f"{{ {' '.join(parts)} }}"


def is_node(name: str) -> bool:
    """Tell whether objects of a type have ids."""
    kind = core_schema().type_map[name]
    if isinstance(kind, GraphQLInterfaceType):
        return True
    return isinstance(kind, GraphQLObjectType) and any(i.name == "Node" for i in kind.interfaces)


@cache
def node_query() -> Mapping[str, str]:
    """Return for each type with ids the query of everything of one object."""
    return {
        name: f"query($id: ID!) {{ found: node(id: $id) {{ ... on {name} {selection(name)} }} }}"
        for name, kind in core_schema().type_map.items()
        if isinstance(kind, GraphQLObjectType) and is_node(name)
    }


def root_fields(operation: str = "query") -> Mapping[str, GraphQLField]:
    """Return the fields of Query, Mutation or Subscription."""
    schema = core_schema()
    roots = {
        "query": schema.query_type,
        "mutation": schema.mutation_type,
        "subscription": schema.subscription_type,
    }
    found = roots[operation]
    return found.fields if found is not None else {}


def root_query(name: str, given: Mapping[str, Any], *, inner: str | None = None) -> str:
    """Return a query of one root field with the arguments of `given` as variables."""
    field = root_fields()[name]
    head = ", ".join(f"${argument}: {field.args[argument].type}" for argument in given)
    call = ", ".join(f"{argument}: ${argument}" for argument in given)
    kind = get_named_type(field.type)
    chosen = "" if is_leaf_type(kind) else (inner or selection(kind.name))
    return (
        f"query{f'({head})' if head else ''} "
        f"{{ found: {name}{f'({call})' if call else ''} {chosen} }}"
    )


def typenames(value: Any) -> Iterator[str]:
    """Yield the type of every object of an answer."""
    if isinstance(value, dict):
        if "__typename" in value:
            yield value["__typename"]
        for inner in value.values():
            yield from typenames(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from typenames(inner)


def leaves(value: Any) -> Iterator[str]:
    """Yield every text of an answer, also inside of JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "__typename":
                yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value


def reachable() -> frozenset[str]:
    """Return the object types that queries can reach, beside pages and the roots."""
    found: set[str] = set()

    def visit(name: str) -> None:
        kind = core_schema().type_map[name]
        if name in found or not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            return
        found.add(name)
        for field in kind.fields.values():
            visit(get_named_type(field.type).name)

    for field in root_fields().values():
        visit(get_named_type(field.type).name)
    for name in node_query():
        visit(name)
    return frozenset(n for n in found if isinstance(core_schema().type_map[n], GraphQLObjectType))
