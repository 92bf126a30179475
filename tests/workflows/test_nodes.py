"""Node types: what follows from a case, its outreach and the settings; each keeps its contract."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from finview.plugins import guard
from finview.plugins.contracts.node import (
    CloseCase,
    Do,
    End,
    EventView,
    Go,
    OpenTask,
    OpenTicket,
    OutreachView,
    PlanOutreach,
    Trace,
    Wait,
    WorkflowNode,
)
from finview.testing.contracts import NodeContract, case
from finview.workflows.nodes import finview_workflow_nodes

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
NODES = {kind.name: kind for kind in finview_workflow_nodes()}
VALID: dict[str, dict[str, Any]] = {
    "email": {"template": "reminder"},
    "letter": {"template": "reminder"},
    "sms": {"template": "reminder"},
    "condition": {
        "cases": [{"port": "much", "field": "open_amount", "operator": ">", "value": "500"}]
    },
    "wait_event": {"types": ["PAYMENT"], "days": 3},
    "manual_task": {"title": "Akte lesen"},
    "ticket": {"text": "Bitte prüfen"},
    "close": {"reason": "WRITTEN_OFF"},
}


def run(kind: str, config: dict[str, Any] | None = None, **view: Any) -> Any:
    node = NODES[kind]()
    settings = node.Settings.model_validate(VALID.get(kind, {}) | (config or {}))
    given = {"settings": {"max_call_attempts": 3}, "has_phone": True, **view}
    return guard.call(node, "run", (case(**given), settings))


def contact(state: str, *, hours: float = 0, n: int = 1, **more: Any) -> OutreachView:
    """Return a contact that was handed over some hours ago."""
    at = NOW - timedelta(hours=hours)
    return OutreachView(attempt=n, channel="CALL", state=state, at=at, **more)


def told(outcome: str, *, hours: float = 0, **more: Any) -> OutreachView:
    at = NOW - timedelta(hours=hours)
    return contact("ACCEPTED", hours=hours, outcome=outcome, outcome_at=at, **more)


def event(kind: str, **payload: Any) -> EventView:
    return EventView(type=kind, at=NOW, payload=payload)


@pytest.mark.parametrize("kind", sorted(NODES))
class TestBuiltIn(NodeContract):
    @pytest.fixture
    def node(self, kind: str) -> WorkflowNode[Any]:
        return NODES[kind]()

    @pytest.fixture
    def config(self, node: WorkflowNode[Any], kind: str) -> Any:
        return node.Settings.model_validate(VALID.get(kind, {}))


@pytest.mark.parametrize(
    ("outreach", "port"),
    [
        (contact("ACCEPTED"), "sent"),
        (contact("DELIVERED"), "sent"),
        (contact("RETURNED"), "bounced"),
        (contact("BLOCKED"), "not_allowed"),
        (contact("REJECTED", reason="NO_ADDRESS"), "no_address"),
        (contact("REJECTED"), "failed"),
        (contact("UNKNOWN"), "failed"),
    ],
)
def test_an_email_leaves_by_what_became_of_it(outreach: OutreachView, port: str) -> None:
    assert run("email", outreach=(outreach,), event=event("OUTREACH")) == Go(port=port)


def test_an_email_is_planned_once_and_needs_an_address() -> None:
    step = run("email")
    assert step.effects == (PlanOutreach(channel="EMAIL", template="reminder"),)
    assert run("email", has_email=False) == Go(port="no_address")
    assert isinstance(run("email", outreach=(contact("PLANNED"),), event=event("PAYMENT")), Wait)


def test_an_email_waits_for_its_bounce_only_where_it_is_asked_to() -> None:
    sent = (contact("ACCEPTED", hours=5),)
    assert run("email", {"bounce_hours": 6}, outreach=sent).until == NOW + timedelta(hours=1)
    assert run("email", {"bounce_hours": 5}, outreach=sent) == Go(port="sent")


def test_what_a_payment_took_back_goes_a_day_later_and_after_a_hold_at_once() -> None:
    taken = (contact("CANCELLED"),)
    assert run("email", outreach=taken, event=event("PAYMENT")).until == NOW + timedelta(days=1)
    for woken in ("TIMER", "RESUMED"):
        assert isinstance(run("email", outreach=taken, event=event(woken)), Do)


def test_letters_and_sms_go_their_own_ways() -> None:
    letter = run("letter", {"registered": True}, has_address=True).effects[0]
    assert (letter.channel, letter.params) == ("LETTER", {"registered": True, "duplex": True})
    assert run("letter") == Go(port="no_address")
    assert run("letter", outreach=(contact("RETURNED"),)) == Go(port="returned")
    assert run("sms").effects[0].channel == "SMS"
    assert run("sms", has_phone=False) == Go(port="no_number")


@pytest.mark.parametrize(
    ("view", "port"),
    [
        ({"settings": {"max_call_attempts": 0}}, "exhausted"),
        ({"settings": {"max_call_attempts": 0}, "has_phone": False}, "exhausted"),
        ({"has_phone": False}, "no_number"),
        ({"outreach": (told("REACHED"),)}, "reached"),
        ({"outreach": (told("WRONG_NUMBER"),), "has_phone": False}, "wrong_number"),
        ({"outreach": (contact("BLOCKED"),)}, "not_allowed"),
        ({"outreach": (contact("REJECTED", reason="NO_ADDRESS"),)}, "no_number"),
        ({"outreach": (told("NOT_REACHED"),) * 3}, "exhausted"),
        ({"outreach": (told("CALL_BACK", until=NOW),) * 3}, "exhausted"),
        ({"outreach": (told("PROMISE", until=NOW - timedelta(days=1)),)}, "promise"),
        ({"outreach": (contact("REJECTED"),) * 10, "event": event("TIMER")}, "exhausted"),
    ],
)
def test_calls_leave_by_what_they_came_to(view: dict[str, Any], port: str) -> None:
    assert run("phone_call", **view) == Go(port=port)


@pytest.mark.parametrize(
    ("calls", "until"),
    [
        ((told("NOT_REACHED", hours=1),), NOW + timedelta(hours=23)),
        ((told("CALL_BACK", until=NOW + timedelta(hours=5)),), NOW + timedelta(hours=5)),
        ((told("PROMISE", until=NOW + timedelta(days=4)),), NOW + timedelta(days=5)),
        ((contact("REJECTED"),), NOW + timedelta(hours=24)),
        ((contact("CANCELLED"),), NOW + timedelta(days=1)),
    ],
)
def test_calls_wait_for_the_next_attempt(calls: tuple[OutreachView, ...], until: datetime) -> None:
    assert run("phone_call", outreach=calls, event=event("OUTREACH")).until == until


@pytest.mark.parametrize(
    "calls",
    [
        (told("NOT_REACHED", hours=24),),
        (told("WRONG_NUMBER"),),
        (told("CALL_BACK", hours=9, until=NOW),),
        (contact("REJECTED"),),
    ],
)
def test_the_next_attempt_is_pushed_when_its_time_has_come(calls: tuple[OutreachView, ...]) -> None:
    step = run("phone_call", outreach=calls, event=event("TIMER"))
    made = 0 if calls[0].state == "REJECTED" else 1
    assert step.effects[0].params["attempt"] == made + 1
    assert step.effects[0].params["max_attempts"] == 3


def test_the_limit_is_read_before_each_call_and_a_node_may_have_its_own() -> None:
    twice = (told("NOT_REACHED", hours=99), told("NOT_REACHED", hours=48, n=2))
    assert isinstance(run("phone_call", outreach=twice), Do)
    lowered = {"max_call_attempts": 2}
    assert run("phone_call", outreach=twice, settings=lowered) == Go(port="exhausted")
    assert isinstance(run("phone_call", {"attempts": 3}, outreach=twice, settings=lowered), Do)


def test_what_was_taken_back_after_it_was_accepted_counts() -> None:
    taken = (contact("CANCELLED", reason="WITHDRAWN"),)
    step = run("phone_call", outreach=taken, event=event("TIMER"))
    assert step.effects[0].params["attempt"] == 2


@pytest.mark.parametrize(
    ("config", "until"),
    [
        ({"days": 2, "hours": 3}, datetime(2026, 11, 4, 12, tzinfo=UTC)),
        ({"working_days": 4}, datetime(2026, 11, 6, 9, tzinfo=UTC)),
        ({"working_days": 5}, datetime(2026, 11, 9, 9, tzinfo=UTC)),
        ({"until": {"fact": "promised_on", "days": 2}}, datetime(2026, 11, 11, tzinfo=UTC)),
    ],
)
def test_a_wait_lasts_as_long_as_it_says(config: dict[str, Any], until: datetime) -> None:
    facts = {"promised_on": date(2026, 11, 9)}
    assert run("wait", config, facts=facts) == Wait(until=until)
    assert run("wait", config, facts=facts, now=until) == Go(port="done")


def test_a_day_that_is_unknown_or_past_is_not_waited_for() -> None:
    until = {"until": {"fact": "promised_on", "days": -5}}
    assert run("wait", until) == Go(port="done")
    assert run("wait", until, facts={"promised_on": date(2026, 11, 3)}) == Go(port="done")


def test_an_event_or_its_timeout_ends_the_waiting() -> None:
    config = {"types": ["PAYMENT", "REPLY"], "days": 3}
    end = NOW + timedelta(days=3)
    assert run("wait_event", config) == Wait(until=end, events=("PAYMENT", "REPLY"))
    assert run("wait_event", config, event=event("REPLY")) == Go(port="REPLY")
    assert run("wait_event", config, event=event("TIMER"), now=end) == Go(port="timeout")
    node = NODES["wait_event"]()
    assert node.ports_of(node.Settings.model_validate(config)) == ("PAYMENT", "REPLY", "timeout")
    for_ever = node.Settings.model_validate({"types": ["REPLY"]})
    assert node.ports_of(for_ever) == ("REPLY",)


@pytest.mark.parametrize(
    ("field", "operator", "value", "view"),
    [
        ("open_amount", ">=", "1000.00", {}),
        ("open_amount", "<", 1001, {}),
        ("principal", "=", "1000", {}),
        ("debtor_kind", "!=", "BUSINESS", {}),
        ("country", "in", ["AT", "DE"], {"facts": {"country": "DE"}}),
        ("country", "!=", "DE", {}),
        ("has_email", "=", True, {}),
        ("age_days", ">", 9, {"opened_on": date(2026, 10, 20)}),
        ("days_since_payment", "<=", 3, {"facts": {"last_payment_on": date(2026, 10, 30)}}),
        ("due_on", "<", "2026-11-01", {"facts": {"due_on": date(2026, 9, 1)}}),
    ],
)
def test_a_condition_takes_the_first_case_that_holds(
    field: str, operator: str, value: Any, view: dict[str, Any]
) -> None:
    one = {"port": "yes", "field": field, "operator": operator, "value": value}
    never = {"port": "no", "field": "has_phone", "operator": "=", "value": False}
    assert run("condition", {"cases": [never, one]}, **view) == Go(port="yes")
    both = {**one, "also": [{"field": "has_phone", "operator": "=", "value": False}]}
    assert run("condition", {"cases": [both]}, **view) == Go(port="else")


def test_an_unknown_fact_holds_nothing() -> None:
    for operator in ("=", "<", ">"):
        given = {"port": "yes", "field": "days_since_payment", "operator": operator, "value": 1}
        assert run("condition", {"cases": [given]}) == Go(port="else")


def test_a_task_waits_for_its_outcome_until_its_day_is_over() -> None:
    config = {"outcomes": ["paid", "gone"], "due_days": 2}
    step = run("manual_task", config)
    assert step.effects == (OpenTask(title="Akte lesen", due_days=2, outcomes=("paid", "gone")),)
    assert step.then.until == datetime(2026, 11, 5, tzinfo=UTC)
    assert run("manual_task", config, event=event("TASK", outcome="gone")) == Go(port="gone")
    assert run("manual_task", config, event=event("TIMER")) == Go(port="overdue")


@pytest.mark.parametrize(
    ("state", "port"),
    [
        ("HIT", "hit"), ("NO_HIT", "no_hit"), ("EXHAUSTED", "no_hit"), ("FAILED", "failed"),
        ("NOT_GRANTED", "not_granted"), ("OFF", "not_granted"),
    ],
)  # fmt: skip
def test_a_search_leaves_by_what_it_found(state: str, port: str) -> None:
    assert run("enrichment").effects == (Trace(),)
    assert run("enrichment", event=event("ENRICHMENT", state=state)) == Go(port=port)
    assert isinstance(run("enrichment", event=event("ENRICHMENT", state="SKIPPED")), Wait)


def test_tickets_and_ends() -> None:
    ticket = Do(effects=(OpenTicket(text="Bitte prüfen"),), then=Go(port="created"))
    assert run("ticket") == ticket
    assert run("close") == Do(effects=(CloseCase(reason="WRITTEN_OFF"),), then=End())
    assert run("end") == End()


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("wait", {"days": 731}),
        ("wait", {"days": 1, "until": {"fact": "due_on"}}),
        ("wait", {"until": {"fact": "rain"}}),
        ("wait_event", {"types": []}),
        ("wait_event", {"types": ["RAIN"]}),
        ("wait_event", {"types": ["REPLY", "REPLY"]}),
        ("phone_call", {"attempts": 21}),
        ("condition", {"cases": []}),
        ("condition", {"cases": [{"port": "else", "field": "costs", "operator": "=", "value": 1}]}),
        ("condition", {"cases": [{"port": "a", "field": "rain", "operator": "=", "value": 1}]}),
        ("condition", {"cases": [{"port": "a", "field": "costs", "operator": "in", "value": 1}]}),
        ("condition", {"cases": [{"port": "a", "field": "costs", "operator": "=", "value": "x"}]}),
        ("condition", {"cases": [{"port": "a", "field": "costs", "operator": "=", "value": 1.5}]}),
        (
            "condition",
            {"cases": [{"port": "a", "field": "has_email", "operator": "=", "value": 1}]},
        ),
        ("condition", {"cases": [{"port": "a", "field": "locale", "operator": "=", "value": 1}]}),
        ("condition", {"cases": [{"port": "a", "field": "due_on", "operator": "=", "value": "x"}]}),
        ("manual_task", {"title": " "}),
        ("manual_task", {"outcomes": ["overdue"]}),
        ("manual_task", {"outcomes": ["a", "a"]}),
        ("ticket", {"adapter": "jira"}),
        ("close", {"reason": "PAID_IN_FULL"}),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind: str, config: dict[str, Any]) -> None:
    model: Callable[[Any], Any] = NODES[kind].Settings.model_validate
    with pytest.raises(ValidationError):
        model(VALID.get(kind, {}) | config)
