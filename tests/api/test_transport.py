"""GraphQL over HTTP: status codes, limits, cursors, masked bugs."""

import time
from pathlib import Path
from typing import Any

import pytest
from graphql import get_introspection_query
from sqlalchemy import text

from finview.testing.client import Client, client_for
from finview.testing.factories import Agency, consumer, table
from finview.testing.fixtures import At
from finview.testing.story import Story

GRAPHQL = "application/graphql-response+json"
HELLO = '{"query": "{ viewer { locale } }"}'


@pytest.fixture
def client(agency: Agency) -> Client:
    return agency.client


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_another_method_is_405_and_says_which_to_use(client: Client, method: str) -> None:
    answer = client.http.request(method, "/graphql")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


def test_a_mutation_never_runs_by_get(client: Client, agency: Agency) -> None:
    query = f'mutation {{ portfolioCreate(input: {{customerId: "{agency.customer}", name: "x"}}) {{ portfolio {{ id }} }} }}'
    answer = client.http.get(
        "/graphql", params={"query": query}, headers={"graphql-require-preflight": "1"}
    )
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    listed = client.ask("{ customers { nodes { portfolios { name } } } }")["customers"]["nodes"]
    assert listed == [{"portfolios": [{"name": "2026"}]}]


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-type": "text/plain"}, HELLO, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, "query=%7Bviewer%7D", 415),
        ({"content-type": "application/json; charset=utf-8"}, HELLO, 200),
        ({"content-type": "application/json", "accept": "text/html"}, HELLO, 406),
        ({"content-type": "application/json", "accept": "*/*"}, HELLO, 200),
        ({"content-type": "application/json"}, "{", 400),
        ({"content-type": "application/json"}, "[]", 400),
        ({"content-type": "application/json"}, '[{"query": "{ viewer { locale } }"}]', 400),
        ({"content-type": "application/json"}, '{"query": 1}', 400),
        ({"content-type": "application/json"}, '{"query": "{a}", "variables": []}', 400),
        ({"content-type": "application/json"}, '{"query": "{a}", "operationName": 1}', 400),
        ({"content-type": "application/json"}, '{"query": "' + " " * 300_000 + '"}', 413),
    ],
)
def test_status_codes_follow_graphql_over_http(
    client: Client, headers: dict[str, str], content: str, status: int
) -> None:
    answer = client.http.post("/graphql", content=content, headers=headers)
    assert answer.status_code == status
    assert ("errors" in answer.json()) == (status != 200)


@pytest.mark.parametrize(
    ("accept", "status"), [(GRAPHQL, 400), ("application/json", 200), ("", 200)]
)
@pytest.mark.parametrize(
    "query", ["{", "{ nothing }", "query A { viewer { locale } } query B { viewer { locale } }"]
)
def test_a_document_that_can_not_run_is_400_only_for_those_who_ask(
    client: Client, accept: str, status: int, query: str
) -> None:
    answer = client.http.post("/graphql", json={"query": query}, headers={"accept": accept})
    body = answer.json()
    assert (answer.status_code, "data" in body) == (status, False)
    assert body["errors"][0]["message"]
    kind = GRAPHQL if accept == GRAPHQL else "application/json"
    assert answer.headers["content-type"].startswith(kind)


def test_a_user_error_is_an_answer_not_a_failure(client: Client) -> None:
    query = (
        'mutation { importLaunch(input: {importId: "imp_9"}) { import { id } errors { code } } }'
    )
    answer = client.http.post("/graphql", json={"query": query}, headers={"accept": GRAPHQL})
    assert answer.status_code == 200
    assert answer.json()["data"]["importLaunch"]["errors"] == [{"code": "NOT_FOUND"}]


@pytest.mark.parametrize(("name", "locale"), [("A", "de"), ("B", None), (None, None), ("C", None)])
def test_of_several_operations_the_named_one_runs(
    client: Client, name: str | None, locale: str | None
) -> None:
    query = "query A { viewer { locale } } query B { viewer { user { email } } }"
    client.http.headers["accept-language"] = "de"
    asked = {"query": query, "operationName": name}
    body = client.http.post("/graphql", json=asked).json()
    if name in ("A", "B"):
        assert body["data"]["viewer"].get("locale") == locale
    else:
        assert "data" not in body


def doubled(n: int) -> str:
    spreads = [f"fragment f{i} on Viewer {{ ...f{i + 1} ...f{i + 1} }}" for i in range(n)]
    return " ".join(["{ viewer { ...f0 } }", *spreads, f"fragment f{n} on Viewer {{ locale }}"])


def nested(n: int) -> str:
    return (
        "{ customers { nodes { portfolios { "
        + "customer { portfolios { " * n
        + "id"
        + " } }" * n
        + " } } } }"
    )


TOO_MUCH = {
    "doubled fragments": doubled(28),
    "aliases": "{ " + " ".join(f"a{i}: viewer {{ locale }}" for i in range(1000)) + " }",
    "depth": nested(20),
    "fields": "{ viewer { " + "locale " * 3000 + "} }",
    "directives": "{ viewer { locale " + "@include(if: true) " * 200 + "} }",
    "pages in pages": "{ cases(first: 200) { nodes { debtor { cases(first: 200) { nodes { debtor "
    "{ cases(first: 200) { nodes { id } } } } } } } } }",
    "roots": "{ " + " ".join(f"a{i}: viewer {{ locale }}" for i in range(30)) + " }",
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_query_that_is_too_complex_is_refused_quickly(client: Client, name: str) -> None:
    client.send("{ viewer { locale } }")
    began = time.process_time()
    body = client.send(TOO_MUCH[name])
    assert time.process_time() - began < 1
    assert body.get("data") is None
    assert body["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


def test_introspection_is_within_the_limits(client: Client) -> None:
    body = client.send(get_introspection_query())
    assert "errors" not in body
    assert len(body["data"]["__schema"]["types"]) > 50


@pytest.mark.parametrize(
    "cursor", ["x", "", "é", "bm9uc2Vuc2U", "W10", "WyJhIiwxXQ", "e30", "////"]
)
def test_a_cursor_that_is_none_is_refused(client: Client, cursor: str) -> None:
    body = client.send("query($a: String) { cases(after: $a) { nodes { id } } }", a=cursor)
    assert body["errors"][0]["extensions"]["code"] == "BAD_CURSOR"


def test_a_cursor_of_another_list_is_refused(at: At) -> None:
    story = at("CREATED")
    cursor = story.see("rows { pageInfo { endCursor } }")["rows"]["pageInfo"]["endCursor"]
    for query in ("cases(after: $a)", "customers(after: $a)", "imports(after: $a)"):
        body = story.client.send(f"query($a: String) {{ {query} {{ nodes {{ id }} }} }}", a=cursor)
        assert body["errors"][0]["extensions"]["code"] == "BAD_CURSOR"


@pytest.mark.parametrize("first", [0, -1, 201, 2**31])
def test_a_page_has_a_possible_size(client: Client, first: int) -> None:
    body = client.send("query($n: Int) { cases(first: $n) { nodes { id } } }", n=first)
    assert body["errors"]
    assert "INTERNAL" not in str(body)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("CountryCode", "Germany"),
        ("CurrencyCode", "eur"),
        ("Int", 2**31),
        ("ID", {}),
        ("Date", "3.2.2026"),
    ],
)
def test_a_variable_of_another_shape_is_the_callers_mistake(
    client: Client, kind: str, value: object
) -> None:
    fields = {
        "CountryCode": "importCreate(input: {uploadId: 1, portfolioId: 1, debtorKind: CONSUMER, phoneCountry: $v}) { import { id } }",
        "CurrencyCode": 'customerCreate(input: {name: "x", currency: $v}) { customer { id } }',
        "Int": 'uploadCreate(input: {filename: "x", sizeBytes: $v}) { upload { id } }',
        "ID": "importLaunch(input: {importId: $v}) { import { id } }",
        "Date": "cases(where: {openedFrom: $v}) { totalCount }",
    }
    operation = "query" if kind == "Date" else "mutation"
    query = f"{operation}($v: {kind}!) {{ {fields[kind]} }}"
    answer = client.http.post(
        "/graphql", json={"query": query, "variables": {"v": value}}, headers={"accept": GRAPHQL}
    )
    assert (answer.status_code, "INTERNAL" in answer.text) == (400, False)
    assert "$v" in answer.json()["errors"][0]["message"]


def walk(client: Client, query: str, *where: str, **given: Any) -> list[str]:
    """Follow the cursors of a list, two at a time; return what each page gave."""
    found: list[str] = []
    after: str | None = None
    for _ in range(50):
        page = client.ask(query, after=after, **given)
        for step in where:
            page = page[step]
        found += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert page["totalCount"] == len(found)
    return found


def listed(before: str, inside: str, after: str = "") -> str:
    """Return the document of one page of a list."""
    return f"{before} {{ {inside} {{ {PAGE} }} }} {after}"


PAGE = "totalCount pageInfo { hasNextPage endCursor } nodes { id }"


def test_paging_gives_each_row_and_each_case_once(agency: Agency, tmp_path: Path) -> None:
    story = Story.created(agency, table(tmp_path, [consumer(n) for n in range(7)]))
    rows = listed(
        "query($i: ID!, $after: String) { import(id: $i)", "rows(first: 2, after: $after)", "}"
    )
    assert walk(agency.client, rows, "import", "rows", i=story.id) == [
        f"row_1_{n}" for n in range(2, 9)
    ]
    cases = listed("query($after: String)", "cases(first: 2, after: $after)")
    assert walk(agency.client, cases, "cases") == [f"cas_{n}" for n in range(1, 8)]


@pytest.mark.parametrize("field", ["OPENED_AT", "NUMBER", "STATUS"])
def test_paging_in_another_order_gives_each_case_once(at: At, field: str) -> None:
    client = at("CREATED").client
    by = f"cases(first: 1, after: $after, orderBy: [{{field: {field}, direction: DESC}}])"
    found = walk(client, listed("query($after: String)", by), "cases")
    assert sorted(found) == ["cas_1", "cas_2"]


def test_edges_carry_the_cursor_of_their_node(at: At) -> None:
    client = at("CREATED").client
    edges = client.ask("{ cases { edges { cursor node { id } } } }")["cases"]["edges"]
    query = "query($a: String) { cases(after: $a) { nodes { id } pageInfo { hasPreviousPage } } }"
    rest = client.ask(query, a=edges[0]["cursor"])["cases"]
    assert rest == {"nodes": [edges[1]["node"]], "pageInfo": {"hasPreviousPage": True}}


def test_a_bug_is_masked_and_named_by_an_id(client: Client, agency: Agency) -> None:
    with agency.services.db.unit() as session:
        session.execute(text("ALTER TABLE workflow RENAME TO elsewhere"))
    body = client.send("{ workflows { nodes { id } } }")
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["extensions"]["id"] in error["message"]
    assert "workflow " not in str(body)
    assert "no such table" not in str(body)


def test_a_bug_in_a_mutation_undoes_the_whole_request(client: Client, agency: Agency) -> None:
    with agency.services.db.unit() as session:
        session.execute(text("ALTER TABLE bucket RENAME TO elsewhere"))
    query = """mutation($c: ID!, $p: ID!) {
      a: portfolioCreate(input: {customerId: $c, name: "Neu"}) { portfolio { id } }
      b: bucketCreate(input: {portfolioId: $p, name: "Neu"}) { bucket { id } } }"""
    body = client.send(query, c=agency.customer, p=agency.portfolio)
    assert body["errors"][0]["extensions"]["code"] == "INTERNAL"
    names = client.ask("{ customers { nodes { portfolios { name } } } }")["customers"]["nodes"]
    assert names == [{"portfolios": [{"name": "2026"}]}]


def test_one_failed_mutation_of_several_leaves_the_others(client: Client, agency: Agency) -> None:
    query = """mutation($c: ID!) {
      a: portfolioCreate(input: {customerId: $c, name: "Neu"}) { errors { code } }
      b: portfolioCreate(input: {customerId: $c, name: "Neu"}) { errors { code } }
      c: portfolioCreate(input: {customerId: $c, name: "Ganz neu"}) { errors { code } } }"""
    answer = client.ask(query, c=agency.customer)
    assert [answer[key]["errors"] for key in "abc"] == [[], [{"code": "DUPLICATE"}], []]


@pytest.mark.parametrize(
    ("size", "content", "status", "code"),
    [
        (3, b"abcd", 413, "IMPORT_FILE_TOO_LARGE"),
        (3, b"ab", 400, "INVALID"),
        (3, b"", 400, "INVALID"),
        (3, b"abc", 204, None),
    ],
)
def test_an_upload_takes_exactly_what_was_announced(
    client: Client, size: int, content: bytes, status: int, code: str | None
) -> None:
    made = client.do("uploadCreate", "upload { id url }", filename="a.csv", sizeBytes=size)
    answer = client.http.put(made["url"], content=content)
    assert answer.status_code == status
    if code:
        assert answer.json()["error"]["code"] == code
    received = client.ask(
        "query($i: ID!) { node(id: $i) { ... on Upload { received } } }", i=made["id"]
    )
    assert received == {"node": {"received": status == 204}}


def test_an_upload_is_checked_against_its_announced_hash(client: Client) -> None:
    made = client.do(
        "uploadCreate", "upload { url }", filename="a.csv", sizeBytes=3, sha256="0" * 64
    )
    answer = client.http.put(made["url"], content=b"abc")
    assert (answer.status_code, answer.json()["error"]["params"]["reason"]) == (400, "UPLOAD_HASH")


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_file_over_the_limit_is_refused_when_it_is_announced(
    agency: Agency, language: str
) -> None:
    client = client_for(agency.services, language=language)
    payload = client.attempt(
        "uploadCreate", "upload { id }", filename="a.xlsx", sizeBytes=101 * 1024 * 1024
    )
    (error,) = payload["errors"]
    assert (error["code"], error["params"]["reason"]) == ("IMPORT_FILE_TOO_LARGE", "FILE_TOO_LARGE")
    assert ("Datei" in error["message"]) == (language == "de")


def test_a_stored_file_is_saved_never_shown(at: At) -> None:
    story = at("CREATED")
    answer = story.client.http.get(story.see("file { url }")["file"]["url"])
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in answer.headers["cache-control"]


def test_the_server_says_whether_it_is_well(client: Client) -> None:
    assert client.http.get("/health").json() == {"status": "ok"}
