"""Jobs around calls: taking one back, giving up on a silent one, asking centres that must be asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from finview import clock
from finview.cases.tasks import open_task
from finview.cases.timeline import note
from finview.communications.by_hand import SIMPLE
from finview.communications.call_requests import request_of
from finview.communications.calls import no_outcome, record, take_outcomes
from finview.communications.facts import stored_point
from finview.communications.models import Outreach, OutreachState
from finview.communications.outreach import (
    CALL_SILENT,
    CALL_TASK,
    CALL_WITHDRAW,
    NO_OUTCOME,
    held_case,
    task_keys,
)
from finview.communications.settle import taker
from finview.customers.models import Customer
from finview.db.failpoints import failpoint
from finview.db.jobs import EXTERNAL, SHORT, JobError, JobView, enqueue, job
from finview.db.schedule import Every, recurring
from finview.i18n import N_, sentences
from finview.plugins.bindings import Bound, bound_by, bound_ids
from finview.plugins.contracts.call_centre import CallCentre, CallOutcome
from finview.plugins.manager import Plugins

sentences(
    {
        "TIMELINE_CALL_NOT_WITHDRAWN": N_(
            "The call centre could not be told that a call is taken back."
        ),
    }
)

SLOT = "call_centre"
COLLECT_S = 600
COLLECT_BACK = timedelta(days=8)
"""Further back than any call waits for its outcome; told again, an outcome is dropped."""
RUNS_MAX = 12

S = OutreachState


@dataclass(frozen=True, slots=True)
class _Taken:
    bound: Bound
    key: str


def _not_withdrawn(session: Session, view: JobView, error: JobError) -> None:  # noqa: ARG001  # the hook
    row = session.get(Outreach, view.args["outreach_id"])
    if row is not None:
        note(session, "TIMELINE_CALL_NOT_WITHDRAWN", [row.case_id], by=None)


@job(CALL_WITHDRAW, shape=EXTERNAL, queue="outreach", max_runs=RUNS_MAX, on_dead=_not_withdrawn)
class WithdrawCall:
    """Tell a call centre that a call is taken back; what it tells later changes nothing."""

    def __init__(self, view: JobView) -> None:
        self.view = view

    def before(self, session: Session) -> _Taken | None:
        """Find out who has the call."""
        row = session.get(Outreach, self.view.args["outreach_id"])
        if row is None:
            return None
        bound = taker(session, self.view.services.get(Plugins), row)
        return None if bound is None else _Taken(bound, row.idem_key)

    def call(self, request: _Taken) -> None:
        """Take it back."""
        request.bound.call("withdraw", [request.key])

    def after(self, session: Session, outcome: None) -> None:
        """Nothing is left to store: the row says CANCELLED since it was taken back."""


@job(CALL_TASK, shape=SHORT, queue="outreach")
def call_task(session: Session, view: JobView) -> None:
    """Open the task to make a call: its words are what a call centre would get."""
    row = session.get_one(Outreach, view.args["outreach_id"])
    case = held_case(session, row)
    point = stored_point(session, row.channel, row.point_id) if row.point_id else None
    if row.state != S.ACCEPTED or row.outcome is not None or point is None:
        return
    locale = session.get_one(Customer, row.customer_id).locale
    asked = request_of(
        row, case_number=case.number, phone=point.value, locale=locale, agency_locale=locale
    )
    open_task(
        session,
        row.case_id,
        title=" ".join(asked.script.split()),
        due_on=clock.today(),
        outcomes=SIMPLE,
        dedupe=task_keys(row.id)[0],
    )


def _gave_up(session: Session, view: JobView, error: JobError) -> None:  # noqa: ARG001  # the hook
    # The run must not wait for ever because the call centre can't even be told to stop.
    _count_silent(session, view.args["outreach_id"], view.args["asked"])


@job(CALL_SILENT, shape=EXTERNAL, queue="outreach", max_runs=RUNS_MAX, on_dead=_gave_up)
class SilentCall:
    """Count a call without any outcome as not reached; it is taken back first."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.outreach_id: int = view.args["outreach_id"]
        self.asked: int = view.args["asked"]

    def before(self, session: Session) -> _Taken | None:
        """Find out who has the call, if it is still silent."""
        row = session.get(Outreach, self.outreach_id)
        if row is None or not _is_silent(row, self.asked):
            return None
        bound = taker(session, self.view.services.get(Plugins), row)
        if bound is None:
            _count_silent(session, self.outreach_id, self.asked)
            return None
        return _Taken(bound, row.idem_key)

    def call(self, request: _Taken) -> None:
        """Take it back, so that nobody is called once the next attempt may start."""
        request.bound.call("withdraw", [request.key])
        failpoint("communications.call.withdrawn")

    def after(self, session: Session, outcome: None) -> None:  # noqa: ARG002  # the shape of a job
        """Count it, unless its outcome came meanwhile."""
        _count_silent(session, self.outreach_id, self.asked)


def _is_silent(row: Outreach, asked: int) -> bool:
    waits = row.state in (S.ACCEPTED, S.UNKNOWN) and row.outcome is None
    return waits and clock.to_ms(row.sent_at or row.planned_at) == asked


def _count_silent(session: Session, outreach_id: int, asked: int) -> None:
    row = session.get_one(Outreach, outreach_id)
    held_case(session, row)
    if _is_silent(row, asked):
        told = no_outcome(row, clock.now())
        record(session, row, told, provider=row.provider or "", reason=NO_OUTCOME)


@job("communications.calls_collect", shape=SHORT)
def collect_calls(session: Session, view: JobView) -> None:
    """Enqueue one job for each binding whose call centre must be asked for outcomes."""
    plugins = view.services.get(Plugins)
    asked = {
        name
        for name, found in plugins.providers(SLOT).items()
        if found.cls.collect is not CallCentre.collect  # type: ignore[attr-defined]  # a CallCentre by its slot
    }
    for binding_id in bound_ids(session, SLOT, asked):
        enqueue(
            session,
            "communications.calls_collect_from",
            {"binding_id": binding_id},
            dedupe_key=f"calls-collect:{binding_id}",
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    bound: Bound
    since: datetime


@job("communications.calls_collect_from", shape=EXTERNAL, queue="outreach", max_runs=1)
class CollectCalls:
    """Ask one call centre for outcomes; the next round makes up for one that failed."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.bound: Bound | None = None

    def before(self, session: Session) -> _Asked | None:
        """Find the provider."""
        plugins = self.view.services.get(Plugins)
        self.bound = bound_by(session, plugins, self.view.args["binding_id"])
        return None if self.bound is None else _Asked(self.bound, clock.now() - COLLECT_BACK)

    def call(self, request: _Asked) -> Sequence[CallOutcome]:
        """Ask it."""
        told: Sequence[CallOutcome] = request.bound.call("collect", request.since)
        return told

    def after(self, session: Session, outcome: Sequence[CallOutcome]) -> None:
        """Store what is new."""
        assert self.bound is not None
        take_outcomes(session, self.bound, outcome)


recurring("communications.calls_collect", Every(COLLECT_S))
