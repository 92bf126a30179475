"""What a payment plan costs the debtor: only where the law knows it, and only after a notice."""

from collections import Counter
from dataclasses import replace
from datetime import date

from sqlalchemy.orm import Session

from finview.cases import law, ledger
from finview.cases.allocation import reallocate
from finview.cases.charges import OwnCost, by_law, vat_on_costs
from finview.cases.claims import CaseClaims
from finview.cases.components import CostKind
from finview.cases.ledger_models import TxnKind
from finview.cases.models import Case
from finview.cases.postings import cost_posting
from finview.cases.reading import read_claims
from finview.cases.timeline import note
from finview.errors import Invalid
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "PLAN_COSTS_NO_NOTICE": N_("the debtor was not told of them in text form before"),
        "PLAN_COSTS_NOT_YET": N_("costs don't apply to this case yet"),
        "PLAN_COSTS_ONCE": N_("they were charged for an earlier payment plan"),
    }
)


def charge_plan(
    session: Session, case: Case, *, notice_on: date | None, on: date, by: int | None
) -> int:
    """Charge the costs of an agreement to pay in parts, and return how much; the case is locked.

    Germany: a 0.7 fee on half of the open principal and the rest of the flat rate (no. 1000, 7002
    VV RVG, § 31b RVG), net and once for a case, only if the notice in text form of § 13a(3) RDG was
    delivered, on `notice_on`, before the agreement. Where they are not charged the timeline says
    why. Nothing is charged, and nothing said, where law or components know no costs.
    """
    claims = read_claims(session, [case.id], as_of=date.max)[case.id]
    costs = _costs(claims, given=notice_on is not None)
    total = sum(cost.minor for cost in costs)
    if not total:
        return 0
    told = {"minor": total, "currency": case.currency}
    reason = _why_not(claims, costs, notice_on)
    if reason is not None:
        params = {"amount": told, "reason": reason}
        note(session, "TIMELINE_PLAN_COSTS_NOT", [case.id], by=by, params=params)
        return 0
    assert notice_on is not None, "without a notice there is a reason"
    notice = {"noticeDeliveredOn": notice_on.isoformat()}
    ledger.post(
        session,
        [
            cost_posting(
                claims,
                cost.account,
                cost.minor,
                f"cost:{case.id}:{cost.name}",
                on,
                cost.rule,
                rule_version=cost.rule_version,
                citation=cost.citation,
                inputs={**cost.inputs, **notice},
            )
            for cost in costs
        ],
        by=by,
    )
    reallocate(session, [case.id], by=by)
    params = {"amount": told, "on": notice_on.isoformat()}
    note(session, "TIMELINE_PLAN_COSTS", [case.id], by=by, params=params)
    return total


def _costs(claims: CaseClaims, *, given: bool) -> list[OwnCost]:
    """Return what the agreement adds to the costs of a case, with VAT where that is charged."""
    terms, pack = claims.financials, claims.pack
    if terms is None or pack is None or terms.costs.kind is CostKind.NONE:
        return []
    facts = replace(claims.facts(principal=claims.principal), charged=_charged(claims))
    try:
        charges = law.plan_costs(pack, facts)
    except Invalid:
        # No table of fees reaches back to the mandate: that is a fault only if they are wanted.
        if given:
            raise
        return []
    found = [by_law(claims, f"plan{n or ''}", charge) for n, charge in enumerate(charges)]
    vat = vat_on_costs(claims, terms, sum(cost.minor for cost in found))
    return [
        cost for cost in [*found, *(replace(one, name="plan-vat") for one in vat)] if cost.minor
    ]


def _charged(claims: CaseClaims) -> tuple[tuple[str, int], ...]:
    """Return the costs that stand on a case, by the rule that made them."""
    undone = {row.reverses_id for row in claims.lines if row.reverses_id is not None}
    found: Counter[str] = Counter()
    for row in claims.lines:
        if row.kind == TxnKind.COST and row.reverses_id is None and row.txn_id not in undone:
            found[row.rule] += row.amount
    return tuple(sorted(found.items()))


def _why_not(claims: CaseClaims, costs: list[OwnCost], notice_on: date | None) -> str | None:
    if notice_on is None:
        return "PLAN_COSTS_NO_NOTICE"
    if claims.charges_from is None:
        return "PLAN_COSTS_NOT_YET"
    if costs[0].rule in dict(_charged(claims)):
        return "PLAN_COSTS_ONCE"
    return None
