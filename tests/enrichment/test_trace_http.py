"""From the setting to the traced address, over real HTTP with the sandbox of finview-trace-http."""

import pytest

from finview.enrichment.models import AttemptState as S

sandboxes = pytest.importorskip("finview_trace_http.sandbox")


@pytest.fixture
def sandbox():
    return sandboxes.Sandbox(answer="FOUND")


@pytest.fixture
def traced(linked, sandbox):
    """The launched import, with the sandbox bound to its customer."""
    with sandboxes.running(sandbox) as url:
        settings = {"url": url, "api_key": "sandbox", "cost_per_attempt": "1.20"}
        linked.set(granted=True, enabled=True, intervalDays=30, attempts=2)
        linked.bind("trace-http", settings=settings, scopeId=linked.agency.customer)
        linked.story.launch()
        yield linked


def test_a_debtor_is_found_and_the_search_is_paid_once(traced, sandbox):
    traced.go(days=30)
    points = "emails { address } phones { number } addresses { street source }"
    (case, _) = traced.story.cases(f"debtor {{ {points} }}")
    assert "enrichment:trace-http" in {a["source"] for a in case["debtor"]["addresses"]}
    assert case["debtor"]["phones"][0]["number"].startswith("+493023125")
    log = sandbox.log()
    assert (log["asked"], log["charged"], log["total"]["amount"]) == (2, 2, "2.40")
    assert [entry["case_number"] for entry in log["searches"]] == [
        case["number"] for case in traced.cases()
    ]


def test_an_answer_that_was_lost_is_asked_again_with_the_same_keys(traced, sandbox):
    sandbox.loses = 1
    traced.go(days=30)
    assert traced.attempts()[0].state == S.SENDING
    traced.go(minutes=5)
    assert traced.attempts()[0].state == S.FOUND
    assert (sandbox.log()["asked"], sandbox.log()["charged"]) == (4, 2)


def test_a_key_that_expired_parks_the_work_until_it_is_saved_anew(traced, sandbox):
    sandbox.api_key = "renewed"
    traced.go(days=30)
    assert traced.attempts()[0].state == S.QUEUED
    settings = {"api_key": "renewed", "cost_per_attempt": "1.20"}
    with sandboxes.running(sandbox) as url:
        settings["url"] = url
        traced.bind("trace-http", settings=settings, scopeId=traced.agency.customer)
        traced.go()
        assert traced.attempts()[0].state == S.FOUND
