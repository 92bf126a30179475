"""Lets go on what waits without a known end: after a hold, a stop, or once missing data is there."""

from datetime import timedelta

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case
from finview.communications.first_demand import WAITS
from finview.communications.holds import cases_in
from finview.communications.models import Outreach, OutreachState
from finview.communications.outreach import send_at
from finview.communications.policy_models import OutboundHold
from finview.customers.models import Customer
from finview.db.jobs import CHUNKED, SHORT, JobView, Step, Subject, enqueue, job
from finview.db.lists import one_of
from finview.db.schedule import Every, recurring

CHUNK = 500
SPREAD_S_MAX = 3600
PER_S = 20
"""So many cases a second go on when a stop ends, until the spread would be longer than an hour."""


@job("communications.wake", shape=SHORT, queue="outreach")
def wake(session: Session, view: JobView) -> None:
    """Ask the contact policy again about what one case has planned."""
    planned = select(Outreach).where(
        Outreach.case_id == view.args["case_id"], Outreach.state == OutreachState.PLANNED
    )
    for row in session.scalars(planned):
        send_at(session, row, None, again=f":wake:{view.id}")


@job("communications.completed", shape=CHUNKED, queue="outreach")
class Completed:
    """Ask again about what waits for data of a first demand: of a unit, a customer, or everywhere."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.cursor = view.cursor or {"last": 0, "done": 0}

    def prepare(self) -> list[int] | None:
        """Return the next contacts that wait."""
        wanted = select(Outreach.id).where(
            # Written out: a bound value would hide the partial index from the planner.
            Outreach.state == literal_column("'PLANNED'"),
            Outreach.reason == WAITS,
            Outreach.id > self.cursor["last"],
        )
        args = self.view.args
        if "customer_id" in args:
            wanted = wanted.where(Outreach.customer_id == args["customer_id"])
        if "unit_id" in args:
            of_unit = select(Customer.id).where(Customer.business_unit_id == args["unit_id"])
            wanted = wanted.where(Outreach.customer_id.in_(of_unit))
        with self.view.services.db.reading() as session:
            found = session.scalars(wanted.order_by(Outreach.id).limit(CHUNK)).all()
        return list(found) or None

    def write(self, session: Session, work: list[int]) -> Step:
        """Enqueue their sending, where the contact policy is asked."""
        for row in session.scalars(select(Outreach).where(one_of(Outreach.id, work))):
            send_at(session, row, None, again=f":completed:{self.view.id}")
        self.cursor = {"last": work[-1], "done": self.cursor["done"] + len(work)}
        return Step(cursor=self.cursor, done=self.cursor["done"])

    def finish(self, session: Session) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held."""


@job("communications.go_on", shape=CHUNKED, queue="bulk")
class GoOn:
    """Wake what a stop that has ended held back: contacts and workflows, so many a second."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.hold_id: int = view.args["hold_id"]
        self.cursor = view.cursor or {"last": 0, "done": 0}
        self.total: int | None = None

    def prepare(self) -> list[int] | None:
        """Return the next cases of the scope."""
        with self.view.services.db.reading() as session:
            hold = session.get_one(OutboundHold, self.hold_id)
            if self.total is None:
                counted = select(func.count()).select_from(Case).where(cases_in(hold))
                self.total = session.scalar(counted) or 0
            found = session.scalars(
                select(Case.id)
                .where(cases_in(hold), Case.id > self.cursor["last"])
                .order_by(Case.id)
                .limit(CHUNK)
            ).all()
        return list(found) or None

    def write(self, session: Session, work: list[int]) -> Step:
        """Enqueue the sending of what they planned, and their advance."""
        done, total = self.cursor["done"], max(self.total or 0, 1)
        length = min(SPREAD_S_MAX, total / PER_S)
        planned: dict[int, list[Outreach]] = {}
        waiting = select(Outreach).where(
            one_of(Outreach.case_id, work), Outreach.state == OutreachState.PLANNED
        )
        for row in session.scalars(waiting):
            planned.setdefault(row.case_id, []).append(row)
        for n, case_id in enumerate(work, done):
            at = clock.now() + timedelta(seconds=length * n / total)
            for row in planned.get(case_id, ()):
                send_at(session, row, at, again=f":hold:{self.hold_id}")
            enqueue(
                session,
                "workflow.advance",
                {"case_id": case_id},
                # Of its own: what happens meanwhile must not wait for this one's turn.
                dedupe_key=f"advance:{case_id}:hold:{self.hold_id}",
                run_at=at,
                subject=Subject(kind="case", id=case_id),
            )
        self.cursor = {"last": work[-1], "done": done + len(work)}
        return Step(cursor=self.cursor, done=self.cursor["done"], total=self.total)

    def finish(self, session: Session) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held."""


# A file that brings the contract of a known case has no act of its own to hear of.
recurring("communications.completed", Every(3600))
