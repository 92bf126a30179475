"""Attempts that are still open follow a changed setting, a release, a reopening."""

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from finview.cases.lifecycle import locked_all
from finview.cases.models import Case
from finview.customers.models import Customer
from finview.db.bulk import bulk_update
from finview.db.jobs import CHUNKED, SHORT, JobView, Step, job
from finview.enrichment.due import Terms, plan_next, rearm, terms_of
from finview.enrichment.models import AttemptState, EnrichmentAttempt

CHUNK = 500
DONE = (
    *(AttemptState.FOUND, AttemptState.NOT_FOUND, AttemptState.REFUSED),
    *(AttemptState.FAILED, AttemptState.UNKNOWN),
)


@job("enrichment.rearm", shape=SHORT)
def rearm_job(session: Session, view: JobView) -> None:
    """Plan anew what was left out while a case was held or closed."""
    case = session.scalars(
        select(Case).where(Case.id == view.args["case_id"]).with_for_update()
    ).one_or_none()
    if case is not None:
        rearm(session, case)


@job("enrichment.replan", shape=CHUNKED, queue="bulk")
class Replan:
    """Dates open attempts anew after a change of interval or attempts at a scope.

    Where more attempts are allowed now than were made, the next one is planned.
    """

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.scope: tuple[str, int] = (view.args["scope_kind"], view.args["scope_id"])
        cursor = view.cursor or {}
        self.after: int = cursor.get("case", 0)
        self.done: int = cursor.get("done", 0)

    def prepare(self) -> list[int] | None:
        """Return the next cases of the scope that have attempts and are not closed."""
        has = select(EnrichmentAttempt.id).where(EnrichmentAttempt.case_id == Case.id).exists()
        wanted = select(Case.id).where(Case.id > self.after, Case.closed_at.is_(None), has)
        with self.view.services.db.reading() as session:
            ids = session.scalars(self._within(wanted).order_by(Case.id).limit(CHUNK)).all()
        return list(ids) or None

    def _within(self, wanted: Select[Any]) -> Select[Any]:
        kind, key = self.scope
        if kind == "BUCKET":
            return wanted.where(Case.bucket_id == key)
        if kind == "CUSTOMER":
            return wanted.where(Case.customer_id == key)
        if kind == "BUSINESS_UNIT":
            mine = select(Customer.id).where(Customer.business_unit_id == key)
            return wanted.where(Case.customer_id.in_(mine))
        return wanted

    def write(self, session: Session, work: list[int]) -> Step:
        """Date the newest attempt of each case anew; one that was taken meanwhile stays."""
        locked_all(session, work)
        newer = aliased(EnrichmentAttempt)
        before = aliased(EnrichmentAttempt)
        rows = session.execute(
            select(EnrichmentAttempt, Case, before.at)
            .join(Case, Case.id == EnrichmentAttempt.case_id)
            .outerjoin(
                before,
                (before.case_id == EnrichmentAttempt.case_id)
                & (before.n == EnrichmentAttempt.n - 1),
            )
            .where(
                Case.id.in_(work),
                ~select(newer.id)
                .where(newer.case_id == Case.id, newer.n > EnrichmentAttempt.n)
                .exists(),
            )
            .order_by(Case.id)
        ).all()
        terms = terms_of(session, {(c.customer_id, c.bucket_id) for _, c, _ in rows})
        changes: list[dict[str, Any]] = []
        for attempt, case, at in rows:
            mine: Terms = terms[case.customer_id, case.bucket_id]
            if attempt.state == AttemptState.PLANNED:
                due_at = mine.due(at if attempt.n > 1 and at is not None else case.opened_at)
                changes.append({"id": attempt.id, "state": attempt.state, "due_at": due_at})
            elif attempt.state in DONE:
                plan_next(session, case, attempt, mine)
        bulk_update(session, EnrichmentAttempt, changes, key=("id", "state"))
        self.after, self.done = work[-1], self.done + len(work)
        return Step(cursor={"case": self.after, "done": self.done}, done=self.done)

    def finish(self, session: Session) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held open."""
