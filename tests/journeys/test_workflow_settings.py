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


CALLS = ("reached", "promise", "wrong_number", "exhausted", "no_number", "not_allowed")
MAILS = ("sent", "bounced", "no_address", "not_allowed", "failed")
CALLING = {
    "start": "demand",
    "nodes": [
        {
            "id": "demand",
            "type": "email",
            "config": {"template": "first_demand"},
            "ports": {**dict.fromkeys(MAILS, "end"), "sent": "call"},
        },
        {"id": "call", "type": "phone_call", "ports": dict.fromkeys(CALLS, "end")},
        {"id": "end", "type": "end"},
    ],
}


class Phone:
    """The first case of an import whose bucket's workflow calls the debtor up."""

    def __init__(self, story: Story, **settings: Any) -> None:
        self.story, self.client = story, story.client
        if settings:
            assert on_bucket(story.agency, **settings)["errors"] == []
        given = {"name": "Anrufen", "kind": "MAIN", "graph": CALLING}
        query = (
            "mutation($input: WorkflowCreateInput!) { workflowCreate(input: $input) "
            "{ workflow { id } errors { message } } }"
        )
        made = self.client.ask(query, input=given)["workflowCreate"]["workflow"]["id"]
        assert self.client.act("workflowPublish", made, "workflow { state }")["errors"] == []
        bucket = story.agency.bucket
        found = self.client.update("bucketUpdate", bucket, "bucket { id }", workflowId=made)
        assert found["errors"] == []
        first = story.cases()[0]
        self.case, debtor = first["id"], first["debtor"]["id"]
        found = self.client.update("debtorUpdate", debtor, "debtor { id }", phones=["030 901820"])
        assert found["errors"] == []
        story.launch()

    def run(self) -> dict[str, Any]:
        query = "query($id: ID!) { case(id: $id) { runs { state node steps { node outcome settings } } } }"
        found: dict[str, Any] = self.client.ask(query, id=self.case)["case"]["runs"][0]
        return found

    def calls(self) -> list[str]:
        """Return the ids of the calls people are asked to make now."""
        query = "query($id: ID!) { case(id: $id) { tasks { id completedAt withdrawnAt } } }"
        tasks = self.client.ask(query, id=self.case)["case"]["tasks"]
        return [t["id"] for t in tasks if t["completedAt"] is None and t["withdrawnAt"] is None]

    def answer(self, result: str) -> None:
        (call,) = self.calls()
        self.client.do("callOutcomeRecord", "case { id }", taskId=call, result=result)
        self.client.drain()

    @property
    def left_by(self) -> str | None:
        """Return the port by which the node was left."""
        taken = [step["outcome"] for step in self.run()["steps"] if step["node"] == "call"]
        return None if not taken or taken[-1] == "wait" else str(taken[-1])


@pytest.mark.parametrize("most", [0, 1, 3])
def test_w4_so_many_requests_are_pushed_in_all_and_none_for_zero(at: At, most: int) -> None:
    phone = Phone(at("LINKED"), maxCallAttempts=most)
    for _ in range(most):
        assert phone.left_by is None
        phone.answer("NOT_REACHED")
        phone.story.agency.later(days=1)
    assert (phone.calls(), phone.left_by) == ([], "exhausted")
    used = [s["settings"] for s in phone.run()["steps"] if s["node"] == "call"]
    assert used[0] == {"max_call_attempts": {"value": most, "source": "BUCKET"}}


def test_w4_somebody_who_answers_is_not_called_again(at: At) -> None:
    phone = Phone(at("LINKED"))
    phone.answer("NOT_REACHED")
    phone.story.agency.later(days=1)
    phone.answer("REACHED")
    phone.story.agency.later(days=9)
    assert (phone.calls(), phone.left_by) == ([], "reached")


def test_w4_a_limit_that_is_lowered_meanwhile_counts_at_once(at: At) -> None:
    phone = Phone(at("LINKED"))
    phone.answer("NOT_REACHED")
    assert on_bucket(phone.story.agency, maxCallAttempts=1)["errors"] == []
    phone.story.agency.later(days=1)
    assert (phone.calls(), phone.left_by) == ([], "exhausted")


def test_w4_money_ends_the_calls(at: At) -> None:
    phone = Phone(at("LINKED"))
    money = {"amount": "500.00", "currency": "EUR"}
    given = {"caseId": phone.case, "amount": money, "receivedOn": "2026-11-02"}
    phone.client.do("paymentRecord", "case { id }", idempotencyKey="k", **given)
    phone.client.drain()
    phone.story.agency.later(days=9)
    assert (phone.calls(), phone.run()["state"]) == ([], "STOPPED")


def test_s8_the_reminder_comes_so_many_days_before_the_instalment(at: At) -> None:
    story = at("LAUNCHED")
    assert on_bucket(story.agency, paymentPlanReminderDays=3)["errors"] == []
    given = {"caseId": story.cases()[0]["id"], "instalments": 2, "firstDueOn": "2026-11-20"}
    story.client.do("paymentPlanCreate", "case { id }", **given)
    story.agency.later(days=14)
    assert reminders(story) == []
    story.agency.later(days=1)
    (mail,) = reminders(story)
    assert "in 3 Tagen, am 20.11.2026, ist die Rate 1 von 2 über" in " ".join(mail.split())
    assert reminders(story) == [mail]


def reminders(story: Story) -> list[str]:
    return [mail for mail in story.agency.outbox() if "Termin am" in mail]


def test_s10_a_bucket_overrides_the_customer_and_inherits_live_again(at: At) -> None:
    agency = at("LINKED").agency
    agency.set("workflow", paymentPlanReminderDays=9, maxCallAttempts=7)
    assert on_bucket(agency, paymentPlanReminderDays=2)["errors"] == []
    found = workflow(agency)
    assert found["paymentPlanReminderDays"] == (2, "BUCKET")
    assert found["maxCallAttempts"] == (7, "CUSTOMER")
    assert on_bucket(agency, paymentPlanReminderDays=None)["errors"] == []
    agency.set("workflow", paymentPlanReminderDays=4)
    assert workflow(agency)["paymentPlanReminderDays"] == (4, "CUSTOMER")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("paymentPlanReminderDays", "Diese Einstellung muss zwischen 0 und 60 liegen."),
        ("maxCallAttempts", "Diese Einstellung muss zwischen 0 und 20 liegen."),
    ],
)
def test_s8_s9_what_makes_no_sense_is_said_in_german(agency: Agency, name: str, said: str) -> None:
    client = client_for(agency.services, language="de")
    given = {"bucketId": agency.bucket, "workflow": {name: -1}}
    (error,) = client.attempt("bucketSettingsUpdate", "bucket { id }", **given)["errors"]
    assert error["message"] == said
