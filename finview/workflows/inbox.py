"""What happened to a case since its last advance: events and timers, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview.db.events import EventInbox
from finview.db.lists import one_of
from finview.plugins.contracts.node import EventView
from finview.workflows.events import TIMER
from finview.workflows.models import Run, Timer, TimerKind, TimerState
from finview.workflows.runs import RESTING


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One event or timer; `run_id` names the run it is for, `token` the step a timer was set in."""

    event: EventView
    at: datetime
    id: int = 0
    run_id: int | None = None
    token: int | None = None

    def is_for(self, run: Run) -> bool:
        """Tell whether a run is to hear it: not what was meant for another, or is out of date."""
        if self.run_id not in (None, run.id) or self.token not in (None, run.seq):
            return False
        told: Any = self.event.payload
        node, visit = told.get("node_id"), told.get("visit")
        here = run.node_id, run.visits.get(run.node_id or "", 1)
        return node is None or (node, visit) == here


@dataclass(slots=True)
class Inbox:
    """What a locked case has in its inbox; `close` marks what was read."""

    session: Session
    events: list[Happened]
    timers: list[Happened]

    @classmethod
    def open(cls, session: Session, case_id: int) -> "Inbox":
        """Read what is new, without marking it."""
        rows = session.execute(
            select(EventInbox.id, EventInbox.at, EventInbox.type, EventInbox.payload)
            .where(EventInbox.case_id == case_id, EventInbox.consumed_seq.is_(None))
            .order_by(EventInbox.at, EventInbox.id)
        ).all()
        fired = session.execute(
            select(Timer.id, Timer.due_at, Timer.kind, Timer.run_id, Timer.token)
            .where(Timer.case_id == case_id, Timer.state == TimerState.FIRED)
            .order_by(Timer.due_at, Timer.id)
        ).all()
        return cls(
            session,
            [
                Happened(
                    event=EventView(type=row.type, at=row.at, payload=row.payload),
                    at=row.at,
                    id=row.id,
                    run_id=row.payload.get("run_id"),
                )
                for row in rows
            ],
            [
                Happened(
                    event=EventView(type=TIMER, at=row.due_at),
                    at=row.due_at,
                    id=row.id,
                    run_id=row.run_id,
                    token=row.token,
                )
                for row in fired
                if row.kind == TimerKind.WAKE
            ],
        )

    @property
    def listed(self) -> list[Happened]:
        """Return everything in order."""
        return sorted([*self.events, *self.timers], key=lambda one: (one.at, one.id))

    def close(
        self,
        case_id: int,
        heard: Sequence[Happened],
        runs: Sequence[Run],
        unheard: Sequence[Happened] = (),
    ) -> None:
        """Mark everything as read but what nobody came to, or only a resting run waits for."""
        resting = [run for run in runs if run.status in RESTING]
        kept = {
            one.id
            for one in self.events
            if one in unheard
            or (
                one not in heard
                and any(one.event.type in run.waits_for and one.is_for(run) for run in resting)
            )
        }
        read = [one.id for one in self.events if one.id not in kept]
        seq = max((run.seq for run in runs), default=0)
        if read:
            self.session.execute(
                update(EventInbox)
                .where(one_of(EventInbox.id, read))
                .values(consumed_seq=seq)
                .execution_options(synchronize_session=False)
            )
        self.session.execute(
            update(Timer)
            .where(Timer.case_id == case_id, Timer.state == TimerState.FIRED)
            .values(state=TimerState.DONE)
            .execution_options(synchronize_session=False)
        )
