"""Money received on cases, read in bulk: what payments, plans and settlements are measured by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn, TxnKind
from finview.cases.models import Case
from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.money import Money

CODES = sentences(
    {
        "AMOUNT_NOT_POSITIVE": N_("The amount must be above zero."),
        "SUM_TOO_LARGE": N_("The amount is too large."),
        "AMOUNT_CURRENCY": N_("The case is kept in {currency}."),
    }
)

MINOR_MAX = 10**15
"""Far above any claim, and far below what 64 bits hold when amounts are added up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One payment as posted; `id` is its transaction."""

    id: int
    on: date
    minor: int
    currency: str


def received(session: Session, case_ids: Sequence[int]) -> dict[int, list[Received]]:
    """Return the payments that were not reversed, by case, in order of value date and entry.

    At most a thousand cases at once.
    """
    undone = select(LedgerTxn.reverses_id).where(
        LedgerTxn.case_id.in_(case_ids), LedgerTxn.reverses_id.is_not(None)
    )
    rows = session.execute(
        select(
            LedgerTxn.case_id,
            LedgerTxn.id,
            LedgerTxn.effective_on,
            LedgerEntry.amount,
            LedgerEntry.currency,
        )
        .join(LedgerEntry, LedgerEntry.txn_id == LedgerTxn.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            LedgerTxn.case_id.in_(case_ids),
            LedgerTxn.kind == TxnKind.PAYMENT,
            LedgerTxn.sealed == 1,
            LedgerTxn.reverses_id.is_(None),
            LedgerTxn.id.not_in(undone),
            LedgerAccount.kind == AccountKind.UNALLOCATED,
        )
        .order_by(LedgerTxn.effective_on, LedgerTxn.id)
    )
    found: dict[int, list[Received]] = {}
    for row in rows:
        payment = Received(id=row.id, on=row.effective_on, minor=-row.amount, currency=row.currency)
        found.setdefault(row.case_id, []).append(payment)
    return found


def newest_txn(session: Session, case_id: int) -> int:
    """Return the newest transaction of a case; what is received later has a higher id."""
    newest = select(func.max(LedgerTxn.id)).where(LedgerTxn.case_id == case_id)
    return session.scalar(newest) or 0


def received_after(
    session: Session, case_id: int, txn_id: int, *, until: date | None = None
) -> int:
    """Return the minor units recorded after a transaction, with a value date up to `until`."""
    found = received(session, [case_id]).get(case_id, [])
    return sum(p.minor for p in found if p.id > txn_id and (until is None or p.on <= until))


def check_amount(case: Case, amount: Money) -> None:
    """Raise `Invalid` unless an amount is positive, of sane size and in the case's currency."""
    if amount.currency != case.currency:
        path = ("input", "amount", "currency")
        raise Invalid("AMOUNT_CURRENCY", path=path, currency=case.currency)
    check_sum(amount, ("input", "amount", "amount"))


def check_sum(amount: Money, path: Sequence[str]) -> None:
    """Raise `Invalid` (AMOUNT_NOT_POSITIVE, SUM_TOO_LARGE) unless above zero and of sane size."""
    if amount.minor <= 0:
        raise Invalid("AMOUNT_NOT_POSITIVE", path=path)
    if amount.minor > MINOR_MAX:
        raise Invalid("SUM_TOO_LARGE", path=path)
