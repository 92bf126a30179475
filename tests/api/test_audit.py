"""The audit log through the API: complete, filtered, paged, for administrators alone."""

from pathlib import Path

import pytest

import finview
from finview.accounts.access import Role
from finview.api.engine.ids import encode
from finview.testing.audited import SILENT
from finview.testing.client import client_for
from finview.testing.factories import Agency
from finview.testing.fixtures import At
from finview.testing.mutations import mutations

LOG = """query($w: AuditWhere, $first: Int, $after: String) {
  auditEvents(where: $w, first: $first, after: $after) {
    nodes { id at actor action reason before after subject { __typename id } }
    pageInfo { endCursor hasNextPage } totalCount } }"""


def test_every_act_of_a_story_is_there_with_actor_and_subject(at: At) -> None:
    story = at("LAUNCHED")
    found = story.client.ask(LOG, first=200)["auditEvents"]
    acts = {act["action"]: act for act in found["nodes"]}
    assert found["totalCount"] == len(found["nodes"])
    assert {"customer.create", "import.create", "import.link", "import.launch"} <= acts.keys()
    assert acts["import.launch"]["subject"] == {"__typename": "Import", "id": story.id}
    assert acts["customer.create"]["subject"]["__typename"] == "Customer"
    assert acts["import.launch"]["actor"] == "Test User"
    times = [act["at"] for act in found["nodes"]]
    assert times == sorted(times, reverse=True)


def test_filters_narrow_and_pages_follow_each_other(at: At) -> None:
    story = at("CREATED")
    client = story.client
    every = client.ask(LOG, first=200)["auditEvents"]["nodes"]
    of_import = client.ask(LOG, w={"subjectId": story.id})["auditEvents"]["nodes"]
    assert of_import == [e for e in every if (e["subject"] or {}).get("id") == story.id]
    created = client.ask(LOG, w={"action": ["import.create", "none"]})["auditEvents"]["nodes"]
    assert [e["action"] for e in created] == ["import.create"]
    at_ = created[0]["at"]
    assert client.ask(LOG, w={"to": at_})["auditEvents"]["totalCount"] == 0
    assert client.ask(LOG, w={"from": at_})["auditEvents"]["totalCount"] == len(every)
    for nobody in ({"actorId": "usr_999"}, {"actorId": "cus_1"}, {"subjectId": "x_1"}):
        assert client.ask(LOG, w=nobody)["auditEvents"]["totalCount"] == 0
    walked, after = [], None
    while True:
        page = client.ask(LOG, first=3, after=after)["auditEvents"]
        walked += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert walked == every


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.CUSTOMER_USER])
def test_the_log_is_for_administrators(agency: Agency, role: Role) -> None:
    other = client_for(agency.services, f"other.{role.lower()}@example.org", role)
    key = agency.client.ask(LOG, first=1)["auditEvents"]["nodes"][0]["id"]
    assert other.ask(LOG)["auditEvents"] == {
        "nodes": [],
        "pageInfo": {"endCursor": None, "hasNextPage": False},
        "totalCount": 0,
    }
    query = "query($i: ID!) { node(id: $i) { __typename id } }"
    assert other.ask(query, i=key) == {"node": None}
    assert agency.client.ask(query, i=key)["node"]["__typename"] == "AuditEvent"
    assert agency.client.ask(query, i=encode("aud", 999)) == {"node": None}


def test_every_mutation_is_tried_by_a_test_that_watches_the_log() -> None:
    """`audited` (finview/testing/audited.py) looks at every mutation of the tests beside this one."""
    folder = Path(finview.__file__).parent.parent / "tests"
    rooms = ("api", "communications", "journeys")
    tests = [p.read_text() for room in rooms for p in (folder / room).glob("*.py")]
    text = "\n".join(
        [*tests, *(p.read_text() for p in (folder.parent / "finview/testing").glob("*.py"))]
    )
    assert [name for name in mutations() if name not in text] == []
    assert sorted(SILENT.keys() - mutations().keys()) == []
