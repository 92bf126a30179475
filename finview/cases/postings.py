"""The postings of one case, each with what explains it: costs, interest, and their accounts."""

from collections import Counter
from datetime import date
from typing import Any

from finview.cases.claims import CaseClaims, Claim
from finview.cases.interest import Accrual
from finview.cases.ledger import Account, Posting, claim_lines
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.money import minor_text


def account(case: CaseClaims, kind: str, invoice_id: int | None = None) -> Account:
    """Return an account of a case or of one of its invoices."""
    return Account(kind=kind, currency=case.currency, case_id=case.id, invoice_id=invoice_id)


def cost_posting(
    case: CaseClaims,
    kind: AccountKind,
    minor: int,
    key: str,
    on: date,
    rule: str,
    *,
    citation: str | None = None,
    inputs: dict[str, Any] | None = None,
) -> Posting:
    """Return the posting of costs; `key` names the cause, once for each round of charges."""
    return Posting(
        case_id=case.id,
        kind=TxnKind.COST,
        effective_on=on,
        idem_key=f"{key}:{case.charge_round}",
        lines=claim_lines(account(case, kind), account(case, AccountKind.CLAIM_CONTRA), minor),
        rule=rule,
        citation=citation,
        inputs=inputs or {},
    )


def interest_posting(
    case: CaseClaims, claim: Claim, minor: int, on: date, rule: str, inputs: dict[str, Any]
) -> Posting:
    """Return the posting of interest on one invoice."""
    debit = account(case, AccountKind.INTEREST, claim.invoice_id)
    return Posting(
        case_id=case.id,
        kind=TxnKind.INTEREST,
        effective_on=on,
        idem_key=f"{rule}:{claim.invoice_id}:{on.isoformat()}:{case.charge_round}",
        lines=claim_lines(debit, account(case, AccountKind.CLAIM_CONTRA), minor),
        rule=rule,
        inputs=inputs,
    )


def interest_inputs(case: CaseClaims, claim: Claim, on: date, whole: Accrual) -> dict[str, Any]:
    """Return what interest up to a day is computed from, for the ledger and the statement.

    Where a part of the stretch stands posted, the days since then, and both amounts.
    """
    days: Counter[date] = Counter()
    for day, minor in claim.posted:
        days[day] += minor
    posted = [day for day, minor in days.items() if minor and day > case.stretch_from]
    if not posted:
        return _explained(case, claim, whole)
    rest = case.accrued(claim, on, after=max(posted))
    assert rest is not None, "interest was posted, so there are terms"
    return {
        **_explained(case, claim, rest),
        "accrued": minor_text(whole.minor, case.currency),
        "posted": minor_text(claim.posted_after(case.stretch_from), case.currency),
    }


def _explained(case: CaseClaims, claim: Claim, accrual: Accrual) -> dict[str, Any]:
    assert case.financials is not None
    return {
        "invoice": claim.number,
        "dayCount": case.financials.interest.day_count.value,
        "percent": str(case.financials.interest.percent),
        "rounding": "HALF_UP",
        "segments": accrual.explain(case.currency),
    }
