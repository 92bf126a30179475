"""GraphQL over HTTP: what its specification asks, one check a line, as public audits ask it too."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from httpx2 import Response

from finview.app import open_services
from finview.testing import db as testing_db
from finview.testing.client import Client

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
HELLO = "{ __typename }"
NAMED = "query Q($name: String!) { __type(name: $name) { name } }"
NULLED = "query Q($id: ID!) { __typename }"
WRONG = {"an object": {"obj": "ect"}, "a number": 0, "false": False, "an array": ["array"]}
WRONG_MAP = {"a string": "text", "a number": 0, "false": False, "an array": ["array"]}
OK, REFUSED = (200, 200), (400, 400)


@dataclass(frozen=True, slots=True)
class Check:
    """One request, the range its status lies in, and what of a result the answer has."""

    body: Any = None
    accept: str | None = None
    status: tuple[int, int] = OK
    clean: bool = False  # a result without errors
    dataless: bool = False
    kind: str | None = JSON
    text: str | None = None
    get: dict[str, str] | None = None


def hello(**more: Any) -> dict[str, Any]:
    return {"query": HELLO, **more}


def asked(query: str, **variables: Any) -> dict[str, Any]:
    return {"query": query, "variables": variables}


GET = {"query": NAMED, "variables": '{"name":"sometype"}'}
CHECKS: dict[str, Check] = {
    "answers the type of GraphQL": Check(hello(), GRAPHQL),
    "answers JSON": Check(hello(), JSON),
    "answers JSON to */*": Check(hello(), "*/*"),
    "answers JSON to no accept": Check(hello()),
    "answers in UTF-8": Check(asked(NAMED, name="Währung")),
    "takes UTF-8": Check({"query": '{ __type(name: "Rün🏃") { name } }'}, kind=JSON + "; charset=utf-8"),
    "takes an unnamed encoding as UTF-8": Check({"query": '{ __type(name: "Rün🏃") { name } }'}),
    "takes a POST": Check(hello()),
    "takes a GET": Check(get={"query": HELLO}),
    "runs no mutation by GET": Check(get={"query": "mutation { __typename }"}, accept=GRAPHQL, status=(400, 499)),
    "refuses a POST without a type": Check(hello(), status=(400, 499), kind=None),
    "takes JSON": Check(hello()),
    "refuses an empty body": Check(text="", status=REFUSED),
    "refuses a missing query": Check({"notquery": HELLO}, GRAPHQL, REFUSED),
    **{f"refuses a query that is {k}": Check({"query": v}, None, REFUSED) for k, v in WRONG.items()},
    "takes a query": Check(hello(), GRAPHQL),
    "takes a query as JSON": Check(hello(), JSON, clean=True),
    **{f"refuses an operationName that is {k}": Check(hello(operationName=v), None, REFUSED) for k, v in WRONG.items()},
    "takes an operationName": Check({"query": "query Q { __typename }", "operationName": "Q"}, GRAPHQL),
    "takes an operationName as JSON": Check({"query": "query Q { __typename }", "operationName": "Q"}, JSON, clean=True),
    **{f"takes null as {n} of {a}": Check(hello(**{n: None}), a, clean=True) for n in ("variables", "operationName", "extensions") for a in (GRAPHQL, JSON)},
    **{f"refuses variables that are {k}": Check(hello(variables=v), None, REFUSED) for k, v in WRONG_MAP.items()},
    "takes variables": Check(asked(NAMED, name="sometype"), GRAPHQL),
    "takes variables as JSON": Check(asked(NAMED, name="sometype"), JSON, clean=True),
    "takes variables of a GET": Check(get=GET, accept=GRAPHQL, clean=True),
    "takes variables of a GET as JSON": Check(get=GET, accept=JSON, clean=True),
    **{f"refuses extensions that are {k}": Check(hello(extensions=v), None, REFUSED) for k, v in WRONG_MAP.items()},
    "takes extensions": Check(hello(extensions={"some": "value"}), GRAPHQL),
    "takes extensions as JSON": Check(hello(extensions={"some": "value"}), JSON, clean=True),
    "has a status for what is not JSON": Check(text='{ "not a JSON', accept=JSON, status=(200, 599)),
    "refuses what is not JSON, as JSON": Check(text='{ "not a JSON', accept=JSON, status=REFUSED),
    "refuses what is not JSON": Check(text='{ "not a JSON', accept=GRAPHQL, status=REFUSED),
    "refuses unknown parameters": Check({"qeury": HELLO}, None, (400, 599)),
    "refuses unknown parameters with 400": Check({"qeury": HELLO}, None, REFUSED),
    "answers a syntax error as JSON": Check({"query": "{"}, JSON),
    "answers an unknown field as JSON": Check({"query": "{ noSuchField }"}, JSON),
    "answers a wrong variable as JSON": Check(asked(NULLED, id=None), JSON),
    "refuses a syntax error": Check({"query": "{"}, GRAPHQL, (400, 599)),
    "refuses a syntax error with 400": Check({"query": "{"}, GRAPHQL, REFUSED),
    "has no data for a syntax error": Check({"query": "{"}, GRAPHQL, REFUSED, dataless=True),
    "refuses an unknown field": Check({"query": "{ noSuchField }"}, GRAPHQL, (400, 599)),
    "refuses an unknown field with 400": Check({"query": "{ noSuchField }"}, GRAPHQL, REFUSED),
    "has no data for an unknown field": Check({"query": "{ noSuchField }"}, GRAPHQL, REFUSED, dataless=True),
    "refuses a wrong variable with 400": Check(asked(NULLED, id=None), GRAPHQL, REFUSED),
}  # fmt: skip


def test_there_are_as_many_checks_as_in_the_public_audits() -> None:
    assert len(CHECKS) == 61


@pytest.fixture(scope="module")
def client(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One stranger for all checks: none of them changes anything."""
    services = open_services(
        testing_db.copy_template(sqlite_template, tmp_path_factory.mktemp("conformance"))
    )
    yield Client(services, None)
    services.close()


def sent(client: Client, check: Check) -> Response:
    # The client sends an Accept of its own unless it is told an empty one.
    headers = {"accept": check.accept or ""}
    if check.get is not None:
        # A query by GET needs this header: no page of another site can send it.
        headers["graphql-require-preflight"] = "1"
        return client.http.get("/graphql", params=check.get, headers=headers)
    content = check.text.encode() if check.text is not None else orjson.dumps(check.body)
    headers |= {"content-type": check.kind} if check.kind else {}
    return client.http.post("/graphql", content=content, headers=headers)


@pytest.mark.parametrize("name", CHECKS)
def test_the_specification_is_followed(name: str, client: Client) -> None:
    check = CHECKS[name]
    answer = sent(client, check)
    assert check.status[0] <= answer.status_code <= check.status[1], answer.text
    if answer.status_code in {200, 400}:
        wanted = GRAPHQL if check.accept == GRAPHQL else JSON
        assert answer.headers["content-type"] == f"{wanted}; charset=utf-8"
    body = orjson.loads(answer.content)
    assert "errors" not in body or not check.clean
    assert "data" not in body or not check.dataless
