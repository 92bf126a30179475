"""`finview jobs` and `finview clock`: work in the background, and the clock of a development database."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from finview import clock
from finview.cli import show
from finview.cli.opening import acting, opened
from finview.db import testclock
from finview.db.jobs import Job, State
from finview.db.runtime import Services
from finview.errors import Invalid, NotFound
from finview.errors import State as WrongState
from finview.i18n import N_, sentences
from finview.jobs import control, schedule
from finview.jobs.runner import drain

sentences(
    {
        "CLOCK_PRODUCTION": N_("The clock can only be moved in development."),
        "JOB_STATE_UNKNOWN": N_("There is no state of jobs called {state}."),
    }
)

SHOWN_MAX = 200

_FAILED = Job.state.in_((State.DEAD, State.PARKED)) | (
    (Job.state == State.SCHEDULED) & (Job.runs > 0)
)


def run_list(
    *,
    state: str | None = None,
    kind: str | None = None,
    queue: str | None = None,
    failed: bool = False,
) -> dict[str, Any]:
    """Return the newest jobs, at most 200; raises `Invalid` for a state there is not."""
    statement = select(Job).order_by(Job.id.desc()).limit(SHOWN_MAX)
    if state is not None:
        statement = statement.where(Job.state.in_(_states(state)))
    if failed:
        statement = statement.where(_FAILED)
    if kind is not None:
        statement = statement.where(Job.kind == kind)
    if queue is not None:
        statement = statement.where(Job.queue == queue)
    with opened() as services, services.db.reading() as session:
        return {"jobs": [_told(row) for row in session.scalars(statement)]}


def run_retry(ids: Sequence[str], *, kind: str | None = None) -> dict[str, Any]:
    """Ready jobs anew: those named, all or none, or those of a kind that failed or wait."""
    with opened() as services:
        by = acting(services).user_id
        with services.db.unit() as session:
            if kind is not None:
                wanted = (Job.kind == kind) & (Job.state != State.CANCELLED)
                return {"jobs": [], "count": control.retry_all(session, wanted, by=by)}
            rows = [control.retry(session, _key(one), by=by) for one in ids]
            return {"jobs": [_told(row) for row in rows], "count": len(rows)}


def run_cancel(ids: Sequence[str]) -> dict[str, Any]:
    """Call jobs off, all or none."""
    with opened() as services:
        by = acting(services).user_id
        with services.db.unit() as session:
            rows = [control.cancel(session, services, _key(one), by=by) for one in ids]
            return {"jobs": [_told(row) for row in rows], "count": len(rows)}


def _key(text: str) -> int:
    number = text.removeprefix("job_")
    if not (number.isascii() and number.isdigit()):
        raise NotFound
    return int(number)


def _states(word: str) -> list[str]:
    wanted = word.upper()
    found = [state.value for state in State if wanted in {state.value, state.public}]
    if not found:
        raise Invalid("JOB_STATE_UNKNOWN", path=["--state"], state=word)
    return found


def warn_of_failed(services: Services) -> int:
    """Tell a person of work that failed and waits; return how many jobs."""
    with services.db.reading() as session:
        failed = session.scalar(select(func.count(Job.id)).where(_FAILED)) or 0
    if failed:
        show.note(show.say(N_("{n} jobs failed; see: finview jobs list --failed"), n=failed))
    return failed


def show_jobs(found: dict[str, Any]) -> None:
    """Print jobs."""
    if not found["jobs"] and "count" in found:
        show.line(show.say(N_("{n} jobs will run again."), n=found["count"]))
        return
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
        schedule.sync(services.db, services.settings.time_zone)
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
