"""The postings of one case, each with what explains it: costs, interest, and their accounts."""

from collections import Counter
from datetime import date
from typing import Any

from finview.cases.claims import CaseClaims, Claim
from finview.cases.interest import Accrual
from finview.cases.law import points_text
from finview.cases.ledger import Account, Posting, claim_lines
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.money import minor_text, rate_text


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
    rule_version: str = "1",
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
        rule_version=rule_version,
        citation=citation,
        inputs=inputs or {},
    )


def interest_posting(
    case: CaseClaims,
    claim: Claim,
    minor: int,
    on: date,
    rule: str,
    inputs: dict[str, Any],
    **more: Any,
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
        **more,
    )


def accrued_posting(
    case: CaseClaims, claim: Claim, minor: int, on: date, accrual: Accrual
) -> Posting:
    """Return the posting of what a claim has accrued, by the rule its rates rest on."""
    inputs, source = interest_inputs(case, claim, on, accrual), interest_source(case, claim, on)
    return interest_posting(case, claim, minor, on, source.pop("rule"), inputs, **source)


def interest_source(case: CaseClaims, claim: Claim, on: date) -> dict[str, Any]:
    """Return rule, version and citation of a claim's interest, and whether it is provisional."""
    terms = case.terms(claim)
    assert terms is not None, "what bears interest has terms"
    return {
        "rule": terms.tariff.rule,
        "rule_version": terms.tariff.rule_version,
        "citation": terms.tariff.citation,
        "provisional": case.provisional(claim, on),
    }


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
    terms = case.terms(claim)
    assert case.financials is not None
    assert terms is not None
    tariff = terms.tariff
    told: dict[str, Any] = {
        "invoice": claim.number,
        "dayCount": case.financials.interest.day_count.value,
        "rounding": "HALF_UP",
        "segments": accrual.explain(case.currency),
    }
    if tariff.points is not None:
        told["points"] = points_text(tariff.points)
    elif len(tariff.steps) == 1:
        told["percent"] = rate_text(tariff.steps[0][1])
    if tariff.verified_on is not None:
        told["verifiedOn"] = tariff.verified_on.isoformat()
    if tariff.provisional_from is not None and accrual.segments:
        last = accrual.segments[-1].end
        if last > tariff.provisional_from:
            told["provisionalFrom"] = tariff.provisional_from.isoformat()
    return told
