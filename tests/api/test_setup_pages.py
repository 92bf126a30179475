"""Effective settings on a page of cases cost the same few statements whatever its size."""

from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update

from finview.cases.models import Case
from finview.customers.models import Bucket, Customer, Portfolio, Setting
from finview.db.runtime import Services
from finview.testing.book import write_book
from finview.testing.client import Client, client_for

CASES = 200
PAGE = """query($n: Int) { cases(first: $n) { nodes { number
  customer { settings { workflow { maxCallAttempts { value source } }
                        imports { reviewPercent { value source } } } }
  bucket { settings { maxCallAttempts { value source } } enrichment { attempts { value source } }
           communication { linkedNotice { value source } } } } } }"""


@pytest.fixture
def client(opened: Services) -> Client:
    """Two hundred cases, each in a bucket of its own, every third with a setting of its own."""
    with opened.db.unit() as session:
        book = write_book(session, cases=CASES, awkward=False)
        customer = session.scalars(select(Customer)).first()
        portfolio = session.scalars(select(Portfolio)).first()
        assert customer is not None
        assert portfolio is not None
        buckets = [
            Bucket(
                customer_id=customer.id,
                portfolio_id=portfolio.id,
                name=f"B{n}",
                financials={},
                created_at=customer.created_at,
            )
            for n in range(CASES)
        ]
        session.add_all(buckets)
        session.flush()
        pairs = [{"id": c, "bucket_id": b.id} for c, b in zip(book.cases, buckets, strict=True)]
        session.execute(update(Case), pairs)
        own = {"scope_kind": "BUCKET", "name": "max_call_attempts", "value": 1}
        session.add_all(Setting(scope_id=bucket.id, **own) for bucket in buckets[::3])
    return client_for(opened)


def spent(client: Client, first: int) -> tuple[int, list[dict[str, Any]]]:
    """Return how many statements a page takes, and its cases."""
    sent: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    client.ask(PAGE, n=first)  # plans are made at the second sight of a document
    event.listen(Engine, "before_cursor_execute", count)
    try:
        found = client.ask(PAGE, n=first)["cases"]["nodes"]
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    return len(sent), found


@pytest.mark.both_databases
def test_settings_add_no_statement_per_case(client: Client) -> None:
    client.ask(PAGE, n=5)
    few, ten = spent(client, 10)
    many, all_ = spent(client, CASES)
    assert few == many
    assert (len(ten), len(all_)) == (10, CASES)
    sources = [case["bucket"]["settings"]["maxCallAttempts"]["source"] for case in all_]
    assert (sources.count("BUCKET"), sources.count("SYSTEM")) == (67, 133)
