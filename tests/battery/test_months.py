"""Months of a workflow while the worker and the web are killed: nothing lost, nothing twice."""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event, Lock
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from finview import clock
from finview.app import open_services, prepare
from finview.cases.models import Case
from finview.cases.verify import verify
from finview.communications.models import Channel, Outreach, OutreachState
from finview.db.jobs import Job, State
from finview.db.runtime import Services
from finview.enrichment.models import EnrichmentAttempt
from finview.testing import db as testing_db
from finview.testing.client import Client, client_for
from finview.testing.factories import LAUNCH_DAY, Agency, new_agency, table
from finview.testing.killing import (
    await_one,
    expire_leases,
    is_quiet,
    mark,
    start_web,
    start_worker,
)
from finview.testing.months import SECRET, Months, debtors, months
from finview.testing.servers import free_port
from finview.testing.story import Story
from finview.workflows.models import Run

signing = pytest.importorskip("finview_call_webhook.signing")
pytest.importorskip("finview_trace_http")

FULL = os.environ.get("FINVIEW_BATTERY") == "full"
CASES = 60 if FULL else 6
WORKERS_KILLED, WEBS_KILLED = (20, 20) if FULL else (4, 2)
KILLS_APART = 1 if FULL else 4
"""Every so many rounds of work a worker is killed, until it was done often enough."""

REQUESTS_APART = 4 if FULL else 8
"""Every so many requests the web is killed, likewise."""

DEADLINE_S = 300 if FULL else 120
POINTS = (
    *("communications.send.sent", "enrichment.trace.sent", "job.external.after_call"),
    *("job.short.before_commit", "communications.send.call", "workflow.launch.chunk"),
)
"""Where a worker dies in the worst moment; every other time it dies at any moment."""


def posted(body: bytes) -> dict[str, Any]:
    """Return a request of the call centre, signed now."""
    headers = signing.headers(SECRET, body, now=time.time())
    return {"content": body, "headers": {"content-type": "application/json", **headers}}


@dataclass
class Calm:
    """Does all in this process, once and in order."""

    client: Client

    def tell(self, path: str, told: list[bytes]) -> None:
        for body in told:
            assert self.client.http.post(path, **posted(body)).status_code == 200

    def work(self) -> None:
        self.client.drain()


@dataclass
class Web:
    """A web process that is killed while it answers; whoever asks it asks until it has answered."""

    services: Services
    headers: dict[str, str]
    port: int = field(default_factory=free_port)
    kills: int = 0
    asked: int = 0
    asked_again: int = 0
    _process: BaseProcess | None = None
    _guard: Lock = field(default_factory=Lock)

    def post(self, path: str, **given: Any) -> httpx.Response:
        """Ask until it answers; now and then it is killed when something was stored."""
        given.setdefault("headers", self.headers)
        self.asked += 1
        if self.kills >= WEBS_KILLED or self.asked % REQUESTS_APART != 1:
            return self._answer(path, given)
        with ThreadPoolExecutor(1) as thread:
            before = mark(self.services.db)
            asked = thread.submit(self._answer, path, given)
            await_one(
                self.services.db,
                lambda: mark(self.services.db) != before,
                asked.done,
                within_s=DEADLINE_S,
            )
            self._kill()
            return asked.result(timeout=DEADLINE_S)

    def _answer(self, path: str, given: dict[str, Any]) -> httpx.Response:
        until = time.monotonic() + DEADLINE_S
        while True:
            self._ensure()
            try:
                return httpx.post(f"http://127.0.0.1:{self.port}{path}", timeout=60, **given)
            except httpx.TransportError:
                assert time.monotonic() < until, "the web does not answer"
                self.asked_again += 1
                Event().wait(0.05)

    def _ensure(self) -> None:
        with self._guard:
            if self._process is None or not self._process.is_alive():
                self._process = start_web(self.services, self.port)

    def _kill(self) -> None:
        with self._guard:
            if self._process is not None:
                self._process.kill()
                self._process.join(DEADLINE_S)
                assert self._process.exitcode == -signal.SIGKILL
                self._process = None
                self.kills += 1

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(DEADLINE_S)


@dataclass
class Storm:
    """Does all in other processes, which are killed; tells everything twice, and late."""

    services: Services
    client: Client
    web: Web
    dice: random.Random
    kills: int = 0
    told: list[bytes] = field(default_factory=list)
    bodies: int = 0
    rounds: int = 0
    attempts: dict[int, int] = field(default_factory=dict)
    """How often each job was delivered; ended ones are cleared away after some days."""

    _worker: BaseProcess | None = None

    def tell(self, path: str, told: list[bytes]) -> None:
        """Tell each twice at the same instant, beside an old one."""
        late = [self.dice.choice(self.told)] if self.told else []
        self.told += told
        bodies = [*told, *told, *late]
        self.bodies += len(bodies)
        with ThreadPoolExecutor(4) as threads:
            answers = threads.map(lambda body: self.web.post(path, **posted(body)), bodies)
            assert {answer.status_code for answer in answers} == {200}

    def work(self) -> None:
        """Run all that is due; now and then a worker is killed in the middle of it."""
        if is_quiet(self.services):
            return
        if self.kills < WORKERS_KILLED and self.rounds % KILLS_APART == 0:
            self._kill_one()
        self.rounds += 1
        if is_quiet(self.services):
            return
        if self._worker is None:
            self._worker = start_worker(self.services)
        self._await(lambda: is_quiet(self.services))
        with self.services.db.reading() as session:
            self.attempts |= {row.id: row.attempt for row in session.scalars(select(Job))}

    def _kill_one(self) -> None:
        """Let a worker begin, and kill it: at a failpoint, or when it has stored something."""
        point = POINTS[self.kills // 2 % len(POINTS)] if self.kills % 2 == 0 else None
        worker = self._worker
        if worker is None or point is not None:
            self.end_worker()
            worker = start_worker(self.services, kill_at=point)
        self._worker = None
        left = self.dice.randint(1, 6)
        while left and worker.is_alive() and not is_quiet(self.services):
            before = mark(self.services.db)
            self._await(
                lambda b=before: mark(self.services.db) != b,
                lambda: not worker.is_alive(),
                lambda: is_quiet(self.services),
            )
            left -= point is None
        worker.kill()
        worker.join(DEADLINE_S)
        assert worker.exitcode == -signal.SIGKILL
        expire_leases(self.services.db)
        self.kills += 1

    def _await(self, *conditions: Callable[[], bool]) -> None:
        await_one(self.services.db, *conditions, within_s=DEADLINE_S)

    def end_worker(self) -> None:
        """Stop the worker that runs, gracefully."""
        if self._worker is not None:
            self._worker.terminate()
            self._worker.join(DEADLINE_S)
            assert self._worker.exitcode == 0
            self._worker = None

    def end(self) -> None:
        """End what still runs."""
        if self._worker is not None:
            self._worker.kill()
            self._worker.join(DEADLINE_S)
        self.web.end()


@pytest.fixture(scope="module")
def calm(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Counter[str]]:
    """What comes out where nobody is killed and all is told once."""
    folder = tmp_path_factory.mktemp("calm")
    with clock.standing_at(LAUNCH_DAY):
        services = open_services(testing_db.copy_template(sqlite_template, folder))
        prepare(services)
        agency = new_agency(services)
        with months(agency) as made:
            hands = Calm(agency.client)
            Story.linked(agency, table(folder, debtors(CASES))).do("importLaunch")
            made.launched(hands)
            made.go(hands)
            found = made.facts(), files(agency)
        services.close()
    return found


@pytest.fixture
def storm(agency: Agency) -> Iterator[Storm]:
    dice = random.Random(7)
    client = client_for(agency.services)
    web = Web(agency.services, dict(client.http.headers))
    vars(client)["http"] = web
    storm = Storm(agency.services, client, web, dice)
    yield storm
    storm.end()


def files(agency: Agency) -> Counter[str]:
    """Return how many files left by each channel."""
    outbox = agency.services.settings.outbox_dir
    # Whoever dies while writing leaves half a file of another name behind, which nobody sends.
    found = Counter(path.suffix for path in outbox.rglob("[!.]*") if path.is_file())
    assert set(found) <= {".eml", ".pdf"}
    return found


@pytest.mark.both_databases
def test_f1_f8_months_of_a_workflow_survive_whatever_is_killed(
    agency: Agency,
    tmp_path: Path,
    storm: Storm,
    calm: tuple[dict[str, Any], Counter[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    story = Story.linked(agency, table(tmp_path, debtors(CASES))).speaking(storm.client)
    with months(agency) as made:
        story.client.do("importLaunch", "import { id }", importId=story.id)
        made.launched(storm)
        made.go(storm)
        storm.end_worker()
        nothing_lost(agency)
        nothing_twice(made)
        assert unlike(calm[0], made.facts()) == {}
        assert files(agency) == calm[1]
    assert storm.kills >= WORKERS_KILLED
    assert storm.web.kills >= WEBS_KILLED
    with capsys.disabled():
        sys.stdout.write(f"\n{figures(storm, made)}\n" if FULL else "")


def unlike(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return what of a case came out otherwise, as it was to be and as it is."""
    return {
        f"{case}.{name}": (told, found[case].get(name))
        for case, facts in wanted.items()
        for name, told in facts.items()
        if told != found[case].get(name)
    }


def nothing_lost(agency: Agency) -> None:
    """Every run came to its end, every contact and search has a final state, no job died."""
    with agency.services.db.reading() as session:
        cases = session.scalar(select(func.count()).select_from(Case))
        runs = Counter(session.scalars(select(Run.status)))
        contacts = Counter(session.scalars(select(Outreach.state)))
        jobs = Counter(session.scalars(select(Job.state)))
        searches = set(session.scalars(select(EnrichmentAttempt.state)))
    assert cases == CASES
    assert set(runs) == {"DONE"}
    assert set(contacts) <= {OutreachState.ACCEPTED, OutreachState.CANCELLED}
    assert set(jobs) <= {State.DONE, State.SCHEDULED}
    assert searches <= {"FOUND", "NOT_FOUND"}


def nothing_twice(made: Months) -> None:
    """Each call rang once, each search was paid once, each file is there once, each sum once."""
    channel = Outreach.channel
    reminder = Outreach.template == "plan_reminder"
    with made.agency.services.db.reading() as session:
        called = (channel == Channel.CALL) & Outreach.sent_at.is_not(None)
        calls = set(session.scalars(select(Outreach.idem_key).where(called)))
        searches = session.scalar(select(func.count()).select_from(EnrichmentAttempt))
        sent = Outreach.state == OutreachState.ACCEPTED
        told = Counter(session.scalars(select(channel).where(sent)))
        wanted = select(Outreach.run_id, Outreach.visit).where(reminder)
        reminders = Counter(tuple(one) for one in session.execute(wanted))
        checked = verify(session)
    rang = made.centre.calls
    assert set(rang) == calls
    assert {call.times for call in rang.values()} == {1}
    assert set(Counter((one.phone, one.attempt) for one in rang.values()).values()) == {1}
    log = made.tracer.log()
    assert log["charged"] == len({one["key"] for one in log["searches"]}) == searches
    left = files(made.agency)
    assert (left[".eml"], left[".pdf"]) == (told["EMAIL"], told["LETTER"])
    assert set(reminders.values()) == {1}
    assert checked.txns > 0
    assert checked.faults == ()


def figures(storm: Storm, made: Months) -> str:
    """Return what a soak counted, in one line."""
    database = made.agency.services.db
    jobs, deliveries = len(storm.attempts), sum(storm.attempts.values())
    log = made.tracer.log()
    return (
        f"{database.dialect}: {CASES} cases; {storm.kills} workers and {storm.web.kills} webs "
        f"killed; {jobs} jobs, {deliveries - jobs} delivered again; {storm.bodies} webhooks for "
        f"{len(made.told)} outcomes, {storm.web.asked_again} requests asked again; "
        f"{len(made.centre.calls)} calls; {log['asked']} searches asked, {log['charged']} charged; "
        "0 lost, 0 twice"
    )
