"""What is given up of a claim: waived, written off, withdrawn; never more than is open."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from finview.cases import ledger
from finview.cases.allocation import CATEGORY, recompute
from finview.cases.claims import GIVEN_INTEREST, CaseClaims
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.cases.models import Case
from finview.cases.postings import account
from finview.cases.reading import read_claims

Place = tuple[str, int | None]


def open_places(claims: CaseClaims, today: date) -> dict[Place, int]:
    """Return what is open of each account of a case, with the interest accrued up to a day."""
    left: dict[Place, int] = {}
    for row in claims.lines:
        if row.account in CATEGORY:
            place = (row.account, row.invoice_id)
            left[place] = left.get(place, 0) + row.amount
    for claim, _, minor in claims.unposted(today):
        place = (AccountKind.INTEREST, claim.invoice_id)
        left[place] = left.get(place, 0) + minor
    return {place: minor for place, minor in left.items() if minor > 0}


def accrued_until(claims: CaseClaims, day: date) -> int:
    """Return the interest that accrued up to a day on a case read up to then, paid or not."""
    posted: int = sum(
        row.amount
        for row in claims.lines
        if row.kind == TxnKind.INTEREST
        and row.account == AccountKind.INTEREST
        and row.rule not in GIVEN_INTEREST
    )
    return posted + claims.unposted_minor(day)


def give_up(
    session: Session,
    case: Case,
    *,
    kind: TxnKind,
    rule: str,
    key: str,
    on: date,
    reason: str,
    by: int | None,
    inputs: Mapping[str, Any] | None = None,
    only: Mapping[Place, int] | None = None,
) -> int:
    """Post that what is open of a locked case on a day is given up, and return how much.

    `only` names other amounts of some accounts. Interest up to the day is posted first.
    """
    claims = read_claims(session, [case.id], as_of=date.max, lock=True)[case.id]
    wanted = open_places(claims, on) if only is None else dict(only)
    lines = [(account(claims, *place), -minor) for place, minor in wanted.items() if minor]
    total = -sum(minor for _, minor in lines)
    if not lines:
        return 0
    contra = account(claims, AccountKind.CLAIM_CONTRA)
    posting = ledger.Posting(
        case_id=case.id,
        kind=kind,
        effective_on=on,
        idem_key=key,
        lines=((contra, total), *lines),
        rule=rule,
        inputs=dict(inputs or {}),
        reason=reason,
    )
    ledger.post(session, [posting], by=by)
    recompute(session, [case.id], by=by)
    return total


def taken_back(
    session: Session,
    case_id: int,
    rules: tuple[str, ...],
    *,
    by: int | None,
    newest: bool = False,
) -> int:
    """Reverse what was given up by some rules and still stands; return how many postings.

    `newest` takes back the last one only.
    """
    standing = ledger.standing(session, case_id, rules)
    if newest:
        standing = standing[-1:]
    ledger.reverse(session, standing, by=by, reason="REOPENED")
    recompute(session, [case_id], by=by)
    return len(standing)
