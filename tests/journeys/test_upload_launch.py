"""The article "upload", U13 and U14, and W1, W2: the bucket, the breathing space, the launch."""

from pathlib import Path

import pytest

from finview.testing.factories import consumer, new_bucket, table
from finview.testing.fixtures import At
from finview.testing.story import Story

ON = {"breathingSpaceEnabled": True, "breathingSpaceDays": 14}
BALANCE = "balance { principal { amount } costs { amount } interest { amount } }"


def charged(story: Story) -> list[tuple[str, str]]:
    """Return costs and interest of each case, as they show today."""
    found = [case["balance"] for case in story.cases()]
    return [(b["costs"]["amount"], b["interest"]["amount"]) for b in found]


def kinds(story: Story) -> list[list[tuple[str, str]]]:
    return [[(r["kind"], r["state"]) for r in case["runs"]] for case in story.cases()]


def test_u13_the_bucket_charges_each_case_and_another_bucket_charges_anew(at: At) -> None:
    story = at("CREATED")
    assert charged(story) == [("0.00", "0.00")] * 2
    story.link()
    assert charged(story) == [("40.00", "2.93"), ("40.00", "2.95")]
    dear = new_bucket(
        story.client,
        story.agency.portfolio,
        "Teuer",
        {"costs": {"kind": "PERCENT", "percent": "10"}, "interest": {"kind": "NONE"}},
    )
    story.link(dear)
    assert charged(story) == [("10.00", "0.00"), ("10.10", "0.00")]
    assert story.link().see("bucket { id }") == {"bucket": {"id": story.agency.bucket}}
    assert charged(story) == [("40.00", "2.93"), ("40.00", "2.95")]


def test_u13_components_changed_later_do_not_touch_linked_cases(at: At) -> None:
    story = at("LINKED")
    story.client.do(
        "bucketSettingsUpdate",
        "bucket { id }",
        bucketId=story.agency.bucket,
        financials={"costs": {"kind": "FIXED", "amount": "999.00"}},
    )
    story.launch()
    story.agency.later(days=1)
    assert [costs for costs, _ in charged(story)] == ["40.00", "40.00"]


def test_u13_every_cent_names_the_rule_it_rests_on(at: At) -> None:
    lines = at("LINKED").cases("statement { kind amount { amount } rule text }")[0]["statement"]
    assert {(line["kind"], line["amount"]["amount"]) for line in lines} == {
        ("OPEN", "100.00"),
        ("COST", "40.00"),
        ("INTEREST", "2.93"),
    }
    assert all(line["rule"] and line["text"] for line in lines)


def test_u14_launching_twice_is_launching_once(at: At) -> None:
    story = at("LAUNCHED")
    before = (story.see("launchedAt state"), kinds(story), story.agency.outbox())
    assert story.launch().see("launchedAt state") == before[0]
    assert (kinds(story), story.agency.outbox()) == before[1:]
    assert len(before[2]) == 2


def test_u14_the_main_workflow_demands_waits_two_weeks_and_reminds(at: At) -> None:
    story = at("LAUNCHED")
    assert [status["status"] for status in story.cases("status")] == ["ACTIVE"] * 2
    story.agency.later(days=13)
    assert len(story.agency.outbox()) == 2
    story.agency.later(days=1)
    assert sum("Erinnerung zu Ihrem Vorgang" in mail for mail in story.agency.outbox()) == 2
    assert kinds(story) == [[("MAIN", "DONE")]] * 2


@pytest.mark.parametrize("language", ["de", "en"])
def test_u14_the_debtor_reads_his_own_language_and_the_agents_figures(
    at: At, tmp_path: Path, language: str
) -> None:
    agency = at("REVIEW").agency
    row = consumer(4, language=language, contract_subject="Strom", contract_date="2024-01-02")
    Story.linked(agency, table(tmp_path, [row])).launch()
    (mail,) = agency.outbox()
    expected = {
        "de": ("Ihr Vorgang", "Guten Tag Eva Thalberg", "Kosten: 40,00", "bis zum 16.11.2026"),
        "en": ("Your case", "Dear Eva Thalberg", "Costs: €40.00", "by Nov 16, 2026"),
    }[language]
    assert [text for text in expected if text not in mail] == []
    assert ", ," not in mail


def test_w1_without_breathing_space_costs_and_interest_apply_at_the_link(at: At) -> None:
    story = at("LINKED")
    assert charged(story) == [("40.00", "2.93"), ("40.00", "2.95")]
    assert kinds(story.launch()) == [[("MAIN", "WAITING")]] * 2


def test_w1_with_breathing_space_nothing_is_charged_until_it_ends(at: At) -> None:
    story = at("CREATED")
    story.agency.set("workflow", **ON)
    story.link()
    assert charged(story) == [("0.00", "0.00")] * 2
    story.launch()
    assert kinds(story) == [[("BREATHING_SPACE", "WAITING")]] * 2
    assert {case["status"] for case in story.cases()} == {"BREATHING_SPACE"}
    story.agency.later(days=13)
    assert charged(story) == [("0.00", "0.00")] * 2
    assert all("bis 16.11.2026 prüfen" in mail for mail in story.agency.outbox())
    assert len(story.agency.outbox()) == 2


def test_w2_the_breathing_space_ends_after_its_days_and_the_main_workflow_starts(at: At) -> None:
    story = at("CREATED")
    story.agency.set("workflow", **ON)
    story.link().launch()
    story.agency.later(days=14)
    assert kinds(story) == [[("BREATHING_SPACE", "DONE"), ("MAIN", "WAITING")]] * 2
    assert {case["status"] for case in story.cases()} == {"ACTIVE"}
    # 5 % a year on 100.00 for the 228 days from 2 April to 16 November.
    assert charged(story)[0] == ("40.00", "3.12")
    assert sum("Hauptforderung" in mail for mail in story.agency.outbox()) == 2


def test_w2_a_server_that_was_down_charges_as_of_the_true_end(at: At) -> None:
    story = at("CREATED")
    story.agency.set("workflow", **ON)
    story.link().launch()
    story.agency.later(days=40)
    lines = story.cases("statement { on kind amount { amount } }")[0]["statement"]
    assert [(x["on"], x["amount"]["amount"]) for x in lines if x["kind"] == "COST"] == [
        ("2026-11-16", "40.00")
    ]
    as_of = story.cases('balance(asOf: "2026-11-15") { costs { amount } interest { amount } }')
    assert as_of[0]["balance"] == {"costs": {"amount": "0.00"}, "interest": {"amount": "0.00"}}
    timers = [c["runs"] for c in story.cases("runs { kind state }")]
    assert [len(runs) for runs in timers] == [2, 2]


def test_w1_what_is_switched_later_holds_for_cases_linked_later(at: At, tmp_path: Path) -> None:
    story = at("LINKED")
    story.agency.set("workflow", **ON)
    story.launch()
    assert kinds(story) == [[("MAIN", "WAITING")]] * 2
    later = Story.linked(story.agency, table(tmp_path, [consumer(5)])).launch()
    assert kinds(later) == [[("BREATHING_SPACE", "WAITING")]]


def test_w1_s10_a_bucket_overrides_the_customer(at: At) -> None:
    story = at("CREATED")
    story.agency.set("workflow", **ON)
    story.client.do(
        "bucketSettingsUpdate",
        "bucket { id }",
        bucketId=story.agency.bucket,
        workflow={"breathingSpaceEnabled": False},
    )
    assert charged(story.link())[0] == ("40.00", "2.93")
    assert kinds(story.launch())[0] == [("MAIN", "WAITING")]


def test_w1_linking_anew_takes_the_breathing_space_of_that_moment(at: At) -> None:
    story = at("LINKED")
    story.agency.set("workflow", **ON)
    assert charged(story.link()) == [("0.00", "0.00")] * 2
    story.agency.set("workflow", breathingSpaceEnabled=False)
    assert charged(story.link()) == [("40.00", "2.93"), ("40.00", "2.95")]


def test_u14_a_case_file_tells_its_story_in_the_viewers_language(at: At) -> None:
    story = at("LAUNCHED")
    entries = story.cases("timeline { nodes { kind text } }")[0]["timeline"]["nodes"]
    assert [e["text"] for e in entries if not e["text"] or e["text"] == e["kind"]] == []
    assert {"TIMELINE_CASE_OPENED", "TIMELINE_CASE_LINKED", "TIMELINE_CASE_LAUNCHED"} <= {
        e["kind"] for e in entries
    }
