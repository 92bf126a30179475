"""What people do with runs: list, pause, resume, stop, mend, move to another version (F15)."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from finview import clock
from finview.cases.models import Case
from finview.cases.task_models import Task
from finview.cases.tasks import complete_task
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import plan
from finview.db.events import EventInbox, emit
from finview.plugins.manager import Plugins
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.fixtures import copied
from finview.testing.mutations import call
from finview.testing.story import Story
from finview.workflows import operate
from finview.workflows.definitions import publish
from finview.workflows.models import Run, RunStatus, RunStep, WorkflowKind

PORTS = ("sent", "bounced", "no_address", "not_allowed", "failed")
RUN = "id state node wakeAt workflow { id version } steps { node outcome settings }"
LIST = f"""query($where: WorkflowRunWhere) {{ workflowRuns(where: $where) {{
  nodes {{ {RUN} }} totalCount }} }}"""
Ports = Mapping[str, str] | str


def node(name: str, kind: str, to: Ports = (), **config: Any) -> dict[str, Any]:
    ports = (
        dict.fromkeys(PORTS if kind == "email" else ("done",), to) if isinstance(to, str) else to
    )
    return {"id": name, "type": kind, "config": config, "ports": dict(ports)}


def install(story: Story, *nodes: dict[str, Any]) -> None:
    """Publish another main workflow of the agency, as the next version of the shipped one."""
    services = story.agency.services
    graph = {"start": nodes[0]["id"], "nodes": [*nodes, node("end", "end")]}
    with services.db.unit() as session:
        plugins = services.get(Plugins)
        given = {"name": "Main", "kind": WorkflowKind.MAIN, "graph": graph}
        publish(session, plugins, key="shipped.main", **given)


WAITING = (
    node("first", "email", "pause", template="first_demand"),
    node("pause", "wait", "ask", days=10),
    node("ask", "manual_task", {"paid": "end", "open": "pause", "overdue": "end"}, title="Call", outcomes=["paid", "open"], due_days=60),
)  # fmt: skip


@pytest.fixture(scope="module")
def launched(
    stages: Callable[[str], tuple[Path, Agency, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Agency, str]:
    folder = tmp_path_factory.mktemp("waiting")
    with clock.standing_at(LAUNCH_DAY):
        story = copied(stages("LINKED"), folder)
        install(story, *WAITING)
        story.launch()
    story.agency.services.close()
    return folder, story.agency, story.id


@pytest.fixture
def story(launched: tuple[Path, Agency, str], tmp_path: Path) -> Iterator[Story]:
    """A launched import whose runs stand in `pause` for ten days."""
    story = copied(launched, tmp_path / "waiting")
    yield story
    story.agency.services.close()


def runs(story: Story, **where: Any) -> list[Any]:
    return story.client.ask(LIST, where=where)["workflowRuns"]["nodes"]


OPERATIONS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("workflowRunPause", {}),
    ("workflowRunResume", {}),
    ("workflowRunStop", {"reason": "x"}),
    ("workflowRunRetry", {}),
)


def act(story: Story, name: str, run: str, **given: Any) -> Any:
    done = call(story.client, name, {"id": run, **given}, RUN)
    story.client.drain()
    return done


def now(story: Story, run: str) -> tuple[str, str | None]:
    query = f"query($i: ID!) {{ node(id: $i) {{ ... on WorkflowRun {{ {RUN} }} }} }}"
    found = story.client.ask(query, i=run)["node"]
    return found["state"], found["node"]


def key(public_id: str) -> int:
    return int(public_id.partition("_")[2])


def reason(payload: Any) -> tuple[str, str, list[str]]:
    (error,) = payload["errors"]
    return error["code"], error["params"]["reason"], error["path"]


def test_runs_are_listed_by_case_workflow_kind_and_state(story: Story) -> None:
    newest, oldest = runs(story)
    case = story.cases("id runs { id }")[0]
    assert case["runs"][0]["id"] == oldest["id"]
    assert [run["id"] for run in runs(story, caseId=case["id"])] == [oldest["id"]]
    assert runs(story, workflowId=newest["workflow"]["id"], kind=["MAIN"], state=["WAITING"]) == [
        newest,
        oldest,
    ]
    for nothing in ({"kind": ["RETRY"]}, {"state": ["DONE", "?"]}, {"workflowId": "wf_99"}):
        assert runs(story, **nothing) == []


def test_a_paused_run_lets_its_time_pass_and_goes_on_from_there(story: Story) -> None:
    run = runs(story)[0]["id"]
    assert act(story, "workflowRunPause", run)["object"]["state"] == "PAUSED"
    story.agency.later(days=11)
    assert now(story, run) == ("PAUSED", "pause")
    assert act(story, "workflowRunResume", run)["errors"] == []
    story.agency.later(minutes=1)
    assert now(story, run) == ("WAITING", "ask")


def test_a_paused_run_hears_later_what_happened_meanwhile(story: Story) -> None:
    story.agency.later(days=11)
    run = runs(story)[0]["id"]
    act(story, "workflowRunPause", run)
    with story.agency.services.db.unit() as session:
        task = session.scalars(select(Task).where(Task.run_id == key(run))).one()
        complete_task(session, task.id, "paid", by=None)
    story.client.drain()
    assert now(story, run) == ("PAUSED", "ask")
    act(story, "workflowRunResume", run)
    assert now(story, run) == ("DONE", "end")


def planned(story: Story, run: str, then: Callable[..., Run], **given: Any) -> int:
    """Let a run plan a message, and do something with the run before it is sent."""
    with story.agency.services.db.unit() as session:
        row = session.get_one(Run, key(run))
        case = session.get_one(Case, row.case_id)
        wanted = {"node": "pause", "visit": 1, "template": "reminder"}
        message = plan(session, case, Channel.EMAIL, run_id=row.id, **wanted).id
        then(session, row.id, by=None, **given)
    story.client.drain()
    return message


def state_of(story: Story, message: int) -> str:
    with story.agency.services.db.reading() as session:
        return str(session.get_one(Outreach, message).state)


def test_what_a_paused_run_has_planned_waits_for_it(story: Story) -> None:
    run = runs(story)[0]["id"]
    message = planned(story, run, operate.pause)
    story.agency.later(days=2)
    assert (state_of(story, message), len(story.agency.outbox())) == ("PLANNED", 2)
    act(story, "workflowRunResume", run)
    assert (state_of(story, message), len(story.agency.outbox())) == ("ACCEPTED", 3)


def test_what_a_stopped_run_has_planned_is_cancelled(story: Story) -> None:
    message = planned(story, runs(story)[0]["id"], operate.stop, reason="Enough")
    story.agency.later(days=2)
    assert (state_of(story, message), len(story.agency.outbox())) == ("CANCELLED", 2)


def test_a_stopped_run_is_over_and_asks_nothing_of_anybody(story: Story) -> None:
    story.agency.later(days=11)
    run = runs(story)[0]["id"]
    assert (
        act(story, "workflowRunStop", run, reason="The debtor has died")["object"]["state"]
        == "STOPPED"
    )
    with story.agency.services.db.unit() as session:
        task = session.scalars(select(Task).where(Task.run_id == key(run))).one()
        assert task.withdrawn_at is not None
        steps = session.scalar(select(func.count()).where(RunStep.run_id == key(run)))
        emit(session, "TASK", case_id=task.case_id, payload={"run_id": key(run), "outcome": "paid"})
    story.agency.later(days=100)
    assert now(story, run) == ("STOPPED", "ask")
    with story.agency.services.db.reading() as session:
        assert session.scalar(select(func.count()).where(RunStep.run_id == key(run))) == steps
        unread = select(func.count()).where(EventInbox.consumed_seq.is_(None))
        assert session.scalar(unread.where(EventInbox.type == "TASK")) == 0


def test_stopping_needs_a_reason_and_a_run_that_has_none_to_last(story: Story) -> None:
    run = runs(story)[0]["id"]
    for text in ("", "   "):
        told = reason(act(story, "workflowRunStop", run, reason=text))
        assert told == ("REQUIRED", "REASON_REQUIRED", ["reason"])
    for kind in ("BREATHING_SPACE", "PAYMENT_PLAN", "ON_HOLD"):
        with story.agency.services.db.unit() as session:
            session.execute(update(Run).where(Run.id == key(run)).values(kind=kind))
        lasts = call(story.client, "workflowRunStop", {"id": run, "reason": "x"})
        assert reason(lasts) == ("STATE", "RUN_LASTS", ["id"])


def test_a_wrong_state_is_told(story: Story) -> None:
    one, other = (run["id"] for run in runs(story))
    wrong = ("STATE", "RUN_STATE", ["id"])
    assert reason(act(story, "workflowRunResume", one)) == wrong
    assert reason(act(story, "workflowRunRetry", one)) == wrong
    act(story, "workflowRunPause", one)
    assert reason(act(story, "workflowRunPause", one)) == wrong
    act(story, "workflowRunStop", other, reason="Enough")
    for name, given in OPERATIONS:
        assert reason(act(story, name, other, **given)) == wrong


def incident(story: Story, run: str) -> None:
    """Let a run need a person, as an exception in its node does."""
    with story.agency.services.db.unit() as session:
        stands = {"status": RunStatus.INCIDENT, "outcome": "NODE_FAILED", "wake_at": None}
        session.execute(update(Run).where(Run.id == key(run)).values(**stands, waits_for=[]))


def test_an_incident_is_tried_again_or_led_on(story: Story) -> None:
    again, on = (run["id"] for run in runs(story))
    for run in (again, on):
        incident(story, run)
    wrong = reason(act(story, "workflowRunRetry", on, port="sent"))
    assert wrong == ("INVALID", "RUN_PORT", ["port"])
    assert now(story, on) == ("INCIDENT", "pause")
    assert act(story, "workflowRunRetry", again)["errors"] == []
    assert now(story, again) == ("WAITING", "pause")
    assert act(story, "workflowRunRetry", on, port="done")["errors"] == []
    assert now(story, on) == ("WAITING", "ask")
    story.agency.later(days=11)
    assert now(story, again) == ("WAITING", "ask")


MOVED = (
    node("first", "email", "rest", template="first_demand"),
    node("rest", "wait", "ask", days=20),
    node("ask", "manual_task", {"done": "end", "overdue": "end"}, title="Write"),
)


def migrate(story: Story, dry_run: bool, **nodes: Any) -> Any:
    """Order a migration from version 2 and return the result of its job, or the payload's error."""
    workflow = runs(story)[0]["workflow"]["id"]
    given = {"workflowId": workflow, "fromVersion": 2, "nodes": nodes, "dryRun": dry_run}
    payload = call(story.client, "workflowMigrate", {"input": given}, "id subject { id }")
    if payload["errors"]:
        return reason(payload)
    story.client.drain()
    query = "query($i: ID!) { job(id: $i) { state result } }"
    job = story.client.ask(query, i=payload["object"]["id"])["job"]
    assert (job["state"], payload["object"]["subject"]["id"]) == ("DONE", workflow)
    return job["result"]


def stands(story: Story) -> list[tuple[int, str | None, str | None]]:
    with story.agency.services.db.reading() as session:
        return [
            (run.version_id, run.node_id, run.wake_at and run.wake_at.date().isoformat())
            for run in session.scalars(select(Run).order_by(Run.id))
        ]


def test_a_dry_run_counts_what_the_real_one_does(story: Story) -> None:
    install(story, *MOVED)
    before = stands(story)
    told = {"runs": 2, "moved": 2, "stayed": 0}
    told["nodes"] = [{"from": "pause", "to": "rest", "runs": 2}]
    assert migrate(story, True, pause="rest") == told
    assert stands(story) == before
    assert migrate(story, False, pause="rest") == told
    version = before[0][0] + 1
    assert stands(story) == [(version, "rest", "2026-11-22")] * 2
    assert migrate(story, False, pause="rest") == {"runs": 0, "moved": 0, "stayed": 0, "nodes": []}
    assert [run["workflow"]["version"] for run in runs(story)] == [3, 3]
    story.agency.later(days=19)
    assert {now(story, run["id"]) for run in runs(story)} == {("WAITING", "rest")}
    story.agency.later(days=2)
    assert {now(story, run["id"]) for run in runs(story)} == {("WAITING", "ask")}
    assert len(story.agency.outbox()) == 2


def test_runs_in_a_node_that_is_gone_stay_without_an_entry(story: Story) -> None:
    install(story, *MOVED)
    before = stands(story)
    for dry_run in (True, False):
        found = migrate(story, dry_run)
        assert (found["moved"], found["stayed"]) == (0, 2)
        assert found["nodes"] == [{"from": "pause", "to": None, "runs": 2}]
    assert stands(story) == before


def test_a_shorter_wait_may_be_over_at_once(story: Story) -> None:
    story.agency.later(days=5)
    install(story, WAITING[0], node("pause", "wait", "ask", days=3), WAITING[2])
    assert migrate(story, False)["moved"] == 2
    assert {now(story, run["id"]) for run in runs(story)} == {("WAITING", "ask")}


def test_a_paused_run_is_moved_and_finds_its_new_wait_later(story: Story) -> None:
    run = runs(story)[0]["id"]
    act(story, "workflowRunPause", run)
    install(story, WAITING[0], node("pause", "wait", "ask", hours=1), WAITING[2])
    migrate(story, False)
    story.agency.later(days=1)
    assert now(story, run) == ("PAUSED", "pause")
    act(story, "workflowRunResume", run)
    assert now(story, run) == ("WAITING", "ask")


def test_a_node_of_another_type_is_entered_anew(story: Story) -> None:
    install(
        story,
        WAITING[0],
        node("pause", "manual_task", {"done": "end", "overdue": "end"}, title="Look"),
    )
    assert migrate(story, False)["moved"] == 2
    assert {now(story, run["id"]) for run in runs(story)} == {("WAITING", "pause")}
    with story.agency.services.db.reading() as session:
        asked = session.scalars(select(Task).order_by(Task.id)).all()
        assert [(task.title, task.visit) for task in asked] == [("Look", 2)] * 2


def test_a_message_that_was_sent_goes_along_under_another_name(story: Story) -> None:
    run = runs(story)[0]["id"]
    with story.agency.services.db.unit() as session:
        session.execute(update(Run).values(node_id="first", waits_for=["OUTREACH"], wake_at=None))
    install(story, node("hello", "email", "pause", template="first_demand"), *WAITING[1:])
    migrate(story, False, first="hello", pause="pause")
    act(story, "workflowRunPause", run)
    act(story, "workflowRunResume", run)
    assert len(story.agency.outbox()) == 2
    with story.agency.services.db.reading() as session:
        names = session.scalars(select(Outreach.node_id)).all()
        assert names == ["hello", "hello"]


WRONG: tuple[tuple[Mapping[str, Any], str, list[str]], ...] = (
    ({"fromVersion": 3}, "MIGRATE_VERSION", ["fromVersion"]),
    ({"fromVersion": 99}, "MIGRATE_VERSION", ["fromVersion"]),
    ({"nodes": ["pause"]}, "MIGRATE_NODES", ["nodes"]),
    ({"nodes": {"pause": 1}}, "MIGRATE_NODES", ["nodes"]),
    ({"nodes": {"a_b": "rest"}}, "MIGRATE_FROM_NODE", ["nodes", "a_b"]),
    ({"nodes": {"pause": "x"}}, "MIGRATE_TO_NODE", ["nodes", "pause"]),
)


def test_a_wrong_migration_is_refused(story: Story) -> None:
    install(story, *MOVED)
    workflow = runs(story)[0]["workflow"]["id"]
    for given, why, path in WRONG:
        wanted = {"workflowId": workflow, "fromVersion": 2, "nodes": {}, **given}
        refused = call(story.client, "workflowMigrate", {"input": wanted})
        assert reason(refused) == ("INVALID", why, ["input", *path])
