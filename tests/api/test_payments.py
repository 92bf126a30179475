"""Payments, plans and settlements over the API: what a case worker does, and what it refuses."""

from datetime import timedelta
from typing import Any

import pytest

from finview import clock
from finview.accounts.access import Role
from finview.testing.client import Client, client_for
from finview.testing.factories import LAUNCH_DAY
from finview.testing.fixtures import At
from finview.testing.story import Story

CASE = """case { id number status closeReason closedAt
  balance { principal { amount } interest { amount } costs { amount } payments { amount }
            open { amount currency } }
  payments { id receivedOn amount { amount currency } allocation }
  paymentPlan { id instalments { number dueOn amount { amount } paid { amount } } }
  statement { amount { amount } text rule kind }
  runs { kind state node wakeAt } timeline(first: 50) { nodes { kind text } } }"""
EUR = {"currency": "EUR"}


@pytest.fixture
def story(at: At) -> Story:
    """Two launched cases of 100.00 and 101.00, each with 40.00 of costs and 5 % interest."""
    return at("LAUNCHED")


@pytest.fixture
def case(story: Story) -> str:
    return str(story.cases("id")[0]["id"])


def paying(client: Client, case: str, amount: str, **more: Any) -> dict[str, Any]:
    given = {"receivedOn": "2026-11-02", "idempotencyKey": amount, **more}
    return client.attempt(
        "paymentRecord", CASE, caseId=case, amount={"amount": amount, **EUR}, **given
    )


def paid(story: Story, case: str, amount: str, **more: Any) -> dict[str, Any]:
    payload = paying(story.client, case, amount, **more)
    assert payload["errors"] == []
    story.client.drain()
    return seen(story, case)


def seen(story: Story, case: str) -> dict[str, Any]:
    found = story.client.ask(
        f"query($id: ID!) {{ {CASE.replace('case', 'case(id: $id)', 1)} }}", id=case
    )
    return dict(found["case"])


def failed(payload: dict[str, Any]) -> tuple[str, str | None, list[str]]:
    (error,) = payload["errors"]
    assert error["message"]
    return error["code"], error["params"].get("reason"), error["path"]


def amounts(found: dict[str, Any]) -> list[str]:
    names = ("principal", "interest", "costs", "payments", "open")
    return [found["balance"][name]["amount"] for name in names]


def test_a_payment_shows_everywhere_at_once(story: Story, case: str) -> None:
    before = seen(story, case)
    interest = before["balance"]["interest"]["amount"]
    found = paying(story.client, case, "50.00", reference="C-1")["case"]
    (payment,) = found["payments"]
    rest = f"{10 - float(interest):.2f}"
    assert payment["allocation"] == {
        "costs": "40.00",
        "interest": interest,
        "principal": rest,
        "overpaid": "0.00",
        "order": "DE_367",
    }
    left = f"{100 - float(rest):.2f}"
    assert amounts(found) == [left, "0.00", "0.00", "50.00", left]
    total = sum(float(line["amount"]["amount"]) for line in found["statement"])
    assert f"{total:.2f}" == found["balance"]["open"]["amount"]
    assert found["timeline"]["nodes"][0]["kind"] == "TIMELINE_PAYMENT_RECORDED"


def test_paid_in_full_the_case_closes_and_its_workflow_stops(story: Story, case: str) -> None:
    whole = seen(story, case)["balance"]["open"]["amount"]
    found = paid(story, case, whole)
    assert (found["status"], found["closeReason"]) == ("CLOSED", "PAID_IN_FULL")
    assert found["balance"]["open"]["amount"] == "0.00"
    assert [run["state"] for run in found["runs"]] == ["STOPPED"]
    again = paying(story.client, case, "1.00")
    assert failed(again) == ("STATE", "CASE_CLOSED", ["input", "caseId"])


def test_the_same_key_has_one_effect_and_another_input_is_refused(story: Story, case: str) -> None:
    whole = seen(story, case)["balance"]["open"]["amount"]
    first = paying(story.client, case, whole, idempotencyKey="k")
    assert paying(story.client, case, whole, idempotencyKey="k") == first
    other = paying(story.client, case, "1.00", idempotencyKey="k")
    assert failed(other)[::2] == ("IDEMPOTENCY_MISMATCH", ["input", "idempotencyKey"])
    assert len(seen(story, case)["payments"]) == 1


@pytest.mark.parametrize(
    ("given", "code", "reason", "path"),
    [
        ({"amount": {"amount": "0", **EUR}}, "INVALID", "AMOUNT_NOT_POSITIVE", "amount.amount"),
        ({"amount": {"amount": "-5.00", **EUR}}, "INVALID", "AMOUNT_NOT_POSITIVE", "amount.amount"),
        ({"amount": {"amount": "1.005", **EUR}}, "INVALID", "MONEY_DECIMALS", "amount.amount"),
        ({"amount": {"amount": "9e15", **EUR}}, "INVALID", "SUM_TOO_LARGE", "amount.amount"),
        (
            {"amount": {"amount": "1.00", "currency": "USD"}},
            "INVALID",
            "AMOUNT_CURRENCY",
            "amount.currency",
        ),
        ({"receivedOn": "2026-11-03"}, "INVALID", "PAYMENT_IN_FUTURE", "receivedOn"),
        ({"reference": "x" * 201}, "INVALID", "PAYMENT_REFERENCE", "reference"),
        ({"idempotencyKey": ""}, "INVALID", None, "idempotencyKey"),
        ({"caseId": "cas_999"}, "NOT_FOUND", None, "caseId"),
        ({"caseId": "imp_1"}, "NOT_FOUND", None, "caseId"),
    ],
)
@pytest.mark.parametrize("language", ["de", "en"])
def test_what_is_no_payment_is_refused_in_both_languages(
    story: Story, case: str, language: str, given: Any, code: str, reason: str, path: str | None
) -> None:
    client = client_for(story.agency.services, language=language)
    wanted = {"caseId": case, "amount": {"amount": "1.00", **EUR}, **given}
    common = {"receivedOn": "2026-11-02", "idempotencyKey": "k", **wanted}
    payload = client.attempt("paymentRecord", "case { id }", **common)
    where = ["input", *path.split(".")] if path else []
    assert failed(payload) == (code, reason, where)
    assert seen(story, case)["payments"] == []


def test_a_customers_user_records_nothing(story: Story, case: str) -> None:
    services = story.agency.services
    nobody = client_for(services, "c@example.org", Role.CUSTOMER_USER)
    assert failed(paying(nobody, case, "1.00"))[0] == "NOT_FOUND"
    operator = client_for(services, "o@example.org", Role.OPERATOR)
    assert paying(operator, case, "1.00")["errors"] == []


def test_payments_and_plans_can_be_fetched_by_their_id(story: Story, case: str) -> None:
    story.client.do(
        "paymentPlanCreate", "case { id }", caseId=case, instalments=2, firstDueOn="2026-12-01"
    )
    found = paid(story, case, "10.00")
    query = """query($a: ID!, $b: ID!) {
      a: node(id: $a) { ... on Payment { amount { amount } } }
      b: node(id: $b) { ... on PaymentPlan { instalments { number } } } }"""
    given = {"a": found["payments"][0]["id"], "b": found["paymentPlan"]["id"]}
    told = story.client.ask(query, **given)
    assert told["a"] == {"amount": {"amount": "10.00"}}
    assert [part["number"] for part in told["b"]["instalments"]] == [1, 2]
    stranger = client_for(story.agency.services, "c@example.org", Role.CUSTOMER_USER)
    assert stranger.ask(query, **given) == {"a": None, "b": None}


def test_money_before_the_launch_blocks_the_revert(at: At) -> None:
    story = at("LINKED")
    case = story.cases("id")[0]["id"]
    paid(story, case, "5.00")
    (error,) = story.errors("importRevert", confirm=True)
    assert (error["code"], error["params"]["reason"]) == ("STATE", "CASE_HAS_PAYMENTS")
    story.launch()
    assert amounts(seen(story, case))[3] == "5.00"


def test_a_plan_suspends_the_workflow_until_it_is_broken(story: Story, case: str) -> None:
    waits = seen(story, case)["runs"]
    found = story.client.do(
        "paymentPlanCreate", CASE, caseId=case, instalments=3, firstDueOn="2026-11-05"
    )
    assert found["status"] == "PAYMENT_PLAN"
    parts = found["paymentPlan"]["instalments"]
    total = sum(round(float(part["amount"]["amount"]) * 100) for part in parts)
    assert total == round(float(found["balance"]["open"]["amount"]) * 100)
    assert [part["dueOn"] for part in parts] == ["2026-11-05", "2026-12-05", "2027-01-05"]
    story.client.drain()
    assert [run["state"] for run in seen(story, case)["runs"]] == ["SUSPENDED", "WAITING"]
    with clock.standing_at(LAUNCH_DAY + timedelta(days=10)):
        story.client.drain()
        broken = seen(story, case)
    assert (broken["status"], broken["paymentPlan"]) == ("ACTIVE", None)
    main, plan = broken["runs"]
    assert ([main], plan["kind"], plan["state"]) == (waits, "PAYMENT_PLAN", "DONE")


def test_nothing_is_sent_while_a_settlement_is_kept_and_it_goes_on_when_it_lapses(
    story: Story, case: str
) -> None:
    mails = len(story.agency.outbox())
    found = story.client.do(
        "settlementAgree", CASE, caseId=case, amount={"amount": "70.00", **EUR}, payBy="2026-12-10"
    )
    assert found["status"] == "SETTLEMENT"
    # The other case gets its reminder after two weeks, this one does not.
    with clock.standing_at(LAUNCH_DAY + timedelta(days=20)):
        story.client.drain()
        assert len(story.agency.outbox()) == mails + 1
    with clock.standing_at(LAUNCH_DAY + timedelta(days=40)):
        story.client.drain()
        assert seen(story, case)["status"] == "ACTIVE"
        assert len(story.agency.outbox()) == mails + 2
        assert [run["state"] for run in seen(story, case)["runs"]] == ["DONE"]


def test_a_kept_settlement_waives_the_rest_and_closes(story: Story, case: str) -> None:
    story.client.do(
        "settlementAgree", "case { id }", caseId=case, amount={"amount": "70.00", **EUR},
        payBy="2026-12-10",
    )  # fmt: skip
    found = paid(story, case, "70.00")
    assert (found["status"], found["closeReason"]) == ("CLOSED", "PAID_IN_SETTLEMENT")
    assert amounts(found) == ["0.00", "0.00", "0.00", "70.00", "0.00"]
    assert {run["state"] for run in found["runs"]} == {"STOPPED"}
    kinds = [entry["kind"] for entry in found["timeline"]["nodes"]]
    assert "TIMELINE_SETTLEMENT_KEPT" in kinds


@pytest.mark.parametrize(
    ("mutation", "given", "reason", "path"),
    [
        ("paymentPlanCreate", {"instalments": 0}, "PLAN_INSTALMENTS", ["instalments"]),
        ("paymentPlanCreate", {"everyMonths": 13}, "PLAN_EVERY_MONTHS", ["everyMonths"]),
        ("paymentPlanCreate", {"firstDueOn": "2026-11-01"}, "PLAN_FIRST_DUE", ["firstDueOn"]),
        ("settlementAgree", {"payBy": "2026-11-01"}, "SETTLEMENT_PAY_BY", ["payBy"]),
        (
            "settlementAgree",
            {"amount": {"amount": "900.00", **EUR}},
            "SETTLEMENT_AMOUNT",
            ["amount", "amount"],
        ),
    ],
)
def test_what_is_no_agreement_is_refused(
    story: Story, case: str, mutation: str, given: Any, reason: str, path: list[str]
) -> None:
    valid = {
        "paymentPlanCreate": {"instalments": 2, "firstDueOn": "2026-12-01"},
        "settlementAgree": {"amount": {"amount": "1.00", **EUR}, "payBy": "2026-12-01"},
    }[mutation]
    payload = story.client.attempt(mutation, "case { id }", **{"caseId": case, **valid, **given})
    assert failed(payload) == ("INVALID", reason, ["input", *path])
    assert seen(story, case)["status"] == "ACTIVE"


def test_all_parts_paid_the_case_closes_when_nothing_accrued(story: Story, case: str) -> None:
    found = story.client.do(
        "paymentPlanCreate",
        CASE,
        caseId=case,
        instalments=3,
        firstDueOn="2026-12-31",
        everyMonths=None,
    )
    parts = found["paymentPlan"]["instalments"]
    assert [part["dueOn"] for part in parts] == ["2026-12-31", "2027-01-31", "2027-02-28"]
    for n, part in enumerate(parts):
        found = paid(story, case, part["amount"]["amount"], idempotencyKey=f"part {n}")
    assert [part["paid"] for part in found["paymentPlan"]["instalments"]] == [
        part["amount"] for part in parts
    ]
    assert (found["status"], found["closeReason"]) == ("CLOSED", "PAID_IN_FULL")


def test_what_was_overpaid_is_listed_until_it_is_refunded(at: At) -> None:
    story = at("LINKED")
    case = str(story.cases("id")[0]["id"])
    asked = "{ cases(where: {overpaid: true}) { nodes { id balance { overpaid { amount } } } } }"
    listed = "{ cases(where: {overpaid: false}) { totalCount } }"
    assert paying(story.client, case, "500.00")["errors"] == []
    (found,) = story.client.ask(asked)["cases"]["nodes"]
    over = found["balance"]["overpaid"]["amount"]
    assert (found["id"], float(over) > 300) == (case, True)
    assert story.client.ask(listed)["cases"]["totalCount"] == 1
    given = {"caseId": case, "reason": "paid twice", "idempotencyKey": "r"}
    much = story.client.attempt("paymentRefund", CASE, **given, amount={"amount": "499.00", **EUR})
    path = ["input", "amount", "amount"]
    assert failed(much) == ("INVALID", "REFUND_ABOVE_OVERPAID", path)
    done = story.client.do("paymentRefund", CASE, **given)
    assert done["timeline"]["nodes"][0]["kind"] == "TIMELINE_REFUNDED"
    assert story.client.ask(asked)["cases"]["nodes"] == []
    again = story.client.attempt("paymentRefund", CASE, **{**given, "idempotencyKey": "s"})
    assert failed(again) == ("STATE", "REFUND_NOTHING", ["input", "caseId"])


def test_a_plan_says_why_its_costs_are_not_charged(story: Story, case: str) -> None:
    given: dict[str, Any] = {"caseId": case, "instalments": 2, "firstDueOn": "2026-12-01"}
    future = {**given, "costNoticeDeliveredOn": "2026-11-03"}
    refused = story.client.attempt("paymentPlanCreate", CASE, **future)
    path = ["input", "costNoticeDeliveredOn"]
    assert failed(refused) == ("INVALID", "PLAN_NOTICE_FUTURE", path)
    found = story.client.do("paymentPlanCreate", CASE, **given)
    told = {entry["kind"]: entry["text"] for entry in found["timeline"]["nodes"]}
    assert "Textform" in told["TIMELINE_PLAN_COSTS_NOT"] or (
        "text form" in told["TIMELINE_PLAN_COSTS_NOT"]
    )


def test_the_costs_of_a_plan_follow_its_notice(story: Story, case: str) -> None:
    before = float(seen(story, case)["balance"]["costs"]["amount"])
    given = {"caseId": case, "instalments": 2, "firstDueOn": "2026-12-01"}
    found = story.client.do("paymentPlanCreate", CASE, **given, costNoticeDeliveredOn="2026-11-02")
    fees = [x for x in found["statement"] if x["rule"] in ("de.rvg.1000.plan", "de.rvg.7002")]
    assert [line["amount"]["amount"] for line in fees] == ["36.05", "7.21"]
    assert float(found["balance"]["costs"]["amount"]) == round(before + 43.26, 2)
