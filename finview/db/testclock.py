"""How far this installation's clock was moved; for development, production ignores it."""

from datetime import timedelta

from sqlalchemy.orm import Mapped, Session

from finview import clock
from finview.db.base import Base, Id


class ClockOffset(Base):
    """One row, id 1: the offset every unit hands to `finview.clock`."""

    __tablename__ = "clock_offset"

    id: Mapped[Id]
    offset_ms: Mapped[int]


def advance(session: Session, by: timedelta) -> timedelta:
    """Move the clock of this database forward; return how far it stands from the system's.

    Raises ValueError when `by` is negative: what has happened can't come again.
    """
    if by < timedelta():
        raise ValueError("the clock only moves forward")
    row = session.get(ClockOffset, 1)
    if row is None:
        row = ClockOffset(id=1, offset_ms=0)
        session.add(row)
    row.offset_ms += by // timedelta(milliseconds=1)
    session.flush()
    offset = timedelta(milliseconds=row.offset_ms)
    clock.move(offset)
    return offset
