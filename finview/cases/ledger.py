"""The ledger: bulk postings that happen once, sealed and append-only; reversals."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.ledger_models import LedgerAccount, LedgerEntry, LedgerTxn
from finview.cases.timeline import chunks
from finview.db.base import table_of
from finview.db.bulk import bulk_insert, reserve_ids
from finview.db.lists import one_of
from finview.errors import IdempotencyMismatch, State
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "LEDGER_KEY_REUSED": N_("The key {key} was used before for another posting."),
        "LEDGER_REVERSED": N_("This posting was reversed before, or is a reversal itself."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Names one account; it is made when first posted to."""

    kind: str
    currency: str
    case_id: int | None = None
    invoice_id: int | None = None
    customer_id: int | None = None
    business_unit_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One transaction to post: signed minor units per account, debit positive, sum zero.

    `idem_key` names the cause. `rule`, `rule_version`, `citation` and `inputs` explain the amount.
    """

    case_id: int | None
    kind: str
    effective_on: date
    idem_key: str
    lines: tuple[tuple[Account, int], ...]
    rule: str
    rule_version: str = "1"
    citation: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    provisional: bool = False
    reverses_id: int | None = None


def post(
    session: Session, postings: Sequence[Posting], *, by: int | None, fresh: bool = False
) -> list[int]:
    """Post each transaction once and return their ids in order; nothing is ever changed.

    A known `idem_key` with the same content answers the old id; with other content it raises
    `IdempotencyMismatch` (LEDGER_KEY_REUSED) and nothing is posted. Unbalanced lines are refused
    by the database (IntegrityError). `fresh` says that cases and invoices were made in this very
    transaction, so that there is nothing to look up.
    """
    digests = {p.idem_key: digest_of(p) for p in postings}
    known = {} if fresh else known_digests(session, digests)
    for key, (_, digest) in known.items():
        if digest != digests[key]:
            raise IdempotencyMismatch("LEDGER_KEY_REUSED", key=key)
    new = [p for p in {p.idem_key: p for p in postings}.values() if p.idem_key not in known]
    ids = {key: txn_id for key, (txn_id, _) in known.items()}
    if new:
        ids |= _write(session, new, digests, by=by, fresh=fresh)
    return [ids[p.idem_key] for p in postings]


def reverse(session: Session, txn_ids: Sequence[int], *, by: int | None, reason: str) -> list[int]:
    """Post the mirror image of each transaction, effective on the original's day, posted today.

    Raises `State` (LEDGER_REVERSED) for a reversal or what is reversed already: post anew instead.
    """
    originals: dict[int, Any] = {}
    lines: dict[int, list[tuple[Account, int]]] = {}
    for chunk in chunks(txn_ids):
        taken = select(LedgerTxn.reverses_id).where(LedgerTxn.reverses_id.in_(chunk))
        if session.execute(taken.limit(1)).first():
            raise State("LEDGER_REVERSED")
        for row in session.execute(select(*table_of(LedgerTxn).c).where(LedgerTxn.id.in_(chunk))):
            if row.reverses_id is not None:
                raise State("LEDGER_REVERSED")
            originals[row.id] = row
        lines |= lines_of(session, chunk)
    return post(
        session,
        [
            Posting(
                case_id=row.case_id,
                kind=row.kind,
                effective_on=row.effective_on,
                idem_key=f"reverse:{row.id}",
                lines=tuple((account, -amount) for account, amount in lines[row.id]),
                rule=row.rule,
                rule_version=row.rule_version,
                citation=row.citation,
                inputs=row.inputs,
                reason=reason,
                provisional=row.provisional,
                reverses_id=row.id,
            )
            for row in (originals[txn_id] for txn_id in txn_ids)
        ],
        by=by,
    )


def key_of(by: int | None, key: str) -> str:
    """Return a caller's key as a part of an `idem_key`: of fixed length, apart for each user."""
    return hashlib.sha256(f"{by}:{key}".encode()).hexdigest()


def known(session: Session, idem_key: str) -> bool:
    """Tell whether a cause was posted before."""
    return session.scalar(select(LedgerTxn.id).where(LedgerTxn.idem_key == idem_key)) is not None


def standing(session: Session, case_id: int, rules: Sequence[str]) -> list[int]:
    """Return the transactions of a case by some rules that were not reversed, oldest first."""
    undone = select(LedgerTxn.reverses_id).where(
        LedgerTxn.case_id == case_id, LedgerTxn.reverses_id.is_not(None)
    )
    wanted = select(LedgerTxn.id).where(
        LedgerTxn.case_id == case_id,
        LedgerTxn.rule.in_(rules),
        LedgerTxn.reverses_id.is_(None),
        LedgerTxn.id.not_in(undone),
    )
    return list(session.scalars(wanted.order_by(LedgerTxn.id)))


def claim_lines(debit: Account, contra: Account, minor: int) -> tuple[tuple[Account, int], ...]:
    """Return the two lines by which a claim account grows: + claim / − contra."""
    return ((debit, minor), (contra, -minor))


def known_digests(session: Session, keys: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Return id and digest of those causes that were posted before, by their `idem_key`."""
    wanted, found = list(keys), {}
    for start in range(0, len(wanted), 1_000):
        rows = session.execute(
            select(LedgerTxn.idem_key, LedgerTxn.id, LedgerTxn.digest).where(
                one_of(LedgerTxn.idem_key, wanted[start : start + 1_000])
            )
        )
        found.update({row.idem_key: (row.id, row.digest) for row in rows})
    return found


def _write(
    session: Session,
    postings: Sequence[Posting],
    digests: Mapping[str, str],
    *,
    by: int | None,
    fresh: bool,
) -> dict[str, int]:
    accounts = _accounts(session, postings, fresh=fresh)
    ids = reserve_ids(session, table_of(LedgerTxn), len(postings))
    at = clock.now()
    headers, entries = [], []
    for txn_id, p in zip(ids, postings, strict=True):
        headers.append(
            {
                "id": txn_id,
                "case_id": p.case_id,
                "kind": p.kind,
                "effective_on": p.effective_on,
                "posted_at": at,
                "idem_key": p.idem_key,
                "reverses_id": p.reverses_id,
                "rule": p.rule,
                "rule_version": p.rule_version,
                "citation": p.citation,
                "inputs": p.inputs,
                "actor_id": by,
                "reason": p.reason,
                "provisional": p.provisional,
                "digest": digests[p.idem_key],
                "sealed": 0,
            }
        )
        for line, (account, amount) in enumerate(p.lines, 1):
            entries.append(
                {
                    "txn_id": txn_id,
                    "line": line,
                    "account_id": accounts[account],
                    "currency": account.currency,
                    "amount": amount,
                }
            )
    bulk_insert(session, table_of(LedgerTxn), headers)
    bulk_insert(session, table_of(LedgerEntry), entries)
    session.execute(
        update(LedgerTxn)
        .where(LedgerTxn.id.between(ids[0], ids[-1]), LedgerTxn.sealed == 0)
        .values(sealed=1)
        .execution_options(synchronize_session=False)
    )
    return {p.idem_key: txn_id for txn_id, p in zip(ids, postings, strict=True)}


def _accounts(session: Session, postings: Sequence[Posting], *, fresh: bool) -> dict[Account, int]:
    wanted = dict.fromkeys(account for p in postings for account, _ in p.lines)
    found = {} if fresh else _existing(session, wanted)
    found |= _shared(session, [a for a in wanted if a.case_id is None and a not in found])
    missing = [account for account in wanted if account not in found]
    ids = reserve_ids(session, table_of(LedgerAccount), len(missing))
    found.update(zip(missing, ids, strict=True))
    bulk_insert(
        session,
        table_of(LedgerAccount),
        [
            {
                "id": found[account],
                "kind": account.kind,
                "currency": account.currency,
                "case_id": account.case_id,
                "invoice_id": account.invoice_id,
                "customer_id": account.customer_id,
                "business_unit_id": account.business_unit_id,
            }
            for account in missing
        ],
    )
    return found


def _shared(session: Session, accounts: Sequence[Account]) -> dict[Account, int]:
    """Make accounts of customers and units, which two cases may need at the same moment."""
    if not accounts:
        return {}
    insert = {"postgresql": postgresql.insert}.get(session.get_bind().dialect.name, sqlite.insert)
    for shared in sorted(accounts, key=str):
        made = insert(LedgerAccount).values(dataclasses.asdict(shared))
        session.execute(made.on_conflict_do_nothing())
    return _existing(session, accounts)


def _existing(session: Session, wanted: Iterable[Account]) -> dict[Account, int]:
    accounts = list(wanted)
    found: dict[Account, int] = {}
    # Lock order is case before account: the caller holds the case, so none appears meanwhile.
    for column, name in (
        (LedgerAccount.case_id, "case_id"),
        (LedgerAccount.customer_id, "customer_id"),
        (LedgerAccount.business_unit_id, "business_unit_id"),
    ):
        owners = {getattr(account, name) for account in accounts} - {None}
        for chunk in chunks(sorted(owners)):
            for row in session.execute(
                select(*table_of(LedgerAccount).c).where(one_of(column, chunk))
            ):
                found[_account(row)] = row.id
    return found


def lines_of(session: Session, txn_ids: Sequence[int]) -> dict[int, list[tuple[Account, int]]]:
    """Return the lines of transactions in order, by transaction."""
    lines: dict[int, list[tuple[Account, int]]] = {}
    rows = session.execute(
        select(LedgerEntry.txn_id, LedgerEntry.amount, *table_of(LedgerAccount).c)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(LedgerEntry.txn_id.in_(txn_ids))
        .order_by(LedgerEntry.txn_id, LedgerEntry.line)
    )
    for row in rows:
        lines.setdefault(row.txn_id, []).append((_account(row), row.amount))
    return lines


def _account(row: Any) -> Account:
    return Account(
        kind=row.kind,
        currency=row.currency,
        case_id=row.case_id,
        invoice_id=row.invoice_id,
        customer_id=row.customer_id,
        business_unit_id=row.business_unit_id,
    )


def digest_of(posting: Posting) -> str:
    """Return the digest of all that a transaction says but its time and actor."""
    content = [
        posting.case_id,
        posting.kind,
        posting.effective_on,
        posting.idem_key,
        posting.reverses_id,
        posting.rule,
        posting.rule_version,
        posting.citation,
        posting.inputs,
        posting.reason,
        posting.provisional,
        [
            (a.kind, a.invoice_id, a.customer_id, a.business_unit_id, a.currency, m)
            for a, m in posting.lines
        ],
    ]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
