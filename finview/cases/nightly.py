"""What is looked after at night: interest on rates that were not published, and the ledger itself."""

from collections.abc import Sequence
from datetime import time
from typing import Any

from sqlalchemy import Select, func, select, true
from sqlalchemy.orm import Session, aliased

from finview import clock
from finview.cases import law
from finview.cases.allocation import recompute
from finview.cases.ledger_models import LedgerTxn
from finview.cases.models import Case
from finview.cases.verify import Fault, verify
from finview.db.jobs import CHUNKED, JobView, Rejected, Step, job
from finview.db.schedule import Daily, recurring
from finview.errors import State
from finview.i18n import N_, sentences

sentences(
    {
        "LEDGER_FAULTS": N_(
            "The ledger differs from what was posted in {count} place(s), first in transaction "
            "{txn} ({what}). Please run: finview ledger verify"
        )
    }
)

CASES_PER_CHUNK = 200
SAMPLE = 500
"""How many cases of the ledger are checked each night, other ones each time."""


@job("cases.provisional", shape=CHUNKED, queue="bulk")
class PostAnew:
    """Post interest anew that rests on a rate which a newer law pack knows by now.

    The old posting is reversed, so both stand (money is never changed, only corrected).
    """

    def __init__(self, view: JobView) -> None:
        self.view = view
        cursor = view.cursor or {}
        self.after: int = cursor.get("case", 0)
        self.done: int = cursor.get("done", 0)

    def prepare(self) -> Sequence[int] | None:
        """Return the next cases with interest of an older pack."""
        with self.view.services.db.reading() as session:
            versions = sorted({pack.version for pack in law.packs_of(session).values()})
            return session.scalars(_resting(self.after, versions)).all() or None

    def write(self, session: Session, work: Sequence[int]) -> Step:
        """Bring them in line."""
        recompute(session, work, by=None)
        self.after, self.done = work[-1], self.done + len(work)
        return Step(cursor={"case": self.after, "done": self.done}, done=self.done)

    def finish(self, session: Session) -> None:  # noqa: ARG002  # the contract
        """Tell how many there were."""
        self.view.result = {"cases": self.done}

    def close(self) -> None:
        """Nothing is held open."""


def _resting(after: int, versions: Sequence[str]) -> Select[Any]:
    undone = aliased(LedgerTxn)
    return (
        select(LedgerTxn.case_id)
        .where(
            LedgerTxn.provisional == true(),
            LedgerTxn.reverses_id.is_(None),
            LedgerTxn.case_id > after,
            LedgerTxn.rule_version.not_in(versions),
            ~select(undone.id).where(undone.reverses_id == LedgerTxn.id).exists(),
        )
        .distinct()
        .order_by(LedgerTxn.case_id)
        .limit(CASES_PER_CHUNK)
    )


@job("cases.spot_check", shape=CHUNKED, queue="bulk")
class SpotCheck:
    """Verify the ledger of a sample of cases; a fault makes the job FAILED, for all to see."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.done: int = (view.cursor or {}).get("done", 0)
        self.after: int = (view.cursor or {}).get("case", 0)

    def prepare(self) -> tuple[Sequence[int], tuple[Fault, ...]] | None:
        """Verify the next cases of tonight's sample."""
        with self.view.services.db.reading() as session:
            count = session.scalar(select(func.count()).select_from(Case)) or 0
            nights = max(count // SAMPLE, 1)
            tonight = clock.today().toordinal() % nights
            ids = session.scalars(
                select(Case.id)
                .where(Case.id > self.after, Case.id % nights == tonight)
                .order_by(Case.id)
                .limit(CASES_PER_CHUNK)
            ).all()
            return (ids, verify(session, ids).faults) if ids else None

    def write(self, session: Session, work: tuple[Sequence[int], tuple[Fault, ...]]) -> Step:  # noqa: ARG002  # the contract
        """Count them, or give up where something differs."""
        ids, faults = work
        if faults:
            first = faults[0]
            raise Rejected(
                State("LEDGER_FAULTS", count=len(faults), txn=first.txn_id, what=first.what)
            )
        self.after, self.done = ids[-1], self.done + len(ids)
        return Step(cursor={"case": self.after, "done": self.done}, done=self.done)

    def finish(self, session: Session) -> None:  # noqa: ARG002  # the contract
        """Tell how many were checked."""
        self.view.result = {"cases": self.done}

    def close(self) -> None:
        """Nothing is held open."""


recurring("cases.provisional", Daily(time(2, 30)))
recurring("cases.spot_check", Daily(time(2, 50)))
