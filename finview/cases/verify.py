"""Recomputes the ledger from its rows: sums, seals, digests; names every difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases import ledger
from finview.cases.ledger_models import LedgerEntry, LedgerTxn
from finview.db.base import table_of
from finview.db.lists import one_of

CHUNK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One transaction that isn't as it was posted: UNSEALED, UNBALANCED, LINES, CHANGED, REVERSAL."""

    txn_id: int
    case_id: int | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was checked, and every fault in order."""

    txns: int
    lines: int
    faults: tuple[Fault, ...]


def verify(session: Session, case_ids: Sequence[int] | None = None) -> Verdict:
    """Check the ledger, of some cases or whole, in chunks by id; nothing is changed.

    Per transaction: it is sealed, has two lines or more in one run of numbers, adds up to zero per
    currency, and its digest is that of its content; a reversal mirrors its original.
    """
    faults: list[Fault] = []
    txns = lines = 0
    for rows in _headers(session, case_ids):
        by_txn = ledger.lines_of(session, [row.id for row in rows])
        numbers = _numbers(session, [row.id for row in rows])
        mirrored = ledger.lines_of(session, [row.reverses_id for row in rows if row.reverses_id])
        for row in rows:
            own = by_txn.get(row.id, [])
            txns, lines = txns + 1, lines + len(own)
            mirror = mirrored.get(row.reverses_id) if row.reverses_id else None
            what = _fault(row, own, numbers.get(row.id, []), mirror)
            if what:
                faults.append(Fault(txn_id=row.id, case_id=row.case_id, what=what))
    return Verdict(txns=txns, lines=lines, faults=tuple(faults))


def _headers(session: Session, case_ids: Sequence[int] | None) -> Iterator[Sequence[LedgerTxn]]:
    last = 0
    while True:
        wanted = select(*table_of(LedgerTxn).c).where(LedgerTxn.id > last)
        if case_ids is not None:
            wanted = wanted.where(one_of(LedgerTxn.case_id, list(case_ids)))
        rows: Sequence[LedgerTxn] = session.execute(  # type: ignore[assignment]  # rows of its columns
            wanted.order_by(LedgerTxn.id).limit(CHUNK)
        ).all()
        if not rows:
            return
        yield rows
        last = rows[-1].id


def _numbers(session: Session, txn_ids: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    rows = session.execute(
        select(LedgerEntry.txn_id, LedgerEntry.line).where(LedgerEntry.txn_id.in_(txn_ids))
    )
    for row in rows:
        found.setdefault(row.txn_id, []).append(row.line)
    return found


def _fault(
    row: LedgerTxn,
    own: Sequence[tuple[ledger.Account, int]],
    numbers: Sequence[int],
    mirror: Sequence[tuple[ledger.Account, int]] | None,
) -> str | None:
    if row.sealed != 1:
        return "UNSEALED"
    if len(own) < 2 or sorted(numbers) != list(range(1, len(own) + 1)):
        return "LINES"
    sums: dict[str, int] = {}
    for account, minor in own:
        sums[account.currency] = sums.get(account.currency, 0) + minor
    if any(sums.values()):
        return "UNBALANCED"
    if mirror is not None and [(a, -m) for a, m in mirror] != list(own):
        return "REVERSAL"
    posting = ledger.Posting(
        case_id=row.case_id,
        kind=row.kind,
        effective_on=row.effective_on,
        idem_key=row.idem_key,
        lines=tuple(own),
        rule=row.rule,
        rule_version=row.rule_version,
        citation=row.citation,
        inputs=row.inputs,
        reason=row.reason,
        provisional=row.provisional,
        reverses_id=row.reverses_id,
    )
    return None if ledger.digest_of(posting) == row.digest else "CHANGED"
