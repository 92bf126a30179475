"""The job table, `enqueue`, and the registry of what a kind of job does; knows no carrier."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import orjson
from sqlalchemy import (
    ColumnElement,
    Index,
    SmallInteger,
    String,
    Text,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from finview import clock
from finview.db import after_commit, database_of
from finview.db.base import Base, Id, Json, Scope
from finview.db.driver import fetch, send, written
from finview.db.postgres import CHANNEL
from finview.errors import FinviewError

if TYPE_CHECKING:
    from finview.db.runtime import Services

H = TypeVar("H")

QUEUES = ("default", "bulk", "outreach", "trace", "mail")
ARGS_BYTES_MAX = 64 * 1024
MAX_RUNS = 5


class State(StrEnum):
    """Where a job stands; the public JobState folds some of these together."""

    SCHEDULED = "SCHEDULED"
    READY = "READY"
    DISPATCHED = "DISPATCHED"
    RUNNING = "RUNNING"
    PARKED = "PARKED"
    DONE = "DONE"
    DEAD = "DEAD"
    CANCELLED = "CANCELLED"

    @property
    def public(self) -> str:
        """Return the JobState of the GraphQL contract."""
        waiting = {"SCHEDULED": "READY", "DISPATCHED": "READY", "PARKED": "READY", "DEAD": "FAILED"}
        return waiting.get(self.value, self.value)


def is_in(*states: State) -> ColumnElement[bool]:
    """Return the condition on a job's state, written out: bound values would hide the partial
    indexes from the planner.
    """
    listed: list[ColumnElement[str]] = [literal_column("'" + state + "'") for state in states]
    return Job.state == listed[0] if len(listed) == 1 else Job.state.in_(listed)


OPEN = (State.SCHEDULED, State.READY, State.DISPATCHED, State.RUNNING, State.PARKED)
FINAL = (State.DONE, State.DEAD, State.CANCELLED)


def _listed(states: tuple[State, ...]) -> str:
    return ",".join(f"'{state}'" for state in states)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    condition: ColumnElement[bool] = literal_column(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


_DEDUPED = f"dedupe_key IS NOT NULL AND state IN ({_listed(OPEN)})"


class Job(Base):
    """Accepted work. `attempt` is the fence (+1 at each claim), `runs` what counts for people."""

    __tablename__ = "job"
    __table_args__ = (
        _partial("job_dedupe", "dedupe_key", where=_DEDUPED, unique=True),
        _partial("job_ready", "queue", "priority", "id", where="state = 'READY'"),
        _partial("job_due", "run_at", "id", where="state = 'SCHEDULED'"),
        _partial("job_lease", "lease_until", where="state IN ('DISPATCHED','RUNNING')"),
        _partial("job_final", "finished_at", "id", where=f"state IN ({_listed(FINAL)})"),
        _partial("job_parked", "park_key", where="state = 'PARKED'"),
        _partial("job_dead", "kind", "id", where="state = 'DEAD'"),
        Index("job_subject", "subject_kind", "subject_id"),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    queue: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(80))
    args: Mapped[dict[str, Any]] = mapped_column(Json)
    dedupe_key: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(12))
    priority: Mapped[int] = mapped_column(SmallInteger, default=100)
    run_at: Mapped[datetime]
    # Database milliseconds, not the test clock's: a lease is about real time.
    lease_until: Mapped[int | None]
    worker: Mapped[str | None] = mapped_column(String(80))
    attempt: Mapped[int] = mapped_column(default=0)
    attempt_base: Mapped[int] = mapped_column(default=0)
    runs: Mapped[int] = mapped_column(default=0)
    max_runs: Mapped[int]
    park_key: Mapped[str | None] = mapped_column(String(80))
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    solo: Mapped[bool] = mapped_column(default=False)
    progress_done: Mapped[int] = mapped_column(default=0)
    progress_total: Mapped[int | None]
    phase: Mapped[str | None] = mapped_column(String(60))
    cursor: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    error_code: Mapped[str | None] = mapped_column(String(60))
    error_params: Mapped[dict[str, Any] | None]
    error_trace: Mapped[str | None] = mapped_column(Text)
    subject_kind: Mapped[str | None] = mapped_column(String(40))
    subject_id: Mapped[int | None]
    customer_id: Mapped[int | None]
    portfolio_id: Mapped[int | None]
    actor_id: Mapped[int | None]
    parent_id: Mapped[int | None]
    trace_id: Mapped[str] = mapped_column(String(40), default="")
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Worker(Base):
    """A process that runs jobs; its heart beats by the database's clock, in milliseconds."""

    __tablename__ = "worker"
    __table_args__ = (Index("worker_beat", "beat_at"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(120), unique=True)
    queues: Mapped[list[str]]
    threads: Mapped[int]
    started_at: Mapped[int]
    beat_at: Mapped[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a job is about and whose it is; decides who may see the job."""

    kind: str
    id: int
    customer_id: int | None = None
    portfolio_id: int | None = None
    actor_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why a job failed: the code and params that are stored and shown."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class JobView:
    """What a handler knows of its job; `cursor` is kept up to date after each chunk.

    What it puts into `result` is stored with the job when it is done, and shown: counts, no names.
    """

    id: int
    kind: str
    args: Mapping[str, Any]
    cursor: dict[str, Any] | None
    attempt: int
    runs: int
    subject: Subject | None
    trace_id: str
    services: "Services"
    result: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a chunk has reached; counts are rows, `phase` a message code."""

    cursor: dict[str, Any]
    done: int
    total: int | None = None
    phase: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A step of a running job, for whoever watches it."""

    job_id: int
    kind: str
    done: int
    total: int | None
    phase: str | None


class RetryLater(Exception):
    """Run this job again in `after_s` seconds; it counts as a run."""

    def __init__(self, why: str | FinviewError, *, after_s: float) -> None:
        super().__init__(str(why))
        self.why = why
        self.after_s = after_s


class Rejected(Exception):
    """This job can never succeed: it is dead at once."""

    def __init__(self, why: str | FinviewError) -> None:
        super().__init__(str(why))
        self.why = why


class Misconfigured(Exception):
    """This job waits for a person; `unpark(session, park_key)` readies it."""

    def __init__(self, why: str | FinviewError, *, park_key: str) -> None:
        super().__init__(str(why))
        self.why = why
        self.park_key = park_key


class Shape(StrEnum):
    """How many transactions a kind takes: one, one a chunk, or around a provider call."""

    SHORT = "SHORT"
    CHUNKED = "CHUNKED"
    EXTERNAL = "EXTERNAL"


SHORT, CHUNKED, EXTERNAL = Shape.SHORT, Shape.CHUNKED, Shape.EXTERNAL

OnDead = Callable[[Session, JobView, JobError], None]
OnCancel = Callable[[Session, JobView], None]
Tick = Callable[[Session], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A registered kind of job."""

    name: str
    shape: Shape
    queue: str
    max_runs: int
    lease_s: int
    durable: bool
    handler: Any

    @property
    def on_dead(self) -> OnDead | None:
        """Return what the kind does when a job of it is given up."""
        hook: OnDead | None = getattr(self.handler, "on_dead", None)
        return hook

    @property
    def on_cancel(self) -> OnCancel | None:
        """Return what the kind does when a job of it is cancelled."""
        hook: OnCancel | None = getattr(self.handler, "on_cancel", None)
        return hook


_KINDS: dict[str, Kind] = {}
_TICKS: dict[str, Tick] = {}


def job(
    kind: str,
    *,
    shape: Shape,
    queue: str = "default",
    max_runs: int = MAX_RUNS,
    lease_s: int = 60,
    durable: bool = True,
    on_dead: OnDead | None = None,
    on_cancel: OnCancel | None = None,
) -> Callable[[H], H]:
    """Register what a kind of job does.

    SHORT: `handler(session, job)`. CHUNKED: a class `(job)` with `prepare() -> work | None`, without
    a writing session, then `write(session, work) -> Step`; at the end `finish(session)`; always
    `close()`. EXTERNAL: a class `(job)` with `before(session) -> request | None`,
    `call(request) -> outcome`, no session open, `after(session, outcome)`. A transaction that met a
    deadlock is repeated, so `write`, `before`, `after` must bear that. An EXTERNAL class may have
    `failed(session, error)`: what it stores, together with the failure, when its `call` raised.

    `on_dead(session, job, error)` and `on_cancel(session, job)` run in the transaction that gives
    the job up; a class may have them as static methods instead. `durable=False` is for chunks that
    can be made again after a power cut. Raises ValueError when a kind or queue clashes.
    """
    if queue not in QUEUES:
        raise ValueError(f"unknown queue {queue!r}")

    def register(handler: H) -> H:
        known = _KINDS.get(kind)
        name = _qualified(handler)
        if known is not None and _qualified(known.handler) != name:
            raise ValueError(f"job kind {kind!r} is registered twice: {name}")
        if on_dead is not None:
            handler.on_dead = on_dead  # type: ignore[attr-defined] # an attribute of a function or class
        if on_cancel is not None:
            handler.on_cancel = on_cancel  # type: ignore[attr-defined] # as above
        _KINDS[kind] = Kind(
            name=kind,
            shape=shape,
            queue=queue,
            max_runs=max_runs,
            lease_s=lease_s,
            durable=durable,
            handler=handler,
        )
        return handler

    return register


def kind_of(name: str) -> Kind | None:
    """Return a registered kind, None when this process doesn't know it."""
    return _KINDS.get(name)


def kinds() -> Mapping[str, Kind]:
    """Return all registered kinds by name."""
    return dict(_KINDS)


def on_tick(name: str) -> Callable[[Tick], Tick]:
    """Register `fn(session) -> int`: due work every ticker does each second, in a unit of its own.

    It returns how much it did and is called again until that is 0 (timers, sealing).
    """

    def register(tick: Tick) -> Tick:
        _TICKS[name] = tick
        return tick

    return register


def ticks() -> Mapping[str, Tick]:
    """Return what is to be done each second, by name."""
    return dict(_TICKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is particular to one job of many."""

    args: Mapping[str, Any]
    dedupe_key: str | None = None
    subject: Subject | None = None


# As the driver takes them: a launch enqueues a job for each case, and a payment or a reply one.
_COMMON = {
    "queue": "text",
    "kind": "text",
    "state": "text",
    "priority": "smallint",
    "run_at": "bigint",
    "max_runs": "bigint",
    "parent_id": "bigint",
    "trace_id": "text",
    "created_at": "bigint",
}
_OWN = {
    "args": "jsonb",
    "dedupe_key": "text",
    "subject_kind": "text",
    "subject_id": "bigint",
    "customer_id": "bigint",
    "portfolio_id": "bigint",
    "actor_id": "bigint",
}
_ZERO = {
    "attempt": "0",
    "attempt_base": "0",
    "runs": "0",
    "progress_done": "0",
    "cancel_requested": "false",
    "solo": "false",
}
_INTO = f"INSERT INTO job ({', '.join([*_COMMON, *_OWN, *_ZERO])}) "
_VALUES = ", ".join(
    [*(f"{{{name}}}" for name in [*_COMMON, *_OWN]), *_ZERO.values()],
)
_INSERT = written(f"{_INTO} VALUES ({_VALUES}) ON CONFLICT DO NOTHING RETURNING id")
_INSERT_ONE = written(f"{_INTO} VALUES ({_VALUES}) ON CONFLICT DO NOTHING")["sqlite"]
_SHARED = [f"{{{name}}}::{kind}" for name, kind in _COMMON.items()]
_EACH = ", ".join(f"{{all_{name}}}::{kind}[]" for name, kind in _OWN.items())
_INSERT_MANY = written(
    f"{_INTO} SELECT {', '.join([*_SHARED, *_OWN, *_ZERO.values()])} "
    f"FROM unnest({_EACH}) WITH ORDINALITY AS one ({', '.join(_OWN)}, n) ORDER BY n "
    "ON CONFLICT DO NOTHING"
)["postgresql"]


def enqueue(
    session: Session,
    kind: str,
    args: Mapping[str, Any],
    *,
    dedupe_key: str | None = None,
    run_at: datetime | None = None,
    priority: int = 100,
    subject: Subject | None = None,
) -> int:
    """Add a job in the caller's transaction and return its id; nothing else happens before commit.

    With a `dedupe_key` that is still open the existing job's id is returned; it may be running
    already. `args` holds ids and options, never personal data, at most 64 KiB (ValueError). A lower
    `priority` runs first.
    """
    session.flush()
    wanted = Wanted(args=args, dedupe_key=dedupe_key, subject=subject)
    about = session.info.get("job") or {}
    common = _common(session, kind, about, run_at, priority)
    values = common | _own(kind, wanted, about)
    connection = session.connection()
    while True:
        added = fetch(connection, _INSERT[connection.dialect.name], values)
        if added:
            _announce(session, common)
            return int(added[0][0])
        # The open job may have ended since the insert met it; then there is room for a new one.
        found = session.scalar(select(Job.id).where(Job.dedupe_key == dedupe_key, is_in(*OPEN)))
        if found is not None:
            return found


def enqueue_many(
    session: Session,
    kind: str,
    jobs: Iterable[Wanted],
    *,
    run_at: datetime | None = None,
    priority: int = 100,
) -> int:
    """Add jobs of one kind as `enqueue` does, in few statements; return how many were added.

    Those whose `dedupe_key` is open already are there. Give keys in the order of ids, as everybody
    does: two transactions with the same keys wait for each other.
    """
    about = session.info.get("job") or {}
    each = [_own(kind, wanted, about) for wanted in jobs]
    if not each:
        return 0
    session.flush()
    common = _common(session, kind, about, run_at, priority)
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        columns = {f"all_{name}": [one[name] for one in each] for name in _OWN}
        added = send(connection, _INSERT_MANY, common | columns)
    else:
        added = send(connection, _INSERT_ONE, [common | one for one in each])
    if added:
        _announce(session, common)
    return added


def _common(
    session: Session,
    kind: str,
    about: Mapping[str, Any],
    run_at: datetime | None,
    priority: int,
) -> dict[str, Any]:
    """Return the columns that jobs of one call share, as the drivers take them."""
    known = _KINDS.get(kind)
    now = clock.now()
    later = run_at is not None and run_at > now
    return {
        "queue": known.queue if known else "default",
        "kind": kind,
        "state": str(State.SCHEDULED if later else State.READY),
        "priority": priority,
        "run_at": clock.to_ms(run_at or now),
        "max_runs": known.max_runs if known else MAX_RUNS,
        "parent_id": about.get("id"),
        "trace_id": about.get("trace_id") or session.info.get("trace_id", ""),
        "created_at": clock.to_ms(now),
    }


def _own(kind: str, wanted: Wanted, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of one job alone; raises ValueError when its args are too large."""
    args = orjson.dumps(wanted.args)
    if len(args) > ARGS_BYTES_MAX:
        raise ValueError(f"args of {kind} are over 64 KiB: hand over a file or rows")
    subject = wanted.subject
    return {
        "args": args.decode(),
        "dedupe_key": wanted.dedupe_key,
        "subject_kind": subject.kind if subject else None,
        "subject_id": subject.id if subject else None,
        "customer_id": subject.customer_id if subject else None,
        "portfolio_id": subject.portfolio_id if subject else None,
        "actor_id": (subject.actor_id if subject else None) or about.get("actor_id"),
    }


def _announce(session: Session, common: Mapping[str, Any]) -> None:
    if common["state"] == State.READY:
        wake(session, common["queue"])


def unpark(session: Session, park_key: str) -> int:
    """Ready every job that waits for `park_key`; return how many."""
    found = session.execute(
        update(Job)
        .where(is_in(State.PARKED), Job.park_key == park_key)
        .values(state=State.READY, park_key=None, error_code=None, error_params=None)
        .returning(Job.queue)
        .execution_options(synchronize_session=False)
    )
    queues = list(found.scalars())
    for queue in sorted(set(queues)):
        wake(session, queue)
    return len(queues)


def wake(session: Session, queue: str) -> None:
    """Tell the workers, once the caller's transaction is committed, that a queue has work."""
    woken: set[str] = session.info.setdefault("woken", set())
    if queue in woken:
        return
    database = database_of(session)
    after_commit(session, lambda: database.wake.ring(queue))
    woken.add(queue)
    if database.dialect == "postgresql":
        session.execute(select(func.pg_notify(CHANNEL, queue)))


def _qualified(handler: Any) -> str:
    return f"{handler.__module__}.{handler.__qualname__}"
