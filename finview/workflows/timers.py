"""Due timers: fired by whichever process ticks first, and folded by a job of their case."""

from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, literal_column, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.db.base import table_of
from finview.db.jobs import Subject, Wanted, enqueue_many, on_tick
from finview.db.lists import one_of
from finview.workflows.models import Timer, TimerState

BATCH = 100

TIMER = table_of(Timer)
# The state is written out: a bound value would hide the partial index from the planner. Each
# process asks once a second, so the statements are made once.
DUE: Select[Any] = (
    select(TIMER.c.id, TIMER.c.case_id)
    .where(
        TIMER.c.state == literal_column(f"'{TimerState.WAITING}'"),
        TIMER.c.due_at <= bindparam("now", type_=TIMER.c.due_at.type),
    )
    .order_by(TIMER.c.due_at, TIMER.c.id)
    .limit(bindparam("at_most", type_=BigInteger))
    .with_for_update(skip_locked=True)
)
FIRE = (
    update(TIMER)
    .where(one_of(TIMER.c.id, "ids"))
    .values(state=literal_column(f"'{TimerState.FIRED}'"))
)


@on_tick("workflow.timers")
def fire_due(session: Session) -> int:
    """Mark due timers as fired and enqueue the advance of their cases; return how many fired."""
    connection = session.connection()
    due = connection.execute(DUE, {"now": clock.now(), "at_most": BATCH}).all()
    if not due:
        return 0
    connection.execute(FIRE, {"ids": [row.id for row in due]})
    enqueue_many(
        session,
        "workflow.advance",
        (
            Wanted(
                args={"case_id": case_id},
                dedupe_key=f"advance:{case_id}",
                subject=Subject(kind="case", id=case_id),
            )
            for case_id in sorted({row.case_id for row in due})
        ),
    )
    return len(due)
