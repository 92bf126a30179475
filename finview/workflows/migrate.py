"""Moving open runs to the published version of their workflow: a chunked job, counted first."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case
from finview.cases.task_models import Task
from finview.cases.timeline import note
from finview.communications.models import Outreach
from finview.communications.outreach import withdraw
from finview.db import audit
from finview.db.bulk import bulk_insert
from finview.db.events import Happening, emit_each
from finview.db.failpoints import failpoint
from finview.db.jobs import CHUNKED, JobView, Step, Subject, enqueue, job
from finview.db.lists import one_of
from finview.errors import Invalid, State, Verbatim
from finview.i18n import N_, sentences
from finview.workflows.definitions import digest, versions_of
from finview.workflows.events import RESUMED
from finview.workflows.graph import Graph, read
from finview.workflows.models import (
    Run,
    Timer,
    TimerKind,
    TimerState,
    Workflow,
    WorkflowVersion,
)
from finview.workflows.runs import ACTING, OPEN

sentences(
    {
        "MIGRATE_UNPUBLISHED": N_("The workflow has no published version to go to."),
        "MIGRATE_VERSION": N_("There is no earlier published version {version} to leave."),
        "MIGRATE_NODES": N_("The nodes are an object of old names and new ones."),
        "MIGRATE_FROM_NODE": N_("Version {version} has no node {node}."),
        "MIGRATE_TO_NODE": N_("Version {version} has no node {node} to go to."),
        "TIMELINE_WORKFLOW_MOVED": N_("The workflow goes on in its version {version}."),
        "WORKFLOW_MIGRATING": N_("Runs are moved to another version."),
    }
)

RUNS_PER_CHUNK = 1000
KIND = "workflow.migrate"


def migrate(
    session: Session,
    workflow: Workflow,
    *,
    from_version: int,
    nodes: Any,
    dry_run: bool,
    by: int | None,
) -> int:
    """Begin to move the open runs of a version to the published one; return the id of the job.

    `nodes` maps old names to new ones; a node that both versions have needs no entry, and runs in
    one that is gone and has none stay. A dry run only counts, into the job's result. Raises `State`
    (MIGRATE_UNPUBLISHED), `Invalid` (MIGRATE_…).
    """
    published = versions_of(session, [workflow.id])[workflow.id].published
    if published is None:
        raise State("MIGRATE_UNPUBLISHED", path=("input", "workflowId"))
    wanted = select(WorkflowVersion).where(
        WorkflowVersion.workflow_id == workflow.id, WorkflowVersion.n == from_version
    )
    left = session.scalars(wanted).one_or_none()
    if left is None or left.n >= published.n:
        raise Invalid("MIGRATE_VERSION", path=("input", "fromVersion"), version=from_version)
    given = _checked(nodes, left, published)
    audit.record(
        session,
        "workflow.migrate",
        actor_id=by,
        subject=("workflow", workflow.id),
        from_version=left.n,
        to_version=published.n,
        dry_run=dry_run,
        nodes=given,
    )
    args = {"from": left.id, "to": published.id, "nodes": given, "dry_run": dry_run}
    return enqueue(
        session,
        KIND,
        args,
        dedupe_key=f"migrate:{digest(args)}",
        subject=Subject(kind="workflow", id=workflow.id, actor_id=by),
    )


def _checked(nodes: Any, left: WorkflowVersion, target: WorkflowVersion) -> dict[str, str]:
    path = ("input", "nodes")
    if not isinstance(nodes, Mapping) or not all(isinstance(to, str) for to in nodes.values()):
        raise Invalid("MIGRATE_NODES", path=path)
    before, after = read(left.graph).nodes, read(target.graph).nodes
    for old, new in nodes.items():
        place = (*path, Verbatim(old))
        if old not in before:
            raise Invalid("MIGRATE_FROM_NODE", path=place, version=left.n, node=old)
        if new not in after:
            raise Invalid("MIGRATE_TO_NODE", path=place, version=target.n, node=new)
    return dict(nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where the runs in one node go.

    `same`: the node has the same type, so they go on waiting in it; else they enter it anew.
    `replan`: its settings differ, so that what they wait for may differ, too.
    """

    to: str
    same: bool
    replan: bool


def ways(before: Graph, after: Graph, nodes: Mapping[str, str]) -> dict[str, Way]:
    """Return the way of every node that has one."""
    found: dict[str, Way] = {}
    for name, old in before.nodes.items():
        new = after.nodes.get(nodes.get(name, name))
        if new is not None:
            same = new.type == old.type
            found[name] = Way(
                to=new.id, same=same, replan=same and dict(new.config) != dict(old.config)
            )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    ids: list[int]
    total: int


@job(KIND, shape=CHUNKED, queue="bulk", max_runs=20)
class MigrateRuns:
    """Move open runs, 1,000 in a transaction; what was moved is not met again."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        cursor = view.cursor or {}
        self.after: int = cursor.get("run", 0)
        self.counts: Counter[str] = Counter(cursor.get("counts") or {})

    def prepare(self) -> _Work | None:
        """Return the next runs of the version that is left."""
        mine = (Run.version_id == self.view.args["from"], Run.status.in_(OPEN))
        with self.view.services.db.reading() as session:
            wanted = select(Run.id).where(*mine, Run.id > self.after).order_by(Run.id)
            ids = list(session.scalars(wanted.limit(RUNS_PER_CHUNK)))
            left = session.scalar(select(func.count()).where(*mine, Run.id > self.after)) or 0
        return _Work(ids=ids, total=self.counts.total() + left) if ids else None

    def write(self, session: Session, work: _Work) -> Step:
        """Move one chunk; a dry run counts what it would do."""
        failpoint("workflow.migrate.chunk")
        args = self.view.args
        before, after = (session.get_one(WorkflowVersion, args[end]) for end in ("from", "to"))
        found = ways(read(before.graph), read(after.graph), args["nodes"])
        dry = bool(args["dry_run"])
        runs = _open_runs(session, work.ids, before.id, lock=not dry)
        # Set anew, not added to: the runner may repeat a transaction.
        counts = Counter((self.view.cursor or {}).get("counts") or {})
        moving: list[tuple[Run, Way | None]] = []
        for run in runs:
            node = run.node_id
            way = found.get(node) if node is not None else None
            counts[_key(node, way)] += 1
            if node is None or way is not None:
                moving.append((run, way))
        if not dry:
            move(session, moving, after)
        self.after, self.counts = work.ids[-1], counts
        return Step(
            cursor={"run": self.after, "counts": dict(counts)},
            done=counts.total(),
            total=max(work.total, counts.total()),
            phase="WORKFLOW_MIGRATING",
        )

    def finish(self, session: Session) -> None:  # noqa: ARG002  # the contract
        """Show the counts with the job."""
        listed = [[*orjson.loads(key), n] for key, n in sorted(self.counts.items())]
        moved = sum(n for node, to, n in listed if to is not None or node is None)
        self.view.result = {
            "runs": self.counts.total(),
            "moved": moved,
            "stayed": self.counts.total() - moved,
            "nodes": [{"from": node, "to": to, "runs": n} for node, to, n in listed],
        }

    def close(self) -> None:
        """Nothing is held open."""


def _key(node: str | None, way: Way | None) -> str:
    return orjson.dumps([node, way.to if way is not None else None]).decode()


def _open_runs(session: Session, ids: Sequence[int], version_id: int, *, lock: bool) -> list[Run]:
    """Return those of some runs that are still there to move; their cases are held, in order."""
    if lock:
        cases = select(Run.case_id).where(one_of(Run.id, ids))
        session.execute(
            select(Case.id).where(Case.id.in_(cases)).order_by(Case.id).with_for_update()
        )
    wanted = select(Run).where(
        one_of(Run.id, ids), Run.version_id == version_id, Run.status.in_(OPEN)
    )
    rows = session.scalars(wanted.order_by(Run.id).execution_options(populate_existing=True))
    return list(rows)


def move(
    session: Session, moving: Sequence[tuple[Run, Way | None]], version: WorkflowVersion
) -> None:
    """Move runs of held cases to a version; every one takes a step, so that old timers are void.

    A run that goes on waiting keeps its time, unless its node's settings differ: then the node is
    asked again and finds out itself. One that enters a node anew begins there.
    """
    again: list[Run] = []
    timers: list[dict[str, Any]] = []
    for run, way in moving:
        run.version_id, run.seq = version.id, run.seq + 1
        if way is None:
            continue
        acting = run.status in ACTING
        if not way.same:
            _enter(session, run, way.to)
        elif run.node_id != way.to:
            _rename(session, run, way.to)
        if way.replan:
            run.waits_for = [*{**dict.fromkeys(run.waits_for), RESUMED: None}]
        if acting and run.wake_at is not None:
            timers.append(_timer(run))
        if acting and (way.replan or not way.same):
            again.append(run)
    session.flush()
    bulk_insert(session, Timer, timers)
    case_ids = [run.case_id for run, _ in moving]
    note(session, "TIMELINE_WORKFLOW_MOVED", case_ids, by=None, params={"version": version.n})
    _ask_again(session, again)


def _enter(session: Session, run: Run, node: str) -> None:
    withdraw(session, run.id)
    run.visits = {**run.visits, node: run.visits.get(node, 0) + 1}
    run.node_id, run.entered_at = node, clock.now()
    run.wake_at, run.waits_for = None, []


def _rename(session: Session, run: Run, node: str) -> None:
    """Let a run wait on in a node of another name; what it has sent and asked there goes along."""
    old = run.node_id
    visit, new = run.visits.get(old or "", 1), run.visits.get(node, 0) + 1
    for model in (Outreach, Task):
        session.execute(
            update(model)
            .where(model.run_id == run.id, model.node_id == old, model.visit == visit)
            .values(node_id=node, visit=new)
            .execution_options(synchronize_session=False)
        )
    run.node_id, run.visits = node, {**run.visits, node: new}


def _timer(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "case_id": run.case_id,
        "token": run.seq,
        "kind": TimerKind.WAKE,
        "due_at": run.wake_at,
        "state": TimerState.WAITING,
    }


def _ask_again(session: Session, runs: Iterable[Run]) -> None:
    """Let the advance of their cases ask the nodes of runs what they wait for now."""
    listed = sorted(runs, key=lambda run: run.case_id)
    emit_each(
        session,
        RESUMED,
        [
            Happening(
                case_id=run.case_id,
                payload={"run_id": run.id},
                dedupe=f"moved:{run.id}:{run.seq}",
            )
            for run in listed
        ],
    )
