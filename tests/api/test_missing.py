"""An id of nothing is NOT_FOUND at its place in the input: for every id of every mutation."""

import pytest

from finview.api.engine.ids import encode
from finview.testing.fixtures import At
from finview.testing.mutations import NOTHING, call, id_places, mutations, put, sample

# Where another rule speaks first; tested by name in test_bad_input.py.
SPOKEN_FOR = {("input", "decisions", "0", "debtorId")}


def stage_of(mutation: str) -> str:
    return "CREATED" if mutation.startswith("import") else "LAUNCHED"


@pytest.mark.parametrize("stage", ["CREATED", "LAUNCHED"])
def test_an_id_of_nothing_is_not_found_where_it_stands(stage: str, at: At) -> None:
    story = at(stage)
    services = story.agency.services
    contact = sample(services, "contactCreate")
    put(contact, ("input", "email"), "first@example.org")
    call(story.client, "contactCreate", contact)
    for place in (p for name in mutations() for p in id_places(name)):
        if stage_of(place.mutation) != stage or place.path in SPOKEN_FOR:
            continue
        arguments = sample(services, place.mutation, place.path)
        put(arguments, place.path, encode(place.tag, NOTHING))
        payload = call(story.client, place.mutation, arguments)
        codes = [error["code"] for error in payload["errors"]]
        assert (codes, payload.get("object")) == (["NOT_FOUND"], None), place
        # An element of a list may be named by its place, or by the list.
        found = tuple(payload["errors"][0]["path"])
        assert found in {place.path, place.path[:-1]} - {("input",), ()}, place
