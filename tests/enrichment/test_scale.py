"""Many cases at once, on both databases: planned, taken and dated anew in few statements."""

import pytest
from sqlalchemy import event, func, select, text, update

from finview.cases.lifecycle import locked_all
from finview.cases.models import Case
from finview.customers.models import Customer
from finview.customers.preferences import set_settings
from finview.db import testclock
from finview.db.cascade import SYSTEM
from finview.db.models import load_models
from finview.enrichment.due import TICK, plan_first, rearm, take_due
from finview.enrichment.models import AttemptState as S
from finview.enrichment.models import EnrichmentAttempt
from finview.enrichment.prices import quote_for
from finview.jobs.runner import drain
from finview.money import Money
from finview.plugins.bindings import bind
from finview.plugins.manager import Plugins
from finview.testing.book import write_book

pytestmark = pytest.mark.both_databases


@pytest.fixture
def book(dialect, opened):
    """Thirty cases of two customers that may trace, and a provider for the whole agency."""
    load_models()
    with opened.db.unit() as session:
        made = write_book(session, cases=30, awkward=False)
        session.execute(update(Customer).values(enrichment_granted=True))
        values = {"enabled": True, "interval_days": 10, "attempts": 2}
        set_settings(session, [SYSTEM], values, granted=True, by=None)
        bind(session, opened.get(Plugins), SYSTEM, "enricher", "fake", {}, by=None)
        assert plan_first(session, made.cases) == 30
        assert plan_first(session, made.cases) == 0
    return made


def later(services, **delta):
    from datetime import timedelta

    with services.db.unit() as session:
        testclock.advance(session, timedelta(**delta))
    drain(services)


def counted(services):
    with services.db.reading() as session:
        found = session.execute(
            select(EnrichmentAttempt.n, EnrichmentAttempt.state, func.count())
            .group_by(EnrichmentAttempt.n, EnrichmentAttempt.state)
            .order_by(EnrichmentAttempt.n)
        )
        return [tuple(row) for row in found]


def test_a_book_is_traced_in_batches_and_everybody_once(book, opened, service):
    later(opened, days=10)
    assert counted(opened) == [(1, S.NOT_FOUND, 30), (2, S.PLANNED, 30)]
    later(opened, days=10)
    assert counted(opened) == [(1, S.NOT_FOUND, 30), (2, S.NOT_FOUND, 30)]
    assert (len(service.traced), len(service.charged)) == (60, 60)
    assert service.calls < 10
    with opened.db.reading() as session:
        assert quote_for(session, [[], [SYSTEM]]) == [Money(120, "EUR")] * 2


def test_a_changed_setting_of_the_system_dates_everybody_anew(book, opened, service):
    with opened.db.unit() as session:
        set_settings(session, [SYSTEM], {"interval_days": 3}, granted=True, by=None)
    later(opened, days=3)
    assert counted(opened)[0] == (1, S.NOT_FOUND, 30)


def test_what_was_closed_is_planned_anew_when_it_is_free(book, opened):
    with opened.db.unit() as session:
        session.execute(update(EnrichmentAttempt).values(state=S.SKIPPED, reason="CLOSED"))
        cases = locked_all(session, book.cases[:2])
        assert [rearm(session, case) for case in cases.values()] == [True, True]
        assert [rearm(session, case) for case in cases.values()] == [False, False]
    assert counted(opened) == [(1, S.PLANNED, 2), (1, S.SKIPPED, 28)]


def test_planning_takes_the_same_few_statements_for_any_number(book, opened):
    counts = []
    with opened.db.unit() as session:
        session.execute(text("DELETE FROM enrichment_attempt"))
        connection = session.connection()
        seen: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *a: seen.append(a[2]))
        for chosen in (book.cases[:1], book.cases[1:]):
            seen.clear()
            plan_first(session, chosen)
            counts.append(len(seen))
    assert counts[1] <= counts[0] + 1
    assert counts[1] <= 6


def test_what_is_due_is_found_by_its_index(book, opened):
    due = "SELECT id FROM enrichment_attempt WHERE state = 'PLANNED' AND due_at <= 5 ORDER BY due_at, id LIMIT 10"
    with opened.db.unit() as session:
        if opened.db.dialect == "postgresql":
            session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = " ".join(session.scalars(text(f"EXPLAIN {due}")))
        else:
            plan = " ".join(str(row) for row in session.execute(text(f"EXPLAIN QUERY PLAN {due}")))
        assert "enrichment_attempt_due" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan
        assert take_due(session) == 0
        assert session.scalar(select(func.count(Case.id))) < TICK
