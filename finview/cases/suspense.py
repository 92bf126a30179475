"""Money on the trust account that no case is known for yet: kept in suspense, given to a case later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases import ledger
from finview.cases.ledger_models import AccountKind, LedgerTxn, TxnKind
from finview.cases.receipts import REFERENCE_CHARS_MAX
from finview.cases.received import received
from finview.cases.timeline import chunks
from finview.money import Money, minor_text

ASSIGNED = "SUSPENSE_ASSIGNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """Money that came in, or went out where it is negative; `line` names it once and for ever."""

    business_unit_id: int
    amount: Money
    on: date
    line: str
    reference: str = ""


def hold_unclear(session: Session, found: Sequence[Unclear], *, by: int | None) -> list[int]:
    """Post money to the suspense account of its unit and return the transactions' ids in order.

    + BANK_TRUST / − SUSPENSE as of the value date; the same line has one effect.
    """
    return ledger.post(session, [_posting(one) for one in found], by=by)


def take_out(session: Session, txn_id: int, *, by: int | None) -> None:
    """Take money out of suspense because its case is known now; raises `State` when it was before."""
    ledger.reverse(session, [txn_id], by=by, reason=ASSIGNED)


def payments_of_amount(
    session: Session, case_ids: Sequence[int], amount: Money
) -> list[tuple[int, int]]:
    """Return the (case, payment) of exactly this amount that were not reversed, oldest first."""
    found: list[tuple[int, int]] = []
    for chunk in chunks(sorted(case_ids)):
        for case_id, payments in received(session, chunk).items():
            found += [
                (case_id, payment.id)
                for payment in payments
                if (payment.minor, payment.currency) == (amount.minor, amount.currency)
            ]
    return sorted(found, key=lambda one: one[1])


def unreversed(session: Session, txn_ids: Sequence[int]) -> set[int]:
    """Return those of these transactions that stand."""
    found: set[int] = set()
    for chunk in chunks(txn_ids):
        undone = select(LedgerTxn.reverses_id).where(LedgerTxn.reverses_id.in_(chunk))
        found |= set(chunk) - set(session.scalars(undone))
    return found


def _posting(one: Unclear) -> ledger.Posting:
    owner: dict[str, Any] = {
        "currency": one.amount.currency,
        "business_unit_id": one.business_unit_id,
    }
    bank = ledger.Account(kind=AccountKind.BANK_TRUST, **owner)
    waiting = ledger.Account(kind=AccountKind.SUSPENSE, **owner)
    return ledger.Posting(
        case_id=None,
        kind=TxnKind.SUSPENSE,
        effective_on=one.on,
        idem_key=f"suspense:{one.line}",
        lines=((bank, one.amount.minor), (waiting, -one.amount.minor)),
        rule="bank.suspense",
        inputs={
            "amount": minor_text(one.amount.minor, one.amount.currency),
            "currency": one.amount.currency,
            **({"reference": one.reference[:REFERENCE_CHARS_MAX]} if one.reference else {}),
        },
    )
