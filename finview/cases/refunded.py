"""Money that was given back: it pays nothing any more, whatever is claimed later (pure)."""

from collections.abc import Iterable, Sequence
from typing import Any

from finview.cases.received import Received


def reserved(payments: Sequence[Received], lines: Iterable[Any]) -> tuple[dict[int, int], int]:
    """Return what of each payment was refunded, and how much no payment before a refund covers.

    A refund is of the money received last, up to its day: that is what was left over. `payments` are
    in order of their days, `lines` those of the claim account.
    """
    standing = [row for row in lines if row.kind == "REFUND" and row.account == "OVERPAID"]
    undone = {row.reverses_id for row in standing}
    kept: dict[int, int] = {}
    short = 0
    for row in sorted(standing, key=lambda row: (row.effective_on, row.txn_id)):
        if row.reverses_id is not None or row.txn_id in undone:
            continue
        left = row.amount
        for payment in reversed(payments):
            if payment.on <= row.effective_on and left:
                taken = min(left, payment.minor - kept.get(payment.id, 0))
                kept[payment.id] = kept.get(payment.id, 0) + taken
                left -= taken
        short += left
    return kept, short
