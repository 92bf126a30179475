"""The read path against the executor: the same bytes for any selection, viewer and database."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from graphql import execute_sync, get_named_type
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from finview.accounts.access import Role, Viewer
from finview.api.engine import run
from finview.api.engine.context import Context
from finview.api.engine.documents import DOCUMENTS, core_schema
from finview.api.engine.paging import cursor
from finview.api.engine.sources import ROOTS, SOURCES
from finview.app import open_services, prepare
from finview.cases.models import Case
from finview.customers.models import Bucket
from finview.db.runtime import Services
from finview.settings import Settings
from finview.testing import db as testing_db
from finview.testing.book import Book, write_book
from finview.testing.selections import Chooser

STAFF = frozenset({Role.OPERATOR})
CUSTOMER = frozenset({Role.CUSTOMER_USER})

WHO = ("staff", "customer", "known", "portfolio", "two", "nobody")

PAGE = """query($first: Int!, $after: String) { cases(first: $first, after: $after) {
  nodes { number debtor { name addresses { street city } }
    invoices { number amount { amount currency } } portfolio { name customer { name } } }
  pageInfo { hasNextPage endCursor } } }"""


class Reader:
    """One database with a book, asked in both ways."""

    def __init__(self, services: Services, book: Book, stray: int) -> None:
        self.services = services
        self.book = book
        self.stray = stray
        first, *_ = book.portfolios
        some = {"user_id": 1, "email": "a@example.org", "name": "A", "locale": "de"}
        self.viewers = {
            "staff": Viewer(roles=STAFF, **some),
            "customer": Viewer(roles=CUSTOMER, customers=frozenset({first}), **some),
            "portfolio": Viewer(
                roles=CUSTOMER,
                portfolios=frozenset(book.portfolios[first][:1]),
                portfolio_customers=frozenset({first}),
                all_portfolios=frozenset(book.portfolios[first][:1]),
                **some,
            ),
            "known": Viewer(
                roles=CUSTOMER,
                customers=frozenset({first}),
                all_portfolios=frozenset(book.portfolios[first]),
                **some,
            ),
            "two": Viewer(
                roles=CUSTOMER,
                portfolios=(two := frozenset(keys[0] for keys in book.portfolios.values())),
                portfolio_customers=frozenset(book.portfolios),
                all_portfolios=two,
                **some,
            ),
            "nobody": Viewer(roles=CUSTOMER, **some),
        }

    def executed(self, who: str, query: str, variables: dict[str, Any]) -> tuple[Any, bool]:
        document = DOCUMENTS.of(query, hide_suggestions=False)
        assert not document.faults, (query, document.faults)
        with self.services.db.reading() as session:
            found = execute_sync(
                core_schema(),
                document.node,
                variable_values=variables,
                context_value=self.context(session, who),
            )
        return found.data, bool(found.errors)

    def planned(self, who: str, query: str, variables: dict[str, Any]) -> Any:
        """Return the data made of rows."""
        with self.services.db.reading() as session:
            return self.plan(who, query, variables).rows(self.context(session, who))

    def written(self, who: str, query: str, variables: dict[str, Any]) -> bytes | None:
        """Return the data the database writes; None when it can't."""
        found = self.plan(who, query, variables)
        if found.writes is None:
            return None
        with self.services.db.glance() as glance, self.services.db.reading() as session:
            return found.text(glance.fetch, self.context(session, who)).encode()

    def plan(self, who: str, query: str, variables: dict[str, Any]) -> run.Planned:
        document = DOCUMENTS.of(query, hide_suggestions=False)
        operation = document.operation(None)
        assert operation is not None
        viewer = self.viewers[who]
        return run.planned(self.services.db, viewer, document, operation, variables)

    def context(self, session: Any, who: str) -> Context:
        viewer = self.viewers[who]
        return Context(session=session, services=self.services, viewer=viewer, locale="de")

    def agree(self, who: str, query: str, variables: dict[str, Any]) -> None:
        """Fail unless all ways give the same bytes; where one fails the plans do not answer."""
        data, failed = self.executed(who, query, variables)
        if failed:
            assert self.left(self.planned, who, query, variables)
            assert self.left(self.written, who, query, variables)
            return
        wanted = orjson.dumps(data)
        assert orjson.dumps(self.planned(who, query, variables)) == wanted, query
        assert self.written(who, query, variables) in (wanted, None), query

    def left(self, way: Any, who: str, query: str, variables: dict[str, Any]) -> bool:
        """Tell whether a way leaves a query to the executor."""
        try:
            return way(who, query, variables) is None
        except run.LEFT:
            return True


@pytest.fixture(scope="session")
def lite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    settings = testing_db.copy_template(sqlite_template, tmp_path_factory.mktemp("reading"))
    yield from _opened(settings)


@pytest.fixture(scope="session")
def full(
    postgres_server: testing_db.PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    with postgres_server.fresh(tmp_path_factory.mktemp("reading")) as settings:
        yield from _opened(settings)


def _opened(settings: Settings) -> Iterator[Reader]:
    services = open_services(settings)
    prepare(services)
    with services.db.unit() as session:
        book = write_book(session, cases=60)
        stray = _stray(session, book)
    yield Reader(services, book, stray)
    services.close()


def _stray(session: Session, book: Book) -> int:
    """Give the last case of the first customer a bucket of the second one; return the case."""
    first, second = book.portfolios
    case = session.scalars(select(Case).where(Case.customer_id == first)).all()[-1]
    theirs = select(Bucket.id).where(Bucket.customer_id == second)
    case.bucket_id = session.scalars(theirs).first()
    return case.id


@pytest.fixture
def reader(dialect: str, request: pytest.FixtureRequest) -> Reader:
    found: Reader = request.getfixturevalue("lite" if dialect == "sqlite" else "full")
    return found


DOCUMENTS_DRAWN = 50
EXAMPLES_OF_EACH = 20
"""With two databases these are 2,000 examples; a document is costly, to ask it again is not."""


@pytest.mark.both_databases
def test_any_selection_reads_the_same_bytes(reader: Reader) -> None:
    chooser = Chooser(Random(20261), core_schema(), SOURCES, ROOTS)
    for _ in range(DOCUMENTS_DRAWN):
        query = chooser.query()
        yes = chooser.random.random() < 0.5  # each value has plans of its own
        for n in range(EXAMPLES_OF_EACH):
            reader.agree(WHO[n % len(WHO)], query, chooser.variables() | {"yes": yes})


@pytest.mark.both_databases
@pytest.mark.parametrize("who", WHO)
def test_the_database_writes_the_page_in_one_statement(reader: Reader, who: str) -> None:
    data, _ = reader.executed(who, PAGE, {"first": 20})
    assert reader.written(who, PAGE, {"first": 20}) == orjson.dumps(data)


@pytest.mark.both_databases
@pytest.mark.parametrize("who", WHO)
def test_every_page_of_a_walk_reads_the_same(reader: Reader, who: str) -> None:
    after, pages = None, 0
    while pages == 0 or after is not None:
        variables = {"first": 7, "after": after}
        reader.agree(who, PAGE, variables)
        info = reader.planned(who, PAGE, variables)["cases"]["pageInfo"]
        after, pages = info["endCursor"] if info["hasNextPage"] else None, pages + 1
    assert pages == (9 if who == "staff" else pages)


@pytest.mark.both_databases
@pytest.mark.parametrize("first", [10, 200])
def test_a_page_takes_at_most_four_statements_whatever_its_size(reader: Reader, first: int) -> None:
    reader.planned("staff", PAGE, {"first": first})
    assert len(statements(reader, PAGE, {"first": first})) <= 4


@pytest.mark.both_databases
def test_a_row_that_may_not_be_seen_is_not_reached_by_a_key(reader: Reader) -> None:
    query = f'{{ case(id: "cas_{reader.stray}") {{ number bucket {{ name }} }} }}'
    data, failed = reader.executed("customer", query, {})
    assert failed
    assert data["case"]["bucket"] is None
    assert not reader.executed("staff", query, {})[1]
    reader.agree("customer", query, {})


@pytest.mark.both_databases
def test_a_value_nobody_knows_is_left_to_the_executor(reader: Reader) -> None:
    def put(status: str) -> None:
        with reader.services.db.unit() as session:
            session.execute(update(Case).where(Case.id == 1).values(status=status))

    query = '{ case(id: "cas_1") { number status } }'
    put("WRONG")
    try:
        assert reader.executed("staff", query, {})[1]
        reader.agree("staff", query, {})
    finally:
        put("ACTIVE")


def statements(reader: Reader, query: str, variables: dict[str, Any]) -> list[str]:
    found: list[str] = []

    def count(*given: Any) -> None:
        found.append(given[2])

    engine = reader.services.db.reader
    event.listen(engine, "before_cursor_execute", count)
    reader.planned("staff", query, variables)
    event.remove(engine, "before_cursor_execute", count)
    return [
        text for text in found if "clock_offset" not in text and "statement_timeout" not in text
    ]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (PAGE, {"first": 0}),
        (PAGE, {"first": 201}),
        (PAGE, {"first": 5, "after": "never"}),
        (PAGE, {"first": 5, "after": cursor("00000000", [1])}),
        ("query($id: ID!) { node(id: $id) { id } }", {"id": "xyz_1"}),
        ("{ plugins { name } }", {}),
        ("{ __schema { types { name } } }", {}),
    ],
)
def test_what_is_wrong_or_not_declared_is_left_to_the_executor(
    lite: Reader, query: str, variables: dict[str, Any]
) -> None:
    with pytest.raises(run.LEFT):
        lite.planned("staff", query, variables)


@pytest.mark.both_databases
def test_filters_of_one_shape_share_a_plan_and_not_their_values(reader: Reader) -> None:
    query = """query($status: [CaseStatus!], $text: String) {
      cases(where: {status: $status, text: $text}) { totalCount nodes { number status } } }"""
    for status in ("ACTIVE", "CLOSED", "NEW", "ON_HOLD"):
        reader.agree("staff", query, {"status": [status], "text": None})
    reader.agree("staff", query, {"status": ["ACTIVE"], "text": "A-1"})
    reader.agree("staff", query, {"status": ["ACTIVE"], "text": "A-3"})
    reader.agree("staff", query, {"status": []})
    plans = DOCUMENTS.of(query, hide_suggestions=False).memo
    assert {len(found.made) for found in plans.values()} == {3}


def test_skip_and_include_have_plans_of_their_own(lite: Reader) -> None:
    query = """query($a: Boolean!, $b: Boolean = true) {
      cases(first: 2) { nodes { number @include(if: $a) ...on Case @skip(if: $b) { id } status } } }"""
    for a in (True, False):
        for b in (True, False):
            lite.agree("staff", query, {"a": a, "b": b})


def test_every_field_without_a_resolver_has_a_source() -> None:
    missing = []
    for source in SOURCES.values():
        for name, field in core_schema().type_map[source.name].fields.items():  # type: ignore[attr-defined]
            definition = field.extensions["strawberry-definition"]
            if definition.base_resolver is None and definition.python_name not in source.fields:
                missing.append(f"{source.name}.{name}: {get_named_type(field.type)}")
    assert missing in ([], ["Contact.invitation: Invitation"])


def test_a_page_of_few_portfolios_is_merged_and_never_sorted(lite: Reader) -> None:
    found = lite.plan("two", PAGE, {"first": 5})
    text = found.writes
    assert text is not None
    with lite.services.db.reading() as session:
        steps = session.connection().exec_driver_sql(
            "EXPLAIN QUERY PLAN " + text.statement.text, text.statement.params(found.binds)
        )
        plan = [step[-1] for step in steps]
    assert "MERGE (UNION ALL)" in plan
    before = plan[: plan.index("SCAN anon_2")]
    assert not [step for step in before if "TEMP B-TREE" in step]


def test_what_hangs_on_a_visible_row_by_its_own_scope_is_not_asked_again(lite: Reader) -> None:
    query = "query($first: Int!) { cases(first: $first) { nodes { number debtor { name } } } }"
    text = lite.plan("customer", query, {"first": 5}).writes
    assert text is not None
    assert "EXISTS" not in text.statement.text
    rows = lite.plan("customer", "{ debtors { nodes { name } } }", {}).writes
    assert rows is not None
    assert "EXISTS" in rows.statement.text
