"""Many receipts at once, as a bank statement brings them: the same as one after the other."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.cases import OpenedCase
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.lifecycle import launch
from finview.cases.models import Case, CaseStatus
from finview.cases.payments import payments_of
from finview.cases.receipts import Receipt, record_payment, record_payments
from finview.cases.statement import balances
from finview.cases.verify import verify
from finview.db import Database
from finview.errors import FinviewError, IdempotencyMismatch, Invalid, NotFound
from finview.money import Money

Opener = Callable[..., OpenedCase]
ON = date(2026, 11, 2)
TERMS = {"costs": {"amount": "25.00"}, "interest": {"percent": "7.3"}}
both_databases = pytest.mark.both_databases


@pytest.fixture(autouse=True)
def _december() -> Any:
    with clock.standing_at(datetime(2026, 12, 1, 12, tzinfo=UTC)):
        yield


def launched(session: Session, book: Any, opener: Opener, count: int) -> list[int]:
    ids = [opener(session).id for _ in range(count)]
    link(
        session,
        ids,
        bucket_id=book.bucket,
        financials=Financials.model_validate(TERMS),
        breathing=Breathing(),
        on=ON,
        by=None,
    )
    launch(session, ids, on=ON, by=None)
    return ids


def receipt(case_id: int, minor: int, key: str, **more: Any) -> Receipt:
    given = {"received_on": date(2026, 11, 12), **more}
    return Receipt(case_id=case_id, amount=Money(minor, "EUR"), key=key, **given)


def told(session: Session, ids: list[int]) -> list[Any]:
    found = balances(session, ids, date(2026, 11, 30))
    parts = payments_of(session, ids)
    return [(found[key], [payment.allocation for payment in parts[key]]) for key in ids]


@both_databases
def test_together_they_do_what_each_would_do_alone(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        alone, together = (launched(session, book, opener, 3) for _ in range(2))
        sums = (20_000, 500, 200_000)
        for case_id, minor in zip(alone, sums, strict=True):
            given = {"received_on": date(2026, 11, 12), "key": f"a{case_id}", "by": 1}
            record_payment(session, case_id, Money(minor, "EUR"), **given)
        wanted = [receipt(key, minor, f"b{key}") for key, minor in zip(together, sums, strict=True)]
        made = record_payments(session, wanted, by=1)
        assert all(isinstance(one, int) for one in made)
        assert told(session, together) == told(session, alone)
        states = [session.get_one(Case, key, populate_existing=True).status for key in together]
        assert states == [CaseStatus.ACTIVE, CaseStatus.ACTIVE, CaseStatus.CLOSED]
        assert not verify(session).faults


def test_one_that_is_refused_leaves_the_others(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        first, second = launched(session, book, opener, 2)
        answers = record_payments(
            session,
            [
                receipt(first, 1_000, "good"),
                receipt(second, -5, "negative"),
                receipt(999_999, 1_000, "nobody's"),
                receipt(second, 1_000, "tomorrow", received_on=date(2027, 1, 1)),
                receipt(first, 1_000, "good"),
                receipt(first, 2_000, "good"),
            ],
            by=1,
        )
        kinds = [type(one) for one in answers if isinstance(one, FinviewError)]
        assert kinds == [Invalid, NotFound, Invalid, IdempotencyMismatch]
        assert answers[0] == answers[4]
        paid = payments_of(session, [first, second])
        assert [len(paid[key]) for key in (first, second)] == [1, 0]


def test_several_on_one_case_are_all_allocated(
    database: Database, opener: Opener, book: Any
) -> None:
    with database.unit() as session:
        (case_id,) = launched(session, book, opener, 1)
        record_payments(session, [receipt(case_id, 1_500, "1"), receipt(case_id, 2_000, "2")], by=1)
        costs = [
            payment.allocation["costs"] for payment in payments_of(session, [case_id])[case_id]
        ]
        assert costs == ["15.00", "10.00"]


def test_a_file_of_payments_takes_as_many_statements_as_a_few(
    database: Database, opener: Opener, book: Any
) -> None:
    counts = []
    for size in (1, 2, 20):  # the first makes the accounts that all share
        with database.unit() as session:
            ids = launched(session, book, opener, size)
            seen: list[str] = []

            def saw(_c: Any, _u: Any, sql: str, *_: Any, seen: list[str] = seen) -> None:
                # A job of its own for each case; everything else is done for all at once.
                if not sql.startswith("INSERT INTO job"):
                    seen.append(sql)

            event.listen(database.writer, "before_cursor_execute", saw)
            record_payments(session, [receipt(key, 1_000, f"{size}/{key}") for key in ids], by=1)
            event.remove(database.writer, "before_cursor_execute", saw)
            counts.append(len(seen))
    assert counts[1] == counts[2]
