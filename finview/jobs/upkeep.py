"""Housekeeping by schedule: old jobs go, the write-ahead log is folded back."""

from datetime import time, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from finview import clock
from finview.db.jobs import CHUNKED, EXTERNAL, FINAL, Job, JobView, State, Step, Worker, is_in, job
from finview.db.schedule import Daily, Every, recurring
from finview.jobs.claims import database_ms

RETENTION_BATCH = 5000
WORKER_ROW_MS = 24 * 3600 * 1000


@job("jobs.retention", shape=CHUNKED, queue="bulk")
class Retention:
    """Deletes jobs that ended long enough ago, the oldest first, and traces of dead workers.

    DONE and CANCELLED go after `job_done_days`, DEAD after `job_dead_days`.
    """

    def __init__(self, job: JobView) -> None:
        self._job = job
        self._settings = job.services.settings
        self._done = (job.cursor or {"deleted": 0})["deleted"]

    def prepare(self) -> list[int] | None:
        """Return the ids of one batch that may go."""
        with self._job.services.db.reading() as session:
            for states, days in (
                ((State.DONE, State.CANCELLED), self._settings.job_done_days),
                ((State.DEAD,), self._settings.job_dead_days),
            ):
                before = clock.now() - timedelta(days=days)
                # All final states once more: SQLite takes its partial index only by the same words.
                found = session.scalars(
                    select(Job.id)
                    .where(is_in(*FINAL), is_in(*states), Job.finished_at < before)
                    .order_by(Job.finished_at, Job.id)
                    .limit(RETENTION_BATCH)
                ).all()
                if found:
                    return list(found)
        return None

    def write(self, session: Session, work: list[int]) -> Step:
        """Delete them."""
        gone = session.execute(
            delete(Job)
            .where(Job.id.in_(work), is_in(*FINAL))
            .execution_options(synchronize_session=False)
        )
        self._done += max(0, gone.rowcount)  # type: ignore[attr-defined] # a DELETE gives a CursorResult
        return Step(cursor={"deleted": self._done}, done=self._done)

    def finish(self, session: Session) -> None:
        """Forget the workers that have not been heard of for a day."""
        session.execute(delete(Worker).where(Worker.beat_at < database_ms() - WORKER_ROW_MS))
        self._job.result = {"deleted": self._done}

    def close(self) -> None:
        """Nothing is held."""


@job("jobs.checkpoint", shape=EXTERNAL)
class Checkpoint:
    """Writes SQLite's log back into the file and cuts it off; elsewhere there is nothing to do."""

    def __init__(self, job: JobView) -> None:
        self._db = job.services.db

    def before(self, session: Session) -> bool | None:
        """Tell whether there is a log."""
        del session
        return True if self._db.dialect == "sqlite" else None

    def call(self, request: bool) -> int:
        """Fold it back, with no transaction open; return how many pages are left in it."""
        del request
        return self._db.checkpoint()

    def after(self, session: Session, outcome: int) -> None:
        """Nothing more: a log that readers still need is folded back the next time."""


recurring("jobs.retention", Daily(time(3, 10)))
recurring("jobs.checkpoint", Every(3600))
