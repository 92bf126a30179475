"""Nothing is paid twice: crashes around the search, each guarantee, answers that come later."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from finview.cases.task_models import Task
from finview.db import failpoints
from finview.db.jobs import Job, State
from finview.enrichment.models import AttemptState as S
from finview.money import Money
from finview.plugins.contracts.enricher import (
    LOOKUP,
    NEVER,
    SAME_KEY,
    Found,
    FoundContact,
    Guarantee,
    NotFound,
    Pending,
    Resend,
)
from finview.plugins.errors import Misconfigured, Rejected, RetryLater

COST = Money(120, "EUR")


def states(tracing):
    return [tracing.attempts(case)[0].state for case in (0, 1)]


def crash(tracing, point):
    """Let the job of the search fail at a point, once."""
    failpoints.arm(point)
    tracing.go(days=30)
    failpoints.disarm()


@pytest.mark.parametrize("point", ["enrichment.trace.call", "enrichment.trace.sent"])
@pytest.mark.parametrize("promise", [SAME_KEY, LOOKUP, NEVER], ids=lambda p: p.guarantee.value)
def test_f12_after_a_crash_around_the_search_everybody_is_charged_at_most_once(
    tracing, service, point, promise
):
    service.resend = promise
    crash(tracing, point)
    assert states(tracing) == [S.SENDING] * 2
    tracing.go(minutes=5)  # the job's second run
    tracing.go(minutes=11)  # a look-up that knew nothing, once more
    tracing.go(minutes=11)
    wanted = S.UNKNOWN if promise.guarantee is Guarantee.NEVER else S.NOT_FOUND
    assert states(tracing) == [wanted] * 2
    assert len(service.charged) == (0 if wanted is S.UNKNOWN and point.endswith(".call") else 2)
    keys = [request.key for request in service.traced]
    assert promise.guarantee is Guarantee.SAME_KEY or len(keys) == len(set(keys))


def test_what_nobody_can_tell_is_left_to_a_person_and_told_to_the_workflow(tracing, service):
    service.error = ConnectionError("the answer was lost")
    tracing.go(days=30)
    service.error = None
    tracing.go(minutes=5)
    first = tracing.attempts()[0]
    assert (first.state, first.cost_minor) == (S.UNKNOWN, None)
    assert tracing.told() == [("FAILED", 1)] * 2
    with tracing.agency.services.db.reading() as session:
        assert list(session.scalars(select(Task.title))) == ["TASK_TRACE_UNKNOWN"] * 2
    tracing.go(days=29)
    assert service.calls == 1
    tracing.go(days=1)
    assert [a.state for a in tracing.attempts()] == [S.UNKNOWN, S.NOT_FOUND]


def test_the_same_key_goes_again_only_inside_the_window_of_the_provider(tracing, service):
    service.resend = Resend(guarantee=Guarantee.SAME_KEY, window=timedelta(minutes=1))
    service.error = ConnectionError("the answer was lost")
    tracing.go(days=30)
    service.error = None
    tracing.go(minutes=5)
    assert states(tracing) == [S.UNKNOWN] * 2
    assert service.traced == []


def test_a_key_the_provider_does_not_know_is_sent_again_after_the_second_question(tracing, service):
    service.resend, service.error = LOOKUP, ConnectionError("the answer was lost")
    tracing.go(days=30)
    service.error = None
    tracing.go(minutes=5)
    assert (len(service.looked_up), service.traced) == (2, [])
    tracing.go(minutes=9)
    assert (len(service.looked_up), service.traced) == (2, [])
    tracing.go(minutes=2)
    assert (len(service.looked_up), len(service.traced)) == (4, 2)
    assert states(tracing) == [S.NOT_FOUND] * 2


@pytest.mark.parametrize("error", [RetryLater("busy", 60), Misconfigured("expired")])
def test_where_surely_nothing_was_done_it_is_made_later_whatever_the_guarantee(
    tracing, service, error
):
    service.error = error
    tracing.go(days=30)
    assert states(tracing) == [S.QUEUED] * 2
    service.error = None
    tracing.go(minutes=5)
    if isinstance(error, Misconfigured):
        assert states(tracing) == [S.QUEUED] * 2
        with tracing.agency.services.db.reading() as session:
            parked = select(Job.kind).where(Job.state == State.PARKED)
            assert set(session.scalars(parked)) == {"enrichment.trace"}
        tracing.bind()
        tracing.go()
    assert states(tracing) == [S.NOT_FOUND] * 2


def test_what_the_provider_refuses_for_good_failed_and_cost_nothing(tracing, service):
    service.error = Rejected("no contract")
    tracing.go(days=30)
    first = tracing.attempts()[0]
    assert (first.state, first.cost_minor) == (S.FAILED, None)
    assert "Enrichment 1 failed; it cost nothing." in tracing.timeline()
    assert tracing.told() == [("FAILED", 1)] * 2


def test_a_later_answer_is_polled_without_a_new_attempt_or_cost(tracing, service):
    service.answer = Pending(reference="ref-1", ask_after=timedelta(hours=2))
    service.polled = Pending(reference="ref-2", ask_after=timedelta(hours=2))
    tracing.go(days=30)
    assert states(tracing) == [S.PENDING] * 2
    tracing.go(hours=1)
    assert service.polls == []
    tracing.go(hours=2)
    assert service.polls == ["ref-1"] * 2
    phone = FoundContact(kind="PHONE", value="030 23125 123")
    service.polled = Found(contacts=(phone,), cost=COST)
    tracing.go(hours=2)
    assert service.polls[2:] == ["ref-2"] * 2
    first, second = tracing.attempts()
    assert (first.state, first.cost_minor, second.state) == (S.FOUND, 120, S.PLANNED)
    assert len(service.traced) == 2


def test_an_answer_nobody_can_be_asked_for_any_more_is_left_to_a_person(tracing, service):
    service.answer = Pending(reference="ref", ask_after=timedelta(hours=2))
    service.polled = NotFound(cost=COST)
    tracing.go(days=30)
    tracing.bind("other")  # the binding serves somebody else now: nobody can be asked
    tracing.go(hours=3)
    assert states(tracing) == [S.UNKNOWN] * 2
    assert service.polls == []


def test_a_provider_that_is_bound_between_price_and_search_names_its_own_price(tracing, service):
    service.error = RetryLater("busy", 3600)
    tracing.go(days=30)
    service.error = None
    tracing.bind("other")
    tracing.go(hours=2)
    assert service.by == ["other", "other"]
    assert len(service.quoted) == 4
    assert tracing.attempts()[0].provider == "other"


def test_a_case_that_is_paid_between_price_and_search_costs_nothing(tracing, service):
    service.error = RetryLater("busy", 3600)
    tracing.go(days=30)
    service.error = None
    case = tracing.story.cases()[0]
    tracing.agency.client.do(
        "paymentRecord",
        "case { id }",
        caseId=case["id"],
        amount=case["balance"]["open"],
        receivedOn="2026-12-02",
        idempotencyKey="all",
    )
    tracing.go(hours=2)
    assert states(tracing) == [S.SKIPPED, S.NOT_FOUND]
    assert len(service.charged) == 1
