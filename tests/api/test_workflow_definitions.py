"""Workflows written over the API: drafts, problems at their nodes, publishing for good (F14, F15)."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from finview.accounts.access import Role, Viewer
from finview.api.engine import run
from finview.api.engine.context import Context
from finview.api.engine.documents import DOCUMENTS
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency
from finview.testing.fixtures import At
from finview.testing.mutations import call
from finview.workflows.models import Run, WorkflowVersion

SEEN = "id name kind state version graph draft lockVersion problems { code path params } customer { id }"
SHOWN = f"query($i: ID!) {{ workflow(id: $i) {{ {SEEN} }} }}"
PORTS = ("sent", "bounced", "no_address", "not_allowed", "failed")
Given = Mapping[str, Any]


def letters(days: int = 7) -> dict[str, Any]:
    """Return a graph: a first demand, some days, the end."""
    config = {"template": "first_demand"}
    demand = {"id": "first_demand", "type": "email", "config": config}
    wait = {"id": "some_days", "type": "wait", "config": {"days": days}, "ports": {"done": "end"}}
    ports = dict.fromkeys(PORTS, "some_days")
    nodes = [{**demand, "ports": ports}, wait, {"id": "end", "type": "end"}]
    return {"start": "first_demand", "nodes": nodes}


def broken() -> dict[str, Any]:
    graph = letters()
    graph["nodes"][1] |= {"type": "nap", "ports": {"done": "nowhere"}}
    return graph


def create(client: Client, **values: Any) -> Any:
    given = {"name": "Slowly", "kind": "MAIN", "graph": letters(), **values}
    return call(client, "workflowCreate", {"input": given}, SEEN)


def update(client: Client, key: str, **values: Any) -> Any:
    return call(client, "workflowUpdate", {"id": key, "input": values}, SEEN)


def publish(client: Client, key: str) -> Any:
    return call(client, "workflowPublish", {"id": key}, SEEN)


def faults(errors: Any) -> list[tuple[str, list[str]]]:
    return [(error["params"]["reason"], error["path"]) for error in errors]


def seen(workflow: Given) -> tuple[str, int, bool]:
    return workflow["state"], workflow["version"], workflow["draft"] is not None


def test_a_workflow_goes_from_draft_to_published_to_the_next(agency: Agency) -> None:
    client = agency.client
    made = create(client, customerId=agency.customer)["object"]
    assert seen(made) == ("DRAFT", 1, True)
    assert (made["graph"], made["customer"]["id"]) == (letters(), agency.customer)
    assert seen(publish(client, made["id"])["object"]) == ("PUBLISHED", 1, False)
    later = update(client, made["id"], graph=letters(9), name="Slower")["object"]
    assert (seen(later), later["name"]) == (("PUBLISHED", 1, True), "Slower")
    assert (later["graph"], later["draft"]) == (letters(7), letters(9))
    again = update(client, made["id"], graph=letters(11))["object"]
    assert (again["version"], again["draft"]) == (1, letters(11))
    published = publish(client, made["id"])["object"]
    assert (seen(published), published["graph"]) == (("PUBLISHED", 2, False), letters(11))
    assert client.ask(SHOWN, i=made["id"])["workflow"] == published


def test_problems_of_a_draft_are_told_and_refuse_publishing_alone(agency: Agency) -> None:
    made = create(agency.client, graph=broken())
    assert made["errors"] == []
    expected = [
        ("GRAPH_NODE_TYPE", ["some_days", "type"]),
        ("GRAPH_PORT_TARGET", ["some_days", "ports", "done"]),
        ("GRAPH_UNREACHABLE", ["end"]),
    ]
    assert faults(made["object"]["problems"]) == expected
    refused = publish(agency.client, made["object"]["id"])
    assert (faults(refused["errors"]), refused["object"]) == (expected, None)
    assert {error["code"] for error in refused["errors"]} == {"INVALID"}
    now = agency.client.ask(SHOWN, i=made["object"]["id"])["workflow"]
    assert seen(now) == ("DRAFT", 1, True)
    mended = update(agency.client, now["id"], graph=letters())["object"]
    assert mended["problems"] == []


def test_without_a_draft_there_is_nothing_to_publish(agency: Agency) -> None:
    made = create(agency.client)["object"]
    publish(agency.client, made["id"])
    (error,) = publish(agency.client, made["id"])["errors"]
    assert (error["code"], error["params"]["reason"]) == ("STATE", "WORKFLOW_NO_DRAFT")


@pytest.mark.parametrize(
    ("values", "reason", "path"),
    [
        ({"name": "  "}, "WORKFLOW_NAME_REQUIRED", ["input", "name"]),
        ({"name": "x" * 201}, "WORKFLOW_NAME_LONG", ["input", "name"]),
        ({"graph": [1]}, "GRAPH_SHAPE", ["input", "graph"]),
        ({"graph": {"meta": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}}, "GRAPH_DEPTH", ["input", "graph"]),
    ],
)  # fmt: skip
def test_what_is_no_workflow_is_refused_at_once(
    agency: Agency, values: Given, reason: str, path: list[str]
) -> None:
    (error,) = create(agency.client, **values)["errors"]
    assert (error["params"]["reason"], error["path"]) == (reason, path)
    key = create(agency.client)["object"]["id"]
    (error,) = update(agency.client, key, **values)["errors"]
    assert (error["params"]["reason"], error["path"]) == (reason, path)


@pytest.mark.both_databases
def test_no_statement_changes_a_published_graph(agency: Agency) -> None:
    key = create(agency.client)["object"]["id"]
    publish(agency.client, key)
    n = int(key.split("_")[1])
    for wish in (
        "UPDATE workflow_version SET graph = '{}' WHERE workflow_id = :n",
        "UPDATE workflow_version SET sha256 = 'x' WHERE workflow_id = :n",
        "UPDATE workflow_version SET status = 'DRAFT' WHERE workflow_id = :n",
        "DELETE FROM workflow_version WHERE workflow_id = :n",
    ):
        with pytest.raises(IntegrityError), agency.services.db.unit() as session:
            session.execute(text(wish), {"n": n})
    assert agency.client.ask(SHOWN, i=key)["workflow"]["graph"] == letters()


def test_publishing_leaves_runs_as_they_are_and_serves_the_next(at: At) -> None:
    story = at("LAUNCHED")
    client, database = story.client, story.agency.services.db
    main = next(w for w in listed(client) if w["kind"] == "MAIN")
    with database.reading() as session:
        before = session.execute(select(Run.id, Run.version_id, Run.seq, Run.node_id)).all()
    update(client, main["id"], graph=letters(3))
    assert publish(client, main["id"])["errors"] == []
    with database.reading() as session:
        assert session.execute(select(Run.id, Run.version_id, Run.seq, Run.node_id)).all() == before
        wanted = select(WorkflowVersion.n, WorkflowVersion.status).order_by(WorkflowVersion.n)
        of_main = wanted.where(WorkflowVersion.workflow_id == int(main["id"].split("_")[1]))
        assert session.execute(of_main).all() == [(1, "RETIRED"), (2, "PUBLISHED")]
    shown = story.cases("runs { workflow { id version } }")[0]["runs"]
    assert shown == [{"workflow": {"id": main["id"], "version": 2}}]


def listed(client: Client) -> Any:
    return client.ask(f"{{ workflows {{ nodes {{ {SEEN} }} }} }}")["workflows"]["nodes"]


def test_operators_write_workflows_and_customers_do_not(agency: Agency) -> None:
    operator = client_for(agency.services, "o@example.org", Role.OPERATOR)
    key = create(operator, customerId=agency.customer)["object"]["id"]
    assert publish(operator, key)["errors"] == []
    contact = {"firstName": "Ida", "lastName": "Roth", "email": "ida@example.org"}
    rights = {"isCommercial": True, "isOperational": False, "hasAccess": True}
    agency.client.do(
        "contactCreate", "contact { id }", customerId=agency.customer, **contact, **rights
    )
    theirs = client_for(agency.services, "ida@example.org", role=None)
    assert theirs.ask(SHOWN, i=key)["workflow"]["id"] == key
    codes = [update(theirs, key, name="Never")["errors"], publish(theirs, key)["errors"]]
    assert [[e["code"] for e in errors] for errors in codes] == [["FORBIDDEN"], ["FORBIDDEN"]]
    assert [e["code"] for e in create(theirs)["errors"]] == ["FORBIDDEN"]


def test_a_bucket_takes_only_a_workflow_that_can_run(agency: Agency) -> None:
    made = create(agency.client, customerId=agency.customer)["object"]
    chosen = {"id": agency.bucket, "input": {"workflowId": made["id"]}}
    (error,) = call(agency.client, "bucketUpdate", chosen)["errors"]
    assert error["params"]["reason"] == "WORKFLOW_UNPUBLISHED"
    publish(agency.client, made["id"])
    bucket = call(agency.client, "bucketUpdate", chosen, "workflow { id version }")["object"]
    assert bucket == {"workflow": {"id": made["id"], "version": 1}}


def test_the_same_key_creates_one_workflow(agency: Agency) -> None:
    before = len(listed(agency.client))
    first = create(agency.client, idempotencyKey="once")["object"]
    assert create(agency.client, idempotencyKey="once")["object"] == first
    assert len(listed(agency.client)) == before + 1


ALL = """{ workflowRuns { nodes { state workflow { name state version graph draft lockVersion } } }
  workflows { nodes { name state version graph draft lockVersion problems { path }
                      customer { name } } }
  customers { nodes { portfolios { buckets { workflow { name version state graph } } } } } }"""


def test_workflows_are_read_by_the_page_and_not_by_the_row(at: At) -> None:
    story = at("LAUNCHED")
    create(story.client, customerId=story.agency.customer, graph=broken())
    services, document = story.agency.services, DOCUMENTS.of(ALL, hide_suggestions=False)
    person = {"user_id": 1, "email": "a@example.org", "name": "A", "locale": "en"}
    viewer = Viewer(roles=frozenset({Role.OPERATOR}), **person)
    operation = document.operation(None)
    assert operation is not None
    plan = run.planned(services.db, viewer, document, operation, {})
    with services.db.reading() as session:
        context = Context(session=session, services=services, viewer=viewer, locale="en")
        assert plan.rows(context) == story.client.ask(ALL)
