"""Messages that come twice, thrice, late or out of order change nothing: every kind of job."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finview import clock
from finview.db.jobs import QUEUES, Job, State, enqueue, kinds
from finview.db.runtime import Services
from finview.jobs.claims import claim
from finview.jobs.runner import run_job, tick
from finview.testing.factories import Agency
from finview.testing.fixtures import At, small_file
from finview.testing.story import Story
from finview.testing.tables import COUNTERS, contents, differences, refreshed

KINDS = sorted(name for name in kinds() if not name.startswith("toy."))
RESULT = (
    *("debtor", "address", "email_point", "phone_point", "case_file", "invoice"),
    *("ledger_account", "ledger_txn", "ledger_entry", "import_row", "import_issue"),
    *("import_effect", "run", "run_step", "timer", "outreach", "match_profile"),
)
NUMBERED = {"outreach.id", "run_step.id", "timer.id", "ledger_txn.id", "ledger_entry.id"}
"""Keys that only say which of two cases was worked on first."""
STALE = [
    (State.SCHEDULED, 3),
    (State.READY, 3),
    (State.DISPATCHED, 2),  # claimed again meanwhile: the row's attempt is 3
    (State.RUNNING, 3),  # the same message while its handler runs
    (State.PARKED, 3),
    (State.DONE, 3),
    (State.DEAD, 3),
    (State.CANCELLED, 3),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stale_message_of_any_kind_changes_nothing(opened: Services, kind: str) -> None:
    jobs = []
    with opened.db.unit() as session:
        for state, attempt in STALE:
            row = session.get_one(Job, enqueue(session, kind, {}))
            row.state, row.attempt, row.runs = state, 3, 1
            row.finished_at = clock.now() if state in {State.DONE, State.DEAD} else None
            jobs.append((row.id, attempt))
    before = contents(opened.db, without=())
    for job, attempt in jobs:
        for given in (attempt, 1, 99):
            run_job(opened, job, given, kind)
            run_job(opened, job, given)
    assert differences(before, contents(opened.db, without=())) == {}


def doubling(services: Services, dice: random.Random) -> Callable[[], int]:
    """Return a `drain` whose transport delivers everything two or three times, also much later."""
    told: list[tuple[int, int, str]] = []

    def deliver(job: int, attempt: int, kind: str) -> None:
        told.append((job, attempt, kind))
        for _ in range(dice.randint(2, 3)):
            run_job(services, job, attempt, kind)
        run_job(services, *dice.choice(told))

    def drain() -> int:
        ran = 0
        while True:
            taken = [(c.id, c.attempt, c.kind) for q in QUEUES for c in claim(services.db, q, 16)]
            dice.shuffle(taken)
            for one in taken:
                deliver(*one)
            ran += len(taken)
            if not taken and tick(services) == 0:
                break
        for one in reversed(told):
            run_job(services, *one)
        return ran

    return drain


@pytest.fixture(params=[1, 2])
def dice(request: pytest.FixtureRequest) -> Iterator[random.Random]:
    return random.Random(request.param)


def test_an_import_whose_messages_come_twice_and_late_is_the_same(
    at: At, agency: Agency, tmp_path: Path, dice: random.Random
) -> None:
    vars(agency.client)["drain"] = doubling(agency.services, dice)
    story = Story.begin(agency, small_file(tmp_path)).read().complete().link().launch()
    calm = at("LAUNCHED").agency
    found, wanted = (
        contents(refreshed(one.services.db), columns={*COUNTERS, *NUMBERED})
        for one in (story.agency, calm)
    )
    assert differences({n: wanted[n] for n in RESULT}, {n: found[n] for n in RESULT}) == {}
    assert sorted(agency.outbox()) == sorted(calm.outbox())
    assert len(agency.outbox()) == 2
