"""An operator's list of tasks, and completing one."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from finview.accounts.access import Role
from finview.cases.models import Case
from finview.cases.tasks import open_task
from finview.testing.client import Client, client_for
from finview.testing.fixtures import At
from finview.testing.mutations import call
from finview.testing.story import Story

LIST = """query($first: Int, $after: String, $where: TaskWhere) {
  tasks(first: $first, after: $after, where: $where) {
    nodes { id title role dueOn outcomes outcome completedAt withdrawnAt case { number } }
    totalCount pageInfo { endCursor hasNextPage } } }"""
DAYS = (date(2026, 11, 9), None, date(2026, 11, 4))


@pytest.fixture
def story(at: At) -> Story:
    """A launched import; the first case has three tasks, the last of them for administrators."""
    story = at("LAUNCHED")
    with story.agency.services.db.unit() as session:
        first = session.scalars(select(Case.id).order_by(Case.id)).first()
        assert first
        for n, due_on in enumerate(DAYS):
            role = Role.ADMIN if n == 2 else Role.OPERATOR
            wanted = {"outcomes": ("yes", "no"), "due_on": due_on, "role": role}
            open_task(session, first, title=f"Task {n}", **wanted)
    return story


def listed(client: Client, **given: Any) -> Any:
    return client.ask(LIST, **given)["tasks"]


def complete(client: Client, task: str, outcome: str = "yes") -> Any:
    return call(client, "taskComplete", {"id": task, "outcome": outcome}, "id")


def test_tasks_come_by_their_day_page_by_page(story: Story) -> None:
    first = listed(story.client, first=2)
    assert [task["title"] for task in first["nodes"]] == ["Task 2", "Task 0"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
    rest = listed(story.client, first=2, after=first["pageInfo"]["endCursor"])
    assert [(t["title"], t["dueOn"]) for t in rest["nodes"]] == [("Task 1", None)]


@pytest.mark.parametrize(
    ("where", "titles"),
    [
        ({"role": ["ADMIN"]}, ["Task 2"]),
        ({"role": []}, []),
        ({"dueBefore": "2026-11-09"}, ["Task 2"]),
        ({"open": False}, []),
        ({"open": True}, ["Task 2", "Task 0", "Task 1"]),
        ({"caseId": "cas_999"}, []),
        ({"caseId": "nonsense"}, []),
    ],
)
def test_tasks_are_filtered(story: Story, where: dict[str, Any], titles: list[str]) -> None:
    assert [task["title"] for task in listed(story.client, where=where)["nodes"]] == titles


def test_completing_a_task_shows_on_its_case(story: Story) -> None:
    task = listed(story.client)["nodes"][0]["id"]
    case = complete(story.client, task)["object"]["id"]
    query = "query($i: ID!) { case(id: $i) { tasks { id outcome completedAt } } }"
    (done,) = [t for t in story.client.ask(query, i=case)["case"]["tasks"] if t["id"] == task]
    assert done == {"id": task, "outcome": "yes", "completedAt": "2026-11-02T09:00:00.000000Z"}
    assert [t["id"] for t in listed(story.client, where={"open": False})["nodes"]] == [task]


def test_a_task_is_refused_another_outcome_and_a_second_end(story: Story) -> None:
    task = listed(story.client)["nodes"][0]["id"]
    (error,) = complete(story.client, task, "perhaps")["errors"]
    assert (error["code"], error["path"]) == ("INVALID", ["outcome"])
    assert error["params"]["reason"] == "TASK_OUTCOME"
    complete(story.client, task)
    (error,) = complete(story.client, task, "no")["errors"]
    assert (error["code"], error["params"]["reason"]) == ("STATE", "TASK_COMPLETED")


def test_an_operator_completes_tasks_but_not_those_of_administrators(story: Story) -> None:
    operator = client_for(story.agency.services, "o@example.org", Role.OPERATOR)
    of_admin, own = [task["id"] for task in listed(operator)["nodes"]][:2]
    assert complete(operator, own)["errors"] == []
    assert [e["code"] for e in complete(operator, of_admin)["errors"]] == ["FORBIDDEN"]
