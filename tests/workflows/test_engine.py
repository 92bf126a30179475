"""The engine on a database: kinds and their order, events, incidents, and what a step remembers."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from finview import clock
from finview.api.engine.ids import encode
from finview.cases.closing import close_case, reopen_case
from finview.cases.holds import HoldReason, hold_case, release_case
from finview.cases.models import Case, CloseReason
from finview.cases.receipts import record_payment
from finview.cases.task_models import Task
from finview.cases.tasks import complete_task
from finview.cases.timeline import TimelineEntry
from finview.communications.holds import HoldScope, end_outbound, hold_outbound
from finview.communications.models import Outreach
from finview.db import failpoints
from finview.db.events import emit
from finview.money import Money
from finview.plugins.manager import Plugins
from finview.testing.fixtures import At
from finview.testing.story import Story
from finview.workflows.advance import advance, steps_of
from finview.workflows.definitions import publish
from finview.workflows.models import Run, WorkflowKind
from finview.workflows.node_waits import WaitNode
from finview.workflows.operate import pause, resume, retry

EMAIL = ("sent", "bounced", "no_address", "not_allowed", "failed")
END = {"id": "end", "type": "end"}


class World:
    """Case 1 of a small import, launched in a main workflow of the test's own."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.services = story.agency.services

    def do(self, verb: Callable[..., Any], *args: Any, **values: Any) -> Any:
        """Run a verb in a transaction, and then what it ordered."""
        with self.services.db.unit() as session:
            found = verb(session, *args, **values)
        self.story.client.drain()
        return found

    def later(self, **delta: float) -> None:
        self.story.agency.later(**delta)

    def pay(self, amount: str) -> None:
        today, money = clock.today("Europe/Berlin"), Money.parse(amount, "EUR")
        key = f"{clock.now_ms()}{amount}"
        self.do(record_payment, 1, money, received_on=today, key=key, by=None)

    def event(self, kind: str, **payload: Any) -> None:
        self.do(emit, kind, case_id=1, payload=payload)

    def runs(self) -> dict[str, tuple[str, str | None]]:
        with self.services.db.reading() as session:
            rows = session.scalars(select(Run).where(Run.case_id == 1).order_by(Run.id))
            return {row.kind: (row.status, row.node_id) for row in rows}

    def run(self, kind: str = "MAIN") -> Run:
        with self.services.db.reading() as session:
            return session.scalars(select(Run).where(Run.case_id == 1, Run.kind == kind)).one()

    def steps(self, kind: str = "MAIN") -> list[tuple[str, str]]:
        with self.services.db.reading() as session:
            run = session.scalars(select(Run).where(Run.case_id == 1, Run.kind == kind)).one()
            return [(s.node_id, s.outcome) for s in steps_of(session, [run.id])[run.id]]

    def contacts(self) -> list[tuple[str, str, int]]:
        with self.services.db.reading() as session:
            rows = session.scalars(select(Outreach).where(Outreach.case_id == 1))
            return [(row.node_id, row.state, row.attempt) for row in rows]

    def timeline(self) -> list[tuple[str, dict[str, Any]]]:
        with self.services.db.reading() as session:
            rows = session.scalars(
                select(TimelineEntry).where(TimelineEntry.case_id == 1).order_by(TimelineEntry.id)
            )
            return [(row.code, row.params) for row in rows]


Make = Callable[..., World]


@pytest.fixture
def world(at: At) -> Make:
    """Return a maker: `world(node, …, stage=…)` launches case 1 in a graph of these nodes."""

    def make(*nodes: dict[str, Any], settings: dict[str, Any] | None = None) -> World:
        story = at("LINKED")
        graph = {"start": nodes[0]["id"], "nodes": [*nodes, END]}
        with story.agency.services.db.unit() as session:
            plugins = story.agency.services.get(Plugins)
            named: dict[str, Any] = {"key": "shipped.main", "name": "M"}
            publish(session, plugins, kind=WorkflowKind.MAIN, graph=graph, **named)
        if settings:
            story.agency.set("workflow", **settings)
        return World(story.launch())

    return make


def step(name: str, kind: str, config: dict[str, Any], *ports: str, to: str = "end") -> Any:
    return {"id": name, "type": kind, "config": config, "ports": dict.fromkeys(ports, to)}


def email(name: str, to: str = "end", template: str = "first_demand") -> Any:
    node = step(name, "email", {"template": template}, *EMAIL)
    return {**node, "ports": {**node["ports"], "sent": to}}


def wait(name: str = "pause", to: str = "end", **config: Any) -> Any:
    return step(name, "wait", config or {"days": 5}, "done", to=to)


def test_a_hold_suspends_and_its_end_returns_to_the_same_node(world: Make) -> None:
    w = world(wait(to="mail"), email("mail"))
    w.later(days=2)
    w.do(hold_case, 1, HoldReason.DISPUTE, by=None)
    assert w.runs() == {"MAIN": ("SUSPENDED", "pause"), "ON_HOLD": ("WAITING", "end")}
    w.later(days=10)
    assert w.contacts() == []
    w.do(release_case, 1, by=None)
    assert w.runs() == {"MAIN": ("DONE", "end"), "ON_HOLD": ("DONE", "end")}
    assert w.contacts() == [("mail", "ACCEPTED", 1)]


def test_a_hold_before_the_end_of_a_wait_lets_it_wait_on(world: Make) -> None:
    w = world(wait(days=5))
    w.do(hold_case, 1, HoldReason.ON_HOLD, by=None)
    w.later(days=2)
    w.do(release_case, 1, by=None)
    assert w.runs()["MAIN"] == ("WAITING", "pause")
    w.later(days=2)
    assert w.runs()["MAIN"] == ("WAITING", "pause")
    w.later(days=1)
    assert w.runs()["MAIN"] == ("DONE", "end")


def test_a_hit_starts_the_retry_workflow_and_the_main_one_returns_after_it(world: Make) -> None:
    w = world(wait(days=60))
    w.event("ENRICHMENT", state="NO_HIT")
    assert "RETRY" not in w.runs()
    w.event("ENRICHMENT", state="HIT")
    assert w.runs() == {"MAIN": ("SUSPENDED", "pause"), "RETRY": ("WAITING", "two_weeks")}
    w.event("ENRICHMENT", state="HIT")
    w.later(days=1)
    w.later(days=14)
    assert w.runs() == {"MAIN": ("WAITING", "pause"), "RETRY": ("DONE", "end")}


def test_a_hit_under_a_plan_waits_for_its_turn(world: Make) -> None:
    w = world(wait(days=90))
    given = {"caseId": encode("cas", 1), "instalments": 2, "firstDueOn": "2026-12-01"}
    w.story.client.do("paymentPlanCreate", "case { id }", **given)
    w.story.client.drain()
    w.event("ENRICHMENT", state="HIT")
    now = {kind: status for kind, (status, _) in w.runs().items()}
    assert now == {"MAIN": "SUSPENDED", "PAYMENT_PLAN": "WAITING", "RETRY": "SUSPENDED"}
    w.later(days=40)
    now = {kind: status for kind, (status, _) in w.runs().items()}
    assert now == {"MAIN": "SUSPENDED", "PAYMENT_PLAN": "DONE", "RETRY": "WAITING"}


def test_a_node_that_searches_takes_the_hit_as_its_own(world: Make) -> None:
    search = step("search", "enrichment", {}, "hit", "no_hit", "not_granted", "failed")
    w = world(search)
    # The customer has not been granted enrichment.
    assert w.steps() == [("search", "wait"), ("search", "not_granted"), ("end", "end")]


def test_a_payment_takes_back_what_is_planned_and_it_goes_a_day_later(world: Make) -> None:
    w = world(wait(days=1, to="mail"), email("mail"))
    hold = w.do(hold_outbound, HoldScope.SYSTEM, None, "Prüfung", channel="EMAIL", by=None)
    w.later(days=1)
    assert w.contacts() == [("mail", "PLANNED", 1)]
    w.pay("10.00")
    assert w.contacts() == [("mail", "CANCELLED", 1)]
    w.do(end_outbound, hold.id, by=None)
    w.later(hours=23)
    assert w.contacts() == [("mail", "CANCELLED", 1)]
    w.later(hours=1)
    assert w.contacts() == [("mail", "CANCELLED", 1), ("mail", "ACCEPTED", 2)]


def test_payment_in_full_stops_everything_and_later_events_change_nothing(world: Make) -> None:
    w = world(wait(days=1, to="mail"), email("mail"))
    w.pay("142.93")
    assert w.runs() == {"MAIN": ("STOPPED", "pause")}
    before = w.steps()
    for kind in ("PAYMENT", "REPLY", "OUTREACH", "ENRICHMENT", "RELEASED", "nonsense"):
        w.event(kind, state="HIT", run_id=w.run().id)
    w.later(days=30)
    assert (w.runs(), w.steps()) == ({"MAIN": ("STOPPED", "pause")}, before)
    assert ("mail", "ACCEPTED", 1) not in w.contacts()


def test_a_case_that_is_opened_again_goes_on_where_it_was(world: Make) -> None:
    w = world(wait(days=5, to="mail"), email("mail"))
    w.do(close_case, 1, CloseReason.WITHDRAWN, "Irrtum", by=None)
    assert w.runs() == {"MAIN": ("STOPPED", "pause")}
    w.later(days=3)
    w.do(reopen_case, 1, "doch offen", by=None)
    assert w.runs() == {"MAIN": ("WAITING", "pause")}
    w.later(days=2)
    assert w.contacts() == [("mail", "ACCEPTED", 1)]


def test_a_failing_node_is_an_incident_that_can_be_tried_again(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("kaputt")

    w = world(wait("first", days=1, to="second"), wait("second", days=1))
    with monkeypatch.context() as patched:
        patched.setattr(WaitNode, "run", breaks)
        w.later(days=1)
    assert w.runs() == {"MAIN": ("INCIDENT", "first")}
    assert w.run().outcome == "NODE_FAILED"
    code, params = w.timeline()[-1]
    assert (code, params["node"], params["why"]) == (
        "TIMELINE_WORKFLOW_INCIDENT_WHY", "first", "NODE_FAILED"
    )  # fmt: skip
    w.do(retry, w.run().id, by=None)
    assert w.runs() == {"MAIN": ("WAITING", "second")}


def test_a_port_that_leads_nowhere_is_an_incident_too(world: Make) -> None:
    w = world(wait(days=1))
    with w.services.db.unit() as session:
        run = session.scalars(select(Run).where(Run.case_id == 1)).one()
        run.node_id, run.wake_at, run.waits_for = "lost", None, []
        advance(session, w.services.get(Plugins), 1)
    assert (w.runs()["MAIN"], w.run().outcome) == (("INCIDENT", "lost"), "NODE_GONE")


def test_an_event_that_a_paused_run_waits_for_is_heard_when_it_goes_on(world: Make) -> None:
    ports = {"REPLY": "end", "PAYMENT": "pause"}
    ear = {"id": "ear", "type": "wait_event", "config": {"types": [*ports]}, "ports": ports}
    w = world(ear, wait(days=3))
    w.do(pause, w.run().id, by=None)
    w.event("PAYMENT")
    assert w.runs() == {"MAIN": ("PAUSED", "ear")}
    w.later(days=4)
    w.do(resume, w.run().id, by=None)
    assert w.runs() == {"MAIN": ("WAITING", "pause")}


def test_a_general_stop_leaves_everything_where_it_is_until_it_ends(world: Make) -> None:
    w = world(wait(days=1, to="mail"), email("mail"))
    hold = w.do(hold_outbound, HoldScope.SYSTEM, None, "Wartung", by=None)
    w.later(days=3)
    assert w.steps() == [("pause", "wait")]
    w.do(end_outbound, hold.id, by=None)
    w.later(hours=1)
    assert w.contacts() == [("mail", "ACCEPTED", 1)]


def test_a_step_remembers_the_settings_it_used_and_where_they_came_from(world: Make) -> None:
    ports = ("reached", "promise", "wrong_number", "exhausted", "no_number", "not_allowed")
    call = step("call", "phone_call", {}, *ports)
    w = world(email("mail", to="call"), call, settings={"maxCallAttempts": 0})
    query = "query($id: ID!) { case(id: $id) { runs { steps { node outcome settings } } } }"
    found = w.story.client.ask(query, id=encode("cas", 1))["case"]["runs"][0]["steps"]
    used = {"max_call_attempts": {"value": 0, "source": "CUSTOMER"}}
    assert found[2] == {"node": "call", "outcome": "exhausted", "settings": used}
    assert [one["settings"] for one in found if one["node"] != "call"] == [{}] * 3


def test_a_bucket_overrides_what_a_running_workflow_reads(world: Make) -> None:
    ports = ("reached", "promise", "wrong_number", "exhausted", "no_number", "not_allowed")
    call = step("call", "phone_call", {}, *ports)
    w = world(email("mail", to="pause"), wait(days=1, to="call"), call)
    w.story.client.do(
        "bucketSettingsUpdate",
        "bucket { id }",
        bucketId=w.story.agency.bucket,
        workflow={"maxCallAttempts": 0},
    )
    w.later(days=1)
    with w.services.db.reading() as session:
        run = session.scalars(select(Run).where(Run.case_id == 1)).one()
        used = steps_of(session, [run.id])[run.id][-2].settings
    assert used == {"max_call_attempts": {"value": 0, "source": "BUCKET"}}


def test_people_answer_tasks_and_the_workflow_takes_their_way(world: Make) -> None:
    task = {
        "id": "ask",
        "type": "manual_task",
        "config": {"title": "Vertrag prüfen", "outcomes": ["fine", "gone"], "due_days": 2},
        "ports": {"fine": "end", "gone": "bye", "overdue": "end"},
    }
    bye = {"id": "bye", "type": "close", "config": {"reason": "WITHDRAWN"}}
    w = world(task, bye)
    with w.services.db.reading() as session:
        (opened,) = session.scalars(select(Task).where(Task.case_id == 1)).all()
    assert (opened.title, opened.outcomes) == ("Vertrag prüfen", ["fine", "gone"])
    w.do(complete_task, opened.id, "gone", by=None)
    assert w.steps() == [("ask", "wait"), ("ask", "gone"), ("bye", "end")]
    with w.services.db.reading() as session:
        assert session.get_one(Case, 1).close_reason == "WITHDRAWN"


def test_a_task_nobody_did_is_overdue_and_one_of_an_ended_run_is_withdrawn(world: Make) -> None:
    config = {"title": "Anrufen", "due_days": 1}
    w = world(step("ask", "manual_task", config, "done", "overdue", to="pause"), wait(days=9))
    w.later(days=2)
    assert w.steps()[1] == ("ask", "overdue")
    w.pay("142.98")
    with w.services.db.reading() as session:
        (opened,) = session.scalars(select(Task).where(Task.case_id == 1)).all()
    assert opened.withdrawn_at is not None


def test_an_advance_that_finds_nothing_new_changes_nothing(world: Make) -> None:
    w = world(wait(days=9))
    before = (w.runs(), w.steps(), w.timeline())
    for _ in range(3):
        w.do(advance, w.services.get(Plugins), 1)
    assert (w.runs(), w.steps(), w.timeline()) == before


def test_a_transaction_that_is_lost_leaves_no_trace_and_comes_again(world: Make) -> None:
    w = world(wait(days=1, to="mail"), email("mail"))
    failpoints.arm("job.short.before_commit")
    w.later(days=1)
    assert (w.runs(), w.contacts()) == ({"MAIN": ("WAITING", "pause")}, [])
    failpoints.disarm()
    w.later(hours=1)
    assert w.contacts() == [("mail", "ACCEPTED", 1)]
    assert w.steps()[-3:] == [("mail", "wait"), ("mail", "sent"), ("end", "end")]
