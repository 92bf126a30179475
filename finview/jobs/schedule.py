"""Fires what recurs: any ticker of any process, in one transaction, each instant once."""

from sqlalchemy import bindparam, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from finview import clock
from finview.db import Database
from finview.db.base import table_of
from finview.db.jobs import OPEN, Job, enqueue, is_in, on_tick
from finview.db.schedule import Schedule, next_after, parse, registered

BATCH = 100
_SCHEDULE = table_of(Schedule)
_SAYS = (_SCHEDULE.c.kind, _SCHEDULE.c.rule, _SCHEDULE.c.tz, _SCHEDULE.c.args)
_SAID = select(*_SAYS).where(_SCHEDULE.c.name == bindparam("of"))


def sync(database: Database, tz: str) -> None:
    """Let the table say what the code says; a row that is there keeps its switch and next instant."""
    made = postgresql.insert if database.dialect == "postgresql" else sqlite.insert
    with database.unit() as session:
        for name, wanted in sorted(registered().items()):
            values = {
                "kind": wanted.kind,
                "rule": str(wanted.rule),
                "tz": tz,
                "args": dict(wanted.args),
                "next_at": next_after(wanted.rule, clock.now(), tz),
            }
            # Several processes start at once: whoever comes second finds the row.
            row = {"name": name, "enabled": True, "catch_up": "ONE", **values}
            session.execute(made(_SCHEDULE).values(row).on_conflict_do_nothing())
            there = session.execute(_SAID, {"of": name}).one()
            if tuple(there) != tuple(values[column.name] for column in _SAYS):
                session.execute(update(_SCHEDULE).where(_SCHEDULE.c.name == name).values(values))


@on_tick("jobs.schedule")
def fire(session: Session) -> int:
    """Enqueue what is due and settle when it is due next; return how many schedules fired.

    However many instants were missed, one job makes up for them, and none is added while the one
    before has not ended.
    """
    now = clock.now()
    due = session.scalars(
        select(Schedule)
        .where(Schedule.enabled == true(), Schedule.next_at <= now)
        .order_by(Schedule.next_at, Schedule.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for row in due:
        instant = row.next_at
        row.next_at = next_after(parse(row.rule), now, row.tz)
        if _is_open(session, row.last_job_id):
            continue
        row.last_at = instant
        row.last_job_id = enqueue(
            session,
            row.kind,
            row.args,
            dedupe_key=f"schedule:{row.id}:{clock.to_ms(instant)}",
        )
    return len(due)


def _is_open(session: Session, job_id: int | None) -> bool:
    wanted = select(Job.id).where(Job.id == job_id, is_in(*OPEN))
    return job_id is not None and session.scalar(wanted) is not None
