"""The job that starts the workflows of an import's cases: breathing space first where it is on."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.lifecycle import launch
from finview.cases.models import Case
from finview.cases.timeline import note
from finview.customers.models import BusinessUnit
from finview.db.bulk import bulk_insert
from finview.db.failpoints import failpoint
from finview.db.jobs import CHUNKED, JobView, Step, Subject, Wanted, enqueue_many, job
from finview.db.lists import one_of
from finview.enrichment.due import plan_first
from finview.imports.models import Import
from finview.workflows.models import Timer, TimerKind, TimerState, WorkflowKind
from finview.workflows.runs import start_runs
from finview.workflows.shipped import version_for

CASES_PER_CHUNK = 200


@dataclass(frozen=True, slots=True)
class _Chunk:
    case_ids: list[int]
    total: int


@job("workflow.launch", shape=CHUNKED, queue="bulk", max_runs=20)
class LaunchImport:
    """Start the workflows of every case; one transaction per 200 cases, none half launched."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.import_id: int = view.args["import_id"]
        cursor = view.cursor or {}
        self.after: int = cursor.get("case", 0)
        self.done: int = cursor.get("done", 0)
        self.total: int | None = cursor.get("total")

    def prepare(self) -> _Chunk | None:
        """Return the next cases that are not launched."""
        with self.view.services.db.reading() as session:
            ids = list(
                session.scalars(
                    select(Case.id)
                    .where(
                        Case.import_id == self.import_id,
                        Case.id > self.after,
                        Case.launched_at.is_(None),
                    )
                    .order_by(Case.id)
                    .limit(CASES_PER_CHUNK)
                )
            )
            if self.total is None:  # counted once, not for every chunk
                mine = select(func.count()).where(Case.import_id == self.import_id)
                self.total = session.scalar(mine) or 0
        return _Chunk(ids, self.total) if ids else None

    def write(self, session: Session, work: _Chunk) -> Step:
        """Launch one chunk: case, run, timer and the first advance in one transaction."""
        failpoint("workflow.launch.chunk")
        row = session.get_one(Import, self.import_id)
        unit = session.get_one(BusinessUnit, row.business_unit_id)
        zone = str(unit.company.get("timeZone") or "Europe/Berlin")
        launched = launch(session, work.case_ids, on=clock.today(zone), by=row.created_by)
        plan_first(session, [case.id for case in launched])
        breathing = {c.id: c.breathing_ends_on for c in launched if c.breathing_ends_on}
        rows = session.execute(
            select(Case.id, Case.customer_id, Case.portfolio_id, Case.bucket_id)
            .where(one_of(Case.id, [c.id for c in launched]))
            .order_by(Case.id)
        ).all()
        versions = {
            (kind, bucket): version_for(session, kind, row.customer_id, bucket)
            for kind in (WorkflowKind.BREATHING_SPACE, WorkflowKind.MAIN)
            for bucket in {r.bucket_id for r in rows}
        }
        for kind in (WorkflowKind.BREATHING_SPACE, WorkflowKind.MAIN):
            mine = [r for r in rows if (r.id in breathing) == (kind != WorkflowKind.MAIN)]
            runs = start_runs(
                session,
                [(r.id, r.customer_id, r.portfolio_id, versions[kind, r.bucket_id]) for r in mine],
                kind,
                clock.now(),
            )
            params = {"kind": f"KIND_{kind}"}
            note(session, "TIMELINE_WORKFLOW_STARTED", [r.id for r in mine], by=None, params=params)
            bulk_insert(
                session,
                Timer,
                [
                    {
                        "run_id": run_id,
                        "case_id": r.id,
                        "token": 0,
                        "kind": TimerKind.BREATHING_END,
                        "due_at": clock.start_of(breathing[r.id], zone),
                        "state": TimerState.WAITING,
                    }
                    for run_id, r in zip(runs, mine, strict=True)
                    if r.id in breathing
                ],
            )
        enqueue_many(
            session,
            "workflow.advance",
            (
                Wanted(
                    args={"case_id": r.id},
                    dedupe_key=f"advance:{r.id}",
                    subject=Subject(
                        kind="case",
                        id=r.id,
                        customer_id=r.customer_id,
                        portfolio_id=r.portfolio_id,
                    ),
                )
                for r in rows
            ),
        )
        self.after, self.done = work.case_ids[-1], self.done + len(work.case_ids)
        return Step(
            cursor={"case": self.after, "done": self.done, "total": work.total},
            done=self.done,
            total=work.total,
            phase="IMPORT_LAUNCHING",
        )

    def finish(self, session: Session) -> None:
        """Nothing is left to do: the import was launched by the mutation itself."""

    def close(self) -> None:
        """Nothing is held open."""
