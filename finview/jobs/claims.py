"""The statements that move a job from state to state, each fenced by its attempt."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    any_,
    bindparam,
    case,
    func,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from finview import clock
from finview.db import Database, database_of
from finview.db.base import table_of
from finview.db.driver import Opening, fetch, written
from finview.db.jobs import Job, JobView, State, Subject, is_in, wake
from finview.db.runtime import Services

JOB = table_of(Job)
DISPATCH_LEASE_S = 60
DISPATCH_DOUBLINGS = 5
"""A claim that led to no run is given twice as long the next time, at most half an hour: a broker
that is slow, or has lost its messages, is not flooded with the same claims."""
BATCH = 500
DISPATCH_LEASE_MAX_S = 1800
CLAIMS_MAX = 50
"""Claims since creation or the last manual retry before a job is given up, run or not."""


class Fenced(Exception):
    """The job was claimed anew, cancelled or finished meanwhile: change nothing, leave quietly."""


class database_ms(FunctionElement[int]):  # noqa: N801 -- reads as an SQL function
    """The database's own clock in milliseconds; leases go by it, whatever the test clock says."""

    type = BigInteger()
    inherit_cache = True


_MS = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    # Stable within the statement, so that the index on lease_until can be used.
    "postgresql": "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)",
}


@compiles(database_ms, "sqlite")
def _sqlite_ms(_element: Any, _compiler: Any, **_: Any) -> str:
    return _MS["sqlite"]


@compiles(database_ms, "postgresql")
def _postgresql_ms(_element: Any, _compiler: Any, **_: Any) -> str:
    return _MS["postgresql"]


def lease(seconds: float) -> ColumnElement[int]:
    """Return the instant up to which a lease of `seconds` lasts."""
    return database_ms() + int(seconds * 1000)


_VAIN = JOB.c.attempt - JOB.c.attempt_base - JOB.c.runs
_DISPATCH_LEASE = database_ms() + case(
    *((n >= _VAIN, DISPATCH_LEASE_S * 1000 * 2**n) for n in range(DISPATCH_DOUBLINGS)),
    else_=DISPATCH_LEASE_MAX_S * 1000,
)


# Every job passes through these: as the driver takes them they cost a fifth.
_SET_OFF = """UPDATE job SET runs = runs + 1, started_at = {now}, %s
 WHERE id = {id} AND attempt = {attempt} AND state = 'DISPATCHED'
 RETURNING id, kind, args, cursor, attempt, runs, subject_kind, subject_id, customer_id,
 portfolio_id, actor_id, trace_id"""
_START = written(
    _SET_OFF % "state = 'RUNNING', lease_until = {clock} + {lease}, worker = {worker}", clock=_MS
)
_START_AND_FINISH = Opening(
    "finview_job",
    _SET_OFF % "state = 'DONE', finished_at = {now}, lease_until = NULL, error_code = NULL, "
    "error_params = NULL",
)
_READY = (
    select(JOB.c.id)
    .where(is_in(State.READY), JOB.c.queue == bindparam("of_queue"))
    .order_by(JOB.c.queue, JOB.c.priority, JOB.c.id)
)


def _among(dialect: str, chosen: Select[int]) -> ColumnElement[bool]:
    if dialect == "postgresql":
        # An array is built once; IN (SELECT … LIMIT) may be evaluated again for each row.
        return JOB.c.id == any_(func.array(chosen.scalar_subquery()))
    return JOB.c.id.in_(chosen)


_LOOK = _READY.limit(1)
_CLAIM = (
    update(JOB)
    .values(state=State.DISPATCHED, attempt=JOB.c.attempt + 1, lease_until=_DISPATCH_LEASE)
    .returning(JOB.c.priority, JOB.c.id, JOB.c.attempt, JOB.c.kind)
)
_TAKEN = _READY.limit(bindparam("at_most", type_=BigInteger)).with_for_update(skip_locked=True)
_CLAIMS = {name: _CLAIM.where(_among(name, _TAKEN)) for name in ("sqlite", "postgresql")}


@dataclass(frozen=True, slots=True)
class Claim:
    """A job handed to a carrier; `attempt` is its fence."""

    id: int
    attempt: int
    kind: str

    @property
    def fence(self) -> tuple[int, int]:
        """Return what `release` takes."""
        return self.id, self.attempt


def claim(database: Database, queue: str, n: int, *, look: bool = True) -> list[Claim]:
    """Take up to `n` ready jobs of a queue, the most urgent first.

    The empty case costs one look with a reading session and no writer's turn; leave the look out
    where more is expected.
    """
    if look:
        with database.reading() as session:
            if session.connection().execute(_LOOK, {"of_queue": queue}).first() is None:
                return []
    with database.unit() as session:
        taken = (
            session.connection()
            .execute(_CLAIMS[database.dialect], {"of_queue": queue, "at_most": n})
            .all()
        )
    # RETURNING has no order of its own.
    return [Claim(row.id, row.attempt, row.kind) for row in sorted(taken)]


def release(database: Database, claims: Iterable[tuple[int, int]]) -> None:
    """Make claimed jobs ready again whose handlers never started: pairs of id and attempt."""
    with database.unit() as session:
        for job_id, attempt in claims:
            session.execute(
                _fenced(job_id, attempt, State.DISPATCHED).values(
                    state=State.READY, lease_until=None
                )
            )


def promote(session: Session) -> int:
    """Ready the jobs whose time has come by the test clock; return how many (at most a batch)."""
    due = (
        select(Job.id)
        .where(is_in(State.SCHEDULED), Job.run_at <= clock.now())
        .order_by(Job.run_at, Job.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    queues = session.scalars(
        update(Job)
        .where(_among(database_of(session).dialect, due))
        .values(state=State.READY)
        .returning(Job.queue)
        .execution_options(synchronize_session=False)
    ).all()
    for queue in sorted(set(queues)):
        wake(session, queue)
    return len(queues)


def expired(session: Session) -> list[Job]:
    """Return and lock the jobs whose lease has run out, the oldest first."""
    found = (
        select(Job)
        .where(
            is_in(State.DISPATCHED, State.RUNNING),
            Job.lease_until < database_ms(),
        )
        .order_by(Job.lease_until)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(found))


def start(
    session: Session, services: Services, claimed: tuple[int, int], *, lease_s: int, worker: str
) -> JobView:
    """Mark a claimed job RUNNING and count the run; raises Fenced."""
    connection = session.connection()
    given = {"now": clock.now_ms(), "lease": lease_s * 1000, "worker": worker}
    given |= {"id": claimed[0], "attempt": claimed[1]}
    return _started(fetch(connection, _START[connection.dialect.name], given), services)


def start_and_finish(session: Session, services: Services, claimed: tuple[int, int]) -> JobView:
    """Mark a claimed job DONE and count the run, before its effect in the same transaction."""
    job_id, attempt = claimed
    found = _START_AND_FINISH.fetch(
        session.connection(), id=job_id, attempt=attempt, now=clock.now_ms()
    )
    return _started(found, services)


def still_mine(session: Session, job: JobView, *, lease_s: int) -> bool:
    """Renew the lease inside a chunk and lock the row; return whether a cancel was asked for.

    Raises Fenced when the job is somebody else's by now.
    """
    found = session.execute(
        _fenced(job.id, job.attempt, State.RUNNING)
        .values(lease_until=lease(lease_s))
        .returning(Job.cancel_requested)
    ).one_or_none()
    if found is None:
        raise Fenced
    return bool(found.cancel_requested)


def write(session: Session, job: JobView, *states: State, **values: Any) -> None:
    """Change the job's own row, fenced; raises Fenced."""
    changed = session.scalar(
        _fenced(job.id, job.attempt, *states).values(**values).returning(Job.id)
    )
    if changed is None:
        raise Fenced


def finish(session: Session, job: JobView, state: State) -> None:
    """End a running job; raises Fenced."""
    write(
        session,
        job,
        State.RUNNING,
        state=state,
        finished_at=clock.now(),
        lease_until=None,
        result=job.result,
        error_code=None,
        error_params=None,
        error_trace=None,
    )


def renew(database: Database, held: Mapping[int, tuple[int, int]]) -> None:
    """Renew the leases of running jobs: id → (attempt, lease in seconds)."""
    with database.unit(durable=False) as session:
        for job_id, (attempt, lease_s) in held.items():
            session.execute(
                _fenced(job_id, attempt, State.RUNNING).values(lease_until=lease(lease_s))
            )


def view_of(row: Any, services: Services) -> JobView:
    """Return what a handler may know of a job's row."""
    subject = None
    if row.subject_kind is not None:
        subject = Subject(
            kind=row.subject_kind,
            id=row.subject_id,
            customer_id=row.customer_id,
            portfolio_id=row.portfolio_id,
            actor_id=row.actor_id,
        )
    return JobView(
        id=row.id,
        kind=row.kind,
        args=row.args,
        cursor=row.cursor,
        attempt=row.attempt,
        runs=row.runs,
        subject=subject,
        trace_id=row.trace_id,
        services=services,
    )


def _started(found: Sequence[Sequence[Any]], services: Services) -> JobView:
    """Return the view of the one job that was started; raises Fenced when there is none.

    The drivers give JSON as text or as it is, and the opening statement everything as bytes.
    """
    if not found:
        raise Fenced
    key, kind, args, cursor, attempt, runs, about, *ids, trace_id = found[0]
    subject = None
    if about is not None:
        subject_id, customer, portfolio, actor = (None if v is None else int(v) for v in ids)
        assert subject_id is not None, "a subject has an id"
        subject = Subject(
            kind=_text(about),
            id=subject_id,
            customer_id=customer,
            portfolio_id=portfolio,
            actor_id=actor,
        )
    return JobView(
        id=int(key),
        kind=_text(kind),
        args=_json(args),
        cursor=_json(cursor),
        attempt=int(attempt),
        runs=int(runs),
        subject=subject,
        trace_id=_text(trace_id),
        services=services,
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, bytes | str) else value


def _fenced(job_id: int, attempt: int, *states: State) -> Any:
    return (
        update(Job)
        .where(Job.id == job_id, Job.attempt == attempt, Job.state.in_(states))
        .execution_options(synchronize_session=False)
    )
