"""A launch takes the same few statements for each chunk, however many cases are in it."""

from pathlib import Path
from typing import Any

from sqlalchemy import event, select

from finview.db.jobs import Job
from finview.db.runtime import Services
from finview.jobs.claims import claim
from finview.jobs.runner import run_job
from finview.testing.factories import Agency, consumer, table
from finview.testing.story import Story
from finview.workflows.models import Run


def statements_of(services: Services) -> int:
    """Run the one job of the queue `bulk`; return how many statements it sent."""
    (claimed,) = claim(services.db, "bulk", 1)
    sent: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    for engine in (services.db.writer, services.db.reader):
        event.listen(engine, "before_cursor_execute", note)
    run_job(services, claimed.id, claimed.attempt, claimed.kind)
    for engine in (services.db.writer, services.db.reader):
        event.remove(engine, "before_cursor_execute", note)
    return len(sent)


def launch(agency: Agency, folder: Path, people: range) -> int:
    folder.mkdir()
    story = Story.linked(agency, table(folder, [consumer(n) for n in people]))
    story.client.do("importLaunch", "import { id }", importId=story.id)
    return statements_of(agency.services)


def test_five_times_as_many_cases_take_no_more_statements(agency: Agency, tmp_path: Path) -> None:
    few = launch(agency, tmp_path / "few", range(2))
    many = launch(agency, tmp_path / "many", range(2, 12))
    assert many <= few
    with agency.services.db.reading() as session:
        launched = set(session.scalars(select(Run.case_id)))
        wanted = select(Job.subject_id).where(Job.kind == "workflow.advance")
        assert len(launched) == 12
        assert launched <= set(session.scalars(wanted))
