"""Jobs in GraphQL: lists, filters, retry and cancel by staff; customers see what is about theirs."""

from collections.abc import Callable
from typing import Any

import pytest

from finview.db.jobs import Job, State, Subject, enqueue
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency
from finview.testing.fixtures import At

SHOWN = (
    "id kind queue state runs maxRuns phase parked result progressDone subject { id } "
    "error { code message params }"
)
Add = Callable[..., str]


@pytest.fixture
def add(agency: Agency) -> Add:
    """Add one job in a state; return its public id."""

    def insert(state: State = State.READY, *, kind: str = "toy.none", **columns: Any) -> str:
        customer = int(agency.customer.partition("_")[2])
        about = Subject(kind="customer", id=customer, customer_id=columns.pop("customer_id", None))
        with agency.services.db.unit() as session:
            key = enqueue(session, kind, {}, subject=about)
            row = session.get_one(Job, key)
            row.state = state
            for name, value in columns.items():
                setattr(row, name, value)
        return f"job_{key}"

    return insert


def found(client: Client, where: str = "") -> list[str]:
    answer = client.ask(
        f"{{ jobs{f'(where: {{{where}}})' if where else ''} {{ nodes {{ id }} }} }}"
    )
    return [one["id"] for one in answer["jobs"]["nodes"]]


def ask(client: Client, mutation: str, **given: Any) -> Any:
    heads = ", ".join(f"${n}: ID!" for n in given)
    call = ", ".join(f"{n}: ${n}" for n in given)
    text = f"mutation({heads}) {{ {mutation}({call}) {{ job {{ {SHOWN} }} errors {{ code params }} }} }}"
    return client.ask(text, **given)[mutation]


def test_a_job_shows_what_it_is_about_and_where_it_stands(agency: Agency, add: Add) -> None:
    add(runs=2, phase="IMPORT_READING", result={"rows": 3}, progress_done=3)
    (job,) = agency.client.ask(f"{{ jobs {{ nodes {{ {SHOWN} }} totalCount }} }}")["jobs"]["nodes"]
    assert (job["kind"], job["queue"], job["state"]) == ("toy.none", "default", "READY")
    assert (job["runs"], job["maxRuns"], job["phase"]) == (2, 5, "IMPORT_READING")
    assert (job["parked"], job["result"], job["error"]) == (False, {"rows": 3}, None)
    assert job["subject"] == {"id": agency.customer}


def test_jobs_are_newest_first_and_counted(agency: Agency, add: Add) -> None:
    first, second = add(), add()
    page = agency.client.ask(
        "{ jobs(first: 1) { nodes { id } totalCount pageInfo { endCursor } } }"
    )
    assert page["jobs"]["nodes"] == [{"id": second}]
    assert page["jobs"]["totalCount"] == 2
    behind = agency.client.ask(
        "query($c: String) { jobs(after: $c) { nodes { id } } }",
        c=page["jobs"]["pageInfo"]["endCursor"],
    )
    assert behind["jobs"]["nodes"] == [{"id": first}]


def test_filters_choose_by_state_kind_queue_parked_and_subject(agency: Agency, add: Add) -> None:
    dead, parked = add(State.DEAD, kind="a"), add(State.PARKED, kind="b", queue="mail")
    later = add(State.SCHEDULED, kind="b")
    assert found(agency.client, "state: [FAILED]") == [dead]
    assert found(agency.client, "state: [READY]") == [later, parked]
    assert found(agency.client, 'kind: ["b"], queue: ["mail"]') == [parked]
    assert found(agency.client, "parked: true") == [parked]
    assert found(agency.client, "parked: false") == [later, dead]
    assert found(agency.client, f'subjectId: "{agency.customer}"') == [later, parked, dead]
    assert found(agency.client, 'subjectId: "cas_1"') == []
    assert found(agency.client, 'subjectId: "nonsense"') == []
    assert found(agency.client, "state: []") == []


def test_a_failed_job_is_retried_and_its_error_is_gone(agency: Agency, add: Add) -> None:
    params = {"reason": "JOB_BROKEN", "error": "ValueError"}
    job = add(State.DEAD, runs=5, error_code="JOB_FAILED", error_params=params)
    (shown,) = agency.client.ask(f"{{ jobs {{ nodes {{ {SHOWN} }} }} }}")["jobs"]["nodes"]
    assert shown["error"]["params"] == params
    answer = ask(agency.client, "jobRetry", id=job)
    assert answer["errors"] == []
    assert (answer["job"]["state"], answer["job"]["runs"], answer["job"]["error"]) == (
        "READY",
        0,
        None,
    )


@pytest.mark.parametrize(
    ("mutation", "state", "reason"),
    [
        ("jobRetry", State.READY, "JOB_NOT_STOPPED"),
        ("jobRetry", State.DONE, "JOB_NOT_STOPPED"),
        ("jobCancel", State.DONE, "JOB_FINISHED"),
        ("jobCancel", State.DEAD, "JOB_FINISHED"),
    ],
)
def test_the_wrong_state_is_named(
    agency: Agency, add: Add, mutation: str, state: State, reason: str
) -> None:
    (error,) = ask(agency.client, mutation, id=add(state))["errors"]
    assert (error["code"], error["params"]) == ("STATE", {"reason": reason})


def test_a_waiting_job_is_cancelled(agency: Agency, add: Add) -> None:
    answer = ask(agency.client, "jobCancel", id=add())
    assert (answer["job"]["state"], answer["errors"]) == ("CANCELLED", [])


def test_many_jobs_are_retried_but_cancelled_ones_only_when_named(agency: Agency, add: Add) -> None:
    dead, parked, gone = add(State.DEAD), add(State.PARKED), add(State.CANCELLED)
    retry = "mutation { jobsRetry(where: {%s}) { count errors { code } } }"
    assert agency.client.ask(retry % "")["jobsRetry"] == {"count": 2, "errors": []}
    assert agency.client.ask(retry % "state: [CANCELLED]")["jobsRetry"]["count"] == 1
    assert found(agency.client, "state: [READY], parked: false") == [gone, parked, dead]


def test_a_customers_user_sees_own_jobs_and_controls_none(agency: Agency, add: Add) -> None:
    key = int(agency.customer.partition("_")[2])
    own, foreign = add(State.DEAD, customer_id=key), add(State.DEAD)
    agency.client.do(
        "contactCreate",
        "contact { id }",
        customerId=agency.customer,
        firstName="Nora",
        lastName="Muster",
        email="nora@nord.example",
        isCommercial=True,
        isOperational=False,
        hasAccess=True,
    )
    nora = client_for(agency.services, "nora@nord.example", role=None)
    assert found(nora, 'kind: ["toy.none"]') == [own]
    assert found(nora, f'subjectId: "{agency.customer}"') == [own]
    assert nora.ask("query($i: ID!) { job(id: $i) { id } }", i=foreign) == {"job": None}
    assert [e["code"] for e in ask(nora, "jobRetry", id=own)["errors"]] == ["FORBIDDEN"]
    assert [e["code"] for e in ask(nora, "jobCancel", id=foreign)["errors"]] == ["NOT_FOUND"]
    (error,) = nora.ask("mutation { jobsRetry(where: {}) { errors { code } } }")["jobsRetry"][
        "errors"
    ]
    assert error == {"code": "FORBIDDEN"}


def test_the_jobs_of_an_import_are_found_by_it(at: At) -> None:
    story = at("LINKED")
    done = found(story.client, f'subjectId: "{story.id}", state: [DONE]')
    assert done
    (newest,) = story.client.ask(
        "query($w: JobWhere) { jobs(first: 1, where: $w) { nodes { kind subject { id } } } }",
        w={"subjectId": story.id, "kind": ["import.stage"]},
    )["jobs"]["nodes"]
    assert newest == {"kind": "import.stage", "subject": {"id": story.id}}
