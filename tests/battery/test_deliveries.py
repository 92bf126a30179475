"""Messages that come twice, thrice, late or out of order change nothing: every kind of job."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from finview import clock
from finview.app import open_services, prepare
from finview.db.jobs import QUEUES, Job, State, enqueue, kinds
from finview.db.runtime import Services
from finview.jobs.claims import claim
from finview.jobs.runner import run_job, tick
from finview.testing import db as testing_db
from finview.testing.every_kind import EveryKind
from finview.testing.factories import Agency, new_agency
from finview.testing.fixtures import At, small_file
from finview.testing.story import Story
from finview.testing.tables import COUNTERS, contents, differences, refreshed

sandboxes = pytest.importorskip("finview_trace_http.sandbox")

KINDS = sorted(name for name in kinds() if not name.startswith("toy."))
RESULT = (
    *("debtor", "address", "email_point", "phone_point", "case_file", "invoice"),
    *("ledger_account", "ledger_txn", "ledger_entry", "import_row", "import_issue"),
    *("import_effect", "run", "run_step", "timer", "outreach", "match_profile"),
)
LATE_MAX = 20
"""So many messages come once more at the end of each round."""

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


@dataclass
class Doubling:
    """A transport that delivers everything two or three times, also much later."""

    services: Services
    dice: random.Random
    shuffles: bool = True
    told: list[tuple[int, int, str]] = field(default_factory=list)

    def drain(self) -> int:
        """Run all that is due; the number of what was claimed comes back."""
        ran = 0
        while True:
            taken = [
                (c.id, c.attempt, c.kind) for q in QUEUES for c in claim(self.services.db, q, 16)
            ]
            if self.shuffles:
                self.dice.shuffle(taken)
            for one in taken:
                self._deliver(*one)
            ran += len(taken)
            if not taken and tick(self.services) == 0:
                break
        for one in reversed(self.told[-LATE_MAX:]):
            run_job(self.services, *one)
        return ran

    def _deliver(self, job: int, attempt: int, kind: str) -> None:
        self.told.append((job, attempt, kind))
        for _ in range(self.dice.randint(2, 3)):
            run_job(self.services, job, attempt, kind)
        run_job(self.services, *self.dice.choice(self.told))


@pytest.fixture(params=[1, 2])
def dice(request: pytest.FixtureRequest) -> Iterator[random.Random]:
    return random.Random(request.param)


def test_an_import_whose_messages_come_twice_and_late_is_the_same(
    at: At, agency: Agency, tmp_path: Path, dice: random.Random
) -> None:
    vars(agency.client)["drain"] = Doubling(agency.services, dice).drain
    story = Story.begin(agency, small_file(tmp_path)).read().complete().link().launch()
    calm = at("LAUNCHED").agency
    found, wanted = (
        contents(refreshed(one.services.db), columns={*COUNTERS, *NUMBERED})
        for one in (story.agency, calm)
    )
    assert differences({n: wanted[n] for n in RESULT}, {n: found[n] for n in RESULT}) == {}
    assert sorted(agency.outbox()) == sorted(calm.outbox())
    assert len(agency.outbox()) == 2


OTHERWISE = frozenset(
    {
        *("job", "schedule", "account_user", "api_token", "password_link", "invitation"),
        *("plugin_binding", "audit_event", "audit_value", "upload", "stored_file", "worker"),
        *("attempts", "workflow"),
    }
)
"""Tables of tokens, secrets and of the work itself: another run writes others into them."""

EveryResult = tuple[dict[str, Counter[str]], Counter[str], list[tuple[int, list[str]]]]


def everything(agency: Agency, folder: Path, times: int) -> EveryResult:
    """Walk through every kind of job; return the tables, the mails, and what partners were asked."""
    sandbox = sandboxes.Sandbox(answer="PENDING")
    with sandboxes.running(sandbox) as url:
        centre = EveryKind(agency, folder, url, times).walk()
    tables = contents(refreshed(agency.services.db), without=OTHERWISE)
    mails = Counter(" ".join(mail.split("\n")[:2]) for mail in agency.outbox())
    pushed = [one.key for one in centre.pushed]
    asked = [(sandbox.log()["asked"], pushed + sorted(centre.withdrawn))]
    return tables, mails, asked


def test_every_kind_of_job_delivered_twice_and_late_changes_nothing(
    agency: Agency, sqlite_template: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "calm"
    folder.mkdir()
    services = open_services(testing_db.copy_template(sqlite_template, folder))
    prepare(services)
    calm = everything(new_agency(services), folder, 1)
    services.close()
    transport = Doubling(agency.services, random.Random(3), shuffles=False)
    vars(agency.client)["drain"] = transport.drain
    doubled = everything(agency, tmp_path, 2)
    assert differences(calm[0], doubled[0]) == {}
    assert doubled[1:] == calm[1:]
    ran = {kind for _, _, kind in transport.told}
    assert sorted(ran) == KINDS, "a new kind needs its place in finview.testing.every_kind"
