"""What people may do with a job: run it again, or call it off."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from finview import clock
from finview.db import audit
from finview.db.jobs import FINAL, OPEN, Job, State, is_in, kind_of, wake
from finview.db.runtime import Services
from finview.errors import Conflict, NotFound
from finview.errors import State as WrongState
from finview.i18n import N_, sentences
from finview.jobs.claims import view_of

sentences(
    {
        "JOB_NOT_STOPPED": N_("Only work that failed, was cancelled or waits can be run again."),
        "JOB_FINISHED": N_("This work has ended already."),
        "JOB_KEY_TAKEN": N_("The same work was ordered again meanwhile and is still open."),
    }
)


STOPPED = (State.DEAD, State.CANCELLED, State.PARKED)
RETRY_MAX = 1000
"""How many jobs one call readies at most; the count tells whether to call again."""


def retry(session: Session, job_id: int, *, by: int | None) -> Job:
    """Ready a dead, cancelled or parked job anew, with all its runs before it.

    Raises NotFound, State (JOB_NOT_STOPPED), Conflict when its key is open in another job.
    """
    row = _locked(session, job_id)
    if row.state not in STOPPED:
        raise WrongState("JOB_NOT_STOPPED")
    if row.dedupe_key is not None and row.state != State.PARKED and _key_is_open(session, row):
        raise Conflict("JOB_KEY_TAKEN")
    row.state, row.run_at, row.finished_at = State.READY, clock.now(), None
    row.runs, row.attempt_base, row.park_key = 0, row.attempt, None
    row.cancel_requested, row.solo = False, False
    row.error_code = row.error_params = row.error_trace = None
    audit.record(session, "job.retry", actor_id=by, subject=("job", job_id), kind=row.kind)
    wake(session, row.queue)
    session.flush()
    return row


def cancel(session: Session, services: Services, job_id: int, *, by: int | None) -> Job:
    """Call a job off: at once when nothing of it runs, else at its next chunk.

    A running SHORT or EXTERNAL job ends as if nothing was asked. Raises NotFound, State.
    """
    row = _locked(session, job_id)
    if row.state in FINAL:
        raise WrongState("JOB_FINISHED")
    audit.record(session, "job.cancel", actor_id=by, subject=("job", job_id), kind=row.kind)
    if row.state == State.RUNNING:
        row.cancel_requested = True
        session.flush()
        return row
    # The claim of a DISPATCHED job is void by its state; the worker that holds it leaves quietly.
    row.state, row.finished_at, row.lease_until = State.CANCELLED, clock.now(), None
    session.flush()
    kind = kind_of(row.kind)
    if kind is not None and kind.on_cancel is not None:
        kind.on_cancel(session, view_of(row, services))
    return row


def retry_all(
    session: Session, wanted: ColumnElement[bool], *, by: int | None, at_most: int = RETRY_MAX
) -> int:
    """Ready the stopped jobs for which `wanted` holds, the oldest first; return how many.

    A job whose key is open in another one is left as it is.
    """
    found = session.scalars(
        select(Job.id).where(is_in(*STOPPED), wanted).order_by(Job.id).limit(at_most)
    ).all()
    done = 0
    for job_id in found:
        try:
            retry(session, job_id, by=by)
        except (Conflict, WrongState):
            continue
        done += 1
    return done


def _locked(session: Session, job_id: int) -> Job:
    row = session.scalar(select(Job).where(Job.id == job_id).with_for_update())
    if row is None:
        raise NotFound
    return row


def _key_is_open(session: Session, row: Job) -> bool:
    return (
        session.scalar(
            select(Job.id).where(Job.dedupe_key == row.dedupe_key, is_in(*OPEN)).limit(1)
        )
        is not None
    )
