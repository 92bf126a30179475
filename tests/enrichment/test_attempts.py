"""Who is traced, when, how often and for how much (S2 to S4, F9, F10)."""

from datetime import datetime

import pytest

from finview.cases import closing, holds
from finview.cases.hold_models import HoldReason
from finview.cases.models import CloseReason
from finview.enrichment.models import AttemptState as S

BERLIN = "+01:00"


def states(tracing, case=0):
    return [(a.state, a.reason) for a in tracing.attempts(case)]


def test_f9_attempts_come_one_interval_after_the_case_and_after_each_other(tracing, service):
    tracing.go(days=29)
    assert (states(tracing), service.traced) == ([(S.PLANNED, None)], [])
    tracing.go(days=1)
    first, second = tracing.attempts()
    assert (first.state, second.state) == (S.NOT_FOUND, S.PLANNED)
    # Days begin at the business unit, in Berlin.
    assert first.due_at == datetime.fromisoformat(f"2026-12-02T00:00{BERLIN}")
    assert second.due_at == datetime.fromisoformat(f"2027-01-01T00:00{BERLIN}")
    tracing.go(days=29)
    assert len(service.traced) == 2
    tracing.go(days=1)
    assert states(tracing) == [(S.NOT_FOUND, None)] * 2
    tracing.go(days=90)
    assert len(service.traced) == 4


def test_f9_every_attempt_is_a_cost_row_and_shows_on_the_timeline(tracing, service):
    tracing.go(30, 31)
    assert [(a.cost_minor, a.currency) for a in tracing.attempts()] == [(120, "EUR")] * 2
    assert [a.quoted for a in tracing.attempts()] == [{"minor": 120, "currency": "EUR"}] * 2
    wanted = [f"Enrichment {n} by fake found nothing. Cost: €1.20." for n in (2, 1)]
    assert [line for line in tracing.timeline() if "Enrichment" in line] == wanted
    assert len(service.quoted) == len(service.traced) == 4


def test_the_price_is_known_before_anything_is_spent(tracing, service):
    service.quote_error = ValueError("no prices today")
    tracing.go(days=30)
    assert states(tracing) == [(S.QUEUED, None)]
    assert service.traced == []
    service.quote_error = None
    tracing.go(minutes=5)
    assert tracing.attempts()[0].state == S.NOT_FOUND


def test_f9_without_the_grant_due_attempts_are_left_out_and_cost_nothing(tracing, service):
    tracing.set(granted=False)
    tracing.go(days=31)
    (attempt,) = tracing.attempts()
    assert (attempt.state, attempt.reason, attempt.cost_minor) == (S.SKIPPED, "NOT_GRANTED", None)
    assert (service.quoted, service.traced, tracing.told()) == ([], [], [])
    assert not [line for line in tracing.timeline() if "Enrichment" in line]


def test_nothing_is_traced_where_enrichment_is_off(tracing, service):
    tracing.set(enabled=False)
    tracing.go(days=31)
    assert states(tracing) == [(S.SKIPPED, "OFF")]
    assert service.traced == []


def test_an_interval_of_no_days_is_at_launch_and_its_attempts_follow_at_once(linked, service):
    linked.set(granted=True, enabled=True, intervalDays=0, attempts=2)
    linked.bind()
    linked.story.launch()
    assert [a.state for a in linked.attempts()] == [S.NOT_FOUND] * 2
    assert len(service.traced) == 4


def test_a_bucket_overrides_the_customer_and_the_attempt_keeps_value_and_source(tracing):
    tracing.agency.client.do(
        "bucketSettingsUpdate",
        "bucket { id }",
        bucketId=tracing.agency.bucket,
        enrichment={"intervalDays": 10},
    )
    tracing.go(days=10)
    kept = tracing.attempts()[0].settings
    assert kept["interval_days"] == {"value": 10, "source": "BUCKET"}
    assert kept["attempts"] == {"value": 2, "source": "CUSTOMER"}
    assert kept["granted"] is True


def test_a_changed_interval_dates_open_attempts_anew(tracing, service):
    tracing.go(days=30)
    tracing.set(intervalDays=60)
    tracing.go(days=59)
    assert len(service.traced) == 2
    tracing.set(intervalDays=5)
    tracing.go()
    assert [a.state for a in tracing.attempts()] == [S.NOT_FOUND] * 2


def test_a_limit_lowered_midway_is_heeded_and_one_raised_plans_the_next(tracing, service):
    tracing.go(days=30)
    tracing.set(attempts=1)
    tracing.go(days=30)
    assert states(tracing)[1] == (S.SKIPPED, "EXHAUSTED")
    assert len(service.traced) == 2


def test_more_attempts_later_are_planned_after_the_last_one(tracing, service):
    tracing.go(30, 31)
    tracing.set(attempts=3)
    tracing.go(days=29)
    assert states(tracing)[2:] == [(S.PLANNED, None)]
    tracing.go(days=1)
    assert [a.state for a in tracing.attempts()] == [S.NOT_FOUND] * 3
    assert len(service.traced) == 6


@pytest.mark.parametrize("reason", [HoldReason.ON_HOLD, HoldReason.DISPUTE])
def test_a_case_that_is_held_is_left_out_and_due_again_when_it_is_released(
    tracing, service, reason
):
    tracing.act(holds.hold_case, reason)
    tracing.go(days=31)
    skipped, made = tracing.attempts(0)[0], tracing.attempts(1)[0]
    assert (skipped.state, made.state) == (S.SKIPPED, S.NOT_FOUND)
    assert (skipped.reason, skipped.cost_minor) == (
        {"DISPUTE": "DISPUTED"}.get(reason, "ON_HOLD"),
        None,
    )
    tracing.act(holds.release_case)
    tracing.go()
    assert states(tracing)[0] == (S.NOT_FOUND, None)
    assert len(service.traced) == 2


def test_a_closed_case_is_left_out_and_due_again_when_it_is_opened_again(tracing, service):
    tracing.act(closing.close_case, CloseReason.WITHDRAWN, "Moved away")
    tracing.go(days=31)
    assert states(tracing) == [(S.SKIPPED, "CLOSED")]
    tracing.act(closing.reopen_case, "Came back")
    tracing.go()
    assert states(tracing)[0] == (S.NOT_FOUND, None)
    assert len(service.traced) == 2


def test_a_case_that_is_paid_in_full_is_left_out(tracing, service):
    case = tracing.story.cases()[0]
    tracing.agency.client.do(
        "paymentRecord",
        "case { id }",
        caseId=case["id"],
        amount=case["balance"]["open"],
        receivedOn="2026-11-02",
        idempotencyKey="all",
    )
    tracing.go(days=31)
    assert states(tracing) == [(S.SKIPPED, "CLOSED")]
    assert len(service.traced) == 1


def test_positions_of_the_list_are_the_attempts_in_turn(tracing, service):
    tracing.bind("other", position=1)
    tracing.go(30, 31)
    assert service.by == ["fake", "fake", "other", "other"]
    tracing.set(attempts=3)
    tracing.go(days=30)
    assert service.by[4:] == ["other", "other"]


def test_without_a_provider_attempts_are_left_out(tracing, service):
    tracing.bind(enabled=False)
    tracing.go(days=30)
    assert states(tracing) == [(S.SKIPPED, "NO_PROVIDER")]
    assert "Enrichment 1 was left out: no provider is bound." in tracing.timeline()


def test_the_provider_is_told_what_it_needs_and_no_more(tracing, service):
    tracing.go(days=30)
    request = service.traced[0]
    assert (request.first_name, request.last_name, request.kind) == ("Anna", "Schmidt", "CONSUMER")
    assert request.case_number == tracing.cases()[0]["number"]
    (address,) = request.addresses
    assert (address.street, address.postcode, address.city) == ("Hauptstraße", "10115", "Berlin")
    assert request.key == tracing.attempts()[0].key
