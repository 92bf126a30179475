"""`finview jobs` and `finview clock`: work in the background, and the clock of a development database."""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from finview import clock
from finview.cli import show
from finview.cli.opening import acting, opened
from finview.db import testclock
from finview.db.jobs import Job, State
from finview.db.runtime import Services
from finview.errors import State as WrongState
from finview.i18n import N_, sentences
from finview.jobs import control
from finview.jobs.runner import drain

sentences({"CLOCK_PRODUCTION": N_("The clock can only be moved in development.")})

SHOWN_MAX = 200

_FAILED = Job.state.in_((State.DEAD, State.PARKED)) | (
    (Job.state == State.SCHEDULED) & (Job.runs > 0)
)


def run_list(*, failed: bool, kind: str | None) -> dict[str, Any]:
    """Return the newest jobs, at most 200."""
    with opened() as services, services.db.reading() as session:
        statement = select(Job).order_by(Job.id.desc()).limit(SHOWN_MAX)
        if failed:
            statement = statement.where(_FAILED)
        if kind is not None:
            statement = statement.where(Job.kind == kind)
        return {"jobs": [_told(row) for row in session.scalars(statement)]}


def run_retry(job_id: int) -> dict[str, Any]:
    """Ready a job that stopped anew."""
    with opened() as services:
        by = acting(services).user_id
        with services.db.unit() as session:
            return {"job": _told(control.retry(session, job_id, by=by))}


def run_cancel(job_id: int) -> dict[str, Any]:
    """Call a job off."""
    with opened() as services:
        by = acting(services).user_id
        with services.db.unit() as session:
            return {"job": _told(control.cancel(session, services, job_id, by=by))}


def warn_of_failed(services: Services) -> int:
    """Tell a person of work that failed and waits; return how many jobs."""
    with services.db.reading() as session:
        failed = session.scalar(select(func.count(Job.id)).where(_FAILED)) or 0
    if failed:
        show.note(show.say(N_("{n} jobs failed; see: finview jobs list --failed"), n=failed))
    return failed


def show_jobs(found: dict[str, Any]) -> None:
    """Print jobs."""
    show.table(
        [
            show.say(N_("Job")),
            show.say(N_("Kind")),
            show.say(N_("State")),
            show.say(N_("Runs")),
            show.say(N_("Error")),
        ],
        [(j["id"], j["kind"], j["state"], j["runs"], j["error"]) for j in found["jobs"]],
    )


def run_advance(days: int) -> dict[str, Any]:
    """Move the clock of a development database forward and run what is due by then."""
    with opened() as services, show.progress() as on_progress:
        if services.settings.env == "production":
            raise WrongState("CLOCK_PRODUCTION")
        with services.db.unit() as session:
            testclock.advance(session, timedelta(days=days))
        ran = drain(services, on_progress=on_progress)
        with services.db.reading():
            return {"now": clock.now().isoformat(timespec="seconds"), "jobs": ran}


def _told(row: Job) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "runs": row.runs,
        "error": row.error_code,
        "progress": [row.progress_done, row.progress_total],
        "run_at": row.run_at.isoformat(timespec="seconds"),
    }
