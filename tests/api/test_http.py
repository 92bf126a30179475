"""GraphQL over HTTP, what a client may rely on: media types, GET, trusted documents, time-outs."""

import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from finview.api.engine import faults, view
from finview.api.engine.persisted import trusted
from finview.db.runtime import Services
from finview.testing.client import Client, client_for
from finview.web.accept import answered_as, streams

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
HELLO = "{ viewer { locale } }"
PREFLIGHT = {"graphql-require-preflight": "1"}


@pytest.fixture
def client(opened: Services) -> Client:
    return client_for(opened)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (GRAPHQL, GRAPHQL),
        (f"{JSON}, {GRAPHQL}", JSON),
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{JSON};q=0.8, {GRAPHQL};q=0.9", GRAPHQL),
        (f"{JSON};q=0.9, {GRAPHQL};q=0.8", JSON),
        (f"{GRAPHQL};q=0, */*", JSON),
        (f"{JSON};q=0, */*;q=0.1", GRAPHQL),
        (f"{GRAPHQL}; charset=utf-8, {JSON}; charset=utf-8", GRAPHQL),
        (f"{GRAPHQL};q=nonsense, {JSON};q=0.1", JSON),
        ("text/html", None),
        (f"{JSON};q=0", None),
    ],
)
def test_the_media_type_is_what_the_client_likes_best(accept: str, media_type: str | None) -> None:
    assert answered_as(accept) == media_type


@pytest.mark.parametrize(
    ("accept", "query", "subscription"),
    [
        ("text/event-stream", True, True),
        (f"{GRAPHQL}, {JSON}, text/event-stream", False, True),
        (f"{JSON};q=0.5, text/event-stream", True, True),
        (JSON, False, False),
        ("*/*", False, False),
    ],
)
def test_a_stream_is_for_who_asks_for_one(accept: str, query: bool, subscription: bool) -> None:
    assert streams(accept, subscription=False) is query
    assert streams(accept, subscription=True) is subscription


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
def test_answers_say_their_encoding_and_are_kept_by_nobody(client: Client, accept: str) -> None:
    answer = client.http.post("/graphql", json={"query": HELLO}, headers={"accept": accept})
    assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["operationName", "variables", "extensions"])
def test_what_is_not_needed_may_be_null(client: Client, name: str) -> None:
    assert client.http.post("/graphql", json={"query": HELLO, name: None}).json()["data"]


def test_a_query_may_be_a_get(client: Client) -> None:
    query = "query Q($n: Int) { customers(first: $n) { totalCount } viewer { locale } }"
    asked = {"query": query, "variables": '{"n": 1}', "operationName": "Q"}
    answer = client.http.get("/graphql", params=asked, headers=PREFLIGHT)
    assert answer.json()["data"] == {"customers": {"totalCount": 0}, "viewer": {"locale": "en"}}


@pytest.mark.parametrize(
    "asked",
    [{}, {"query": ""}, {"query": HELLO, "variables": "{"}, {"query": HELLO, "variables": "[]"}],
)
def test_a_get_that_is_no_request_is_400(client: Client, asked: dict[str, str]) -> None:
    answer = client.http.get("/graphql", params=asked, headers=PREFLIGHT)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(("accept", "status"), [(GRAPHQL, 400), (JSON, 200)])
def test_a_wrong_variable_is_400_for_those_who_ask(
    client: Client, accept: str, status: int
) -> None:
    sent = {"query": "query($n: Int!) { customers(first: $n) { totalCount } }", "variables": {}}
    answer = client.http.post("/graphql", json=sent, headers={"accept": accept})
    assert (answer.status_code, "data" in answer.json()) == (status, False)
    assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}


def test_introspection_in_production_is_for_the_agency_alone(opened: Services) -> None:
    opened.settings = opened.settings.model_copy(update={"env": "production"})
    query = "{ __schema { queryType { name } } }"
    assert "errors" not in client_for(opened).send(query)
    for client in (Client(opened, None), client_for(opened, "k@example.org", None)):
        (error,) = client.send(query)["errors"]
        assert error["extensions"] == {"code": "FORBIDDEN"}
    assert Client(opened, None).send("{ __typename }")["data"] == {"__typename": "Query"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "documents" / "portal"
    path.mkdir(parents=True)
    (path / "hello.graphql").write_text(HELLO)
    trusted.cache_clear()
    return path.parent


HASH = "sha256:" + hashlib.sha256(HELLO.encode()).hexdigest()


def with_documents(services: Services, folder: Path, documents: str) -> Client:
    changes = {"documents": documents, "documents_dir": folder}
    services.settings = services.settings.model_copy(update=changes)
    return client_for(services)


def test_a_trusted_document_is_called_by_its_hash(opened: Services, folder: Path) -> None:
    client = with_documents(opened, folder, "any")
    by_post = client.http.post("/graphql", json={"documentId": HASH})
    by_get = client.http.get("/graphql", params={"documentId": HASH})  # no header needed
    assert by_post.json()["data"] == by_get.json()["data"] == {"viewer": {"locale": "en"}}


def test_only_trusted_documents_run_where_that_is_set(opened: Services, folder: Path) -> None:
    client = with_documents(opened, folder, "only")
    assert client.send(HELLO)["data"]
    for sent in ({"query": HELLO + " "}, {"documentId": "sha256:" + "0" * 64}):
        error = client.http.post("/graphql", json=sent).json()["errors"][0]
        assert error["extensions"] == {"code": "BAD_REQUEST"}


def slow(session: Any) -> None:
    session.execute(
        text(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        )
    )


def test_an_operation_that_takes_too_long_is_a_timeout(client: Client, opened: Services) -> None:
    opened.settings = opened.settings.model_copy(update={"operation_s_max": 0.05})
    ready = view.prepared(opened.settings, view.Request(HELLO, {}), "de")
    assert isinstance(ready, view.Ready)
    answer = view.run(opened, ready, view.Caller(slow, "de"))
    (error,) = answer.body["errors"]
    assert error["extensions"] == {"code": "TIMEOUT"}
    assert error["message"] == "Das hat zu lange gedauert und wurde abgebrochen."
    assert client.http.get("/ready").json()["checks"]["database"] == "green"


def test_a_mutation_that_waits_too_long_for_its_turn_is_a_timeout(opened: Services) -> None:
    opened.settings = opened.settings.model_copy(update={"operation_s_max": 0.05})
    client = client_for(opened)
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with opened.db.unit():
            holding.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(5)
    query = 'mutation { businessUnitCreate(input: {name: "x"}) { errors { code } } }'
    body = client.send(query)
    done.set()
    holder.join()
    assert body["errors"][0]["extensions"] == {"code": "TIMEOUT"}
    assert body["data"] is None


def test_a_database_that_is_gone_is_masked(
    opened: Services, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: Any) -> None:
        raise OperationalError("SELECT secret", {}, Exception("connection refused"))

    event.listen(opened.db.reader, "before_cursor_execute", gone)
    try:
        answer = client.http.post(
            "/graphql", json={"query": HELLO}, headers={"accept-language": "de"}
        )
    finally:
        event.remove(opened.db.reader, "before_cursor_execute", gone)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (500, "INTERNAL")
    assert error["extensions"]["id"] in error["message"]
    assert error["extensions"]["id"] in caplog.text
    assert "secret" not in answer.text
    assert client.send(HELLO)["data"]


def test_only_our_codes_leave() -> None:
    from graphql import GraphQLError

    strange = GraphQLError("x", path=["a"], extensions={"code": "PG_42P01", "trace": "secret"})
    shown = faults.shown(strange, "en")
    assert shown["extensions"]["code"] == "INTERNAL"
    assert "secret" not in str(shown)
