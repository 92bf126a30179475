"""Plans that are kept follow a changed setting: their reminders are dated anew."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.models import AgreementState, Case, CaseStatus, PaymentPlan
from finview.customers.models import Customer
from finview.db.cascade import SYSTEM
from finview.db.events import emit
from finview.db.jobs import CHUNKED, JobView, Step, enqueue, job
from finview.db.lists import one_of
from finview.workflows.events import SETTINGS
from finview.workflows.models import Run, WorkflowKind

CHUNK = 500


def catch_up(session: Session) -> None:
    """Order a run for each plan that has none: those of a database from before there were any."""
    has = select(Run.id).where(
        Run.case_id == PaymentPlan.case_id,
        Run.kind == WorkflowKind.PAYMENT_PLAN,
        Run.subject_id == PaymentPlan.id,
    )
    missing = (
        select(PaymentPlan.id)
        .join(Case, Case.id == PaymentPlan.case_id)
        .where(
            PaymentPlan.state == AgreementState.ACTIVE,
            Case.status == CaseStatus.PAYMENT_PLAN,
            ~has.exists(),
        )
    )
    if session.scalars(missing.limit(1)).first() is not None:
        everything = {"scope_kind": SYSTEM.kind, "scope_id": SYSTEM.id}
        enqueue(session, "workflow.replan", everything, dedupe_key="workflow.replan:all")


@job("workflow.replan", shape=CHUNKED, queue="bulk")
class Replan:
    """Tells the cases of a scope that have a plan that a setting was changed."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.scope: tuple[str, int] = (view.args["scope_kind"], view.args["scope_id"])
        cursor = view.cursor or {}
        self.after: int = cursor.get("case", 0)
        self.done: int = cursor.get("done", 0)

    def prepare(self) -> list[int] | None:
        """Return the next cases of the scope with a plan that is kept."""
        kind, key = self.scope
        within = {
            "BUCKET": Case.bucket_id == key,
            "CUSTOMER": Case.customer_id == key,
            "BUSINESS_UNIT": Case.customer_id.in_(
                select(Customer.id).where(Customer.business_unit_id == key)
            ),
        }
        wanted = (
            select(Case.id)
            .join(PaymentPlan, PaymentPlan.case_id == Case.id)
            .where(PaymentPlan.state == AgreementState.ACTIVE, Case.id > self.after)
        )
        if kind in within:
            wanted = wanted.where(within[kind])
        with self.view.services.db.reading() as session:
            ids = session.scalars(wanted.order_by(Case.id).limit(CHUNK)).all()
        return list(ids) or None

    def write(self, session: Session, work: list[int]) -> Step:
        """Write the event of each, holding its row."""
        held = select(Case.id).where(one_of(Case.id, work)).order_by(Case.id).with_for_update()
        for case_id in session.scalars(held).all():
            emit(session, SETTINGS, case_id=case_id)
        self.after, self.done = work[-1], self.done + len(work)
        return Step(cursor={"case": self.after, "done": self.done}, done=self.done)

    def finish(self, session: Session) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held."""
