"""Due timers: fired by whichever process ticks first, and folded by a job of their case."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.db.jobs import Subject, enqueue, on_tick
from finview.workflows.models import Timer, TimerState

BATCH = 100


@on_tick("workflow.timers")
def fire_due(session: Session) -> int:
    """Mark due timers as fired and enqueue the advance of their cases; return how many fired."""
    due = session.execute(
        select(Timer.id, Timer.case_id)
        .where(Timer.state == TimerState.WAITING, Timer.due_at <= clock.now())
        .order_by(Timer.due_at, Timer.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    session.execute(
        update(Timer)
        .where(Timer.id.in_([row.id for row in due]))
        .values(state=TimerState.FIRED)
        .execution_options(synchronize_session=False)
    )
    for case_id in sorted({row.case_id for row in due}):
        enqueue(
            session,
            "workflow.advance",
            {"case_id": case_id},
            dedupe_key=f"advance:{case_id}",
            subject=Subject(kind="case", id=case_id),
        )
    return len(due)
