"""Runs one claimed job in the transactions its shape asks for, or everything that is due."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from finview.db import Database, after_commit, is_transient
from finview.db.failpoints import failpoint
from finview.db.jobs import (
    QUEUES,
    Job,
    JobView,
    Kind,
    Progress,
    Shape,
    State,
    kind_of,
    ticks,
)
from finview.db.runtime import Services
from finview.errors import JobFailed
from finview.jobs import claims
from finview.jobs import schedule as _schedule  # noqa: F401  # its tick registers on import
from finview.jobs import upkeep as _upkeep  # noqa: F401  # its jobs register on import
from finview.jobs.claims import Fenced
from finview.jobs.failures import fail, trace_of
from finview.jobs.process import Process, process_of
from finview.jobs.sweep import sweep

log = logging.getLogger(__name__)

REPEATS = 3
DRAIN_BATCH = 16
UNKNOWN_LEASE_S = 60
BUNDLE_S = {"sqlite": 15.0, "postgresql": 1.0}
"""How long a bundle may take before other threads get what is left of it. SQLite has one writer:
there they could only wait for the same turn, and what counts is that the claims are still valid."""
FENCED = "fenced"

T = TypeVar("T")
OnProgress = Callable[[Progress], None]
OnFailed = Callable[[Session, Exception], None]


def run_job(
    services: Services,
    job_id: int,
    attempt: int,
    kind: str | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> None:
    """Run a claimed job; whatever it raises is stored with the job and goes no further.

    Does nothing when the claim is not valid any more. `kind` saves a look into the row.
    """
    process = process_of(services)
    found, solo = _look(services.db, job_id, attempt, kind)
    if found is None:
        return
    run = _Run(services, process, job_id, attempt, on_progress)
    with process.handling(solo=solo):
        began = time.perf_counter()
        try:
            run.go(found)
        except Fenced:
            run.outcome = FENCED
            process.count("fenced")
            log.info("job.fenced id=%s attempt=%s", job_id, attempt)
        finally:
            process.meters.ran(found, run.outcome, time.perf_counter() - began)


def is_short(kind: str) -> bool:
    """Return whether a kind is known here and takes one transaction."""
    known = kind_of(kind)
    return known is not None and known.shape is Shape.SHORT


def run_bundle(services: Services, bundle: Sequence[claims.Claim]) -> None:
    """Run claimed jobs one after the other, each as `run_job` does.

    When this process stops, or after a while, those that are left are ready again.
    """
    stopping = process_of(services).stopping
    until = time.monotonic() + BUNDLE_S[services.db.dialect]
    for n, one in enumerate(bundle):
        if n and (stopping.is_set() or time.monotonic() > until):
            claims.release(services.db, [left.fence for left in bundle[n:]])
            return
        try:
            run_job(services, one.id, one.attempt, one.kind)
        except Exception as error:  # noqa: BLE001 -- an edge: the job runner
            # The database is away: the lease will end, and the others have their try.
            log.error("job.not_recorded id=%s trace=%s", one.id, trace_of(error))  # noqa: TRY400


def drain(services: Services, *, on_progress: OnProgress | None = None) -> int:
    """Run everything that is due, here and one after the other, until nothing is; return how many.

    Due by `finview.clock`: a failed job waits for its next time as usual. No thread is started.
    """
    ran = 0
    while True:
        before = ran
        for queue in QUEUES:
            for taken in claims.claim(services.db, queue, DRAIN_BATCH):
                run_job(services, taken.id, taken.attempt, taken.kind, on_progress=on_progress)
                ran += 1
        if ran == before and tick(services) == 0:
            return ran


def tick(services: Services) -> int:
    """Do once what a ticker does each second: promote, sweep, due timers; return how much."""
    done = _until_empty(services.db, "promote", claims.promote)
    done += _until_empty(services.db, "sweep", lambda session: sweep(session, services))
    for name, due in ticks().items():
        done += _until_empty(services.db, name, due)
    return done


def _until_empty(database: Database, name: str, due: Callable[[Session], int]) -> int:
    done = 0
    while True:
        try:
            with database.unit() as session:
                some = due(session)
        except Exception as error:  # noqa: BLE001 -- an edge: the job runner
            # One broken timer must not stop the others; the trace is without values.
            log.error("tick.failed name=%s trace=%s", name, trace_of(error))  # noqa: TRY400
            return done
        if some == 0:
            return done
        done += some


def _look(
    database: Database, job_id: int, attempt: int, kind: str | None
) -> tuple[str | None, bool]:
    if kind is not None and attempt == 1:
        return kind, False  # nobody has marked it solo yet
    with database.reading() as session:
        row = session.execute(
            select(Job.kind, Job.solo).where(Job.id == job_id, Job.attempt == attempt)
        ).one_or_none()
    return (None, False) if row is None else (row.kind, row.solo)


class _Run:
    """One run of one job."""

    def __init__(
        self,
        services: Services,
        process: Process,
        job_id: int,
        attempt: int,
        on_progress: OnProgress | None,
    ) -> None:
        self.services = services
        self.db = services.db
        self.process = process
        self.claimed = (job_id, attempt)
        self.on_progress = on_progress
        self.view: JobView | None = None
        self.on_failed: OnFailed | None = None
        self.outcome: str = State.DONE

    def go(self, name: str) -> None:
        kind = kind_of(name)
        job_id, attempt = self.claimed
        try:
            if kind is None:
                self._unknown(name)
            elif kind.shape is Shape.SHORT:
                self._short(kind)
            else:
                with self.process.leased(job_id, attempt, kind.lease_s):
                    shape = self._chunked if kind.shape is Shape.CHUNKED else self._external
                    shape(kind)
        except Fenced:
            raise
        except (KeyboardInterrupt, SystemExit):
            self._let_go()
            raise
        except Exception as error:  # noqa: BLE001 -- this is the edge: it is stored with the job
            self._failed(error)

    def _unknown(self, name: str) -> None:
        """Fail as usual: a newer process, or one with the plugin, may know the kind."""
        self._start(UNKNOWN_LEASE_S)
        raise JobFailed("JOB_KIND_UNKNOWN", kind=name)

    def _short(self, kind: Kind) -> None:
        fused = self.claimed[1] == 1
        if not fused:
            # A process that died in the effect must have been counted.
            self._start(kind.lease_s)

        def effect(session: Session) -> None:
            if fused:
                self.view = claims.start_and_finish(session, self.services, self.claimed)
            job = self._job
            self._introduce(session, job)
            kind.handler(session, job)
            failpoint("job.short.before_commit")
            if not fused:
                claims.finish(session, job, State.DONE)
            elif job.result is not None:
                claims.write(session, job, State.DONE, result=job.result)

        self._unit(effect, durable=kind.durable)

    def _chunked(self, kind: Kind) -> None:
        job = self._start(kind.lease_s)
        handler = kind.handler(job)
        try:
            while True:
                if self.process.stopping.is_set():
                    self._let_go()
                    return
                work = handler.prepare()
                if work is None:
                    break
                if self._chunk(kind, handler, work) is State.CANCELLED:
                    return
                del work  # its memory goes before the next piece takes its own
        finally:
            handler.close()
        self._end(kind, handler.finish)

    def _chunk(self, kind: Kind, handler: object, work: object) -> State:
        job = self._job

        def effect(session: Session) -> State:
            self._introduce(session, job)
            if claims.still_mine(session, job, lease_s=kind.lease_s):
                return self._cancelled(session, kind)
            step = handler.write(session, work)  # type: ignore[attr-defined] # the contract of CHUNKED
            failpoint("job.chunk.before_commit")
            claims.write(
                session,
                job,
                State.RUNNING,
                cursor=step.cursor,
                progress_done=step.done,
                progress_total=step.total,
                phase=step.phase,
            )
            self._tell(session, step.done, step.total, step.phase)
            # Set again if the transaction has to be repeated; never read in between.
            job.cursor = step.cursor
            return State.RUNNING

        state = self._unit(effect, durable=kind.durable)
        self.process.stepped(job.id)
        failpoint("job.chunk.after_commit")
        return state

    def _end(self, kind: Kind, effect: Callable[[Session], None]) -> None:
        job = self._job

        def end(session: Session) -> None:
            self._introduce(session, job)
            claims.still_mine(session, job, lease_s=kind.lease_s)
            effect(session)
            claims.finish(session, job, State.DONE)

        self._unit(end)

    def _external(self, kind: Kind) -> None:
        job = self._start(kind.lease_s)
        handler = kind.handler(job)

        def before(session: Session) -> object:
            self._introduce(session, job)
            claims.still_mine(session, job, lease_s=kind.lease_s)
            request: object = handler.before(session)
            if request is None:
                claims.finish(session, job, State.DONE)
            return request

        request = self._unit(before)
        if request is None:
            return
        failpoint("job.external.before_call")
        self.on_failed = getattr(handler, "failed", None)
        outcome = handler.call(request)
        self.on_failed = None
        failpoint("job.external.after_call")
        self._end(kind, lambda session: handler.after(session, outcome))

    @property
    def _job(self) -> JobView:
        assert self.view is not None, "the job was not started"
        return self.view

    def _start(self, lease_s: int) -> JobView:
        self.view = self._unit(
            lambda session: claims.start(
                session, self.services, self.claimed, lease_s=lease_s, worker=self.process.name
            )
        )
        return self.view

    def _introduce(self, session: Session, job: JobView) -> None:
        """Let what the handler enqueues and records know where it comes from."""
        session.info["job"] = {
            "id": job.id,
            "trace_id": job.trace_id,
            "actor_id": job.subject.actor_id if job.subject else None,
        }

    def _unit(self, effect: Callable[[Session], T], *, durable: bool = True) -> T:
        """Do `effect` in one transaction; repeat it when it only met a neighbour."""
        for left in reversed(range(REPEATS)):
            try:
                with self.db.unit(durable=durable) as session:
                    return effect(session)
            except DBAPIError as error:
                if not left or not is_transient(error):
                    raise
        raise AssertionError  # the last round returns or raises

    def _tell(self, session: Session, done: int, total: int | None, phase: str | None) -> None:
        watcher, job = self.on_progress, self._job
        if watcher is not None:
            step = Progress(job_id=job.id, kind=job.kind, done=done, total=total, phase=phase)
            after_commit(session, lambda: watcher(step))

    def _cancelled(self, session: Session, kind: Kind) -> State:
        job = self._job
        if kind.on_cancel is not None:
            kind.on_cancel(session, job)
        claims.finish(session, job, State.CANCELLED)
        self.outcome = State.CANCELLED
        return State.CANCELLED

    def _let_go(self) -> None:
        """Give the job back, its run not counted: this process is about to stop."""
        self.outcome = State.READY
        view = self.view
        if view is None:
            claims.release(self.db, [self.claimed])
            return
        self._unit(
            lambda session: claims.write(
                session,
                view,
                State.RUNNING,
                state=State.READY,
                runs=Job.runs - 1,
                lease_until=None,
            )
        )

    def _failed(self, error: Exception) -> None:
        job_id, attempt = self.claimed
        view, on_failed = self.view or self._unseen(), self.on_failed

        def store(session: Session) -> State:
            if on_failed is not None:
                self._introduce(session, view)
                on_failed(session, error)
            return fail(session, view, error)

        state = self.outcome = self._unit(store)
        level = logging.ERROR if state is State.DEAD else logging.WARNING
        log.log(
            level,
            "job.failed id=%s kind=%s attempt=%s state=%s error=%s",
            job_id,
            view.kind,
            attempt,
            state,
            type(error).__name__,
        )

    def _unseen(self) -> JobView:
        """Return the view of a job whose first transaction was undone before it had one."""
        with self.db.reading() as session:
            row = session.get(Job, self.claimed[0])
            if row is None or row.attempt != self.claimed[1]:
                raise Fenced
            return claims.view_of(row, self.services)
