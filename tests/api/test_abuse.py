"""No document, body or header hurts: a coded error within 100 ms, and the database never asked."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from httpx2 import Response
from sqlalchemy import event

from finview.api.engine.faults import CODES
from finview.db.runtime import Services
from finview.testing.client import Client, client_for

CPU_S_MAX = 0.1
JSON = {"content-type": "application/json"}
Send = Callable[[Client], Response]


@dataclass
class Counter:
    """Counts statements on every connection of a database."""

    services: Services
    statements: list[str] = field(default_factory=list)

    def note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.statements.append(statement)


@pytest.fixture
def counter(opened: Services) -> Iterator[Counter]:
    found = Counter(opened)
    engines = {opened.db.reader, opened.db.writer}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", found.note)
    yield found
    for engine in engines:
        event.remove(engine, "before_cursor_execute", found.note)


def query(text: str, **more: Any) -> Send:
    return lambda client: client.http.post("/graphql", json={"query": text, **more})


def body(content: bytes, **headers: str) -> Send:
    sent = {**JSON, **{key.replace("_", "-"): value for key, value in headers.items()}}
    return lambda client: client.http.post("/graphql", content=content, headers=sent)


def chunked(size: int) -> Send:
    def pieces() -> Iterator[bytes]:
        yield b'{"query":"{ viewer { locale } }","variables":{"x":"'
        for _ in range(size // 1024):
            yield b"x" * 1024
        yield b'"}}'

    return lambda client: client.http.post("/graphql", content=pieces(), headers=JSON)


def chained(count: int) -> str:
    parts = [f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(count)]
    return " ".join(["{ ...F0 }", *parts, f"fragment F{count} on Query {{ __typename }}"])


def doubled(count: int) -> str:
    parts = [f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(count)]
    return " ".join(["{ ...F0 }", *parts, f"fragment F{count} on Query {{ __typename }}"])


def circular_introspection(depth: int) -> str:
    return "{ __schema { types { " + "fields { type { " * depth + "name" + " } }" * depth + " } } }"


NESTED = "{ cases { nodes { " + "debtor { cases { nodes { " * 8 + "id" + " } } }" * 8 + " } } }"
ALIASES = "{ " + " ".join(f"a{n}: viewer {{ locale }}" for n in range(1000)) + " }"
CREATE = 'mutation { businessUnitCreate(input: {name: "x"}) { errors { code } } }'
PREFLIGHT = {"graphql-require-preflight": "1"}
VIEWER = b'{"query":"{ viewer { locale } }"'

# What is sent, the status, and the code; a tuple of codes: the first that is met.
PROBES: dict[str, tuple[Send, int, str]] = {
    "a relation nested 8 times": (query(NESTED), 200, "QUERY_TOO_COMPLEX"),
    "3,000 inline fragments": (
        query("{ " + "... on Query { __typename } " * 3000 + "}"), 200, "QUERY_TOO_COMPLEX",
    ),
    "600 inline fragments in each other": (
        query("{ " + "... { " * 600 + "__typename" + " }" * 600 + " }"), 200, "",
    ),
    "60 chained fragments": (query(chained(60)), 200, "QUERY_TOO_COMPLEX"),
    "400 chained fragments": (query(chained(400)), 200, "QUERY_TOO_COMPLEX"),
    "28 doubled fragments": (query(doubled(28)), 200, "QUERY_TOO_COMPLEX"),
    "18 doubled fragments": (query(doubled(18)), 200, "QUERY_TOO_COMPLEX"),
    "a circle of fragments": (
        query("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"),
        200, "BAD_REQUEST",
    ),
    "1,000 aliases": (query(ALIASES), 200, "QUERY_TOO_COMPLEX"),
    "one field 1,400 times": (
        query("{ viewer { " + "locale " * 1400 + "} }"), 200, "QUERY_TOO_COMPLEX",
    ),
    "1,000 directives": (
        query("{ viewer { locale " + "@skip(if: false) " * 700 + "} }"), 200, "QUERY_TOO_COMPLEX",
    ),
    "1,000 unknown directives": (
        query("query " + "@a " * 1000 + "{ viewer { locale } }"), 200, "QUERY_TOO_COMPLEX",
    ),
    "1,000 operations": (
        query(" ".join(f"query Q{n} {{ viewer {{ locale }} }}" for n in range(600))),
        200, "QUERY_TOO_COMPLEX",
    ),
    "1,000 variables": (
        query("query(" + "".join(f"$a{n}: Int " for n in range(1000)) + ") { viewer { locale } }"),
        200, "",
    ),
    "100,000 tokens": (query("{ " + "a " * 100_000 + "}"), 200, "QUERY_TOO_COMPLEX"),
    "lists in lists": (query("{ node(id: " + "[" * 1900 + "]" * 1900 + ") { id } }"), 200, ""),
    "5 MB": (body(VIEWER + b" " * 5_000_000 + b"}"), 413, "BAD_REQUEST"),
    "5 MB in chunks": (chunked(5_000_000), 413, "BAD_REQUEST"),
    "a variable of a million letters": (
        query("query($id: ID!) { node(id: $id) { id } }", variables={"id": "x" * 1_000_000}),
        413, "BAD_REQUEST",
    ),
    "a batch of 200": (body(b"[" + b",".join([VIEWER + b"}"] * 200) + b"]"), 400, "BAD_REQUEST"),
    "two operations and no name": (
        query("query A { viewer { locale } } query B { viewer { locale } }"), 200, "BAD_REQUEST",
    ),
    "a name that is not there": (
        query("query A { viewer { locale } }", operationName="B"), 200, "BAD_REQUEST",
    ),
    "an unknown field": (query("{ viewer { passwrd } }"), 200, "BAD_REQUEST"),
    "no GraphQL at all": (query("SELECT * FROM account_user"), 200, "BAD_REQUEST"),
    "an empty document": (query(""), 200, "BAD_REQUEST"),
    "an empty body": (body(b""), 400, "BAD_REQUEST"),
    "null": (body(b"null"), 400, "BAD_REQUEST"),
    "a number": (body(b"42"), 400, "BAD_REQUEST"),
    "a string": (body(b'"{ viewer { locale } }"'), 400, "BAD_REQUEST"),
    "a NUL byte": (body(b'{"query":"{ viewer\x00 { locale } }"}'), 400, "BAD_REQUEST"),
    "an escaped NUL": (
        body(VIEWER + b',"variables":{"x":["a\\u0000"]}}'), 400, "BAD_REQUEST",
    ),
    "a NUL of GraphQL": (query('{ node(id: "a\\u0000") { id } }'), 400, "BAD_REQUEST"),
    "a NUL with braces": (query('{ node(id: "a\\u{0}") { id } }'), 400, "BAD_REQUEST"),
    "a lone surrogate": (body(b'{"query":"{ a(b: \\"\\ud800\\") }"}'), 400, "BAD_REQUEST"),
    "a lone surrogate of GraphQL": (query('{ node(id: "\\ud800") { id } }'), 200, "BAD_REQUEST"),
    "NaN": (body(VIEWER + b',"variables":{"x":NaN}}'), 400, "BAD_REQUEST"),
    "bad UTF-8": (body(b'{"query":"{ viewer { locale } } # \xff"}'), 400, "BAD_REQUEST"),
    "UTF-16": (body('{"query":"{ viewer }"}'.encode("utf-16")), 400, "BAD_REQUEST"),
    "JSON 20,000 deep": (
        body(VIEWER + b',"variables":{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}}"),
        400, "BAD_REQUEST",
    ),
    "a name that is a number": (body(VIEWER + b',"operationName":1}'), 400, "BAD_REQUEST"),
    "variables in a list": (body(VIEWER + b',"variables":[]}'), 400, "BAD_REQUEST"),
    "a query that is an object": (body(b'{"query":{}}'), 400, "BAD_REQUEST"),
    "extensions in a string": (body(VIEWER + b',"extensions":"x"}'), 400, "BAD_REQUEST"),
    "a document nobody trusts": (body(b'{"documentId":"sha256:00"}'), 200, "BAD_REQUEST"),
    "a mutation by GET": (
        lambda c: c.http.get("/graphql", params={"query": CREATE}, headers=PREFLIGHT),
        405, "BAD_REQUEST",
    ),
    "a GET another site could send": (
        lambda c: c.http.get("/graphql", params={"query": "{ viewer { locale } }"}),
        400, "BAD_REQUEST",
    ),
    "text/plain": (body(VIEWER + b"}", content_type="text/plain"), 415, "BAD_REQUEST"),
    "no content type": (body(VIEWER + b"}", content_type=""), 415, "BAD_REQUEST"),
    "another charset": (
        body(VIEWER + b"}", content_type="application/json; charset=utf-7"), 415, "BAD_REQUEST",
    ),
    "a compressed body": (body(VIEWER + b"}", content_encoding="gzip"), 415, "BAD_REQUEST"),
    "a form": (lambda c: c.http.post("/graphql", data={"query": CREATE}), 415, "BAD_REQUEST"),
    "multipart": (
        lambda c: c.http.post("/graphql", data={"operations": CREATE}, files={"0": b"x"}),
        415, "BAD_REQUEST",
    ),
    "circular introspection": (query(circular_introspection(8)), 200, "QUERY_TOO_COMPLEX"),
    "circular introspection, less deep": (query(circular_introspection(5)), 200, "BAD_REQUEST"),
}  # fmt: skip


def timed(call: Callable[[], Response]) -> tuple[Response, float]:
    """Call, and return CPU seconds without a collection of garbage that others left."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        answer = call()
        spent.append(time.process_time() - began)
    return answer, min(spent)


@pytest.mark.parametrize("name", PROBES)
def test_abuse_is_answered_at_once_with_a_code(
    name: str, opened: Services, counter: Counter
) -> None:
    send, status, code = PROBES[name]
    client = client_for(opened)
    query("{ viewer { locale } }")(client)  # so that no import or first connection is measured
    counter.statements.clear()
    answer, spent_s = timed(lambda: send(client))
    assert answer.status_code == status
    codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
    assert codes <= CODES
    assert not code or codes == {code}
    assert "data" not in answer.json()
    assert counter.statements == []
    assert spent_s < CPU_S_MAX
    assert not any(word in answer.text for word in ("Traceback", "finview.", ".py", "Exception"))


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", ""])
def test_foreign_origins_are_never_let_in(opened: Services, accept: str) -> None:
    client = client_for(opened)
    headers = {"origin": "https://evil.example", "accept": accept or "*/*"}
    sent = {"query": "{ viewer { locale } }"}
    for answer in (
        client.http.post("/graphql", json=sent, headers=headers),
        client.http.options(
            "/graphql", headers={**headers, "access-control-request-method": "POST"}
        ),
    ):
        assert "evil.example" not in str(dict(answer.headers))
        assert not [key for key in answer.headers if key.startswith("access-control")]


def test_a_wrong_variable_is_refused_before_anything_runs(
    opened: Services, counter: Counter
) -> None:
    client = client_for(opened)
    client.ask("{ viewer { locale } }")  # its token's last use is written once a minute
    counter.statements.clear()
    text = "mutation($input: BusinessUnitInput!) { businessUnitCreate(input: $input) { errors { code } } }"
    answer = query(text, variables={"input": {"name": [1]}, "more": 1})(client)
    assert [e["extensions"]["code"] for e in answer.json()["errors"]] == ["BAD_REQUEST"]
    assert not [s for s in counter.statements if s.startswith(("INSERT", "UPDATE"))]


def test_production_gives_no_hints(opened: Services) -> None:
    production = opened.settings.model_copy(update={"env": "production"})
    opened.settings = production
    client = client_for(opened)
    message = query("{ viewer { local } }")(client).json()["errors"][0]["message"]
    assert "Did you mean" not in message
    assert orjson.loads(query("{ viewer { locale } }")(client).content)["data"]
