"""`/metrics` and `/ready`: what waits, who works, and who is told."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from starlette.testclient import TestClient

from finview import clock
from finview.db.jobs import Job, State, Worker, enqueue
from finview.db.runtime import Services
from finview.jobs import heart, metrics
from finview.jobs.process import process_of
from finview.plugins.manager import Plugins
from finview.testing.factories import Agency
from finview.web.server import create_app

Http = Callable[..., TestClient]


@pytest.fixture
def http(agency: Agency) -> Http:
    """Open the app of the same database with other settings."""

    def with_settings(**given: object) -> TestClient:
        here = agency.services
        services = Services(here.settings.model_copy(update=given), here.db, here.files)
        services.put(here.get(Plugins), under=Plugins)
        client = TestClient(create_app(services))
        client.headers["authorization"] = agency.client.http.headers["authorization"]
        return client

    return with_settings


def add(agency: Agency, state: State, *, minutes: float = 0, queue: str = "default") -> None:
    with agency.services.db.unit() as session:
        row = session.get_one(Job, enqueue(session, "toy.none", {}))
        row.state, row.queue = state, queue
        row.run_at = clock.now() - timedelta(minutes=minutes)


def beat(agency: Agency) -> None:
    heart.begin(agency.services.db, "somebody", queues=["default"], threads=1)


def test_metrics_tell_what_waits_runs_and_failed(agency: Agency) -> None:
    for state in (State.READY, State.READY, State.SCHEDULED, State.RUNNING, State.DEAD, State.DONE):
        add(agency, state, minutes=2)
    agency.client.drain()
    add(agency, State.READY, minutes=2, queue="mail")
    told = agency.client.http.get("/metrics")
    lines = told.text.splitlines()
    assert told.headers["content-type"].startswith("text/plain")
    for line in (
        'finview_jobs{queue="default",state="RUNNING"} 1.0',
        'finview_jobs{queue="mail",state="READY"} 1.0',
        'finview_jobs{queue="default",state="DEAD"} 1.0',
        "finview_dead_jobs 1.0",
        "finview_workers 0.0",
        'finview_job_runs_total{kind="toy.none",outcome="scheduled"} 3.0',
        "finview_job_lease_expired_total 0.0",
        "finview_job_fenced_total 0.0",
        "finview_relay_publish_failures_total 0.0",
    ):
        assert line in lines
    (age,) = [one for one in lines if one.startswith("finview_job_ready_age_seconds{")][:1]
    assert age.startswith('finview_job_ready_age_seconds{queue="mail",stat="oldest"} 12')
    assert "finview_sqlite_writer_wait_seconds_total" in told.text
    assert 'finview_job_seconds_count{kind="toy.none"} 3.0' in lines


def test_metrics_have_a_token_of_their_own_and_production_none_without(http: Http) -> None:
    closed = http(metrics_token=SecretStr("s3cret"))
    assert closed.get("/metrics").status_code == 401
    given = {"authorization": "Bearer s3cret"}
    assert closed.get("/metrics", headers=given).status_code == 200
    assert http(env="production").get("/metrics").status_code == 404


def test_metrics_may_have_an_address_of_their_own(agency: Agency) -> None:
    import urllib.request

    port = metrics.serve(agency.services, "127.0.0.1:0")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b"finview_workers" in answer.read()


def state(client: TestClient, part: str = "jobs") -> str:
    answer = client.get("/ready")
    body = answer.json()
    assert (answer.status_code == 503) is ("red" in body["checks"].values())
    return str(body["checks"][part])


def test_readiness_is_red_while_work_waits_and_nobody_works(agency: Agency, http: Http) -> None:
    ready = http()
    assert state(ready) == "green"
    add(agency, State.READY)
    assert state(ready) == "red"
    beat(agency)
    assert state(ready) == "green"
    with agency.services.db.unit() as session:
        session.execute(update(Worker).values(beat_at=Worker.beat_at - 61_000))
    assert state(ready) == "red"


def test_readiness_is_red_when_a_job_waits_for_over_five_minutes(
    agency: Agency, http: Http
) -> None:
    beat(agency)
    add(agency, State.READY, minutes=4)
    assert state(http()) == "green"
    add(agency, State.READY, minutes=6, queue="mail")
    assert state(http()) == "red"


def test_a_stopping_process_is_not_ready(agency: Agency) -> None:
    assert state(agency.client.http) == "green"
    process_of(agency.services).stopping.set()
    assert state(agency.client.http) == "red"


def test_a_broker_that_is_away_is_amber(http: Http) -> None:
    assert state(http(), "broker") == "green"
    assert state(http(broker="redis://127.0.0.1:1/0"), "broker") == "amber"


def test_in_production_only_an_administrator_learns_which_part(http: Http) -> None:
    client = http(env="production")
    assert set(client.get("/ready").json()) == {"status", "checks"}
    del client.headers["authorization"]
    assert set(client.get("/ready").json()) == {"status"}
