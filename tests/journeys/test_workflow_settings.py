"""The article "workflow settings", W1 to W4, through the API alone, on a clock that can be moved."""

from typing import Any

import pytest

from finview.testing.client import client_for
from finview.testing.factories import Agency
from finview.testing.fixtures import At
from finview.testing.story import Story

ON = {"breathingSpaceEnabled": True, "breathingSpaceDays": 14}
FIELDS = (
    "breathingSpaceEnabled",
    "breathingSpaceDays",
    "breathingSpaceInterest",
    "paymentPlanReminderDays",
    "maxCallAttempts",
)


def workflow(agency: Agency) -> dict[str, tuple[Any, str]]:
    """Return the effective workflow settings of the agency's bucket with their sources."""
    shown = " ".join(f"{name} {{ value source }}" for name in FIELDS)
    query = f"query($b: ID!) {{ node(id: $b) {{ ... on Bucket {{ settings {{ {shown} }} }} }} }}"
    found = agency.client.ask(query, b=agency.bucket)["node"]["settings"]
    return {name: (one["value"], one["source"]) for name, one in found.items()}


def on_bucket(agency: Agency, **values: Any) -> dict[str, Any]:
    return agency.client.attempt(
        "bucketSettingsUpdate", "bucket { id }", bucketId=agency.bucket, workflow=values
    )


def charged(story: Story) -> set[tuple[str, str]]:
    """Return the costs and interest of the cases, as they show today."""
    found = [case["balance"] for case in story.cases()]
    return {(b["costs"]["amount"], b["interest"]["amount"]) for b in found}


def kinds(story: Story) -> list[list[str]]:
    return [[run["kind"] for run in case["runs"]] for case in story.cases()]


def refused(payload: dict[str, Any]) -> tuple[str, str | None, list[str]]:
    (error,) = payload["errors"]
    return error["code"], error["params"].get("reason"), error["path"]


def test_w1_off_costs_and_interest_apply_when_the_case_is_linked(at: At) -> None:
    story = at("CREATED")
    assert workflow(story.agency)["breathingSpaceEnabled"] == (False, "SYSTEM")
    assert charged(story) == {("0.00", "0.00")}
    story.link()
    assert {costs for costs, _ in charged(story)} == {"40.00"}
    assert kinds(story.launch()) == [["MAIN"]] * 2


def test_w1_on_nothing_is_charged_before_it_ends_and_it_precedes_the_main_workflow(
    at: At,
) -> None:
    story = at("CREATED")
    story.agency.set("workflow", **ON)
    story.link().launch()
    assert charged(story) == {("0.00", "0.00")}
    assert kinds(story) == [["BREATHING_SPACE"]] * 2
    story.agency.later(days=14)
    assert {costs for costs, _ in charged(story)} == {"40.00"}
    assert kinds(story) == [["BREATHING_SPACE", "MAIN"]] * 2


@pytest.mark.parametrize("on", [True, False])
def test_w1_switched_later_it_affects_cases_that_are_linked_later(at: At, *, on: bool) -> None:
    story = at("CREATED")
    story.agency.set("workflow", **{**ON, "breathingSpaceEnabled": on})
    story.link()
    story.agency.set("workflow", **{**ON, "breathingSpaceEnabled": not on})
    story.launch()
    assert kinds(story) == [["BREATHING_SPACE" if on else "MAIN"]] * 2


def test_w1_a_bucket_overrides_the_customer(at: At) -> None:
    story = at("CREATED")
    story.agency.set("workflow", **ON)
    assert on_bucket(story.agency, breathingSpaceEnabled=False)["errors"] == []
    found = workflow(story.agency)
    assert found["breathingSpaceEnabled"] == (False, "BUCKET")
    assert found["breathingSpaceDays"] == (14, "CUSTOMER")
    assert kinds(story.link().launch()) == [["MAIN"]] * 2


@pytest.mark.parametrize(
    ("policy", "interest"), [("DEFERRED", "3.12"), ("WAIVED", "2.93"), ("FROM_END", "0.00")]
)
def test_w2_it_ends_after_its_days_and_then_its_interest_policy_counts(
    at: At, policy: str, interest: str
) -> None:
    story = at("CREATED")
    story.agency.set("workflow", breathingSpaceInterest=policy, **ON)
    story.link().launch()
    # Launched on 2026-11-02, it ends on 2026-11-16.
    story.agency.later(days=13)
    assert charged(story) == {("0.00", "0.00")}
    story.agency.later(days=1)
    first = story.cases()[0]["balance"]
    assert (first["costs"]["amount"], first["interest"]["amount"]) == ("40.00", interest)


@pytest.mark.parametrize("language", ["de", "en"])
def test_w2_its_days_are_at_least_one_and_required_when_it_is_on(
    agency: Agency, language: str
) -> None:
    client = client_for(agency.services, language=language)
    given = {"customerId": agency.customer}
    answer = {
        name: client.attempt("customerSettingsUpdate", "customer { id }", workflow=one, **given)
        for name, one in {
            "none": {"breathingSpaceEnabled": True},
            "zero": {"breathingSpaceEnabled": True, "breathingSpaceDays": 0},
        }.items()
    }
    place = ["input", "workflow", "breathingSpaceDays"]
    assert refused(answer["none"]) == ("REQUIRED", "BREATHING_DAYS_REQUIRED", place)
    assert refused(answer["zero"]) == ("INVALID", "SETTING_OUT_OF_RANGE", place)
    said = answer["none"]["errors"][0]["message"]
    assert (
        said
        == {
            "de": "Eine Schonfrist braucht die Zahl ihrer Tage.",
            "en": "A breathing space needs its number of days.",
        }[language]
    )
    assert workflow(agency)["breathingSpaceEnabled"] == (False, "SYSTEM")


def test_w3_the_reminder_period_may_be_the_due_day_and_is_set_where_it_is_needed(
    agency: Agency,
) -> None:
    assert workflow(agency)["paymentPlanReminderDays"] == (5, "SYSTEM")
    agency.set("workflow", paymentPlanReminderDays=3)
    assert workflow(agency)["paymentPlanReminderDays"] == (3, "CUSTOMER")
    assert on_bucket(agency, paymentPlanReminderDays=0)["errors"] == []
    assert workflow(agency)["paymentPlanReminderDays"] == (0, "BUCKET")
    place = ["input", "workflow", "paymentPlanReminderDays"]
    below = on_bucket(agency, paymentPlanReminderDays=-1)
    assert refused(below) == ("INVALID", "SETTING_OUT_OF_RANGE", place)
    assert workflow(agency)["paymentPlanReminderDays"] == (0, "BUCKET")


def test_w4_the_call_maximum_counts_requests_and_zero_is_none(agency: Agency) -> None:
    assert workflow(agency)["maxCallAttempts"] == (3, "SYSTEM")
    assert on_bucket(agency, maxCallAttempts=0)["errors"] == []
    assert workflow(agency)["maxCallAttempts"] == (0, "BUCKET")
    for wrong in (-1, 21):
        assert refused(on_bucket(agency, maxCallAttempts=wrong)) == (
            "INVALID", "SETTING_OUT_OF_RANGE", ["input", "workflow", "maxCallAttempts"]
        )  # fmt: skip
    assert on_bucket(agency, maxCallAttempts=None)["errors"] == []
    assert workflow(agency)["maxCallAttempts"] == (3, "SYSTEM")
