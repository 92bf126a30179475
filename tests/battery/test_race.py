"""Two at the same moment: launch against revert, two imports with one new person."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from finview.jobs.runner import drain
from finview.testing.client import client_for
from finview.testing.factories import Agency, consumer, table
from finview.testing.fixtures import At
from finview.testing.story import Story

FULL = os.environ.get("FINVIEW_BATTERY") == "full"
ROUNDS = 200 if FULL else 12
ROUNDS_POSTGRES = 50 if FULL else 2


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Call all at the same moment, each in a thread of its own; return what each gave."""
    ready = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        ready.wait(timeout=30)
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        futures = [threads.submit(copy_context().run, run, act) for act in acts]
        return [future.result(timeout=60) for future in futures]


def race(story: Story) -> str:
    """Launch and revert at the same moment, then let everything run; return who won."""
    other = story.speaking(client_for(story.agency.services, "zweite@inkasso.example"))
    launched, reverted = at_once(
        lambda: story.errors("importLaunch"), lambda: other.errors("importRevert", confirm=True)
    )
    story.client.drain()
    assert bool(launched) != bool(reverted), "exactly one of the two wins"
    (error,) = launched or reverted
    seen = story.see("state revertible cases { totalCount } rows { totalCount }")
    people = story.client.ask("{ debtors { totalCount nodes { id } } }")["debtors"]["totalCount"]
    runs = [run["state"] for case in story.cases() for run in case["runs"]]
    if reverted:
        assert (error["code"], error["params"]["cases"]) == ("IMPORT_LAUNCHED", 2)
        assert (seen["state"], seen["cases"]["totalCount"], len(runs)) == ("LAUNCHED", 2, 2)
        return "launch"
    assert error["code"] == "STATE"
    assert (seen["state"], seen["cases"]["totalCount"], seen["rows"]["totalCount"]) == (
        "REVERTED",
        0,
        0,
    )
    assert (people, runs) == (0, [])
    return "revert"


def test_pr4_launch_and_revert_at_once_have_one_winner(at: At) -> None:
    for _ in range(ROUNDS):
        story = at("LINKED")
        winner = race(story)
        assert len(story.agency.outbox()) == (2 if winner == "launch" else 0)


@pytest.mark.both_databases
def test_pr4_launch_and_revert_at_once_on_both_databases(
    agency: Agency, dialect: str, tmp_path: Path
) -> None:
    for n in range(ROUNDS_POSTGRES if dialect == "postgresql" else 1):
        customer = agency.with_customer(f"Kunde {n}")
        rows = [consumer(2 * n), consumer(2 * n + 1)]
        story = Story.linked(customer, table(tmp_path, rows, name=f"{n}.csv"))
        other = story.speaking(client_for(agency.services, "zweite@inkasso.example"))
        launched, reverted = at_once(
            lambda s=story: s.errors("importLaunch"),
            lambda o=other: o.errors("importRevert", confirm=True),
        )
        agency.client.drain()
        assert bool(launched) != bool(reverted)
        runs = [len(case["runs"]) for case in story.cases()]
        assert (story.state, runs) == (("LAUNCHED", [1, 1]) if reverted else ("REVERTED", []))


@pytest.mark.both_databases
def test_ma7_two_imports_with_the_same_new_person_never_make_two_of_it(
    agency: Agency, tmp_path: Path
) -> None:
    other = agency.with_customer("Wasserwerke Süd")
    rows = [consumer(n) for n in range(5)]
    stories = [
        Story.reviewed(where, table(tmp_path, rows, name=f"{n}.csv"))
        for n, where in enumerate((agency, other))
    ]
    for story in stories:
        story.client.do("importReviewComplete", "import { id }", importId=story.id)
    at_once(*(lambda: drain(agency.services) for _ in stories))
    agency.client.drain()
    (new_a, matched_a, review_a), (new_b, matched_b, review_b) = (s.matches for s in stories)
    assert new_a + new_b == 5
    assert matched_a + matched_b + review_a + review_b == 5
    found = agency.client.ask("{ debtors { nodes { name } } }")["debtors"]["nodes"]
    assert len(found) == len({one["name"] for one in found}) == 5


def test_two_who_decide_the_same_row_make_one_debtor(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    maybe = {"street": "Torweg", "house_no": "99", "postcode": "10117", "email": "x@example.net"}
    row = consumer(0, customer_case_number="N", invoice_number="N", **maybe)
    story = Story.created(first.agency, table(tmp_path, [row]))
    other = story.speaking(client_for(first.agency.services, "zweite@inkasso.example"))
    decisions = [{"rowNumber": 2, "decision": "CREATE_NEW"}]
    answers = at_once(
        lambda: story.errors("importMatchDecide", decisions=decisions),
        lambda: other.errors("importMatchDecide", decisions=decisions),
    )
    assert sorted(len(errors) for errors in answers) == [0, 1]
    assert [e["params"]["reason"] for errors in answers for e in errors] == [
        "ROW_NEEDS_NO_DECISION"
    ]
    assert (story.matches, len(story.cases())) == ((1, 0, 0), 1)


def test_two_who_launch_at_once_launch_once(at: At) -> None:
    story = at("LINKED")
    other = story.speaking(client_for(story.agency.services, "zweite@inkasso.example"))
    assert at_once(lambda: story.errors("importLaunch"), lambda: other.errors("importLaunch")) == [
        [],
        [],
    ]
    at_once(*(lambda: drain(story.agency.services) for _ in range(2)))
    story.client.drain()
    assert [len(case["runs"]) for case in story.cases()] == [1, 1]
    assert len(story.agency.outbox()) == 2
