"""Takes back the jobs whose process has died or hangs."""

import logging

from sqlalchemy.orm import Session

from finview.db.jobs import JobError, State, wake
from finview.db.runtime import Services
from finview.jobs import claims
from finview.jobs.failures import bury
from finview.jobs.process import process_of

log = logging.getLogger(__name__)


def sweep(session: Session, services: Services) -> int:
    """Ready the jobs whose lease has run out, or give them up; return how many.

    One that was RUNNING runs `solo` from now on: if it kills its process, it kills no neighbour.
    """
    found = claims.expired(session)
    for row in found:
        was_running = row.state == State.RUNNING
        row.lease_until = None
        row.solo = row.solo or was_running
        count = row.attempt - row.attempt_base
        what = None
        if was_running and row.runs >= row.max_runs:
            what = JobError(code="JOB_FAILED", params={"reason": "JOB_LOST"})
        elif count >= claims.CLAIMS_MAX:
            what = JobError(code="JOB_FAILED", params={"reason": "NEVER_FINISHED", "claims": count})
        if what is not None:
            bury(session, row, claims.view_of(row, services), what)
        else:
            row.state = State.READY
            wake(session, row.queue)
        log.warning(
            "job.lease_expired id=%s kind=%s attempt=%s state=%s",
            row.id,
            row.kind,
            row.attempt,
            row.state,
        )
    process_of(services).count("lease_expired", len(found))
    session.flush()
    return len(found)
