"""Mutations found by introspection: what ids they take, and a valid call of each, for tests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_list_type,
    is_non_null_type,
)
from sqlalchemy import func, select

from finview.accounts.models import AccountUser
from finview.api.engine.documents import core_schema
from finview.api.engine.ids import encode
from finview.api.engine.sources import SOURCES
from finview.db.models import load_models
from finview.db.runtime import Services
from finview.imports.models import Upload
from finview.testing.client import Client

NOTHING = 999_999_999
BY_NAME: Mapping[str, Any] = {"email": "neu@example.org", "amount": "5.00", "slot": "matcher"}
CREATED_WITH = {"name"}
"""Not required by the schema, as one input serves to create and to change."""
BY_TYPE: Mapping[str, Any] = {
    "Int": 1,
    "Float": 1.0,
    "Boolean": True,
    "Date": "2027-03-01",
    "DateTime": "2027-03-01T00:00:00Z",
    "Decimal": "5.00",
    "CurrencyCode": "EUR",
    "CountryCode": "DE",
    "LocaleCode": "de",
    "PhoneNumber": "+493023125001",
    "JSON": {},
}
_OTHER_TAGS = {"Upload": "upl", "User": "usr"}
_OTHER_MODELS = {"upl": Upload, "usr": AccountUser}
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdPlace:
    """An id in the arguments of a mutation: where it stands, and the type it names."""

    mutation: str
    path: Path
    tag: str


def mutations() -> Mapping[str, Any]:
    """Return the fields of `Mutation` by name."""
    root = core_schema().mutation_type
    assert root is not None
    fields: Mapping[str, Any] = root.fields
    return fields


def object_of(mutation: str) -> tuple[str, GraphQLObjectType] | None:
    """Return the name and type of the object a mutation answers with; None: errors alone."""
    payload = get_named_type(mutations()[mutation].type)
    assert isinstance(payload, GraphQLObjectType)
    for name, field in payload.fields.items():
        kind = get_named_type(field.type)
        if name != "errors" and isinstance(kind, GraphQLObjectType):
            return name, kind
    return None


def id_places(mutation: str) -> Iterator[IdPlace]:
    """Yield every id a mutation takes, also in lists and inputs of inputs; filters are none."""
    for name, argument in mutations()[mutation].args.items():
        yield from _places(mutation, (name,), argument.type)


def _places(mutation: str, path: Path, kind: GraphQLInputType) -> Iterator[IdPlace]:
    named = get_named_type(kind)
    inner = (*path, "0") if is_list_type(get_nullable_type(kind)) else path
    if isinstance(named, GraphQLInputObjectType):
        # What a filter names and is not there is no failure: it finds nothing.
        filters = named.name.endswith("Where")
        for name, field in () if filters else named.fields.items():
            yield from _places(mutation, (*inner, name), field.type)
    elif str(named) == "ID":
        yield IdPlace(mutation=mutation, path=inner, tag=tag_of(mutation, path[-1]))


def tag_of(mutation: str, name: str) -> str:
    """Return the tag of the ids an argument takes, by its name or by the mutation's object."""
    tags = {kind: source.tag for kind, source in SOURCES.items() if source.tag} | _OTHER_TAGS
    if name == "scopeId":
        return "bkt"
    wanted = name.removesuffix("s").removesuffix("Id").lower()
    if name == "id":
        found = object_of(mutation)
        # Called after what it is about; that may be answered with another object (a task's case).
        named = [kind.lower() for kind in tags if mutation.lower().startswith(kind.lower())]
        wanted = max(named, key=len) if named else found[1].name.lower() if found else ""
    fitting = [kind for kind in tags if wanted.endswith(kind.lower())]
    return str(tags[max(fitting, key=len)]) if fitting else "cus"


def real_id(services: Services, tag: str) -> str:
    """Return the id of the first row of a type; of nothing, where there is none."""
    load_models()
    models = {source.tag: source.model for source in SOURCES.values()} | _OTHER_MODELS
    model: Any = models.get(tag)
    with services.db.reading() as session:
        first = session.scalar(select(func.min(model.id))) if model is not None else None
    return encode(tag, first or NOTHING)


def sample(services: Services, mutation: str, also: Path = ()) -> dict[str, Any]:
    """Return arguments of a mutation: what is required, with ids that exist, and what `also` names."""
    arguments = mutations()[mutation].args
    return {
        name: _value(services, mutation, name, argument.type, also[1:])
        for name, argument in arguments.items()
        if is_non_null_type(argument.type) or also[:1] == (name,)
    }


def _value(services: Services, mutation: str, name: str, kind: GraphQLInputType, also: Path) -> Any:
    inner: Any = get_nullable_type(kind)
    if is_list_type(inner):
        rest = also[1:] if also else ()
        return [_value(services, mutation, name, inner.of_type, rest)] if also else []
    if isinstance(inner, GraphQLInputObjectType):
        return {
            key: _value(services, mutation, key, field.type, also[1:])
            for key, field in inner.fields.items()
            if is_non_null_type(field.type) or also[:1] == (key,) or key in CREATED_WITH
        }
    if is_enum_type(inner):
        return next(iter(inner.values))
    if str(inner) == "ID":
        return real_id(services, tag_of(mutation, name))
    return BY_TYPE.get(str(inner), BY_NAME.get(name, "x"))


def put(arguments: dict[str, Any], path: Path, value: Any) -> None:
    """Set one value deep in the arguments."""
    place: Any = arguments
    for part in path[:-1]:
        place = place[int(part) if isinstance(place, list) else part]
    place[int(path[-1]) if isinstance(place, list) else path[-1]] = value


def document(mutation: str, arguments: Mapping[str, Any], answer: str = "__typename") -> str:
    """Return a document that calls a mutation with variables; its object is called `object`."""
    types = {name: str(argument.type) for name, argument in mutations()[mutation].args.items()}
    head = ", ".join(f"${name}: {types[name]}" for name in arguments)
    given = ", ".join(f"{name}: ${name}" for name in arguments)
    found = object_of(mutation)
    asked = f"object: {found[0]} {{ {answer} }} " if found is not None else ""
    return (
        f"mutation({head}) {{ {mutation}({given}) "
        f"{{ {asked}errors {{ code message path params }} }} }}"
    )


def call(
    client: Client, mutation: str, arguments: Mapping[str, Any], answer: str = "__typename"
) -> Any:
    """Run a mutation and return its payload; its object is called `object`."""
    return client.ask(document(mutation, arguments, answer), **arguments)[mutation]
