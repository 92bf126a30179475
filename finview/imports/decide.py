"""A person decides the doubtful matches; one decision holds for every row of that debtor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Viewer
from finview.cases.models import Debtor
from finview.customers.models import Bucket
from finview.db import audit
from finview.errors import Conflict, Invalid, NotFound, Required, State
from finview.i18n import N_, sentences
from finview.imports.commit import Decided, commit
from finview.imports.link import settle
from finview.imports.models import Import, ImportEdit, ImportRow, ImportState, MatchOutcome
from finview.imports.parties import rows_of
from finview.imports.records import raw_party
from finview.imports.states import MATCHED, locked, require
from finview.matching.models import MatchCandidate
from finview.matching.normalise import party
from finview.matching.within import merged

sentences(
    {
        "ROW_NEEDS_NO_DECISION": N_("Row {row} needs no decision."),
        "DECISIONS_CONTRADICT": N_(
            "Rows {rows} are one debtor, but were decided differently. Nothing was changed."
        ),
        "DECISION_DEBTOR_REQUIRED": N_("Say which debtor row {row} belongs to."),
        "DECISION_NOT_A_CANDIDATE": N_("This debtor was not proposed for row {row}."),
        "DEBTOR_GONE": N_("This debtor does not exist any more."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person says about a row: a new debtor, or which existing one."""

    row_no: int
    decision: Literal["CREATE_NEW", "UPDATE_EXISTING"]
    debtor_id: int | None = None


def decide_matches(
    session: Session, import_id: int, decisions: Sequence[Decision], *, viewer: Viewer
) -> Import:
    """Carry out decisions: create the records at once, linked to the bucket if there is one.

    All or nothing. Raises `NotFound` for a row or debtor that isn't there, `State` for a row that
    needs no decision, `Conflict` when rows of one debtor are decided differently.
    """
    row = locked(session, import_id, viewer)
    require(session, row, *MATCHED)
    chosen: dict[int, Decision] = {}
    for n, decision in enumerate(decisions):
        path = ("input", "decisions", str(n))
        found = session.get(ImportRow, (row.id, decision.row_no))
        if found is None:
            raise NotFound("ROW_NOT_FOUND", path=(*path, "rowNumber"), row=decision.row_no)
        if found.match_state != MatchOutcome.REVIEW or found.party_no is None:
            raise State("ROW_NEEDS_NO_DECISION", path=(*path, "rowNumber"), row=decision.row_no)
        before = chosen.setdefault(found.party_no, decision)
        if (before.decision, before.debtor_id) != (decision.decision, decision.debtor_id):
            raise Conflict("DECISIONS_CONTRADICT", path=path, rows=[before.row_no, decision.row_no])
        _check_debtor(session, row, found.party_no, decision, path)
    decided = [
        _decided(session, row, number, decision, viewer) for number, decision in chosen.items()
    ]
    case_ids = commit(session, row, decided, by=viewer.user_id)
    if row.state == ImportState.LINKED and row.bucket_id is not None:
        bucket = session.get_one(Bucket, row.bucket_id)
        settle(session, row, bucket, case_ids, by=viewer.user_id)
    session.add(
        ImportEdit(
            import_id=row.id,
            scope="match",
            before={},
            after=[[number, d.decision, d.debtor_id] for number, d in chosen.items()],
            by=viewer.user_id,
            at=clock.now(),
        )
    )
    row.lock_version += 1
    audit.record(
        session,
        "import.match_decide",
        actor_id=viewer.user_id,
        subject=("import", row.id),
        debtors=len(chosen),
    )
    session.expire_all()
    return row


def _check_debtor(
    session: Session, row: Import, number: int, decision: Decision, path: tuple[str, ...]
) -> None:
    """Only a debtor that was proposed for this party may be chosen, so nobody fishes for others."""
    if decision.decision == "CREATE_NEW":
        return
    at = (*path, "debtorId")
    if decision.debtor_id is None:
        raise Required("DECISION_DEBTOR_REQUIRED", path=at, row=decision.row_no)
    proposed = select(MatchCandidate.debtor_id).where(
        MatchCandidate.import_id == row.id,
        MatchCandidate.party_no == number,
        MatchCandidate.debtor_id == decision.debtor_id,
    )
    if session.scalar(proposed) is None:
        if session.get(Debtor, decision.debtor_id) is None:
            raise NotFound(path=at)
        raise Invalid("DECISION_NOT_A_CANDIDATE", path=at, row=decision.row_no)
    if session.get(Debtor, decision.debtor_id) is None:
        raise NotFound("DEBTOR_GONE", path=at)


def _decided(
    session: Session, row: Import, number: int, decision: Decision, viewer: Viewer
) -> Decided:
    rows = rows_of(session, row.id, [number])[number]
    parties = [party(raw_party(r, row.debtor_kind, row.phone_country)) for r in rows]
    existing = decision.decision == "UPDATE_EXISTING"
    wanted = select(MatchCandidate.percent).where(
        MatchCandidate.import_id == row.id, MatchCandidate.party_no == number
    )
    if existing:
        wanted = wanted.where(MatchCandidate.debtor_id == decision.debtor_id)
    percents = session.scalars(wanted.order_by(MatchCandidate.rank).limit(1)).all()
    return Decided(
        number=number,
        rows=rows,
        party=merged(parties),
        outcome=MatchOutcome.MATCHED if existing else MatchOutcome.NEW,
        debtor_id=decision.debtor_id,
        keys=None,
        percent=percents[0] if percents else None,
        by=viewer.email,
    )
