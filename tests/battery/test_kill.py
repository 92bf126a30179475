"""kill -9 at every failpoint of an import: what comes out equals a run nobody disturbed."""

import re
import signal
from collections import Counter
from pathlib import Path

import pytest

import finview
from finview.testing.factories import Agency, consumer, table
from finview.testing.fixtures import At, small_file
from finview.testing.killing import expire_leases, take_steps
from finview.testing.story import Story
from finview.testing.tables import contents, differences, refreshed

STEPS = ("read", "complete", "link", "launch")
# Each failpoint with the state from which an undisturbed run goes on to it.
POINTS = {
    "import.stage.chunk": None,
    "job.chunk.after_commit": None,
    "import.match.chunk": "REVIEW",
    "job.chunk.before_commit": "REVIEW",
    "import.link.settled": "CREATED",
    "import.launch.won": "LINKED",
    "workflow.launch.chunk": "LINKED",
    "job.short.before_commit": "LINKED",
    "communications.send.before": "LINKED",
    "communications.send.call": "LINKED",
    "communications.send.sent": "LINKED",
    "communications.send.after": "LINKED",
    "job.external.before_call": "LINKED",
    "job.external.after_call": "LINKED",
}
RESULT = (
    *("debtor", "address", "email_point", "phone_point", "case_file", "invoice"),
    *("ledger_account", "ledger_txn", "ledger_entry", "import_row", "import_issue"),
    *("import_effect", "run", "run_step", "timer", "outreach", "match_profile"),
)

Result = tuple[dict[str, Counter[str]], list[str]]


def test_every_failpoint_of_an_import_is_one_of_these() -> None:
    root = Path(finview.__file__).parent
    rooms = ("imports", "workflows", "communications", "jobs")
    sources = [path.read_text() for room in rooms for path in (root / room).rglob("*.py")]
    named = {name for text in sources for name in re.findall(r'failpoint\("([^"]+)"\)', text)}
    mails = {
        f"communications.{kind}.{at}"
        for kind in ("invite", "linked", "password")
        for at in ("call", "sent")
    }
    # What no undisturbed import meets; each is tried where it belongs.
    others = {
        *("import.revert.won", "workflow.migrate.chunk", "communications.send.not_done"),
        *("communications.settle.asked", "communications.call.withdrawn", *mails),
    }
    assert named <= {*POINTS, *others}
    assert named >= {"import.stage.chunk", "import.match.chunk", "workflow.launch.chunk"}


def result(agency: Agency) -> Result:
    found = contents(refreshed(agency.services.db))
    return {name: found[name] for name in RESULT}, sorted(agency.outbox())


def to_the_end(story: Story) -> None:
    """Go on from wherever the import stands, as a person would who finds it there."""
    story.read()
    if story.state == "REVIEW":
        story.complete()
    if story.state == "CREATED":
        story.link()
    story.launch()


@pytest.mark.parametrize("point", POINTS)
def test_i4_f1_killed_anywhere_and_resumed_the_result_is_the_same(
    at: At, tmp_path: Path, agency: Agency, point: str
) -> None:
    stage = POINTS[point]
    story = at(stage) if stage else Story.begin(agency, small_file(tmp_path))
    steps = STEPS[("REVIEW", "CREATED", "LINKED").index(stage) + 1 :] if stage else STEPS
    assert take_steps(story, steps, kill_at=point) == -signal.SIGKILL
    expire_leases(story.agency.services.db)
    to_the_end(story)
    tables, mails = result(story.agency)
    undisturbed = result(at("LAUNCHED").agency)
    assert differences(undisturbed[0], tables) == {}
    assert mails == undisturbed[1]
    assert len(mails) == 2


def test_i4_a_known_debtor_is_completed_once_however_often_matching_dies(
    at: At, tmp_path: Path
) -> None:
    rows = [consumer(0, customer_case_number="N", invoice_number="N", phone="030 23125001")]
    path = table(tmp_path, [*rows, *(consumer(n) for n in range(4, 8))])
    calm, story = (Story.reviewed(at("CREATED").agency, path) for _ in range(2))
    to_the_end(calm)
    for point in ("import.match.chunk", "job.chunk.before_commit", "job.chunk.after_commit"):
        assert take_steps(story, ["complete"], kill_at=point) == -signal.SIGKILL
        expire_leases(story.agency.services.db)
    to_the_end(story)
    tables, mails = result(story.agency)
    assert differences(result(calm.agency)[0], tables) == {}
    assert (mails, len(mails)) == (result(calm.agency)[1], 5)


def test_r4_killed_in_a_revert_nothing_is_half_gone(at: At) -> None:
    story = at("LINKED")
    before = contents(story.agency.services.db)
    assert take_steps(story, ["revert"], kill_at="import.revert.won") == -signal.SIGKILL
    assert differences(before, contents(story.agency.services.db)) == {}
    assert (story.state, story.revert().state) == ("LINKED", "REVERTED")
    assert not any(contents(story.agency.services.db)[name] for name in ("debtor", "case_file"))


def test_a_process_that_is_not_killed_takes_all_steps(at: At) -> None:
    story = at("CREATED")
    assert take_steps(story, ["link", "launch"]) == 0
    assert (story.state, len(story.agency.outbox())) == ("LAUNCHED", 2)
