"""Moving runs chunk by chunk: whoever goes on after a crash comes to the same counts (F15)."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from finview.app import prepare
from finview.db.jobs import JobView
from finview.db.runtime import Services
from finview.plugins.manager import Plugins
from finview.testing.factories import Agency, consumer, table
from finview.testing.story import Story
from finview.workflows import migrate
from finview.workflows.definitions import publish
from finview.workflows.migrate import MigrateRuns
from finview.workflows.models import Run, Timer, WorkflowKind, WorkflowVersion

EMAIL = ("sent", "bounced", "no_address", "not_allowed", "failed")


def graph(wait: str) -> dict[str, Any]:
    """Return a graph whose runs stand in the wait node of this name after the launch."""
    demand = {"id": "demand", "type": "email", "config": {"template": "first_demand"}}
    waiting = {"id": wait, "type": "wait", "config": {"days": 5}, "ports": {"done": "end"}}
    ports = dict.fromkeys(EMAIL, wait)
    nodes = [{**demand, "ports": ports}, waiting, {"id": "end", "type": "end"}]
    return {"start": "demand", "nodes": nodes}


def released(services: Services, wait: str) -> int:
    with services.db.unit() as session:
        given = {"name": "Main", "kind": WorkflowKind.MAIN, "graph": graph(wait)}
        version = publish(session, services.get(Plugins), key="shipped.main", **given)
        return version.id


@pytest.fixture
def versions(agency: Agency, tmp_path: Path) -> tuple[int, int]:
    """Three runs in the node `pause` of a version, and a later version without that node."""
    before = released(agency.services, "pause")
    Story.linked(agency, table(tmp_path, [consumer(n) for n in range(3)])).launch()
    return before, released(agency.services, "rest")


def job_of(services: Services, versions: tuple[int, int], *, dry_run: bool) -> JobView:
    args = {"from": versions[0], "to": versions[1], "nodes": {"pause": "rest"}, "dry_run": dry_run}
    return JobView(
        id=1,
        kind="workflow.migrate",
        args=args,
        cursor=None,
        attempt=1,
        runs=1,
        subject=None,
        trace_id="",
        services=services,
    )


def run_in_pieces(view: JobView) -> int:
    """Do a job with a new process for every chunk, each transaction twice; return the chunks."""
    for chunks in range(10):
        handler = MigrateRuns(view)
        work = handler.prepare()
        if work is None:
            with view.services.db.unit() as session:
                handler.finish(session)
            return chunks
        with view.services.db.unit() as session:
            with session.begin_nested() as attempt:
                handler.write(session, work)
                attempt.rollback()
            step = handler.write(session, work)
        view.cursor = step.cursor
    raise AssertionError("it never ends")


@pytest.mark.both_databases
def test_a_migration_goes_on_where_it_was_left(
    agency: Agency, versions: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "RUNS_PER_CHUNK", 2)
    dry, real = (job_of(agency.services, versions, dry_run=dry) for dry in (True, False))
    assert (run_in_pieces(dry), run_in_pieces(real)) == (2, 2)
    told = {"runs": 3, "moved": 3, "stayed": 0}
    assert dry.result == real.result
    assert real.result == {**told, "nodes": [{"from": "pause", "to": "rest", "runs": 3}]}
    with agency.services.db.reading() as session:
        runs = session.scalars(select(Run).order_by(Run.id)).all()
        assert {(run.version_id, run.node_id) for run in runs} == {(versions[1], "rest")}
        current = select(Timer.run_id).join(Run, Run.id == Timer.run_id).order_by(Timer.run_id)
        fenced = current.where(Timer.token == Run.seq, Timer.due_at == Run.wake_at)
        assert session.scalars(fenced).all() == [run.id for run in runs]
    agency.later(days=6)
    with agency.services.db.reading() as session:
        assert {run.status for run in session.scalars(select(Run))} == {"DONE"}


def test_a_shipped_workflow_that_nobody_edited_follows_the_release(agency: Agency) -> None:
    released(agency.services, "pause")
    prepare(agency.services)
    with agency.services.db.reading() as session:
        main = select(WorkflowVersion).order_by(WorkflowVersion.id.desc())
        newest = session.scalars(main).first()
        assert newest is not None
        assert (newest.n, newest.graph["start"]) == (3, "first_demand")
    prepare(agency.services)
    with agency.services.db.reading() as session:
        assert [version.n for version in session.scalars(main.limit(1))] == [3]
