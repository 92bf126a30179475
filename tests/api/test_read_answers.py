"""Which way a query is answered by: the database's text, holes in it, rows, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import event

from finview.accounts.access import Role, Viewer
from finview.api.engine import jsontext, rows, run, view
from finview.api.engine.rate import Buckets
from finview.app import open_services, prepare
from finview.db.runtime import Services
from finview.testing import db as testing_db
from finview.testing.book import write_book

STAFF = Viewer(
    user_id=1, email="a@example.org", name="A", locale="de", roles=frozenset({Role.OPERATOR})
)
PLAIN = "{ cases(first: 5) { nodes { number debtor { name } } pageInfo { hasNextPage } } }"
BALANCES = """{ cases(first: 5) { totalCount nodes { number balance { open { amount currency } } }
  pageInfo { endCursor } } }"""
MANY = "{ cases(first: 60) { nodes { number invoices { number } } } }"


@pytest.fixture(scope="module")
def services(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = testing_db.copy_template(sqlite_template, tmp_path_factory.mktemp("answers"))
    found = open_services(settings)
    prepare(found)
    found.put(Buckets(10**9, 10**9))
    with found.db.unit() as session:
        write_book(session, cases=60)
    yield found
    found.close()


def ask(services: Services, query: str) -> view.Answer:
    ready = view.prepared(services.settings, view.Request(query, {}), "de")
    assert isinstance(ready, view.Ready)
    return view.run(services, ready, view.Caller(lambda _: STAFF, "de"))


def body(answer: view.Answer) -> Any:
    return orjson.loads(answer.content())


@pytest.mark.parametrize("query", [PLAIN, BALANCES])
def test_the_database_writes_what_is_asked_again(services: Services, query: str) -> None:
    query += f" # {services.settings.data_dir}"  # nobody else's plan
    by_rows, by_text = ask(services, query), ask(services, query)
    assert by_rows.text is None
    assert by_text.text is not None
    assert body(by_rows) == body(by_text)
    assert orjson.dumps(by_rows.body["data"]) == by_text.text.encode()


def test_a_plain_page_is_one_statement_besides_signing_in(services: Services) -> None:
    ask(services, PLAIN)
    asked: list[str] = []
    for engine in (services.db.reader, services.db.writer):
        event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert ask(services, PLAIN).text is not None
    assert asked == []  # nothing but the glance


@pytest.mark.parametrize(
    ("query", "limit_s", "quick"), [(PLAIN, 60, True), (PLAIN, 0, False), (BALANCES, 60, False)]
)
def test_only_what_the_database_answered_alone_and_in_time_is_quick(
    services: Services, monkeypatch: pytest.MonkeyPatch, query: str, limit_s: int, quick: bool
) -> None:
    monkeypatch.setattr(view, "QUICK_S", limit_s)
    ask(services, query)
    ask(services, query)
    ready = view.prepared(services.settings, view.Request(query, {}), "de")
    assert isinstance(ready, view.Ready)
    assert ready.is_quick is quick


def test_more_rows_than_an_operation_may_load_are_refused(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rows, jsontext):
        monkeypatch.setattr(module, "ROWS_MAX", 100)
    for _ in range(3):  # by rows, then by the database
        answer = ask(services, MANY)
        (error,) = answer.body["errors"]
        wanted = {"code": "QUERY_TOO_COMPLEX", "limit": "rows", "allowed": 100}
        assert error["extensions"] == wanted
        assert answer.body["data"] is None


def test_it_is_counted_how_queries_were_answered(services: Services) -> None:
    before = run.COUNTS.read()
    query = PLAIN + f" # counted {services.settings.data_dir}"
    for _ in range(4):
        ask(services, query)
    now = run.COUNTS.read()
    grown = {name: now[name] - before[name] for name in now}
    assert (grown["rows"], grown["written"], grown["fallbacks"]) == (1, 3, 0)
    assert (grown["document_misses"], grown["document_hits"]) == (1, 3)
    assert grown["plan_misses"] == 1


def test_a_statement_the_database_refuses_is_answered_by_rows(services: Services) -> None:
    query = "{ cases(first: 2) { nodes { id number } } }"
    ask(services, query)
    ready = view.prepared(services.settings, view.Request(query, {}), "de")
    assert isinstance(ready, view.Ready)
    (plans,) = ready.document.memo.values()
    (plan,) = plans.made
    wanted = body(ask(services, query))
    plan.text.statement.text = "SELECT nonsense"
    before = run.COUNTS.fallbacks
    answer = ask(services, query)
    assert answer.text is None
    assert body(answer) == wanted
    assert run.COUNTS.fallbacks == before + 1
