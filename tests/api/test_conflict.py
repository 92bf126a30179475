"""A stale edit is refused beside the object as it is: for every mutation with a `lockVersion`."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, get_named_type

from finview.api.engine.ids import encode
from finview.db.runtime import Services
from finview.testing.client import Client
from finview.testing.fixtures import At
from finview.testing.mutations import call, mutations, object_of, put, real_id, sample, tag_of

NEVER = 0
"""No row has ever had this version."""


def places(mutation: str) -> Iterator[tuple[str, ...]]:
    """Yield where a mutation takes the version that was read."""
    for name, argument in mutations()[mutation].args.items():
        kind = get_named_type(argument.type)
        if name == "lockVersion":
            yield (name,)
        elif isinstance(kind, GraphQLInputObjectType) and "lockVersion" in kind.fields:
            yield (name, "lockVersion")


# A mutation that creates shares its input with the one that changes, and has no version to check.
VERSIONED = {
    name: place
    for name in sorted(mutations())
    for place in places(name)
    if not name.endswith("Create")
}


def edit(services: Services, mutation: str, version: int) -> dict[str, Any]:
    """Return arguments that change an object which exists, from the version given."""
    arguments = sample(services, mutation, VERSIONED[mutation])
    put(arguments, VERSIONED[mutation], version)
    kind = get_named_type(mutations()[mutation].args["input"].type)
    changed = {"reference": "A 1"} if "reference" in kind.fields else {}
    arguments["input"] |= changed  # what changes nothing is no edit
    return arguments


def seen(client: Client, mutation: str, public_id: str) -> int:
    """Return the version of an object as it is."""
    found = object_of(mutation)
    assert found is not None
    query = f"query($i: ID!) {{ node(id: $i) {{ ... on {found[1].name} {{ lockVersion }} }} }}"
    return int(client.ask(query, i=public_id)["node"]["lockVersion"])


def target(services: Services, mutation: str) -> str:
    """Return the id of the object a mutation changes: the first of its type."""
    found = object_of(mutation)
    assert found is not None
    return real_id(services, tag_of(mutation, "id"))


@pytest.mark.parametrize("mutation", VERSIONED)
def test_a_stale_edit_is_a_conflict_beside_the_object_as_it_is(mutation: str, at: At) -> None:
    story = at("LAUNCHED")
    services, client = story.agency.services, story.client
    call(client, "contactCreate", sample(services, "contactCreate"))
    now = seen(client, mutation, target(services, mutation))
    payload = call(client, mutation, edit(services, mutation, NEVER), "id lockVersion")
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == ("CONFLICT", list(VERSIONED[mutation]))
    assert payload["object"] == {"id": target(services, mutation), "lockVersion": now}
    payload = call(client, mutation, edit(services, mutation, now), "id lockVersion")
    assert [e["code"] for e in payload["errors"]] in ([], ["REQUIRED"], ["INVALID"])
    if not payload["errors"]:
        assert payload["object"]["lockVersion"] > now


@pytest.mark.parametrize("mutation", VERSIONED)
def test_a_stale_edit_of_nothing_is_still_not_found(mutation: str, at: At) -> None:
    story = at("LAUNCHED")
    arguments = edit(story.agency.services, mutation, NEVER)
    name = "id" if "id" in arguments else next(n for n in arguments["input"] if n.endswith("Id"))
    missing = encode(tag_of(mutation, name), 999_999)
    put(arguments, ("id",) if name == "id" else ("input", name), missing)
    payload = call(story.client, mutation, arguments)
    assert [e["code"] for e in payload["errors"]] == ["NOT_FOUND"]
    assert payload["object"] is None
