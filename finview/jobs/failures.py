"""What becomes of a job that failed: later, parked, or dead; and what is stored about it."""

import logging
import traceback
import zlib
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.db.jobs import (
    Job,
    JobError,
    JobView,
    Misconfigured,
    Rejected,
    RetryLater,
    State,
    kind_of,
)
from finview.errors import FinviewError
from finview.i18n import N_, sentences
from finview.jobs.claims import Fenced

log = logging.getLogger(__name__)

sentences(
    {
        "JOB_BROKEN": N_("The work failed because of an error in the program ({error})."),
        "JOB_REJECTED": N_("The work can't be done: {why}"),
        "JOB_LATER": N_("The work is tried again later: {why}"),
        "JOB_MISCONFIGURED": N_("The work waits for a change of settings: {why}"),
        "JOB_KIND_UNKNOWN": N_("No installed part of finview does work of the kind {kind}."),
        "JOB_LOST": N_("The work was broken off, several times: its process ended."),
        "NEVER_FINISHED": N_("The work was handed out {claims} times and never finished."),
    }
)

BACKOFF_S = 10
BACKOFF_MAX_S = 3600


def fail(session: Session, job: JobView, error: Exception) -> State:
    """Store a failed run and decide what follows; return the new state.

    Raises Fenced when the job is somebody else's by now.
    """
    row = session.scalar(
        select(Job)
        .where(
            Job.id == job.id,
            Job.attempt == job.attempt,
            Job.state.in_((State.DISPATCHED, State.RUNNING)),
        )
        .with_for_update()
    )
    if row is None:
        raise Fenced
    if row.state == State.DISPATCHED:
        row.runs += 1  # a fused run that was undone, its count with it
    job.runs = row.runs
    what = describe(error)
    row.error_code, row.error_params = what.code, dict(what.params)
    row.error_trace = trace_of(error)
    row.lease_until = None
    if isinstance(error, Misconfigured):
        row.state, row.park_key = State.PARKED, error.park_key
    elif isinstance(error, Rejected) or row.runs >= row.max_runs:
        bury(session, row, job, what)
    else:
        wait_s = error.after_s if isinstance(error, RetryLater) else backoff_s(row.id, row.runs)
        row.state = State.SCHEDULED
        row.run_at = clock.now() + timedelta(seconds=wait_s)
    session.flush()
    return State(row.state)


def bury(session: Session, row: Job, job: JobView, what: JobError) -> None:
    """Give a job up: DEAD, and its kind's `on_dead` in the same transaction."""
    row.state, row.finished_at, row.lease_until = State.DEAD, clock.now(), None
    row.error_code, row.error_params = what.code, dict(what.params)
    session.flush()
    kind = kind_of(row.kind)
    if kind is None or kind.on_dead is None:
        return
    try:
        with session.begin_nested():
            kind.on_dead(session, job, what)
    except Exception as error:  # noqa: BLE001 -- an edge: the job runner
        # The job is dead whatever its hook does. Messages may hold personal data: the type alone.
        log.error("job.on_dead_failed id=%s error=%s", row.id, _name(error))  # noqa: TRY400
        row.error_trace = (row.error_trace or "") + "\n" + trace_of(error)


def backoff_s(job_id: int, runs: int) -> float:
    """Return 10 s · 4^(runs-1), at most an hour, ± 20 % that depend on the job and the run."""
    plain = min(BACKOFF_S * 4.0 ** (runs - 1), BACKOFF_MAX_S)
    spread = zlib.crc32(b"%d/%d" % (job_id, runs)) / 0xFFFFFFFF
    return plain * (0.8 + 0.4 * spread)


def describe(error: BaseException) -> JobError:
    """Return what is stored and shown of an exception; of an unexpected one only its type."""
    if isinstance(error, FinviewError):
        return JobError(code=error.code, params=error.params)
    for signal, reason in (
        (Rejected, "JOB_REJECTED"),
        (RetryLater, "JOB_LATER"),
        (Misconfigured, "JOB_MISCONFIGURED"),
    ):
        if isinstance(error, signal):
            if isinstance(error.why, FinviewError):
                return describe(error.why)
            return JobError(code="JOB_FAILED", params={"reason": reason, "why": error.why})
    return JobError(code="JOB_FAILED", params={"reason": "JOB_BROKEN", "error": _name(error)})


def trace_of(error: BaseException) -> str:
    """Return where an exception came from, without any value: messages may hold personal data."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        lines.append(_name(seen))
        lines += [
            f"  {frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(seen.__traceback__)
        ]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(lines)


def _name(error: BaseException) -> str:
    return type(error).__name__
