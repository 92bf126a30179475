"""Payments told as the API shows them: the money received and what it has paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.allocation import COSTS, INTEREST, PRINCIPAL
from finview.cases.ledger_models import LedgerTxn, TxnKind
from finview.cases.received import received
from finview.cases.timeline import chunks
from finview.money import Money, minor_text, parse_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money received on a case; `allocation` holds decimal texts by category."""

    id: int
    case_id: int
    received_on: date
    amount: Money
    allocation: dict[str, Any]


def payments_of(session: Session, case_ids: Sequence[int]) -> dict[int, list[Payment]]:
    """Return the payments of cases in order of receipt; two statements for each thousand cases."""
    found: dict[int, list[Payment]] = {key: [] for key in case_ids}
    for chunk in chunks(sorted(found)):
        parts = _allocations(session, chunk)
        for case_id, payments in received(session, chunk).items():
            for payment in payments:
                amount = Money(payment.minor, payment.currency)
                found[case_id].append(
                    Payment(
                        id=payment.id,
                        case_id=case_id,
                        received_on=payment.on,
                        amount=amount,
                        allocation=_told(parts.get(payment.id, []), amount),
                    )
                )
    return found


def _allocations(session: Session, case_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return what the allocations that stand were computed as, by payment, in order of their day."""
    undone = select(LedgerTxn.reverses_id).where(
        LedgerTxn.case_id.in_(case_ids), LedgerTxn.reverses_id.is_not(None)
    )
    rows = session.scalars(
        select(LedgerTxn.inputs)
        .where(
            LedgerTxn.case_id.in_(case_ids),
            LedgerTxn.kind == TxnKind.ALLOCATION,
            LedgerTxn.sealed == 1,
            LedgerTxn.reverses_id.is_(None),
            LedgerTxn.id.not_in(undone),
        )
        .order_by(LedgerTxn.effective_on, LedgerTxn.id)
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for inputs in rows:
        found.setdefault(inputs["payment"], []).append(inputs)
    return found


def _told(parts: Sequence[dict[str, Any]], amount: Money) -> dict[str, Any]:
    """Add up what a payment paid; what it could not pay at last is overpaid."""
    sums = {
        name: sum(parse_minor(part[name], amount.currency) for part in parts)
        for name in (COSTS, INTEREST, PRINCIPAL)
    }
    sums["overpaid"] = amount.minor - sum(sums.values())
    told: dict[str, Any] = {
        name: minor_text(minor, amount.currency) for name, minor in sums.items()
    }
    return {**told, "order": parts[-1]["order"] if parts else None}
