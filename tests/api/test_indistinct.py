"""Foreign and missing read the same: the same bytes and the same number of statements."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event

from finview.api.engine.ids import encode
from finview.api.schema import NODES
from finview.db.glances import Glance
from finview.db.runtime import Services
from finview.testing.client import Client, client_for
from finview.testing.fixtures import At
from finview.testing.mutations import (
    NOTHING,
    call,
    document,
    id_places,
    mutations,
    put,
    real_id,
    sample,
)
from finview.testing.story import Story

SUBSCRIPTIONS = {
    "job": "subscription($id: ID!) { jobUpdated(id: $id) { state } }",
    "imp": "subscription($id: ID!) { importUpdated(id: $id) { state } }",
}
THROTTLED = {"secondFactorRemove"}
"""Counted by themselves: the third attempt is told to wait."""
SEEN_BY_ALL = {"wf"}
"""The first workflow is the agency's own, which serves every customer."""
BESIDE = ("clock_offset", "api_token", "BEGIN", "COMMIT", "PRAGMA")
"""What comes of every request, or of what is written down beside it now and then."""
QUERIES = {
    "node": "query($id: ID!) { node(id: $id) { id __typename } }",
    "case": "query($id: ID!) { case(id: $id) { id number debtor { name } } }",
    "filter": "query($id: ID!) { cases(where: {customerId: $id}) { nodes { id } totalCount } }",
}


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Services], list[str]]]:
    """Return a function that notes every statement of a database from then on."""
    heard: list[tuple[Any, Any]] = []
    fetch = Glance.fetch

    def counting(services: Services) -> list[str]:
        found: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            # Savepoints are numbered over the whole life of a connection.
            found.append(re.sub(r"sa_savepoint_\d+", "savepoint", statement))

        def fetched(glance: Glance, statement: str, params: Any) -> Any:
            found.append(statement)
            return fetch(glance, statement, params)

        for engine in {services.db.reader, services.db.writer}:
            event.listen(engine, "before_cursor_execute", note)
            heard.append((engine, note))
        monkeypatch.setattr(Glance, "fetch", fetched)
        return found

    yield counting
    for engine, note in heard:
        event.remove(engine, "before_cursor_execute", note)


def stranger_of(story: Story) -> Client:
    """Return a client of somebody at another customer, of another business unit."""
    agency, client = story.agency, story.client
    unit = call(client, "businessUnitCreate", {"input": {"name": "Inkasso Süd"}}, "id")["object"]
    call(client, "businessUnitActivate", {"id": unit["id"]})
    given = {"name": "Wasserwerke Süd", "businessUnitId": unit["id"]}
    other = call(client, "customerCreate", {"input": given}, "id")["object"]
    for email, customer in (("n@example.org", agency.customer), ("s@example.org", other["id"])):
        contact = sample(agency.services, "contactCreate")
        contact["input"] |= {"email": email, "customerId": customer, "hasAccess": True}
        call(client, "contactCreate", contact)
    return client_for(agency.services, "s@example.org", role=None)


def answered(client: Client, found: list[str], query: str, values: Any, public_id: str) -> Any:
    """Send a request; return its bytes without the id, and its statements."""
    sent = {"query": query, "variables": values}
    headers = {"accept": "application/json, text/event-stream"}
    for _ in range(2 if query.startswith("mutation") else 3):  # the first also plan and compile
        found.clear()
        answer = client.http.post("/graphql", json=sent, headers=headers)
    asked = [one for one in found if not any(word in one for word in BESIDE)]
    return answer.status_code, answer.content.replace(public_id.encode(), b"ID"), asked


@pytest.mark.parametrize("name", QUERIES)
def test_a_foreign_object_is_read_as_a_missing_one(name: str, at: At, count: Any) -> None:
    story = at("LAUNCHED")
    services, stranger = story.agency.services, stranger_of(story)
    found = count(services)
    tags = {"node": sorted(set(NODES) - SEEN_BY_ALL), "case": ["cas"], "filter": ["cus"]}
    for tag in tags[name]:
        foreign, missing = real_id(services, tag), encode(tag, NOTHING)
        seen = [answered(stranger, found, QUERIES[name], {"id": i}, i) for i in (foreign, missing)]
        assert seen[0] == seen[1], tag


@pytest.mark.parametrize("tag", SUBSCRIPTIONS)
def test_a_foreign_object_is_followed_as_a_missing_one(tag: str, at: At) -> None:
    story = at("LAUNCHED")
    services, stranger = story.agency.services, stranger_of(story)
    foreign, missing = real_id(services, tag), encode(tag, NOTHING)
    # Without the statements: another thread looks at the row, too, or has not yet.
    seen = [
        answered(stranger, [], SUBSCRIPTIONS[tag], {"id": i}, i)[:2] for i in (foreign, missing)
    ]
    assert seen[0] == seen[1]
    assert b"NOT_FOUND" in seen[0][1]


def test_a_foreign_object_is_changed_as_a_missing_one(at: At, count: Any) -> None:
    story = at("LAUNCHED")
    services, stranger = story.agency.services, stranger_of(story)
    found = count(services)
    for place in (p for name in mutations() if name not in THROTTLED for p in id_places(name)):
        seen = []
        for public_id in (real_id(services, place.tag), encode(place.tag, NOTHING)):
            values = sample(services, place.mutation, place.path)
            put(values, place.path, public_id)
            query = document(place.mutation, values)
            seen.append(answered(stranger, found, query, values, public_id))
        assert place.tag in SEEN_BY_ALL or seen[0] == seen[1], place
