"""Takes back the calls that a general stop covers: what was asked for must not be made either."""

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from finview.cases.models import Case
from finview.communications.holds import HoldScope
from finview.communications.models import Outreach, OutreachState
from finview.communications.outreach import held_case, open_calls, take_back
from finview.communications.policy_models import OutboundHold
from finview.customers.models import Customer
from finview.db.jobs import CHUNKED, JobView, Step, job

CHUNK = 200


def _covered(hold: OutboundHold) -> ColumnElement[bool]:
    """Return the condition on contacts that a stop covers."""
    of_unit = select(Customer.id).where(Customer.business_unit_id == hold.scope_id)
    of_bucket = select(Case.id).where(Case.bucket_id == hold.scope_id)
    scopes: dict[HoldScope, ColumnElement[bool]] = {
        HoldScope.SYSTEM: true(),
        HoldScope.BUSINESS_UNIT: Outreach.customer_id.in_(of_unit),
        HoldScope.CUSTOMER: Outreach.customer_id == hold.scope_id,
        HoldScope.PORTFOLIO: Outreach.portfolio_id == hold.scope_id,
        HoldScope.BUCKET: Outreach.case_id.in_(of_bucket),
        HoldScope.WORKFLOW: Outreach.workflow_id == hold.scope_id,
    }
    return scopes[HoldScope(hold.scope_kind)]


@job("communications.calls_stop", shape=CHUNKED, queue="outreach")
class StopCalls:
    """Take back the open calls of a stop, chunk by chunk; it ends when the stop does."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.cursor = view.cursor or {"last": 0, "done": 0}

    def prepare(self) -> list[int] | None:
        """Return the next calls."""
        with self.view.services.db.reading() as session:
            hold = session.get_one(OutboundHold, self.view.args["hold_id"])
            if hold.ended_at is not None:
                return None
            wanted = open_calls().where(_covered(hold), Outreach.id > self.cursor["last"])
            rows = session.scalars(wanted.order_by(Outreach.id).limit(CHUNK)).all()
            # Cases are locked in the order of their ids.
            return [row.id for row in sorted(rows, key=lambda row: row.case_id)] or None

    def write(self, session: Session, work: list[int]) -> Step:
        """Take each back that is still open."""
        for row_id in work:
            row = session.get_one(Outreach, row_id)
            held_case(session, row)
            open_still = row.state in (OutreachState.ACCEPTED, OutreachState.UNKNOWN)
            if open_still and row.outcome is None:
                take_back(session, row)
        self.cursor = {"last": max(work), "done": self.cursor["done"] + len(work)}
        return Step(cursor=self.cursor, done=self.cursor["done"])

    def finish(self, session: Session) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held."""
