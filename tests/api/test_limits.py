"""Limits: counted in one linear pass, each named by the error, whatever the fragments."""

import time

import pytest
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st

from finview.api.engine import limits
from finview.api.engine.context import TooComplex
from finview.api.engine.documents import DOCUMENTS, Documents, core_schema
from finview.api.engine.rate import Buckets
from finview.db.runtime import Services
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency


def cost_of(query: str, **variables: object) -> int:
    document = DOCUMENTS.of(query, hide_suggestions=False)
    assert not document.faults
    operation = document.operation(None)
    assert operation
    return document.cost(operation, variables)


def broken(query: str) -> tuple[str, int]:
    with pytest.raises(TooComplex) as refused:
        limits.check(core_schema(), parse(query))
    facts = refused.value.extensions or {}
    assert facts["code"] == "QUERY_TOO_COMPLEX"
    return facts["limit"], facts["allowed"]


def doubled(levels: int) -> str:
    """Return a small document that is 2 ** levels fields once its fragments are put in."""
    spread = "fragment F{n} on User {{ ...F{m} ...F{m} }}"
    parts = [spread.format(n=n, m=n + 1) for n in range(levels)]
    return "\n".join(
        ["{ viewer { user { ...F0 } } }", *parts, f"fragment F{levels} on User {{ name }}"]
    )


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("depth", "{ node(id: 1) { ... on Case " + "{ debtor { cases { nodes " * 4 + "{ id }" + "}}}" * 4 + "}}"),
        ("aliases", "{ viewer { " + " ".join(f"a{n}: locale" for n in range(61)) + " } }"),
        ("fields", "{ viewer { " + "...U " * 50 + "} } fragment U on Viewer { user { " + "id name email " * 11 + "} }"),
        ("directives", "{ viewer { locale " + "@skip(if: false) " * 61 + "} }"),
        ("root fields", "{ " + " ".join(f"a{n}: __typename" for n in range(21)) + " }"),
        ("repeated fields", "{ viewer { " + "locale " * 61 + "} }"),
        ("repeated objects", "{ viewer { " + "user { id } " * 41 + "} }"),
        ("operations and fragments", " ".join(f"query Q{n} {{ __typename }}" for n in range(81))),
        ("nested fragments", "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(60)) + " fragment F60 on Query { __typename }"),
    ],
)  # fmt: skip
def test_a_broken_limit_names_itself(name: str, query: str) -> None:
    limit, _ = broken(query)
    assert limit == name


def test_introspection_has_a_depth_of_its_own() -> None:
    of = "ofType { " * 20 + "name" + " }" * 20
    limit, allowed = broken(f"{{ __schema {{ queryType {{ fields {{ type {{ {of} }} }} }} }} }}")
    assert (limit, allowed) == ("introspection depth", limits.INTROSPECTION_DEPTH_MAX)


@pytest.mark.parametrize("levels", [20, 28, 200])
def test_doubled_fragments_are_refused_at_once(levels: int) -> None:
    document = parse(doubled(levels))
    spent = []
    for _ in range(3):  # the best one: a collection of garbage that others left is not ours
        began = time.thread_time()
        with pytest.raises(TooComplex):
            limits.check(core_schema(), document)
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.1


@st.composite
def fragment_graphs(draw: st.DrawFn) -> str:
    """Draw fragments that spread each other in any way, cycles and unknown ones included."""
    count = draw(st.integers(1, 40))
    names = st.sampled_from([f"F{n}" for n in range(count + 2)])
    parts = [
        f"fragment F{n} on User {{ id "
        + " ".join(f"...{name}" for name in draw(st.lists(names, max_size=6)))
        + " }"
        for n in range(count)
    ]
    return "\n".join(["{ viewer { user { ...F0 } } }", *parts])


@given(fragment_graphs())
def test_every_fragment_is_measured_at_most_once(query: str) -> None:
    seen: list[int] = []

    class Counting(limits.Meter):
        def _selection(self, selections, parent):  # type: ignore[no-untyped-def]
            seen.append(id(selections))
            return super()._selection(selections, parent)

    document = parse(query)
    meter = Counting(core_schema(), document, {})
    try:
        for node in document.definitions[:1]:
            meter.operation(node)  # type: ignore[arg-type]
    except TooComplex:
        pass
    spreads = query.count("{")
    assert len(seen) <= spreads + query.count(" id ")


def test_a_cost_is_objects_times_pages() -> None:
    assert cost_of("{ cases(first: 10) { nodes { number } } }") == 1 + 10
    assert cost_of("{ cases(first: 10) { nodes { debtor { name } } } }") == 1 + 10 * 2
    assert cost_of("{ cases(first: 10) { nodes { invoices { number } } } }") == 1 + 10 * 11
    assert cost_of("{ cases { nodes { number } } }") == 1 + limits.PAGE_DEFAULT
    assert cost_of("{ cases(first: 10) { totalCount nodes { number } } }") == 1 + 10 + 20


def test_the_cost_of_a_page_follows_the_variable_and_its_default() -> None:
    query = "query($n: Int = 20) { cases(first: $n) { nodes { number } } }"
    assert cost_of(query) == 21
    assert cost_of(query, n=100) == 101
    assert cost_of(query, n=10_000) == 1 + limits.PAGE_MAX


def test_fragments_cost_what_their_fields_cost() -> None:
    spread = "{ cases(first: 10) { ...Page } } fragment Page on CaseConnection { nodes { number } }"
    assert cost_of(spread) == cost_of("{ cases(first: 10) { nodes { number } } }")


def test_answers_tell_their_cost(agency: Agency) -> None:
    body = agency.client.send("{ customers(first: 5) { nodes { name } } }")
    assert body["extensions"]["cost"] == {"requested": 6, "limit": limits.COST_MAX}


def test_a_query_that_costs_too_much_is_refused(agency: Agency) -> None:
    inner = "debtor { cases(first: 200) { nodes { id } } }"
    body = agency.client.send(f"{{ cases(first: 200) {{ nodes {{ {inner} }} }} }}")
    assert body["errors"][0]["extensions"] == {
        "code": "QUERY_TOO_COMPLEX",
        "limit": "cost",
        "allowed": limits.COST_MAX,
    }
    assert "data" not in body


def test_the_latest_documents_are_kept_within_a_bound() -> None:
    kept = Documents()
    for n in range(520):
        kept.of(f"{{ viewer {{ a{n}: locale }} }}", hide_suggestions=False)
    kept.of("{ viewer { a519: locale } }", hide_suggestions=False)
    assert (kept.hits, len(kept._kept)) == (1, 512)


def with_rate(services: Services, **changes: int) -> Client:
    client = client_for(services)
    services.put(Buckets(changes["points_s"], changes["burst"]))
    return client


def test_who_spends_too_much_is_told_how_long_to_wait(opened: Services) -> None:
    client = with_rate(opened, points_s=1, burst=100)
    query = "{ customers(first: 50) { nodes { id } } }"
    assert "errors" not in client.send(query)
    answer = client.http.post("/graphql", json={"query": query}, headers={"accept-language": "de"})
    error = answer.json()["errors"][0]
    assert answer.status_code == 429
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert str(error["extensions"]["seconds"]) in error["message"]
    assert "Sekunden" in error["message"]


def test_everybody_has_a_bucket_of_their_own(opened: Services) -> None:
    first = with_rate(opened, points_s=1, burst=100)
    second = client_for(opened, "other@example.org")
    opened.put(Buckets(1, 100))
    query = "{ customers(first: 90) { nodes { id } } }"
    assert "errors" not in first.send(query)
    assert "errors" in first.send(query)
    assert "errors" not in second.send(query)
