"""kill -9 of workers and of the web at any moment, on both databases: nothing lost, nothing twice."""

import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select

from finview.cases.models import Case, Debtor
from finview.db.jobs import Job
from finview.testing.factories import Agency, stranger, table
from finview.testing.killing import (
    await_one,
    expire_leases,
    is_quiet,
    mark,
    start_worker,
    take_steps,
)
from finview.testing.story import Story
from finview.workflows.models import Run

FULL = os.environ.get("FINVIEW_BATTERY") == "full"
ROWS = 300 if FULL else 6
KILLS_A_STAGE = 7 if FULL else 1
KILLS = 20 if FULL else 2
DEADLINE_S = 300 if FULL else 60
STAGES: tuple[tuple[str, str | None], ...] = (
    ("importReviewComplete", None),
    ("importLinkBucket", "import.link.settled"),
    ("importLaunch", "import.launch.won"),
)
STEPS = {"importLinkBucket": "link", "importLaunch": "launch"}


def kill_workers(agency: Agency, times: int, dice: random.Random) -> int:
    """Let workers begin what is open and kill each of them in the middle; return how many."""
    database, killed = agency.services.db, 0
    for _ in range(times):
        if is_quiet(agency.services):
            break
        left = dice.randint(1, 4)
        before = mark(database)
        worker = start_worker(agency.services)
        while left and not is_quiet(agency.services):
            await_one(
                database,
                lambda b=before: mark(database) != b,
                lambda: is_quiet(agency.services),
                within_s=DEADLINE_S,
            )
            before, left = mark(database), left - 1
        worker.kill()
        worker.join(DEADLINE_S)
        assert worker.exitcode == -signal.SIGKILL
        expire_leases(database)
        killed += 1
    return killed


def finish(agency: Agency) -> None:
    """Let one worker run all that is left, and stop it gracefully."""
    if is_quiet(agency.services):
        return
    worker = start_worker(agency.services)
    await_one(agency.services.db, lambda: is_quiet(agency.services), within_s=DEADLINE_S)
    worker.terminate()
    worker.join(DEADLINE_S)
    assert worker.exitcode == 0


@pytest.mark.both_databases
def test_j3_killed_again_and_again_an_import_comes_out_whole(
    agency: Agency, tmp_path: Path
) -> None:
    dice = random.Random(4)
    story = Story.begin(agency, table(tmp_path, [stranger(n) for n in range(ROWS)]))
    killed = kill_workers(agency, KILLS_A_STAGE, dice)
    finish(agency)
    if story.state == "MAPPING":
        story.client.do("importMap", "import { id }", importId=story.id, columns=[])
        finish(agency)
    for mutation, point in STAGES:
        if point is not None and (FULL or mutation == "importLaunch"):
            assert take_steps(story, [STEPS[mutation]], kill_at=point) == -signal.SIGKILL
            killed += 1
        bucket = {"bucketId": agency.bucket} if mutation == "importLinkBucket" else {}
        story.client.do(mutation, "import { id }", importId=story.id, **bucket)
        if FULL or mutation == "importLaunch":
            # The launch has the most to do: what came to its end too soon before is made up here.
            last = mutation == "importLaunch"
            wanted = max(KILLS_A_STAGE, KILLS - killed) if last else KILLS_A_STAGE
            killed += kill_workers(agency, wanted, dice)
        finish(agency)
    assert story.state == "LAUNCHED"
    assert killed >= KILLS
    assert_whole(agency)


def assert_whole(agency: Agency) -> None:
    with agency.services.db.reading() as session:
        counts = [session.scalar(select(func.count()).select_from(m)) for m in (Debtor, Case, Run)]
        states = Counter(session.scalars(select(Job.state)))
        runs = Counter(session.scalars(select(Run.case_id)))
    assert counts == [ROWS, ROWS, ROWS]
    assert set(states) == {"DONE"}
    assert set(runs.values()) == {1}
    mails = Counter(mail.partition("\n")[0] for mail in agency.outbox())
    assert (len(mails), set(mails.values())) == (ROWS, {1})
