"""What a case is charged by its components: costs, VAT, administrative costs, lump sum (pure)."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from finview.cases import law
from finview.cases.claims import CaseClaims, Claim
from finview.cases.components import CostKind, Snapshot, VatOnCosts
from finview.cases.ledger import Posting
from finview.cases.ledger_models import AccountKind
from finview.cases.postings import cost_posting
from finview.money import minor_text, parse_minor, parse_rate, percent_of, rate_text
from finview.plugins.contracts.jurisdiction import Charge

VAT_CITATIONS = {"de": "no. 7008 VV RVG, § 13a(1) no. 6 RDG"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCost:
    """One charge of a case; `name` tells it from the others of the case."""

    name: str
    minor: int
    rule: str
    account: AccountKind = AccountKind.COSTS_OWN
    rule_version: str = "1"
    citation: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict)


def own_costs(case: CaseClaims, on: date) -> list[Posting]:
    """Return the postings of what a case is charged on a day; none with nothing open."""
    return [
        cost_posting(
            case,
            cost.account,
            cost.minor,
            f"cost:{case.id}:{cost.name}",
            on,
            cost.rule,
            rule_version=cost.rule_version,
            citation=cost.citation,
            inputs=cost.inputs,
        )
        for cost in computed(case, on)
    ]


def computed(case: CaseClaims, on: date) -> list[OwnCost]:
    """Return the charges of a case with what they are computed from; zero ones are left out.

    The value of a fee is the open principal only (§ 43 GKG). VAT is due on what the agency does,
    not on the lump sum, which is damages.
    """
    terms, principal = case.financials, case.principal
    if terms is None or principal <= 0:
        return []
    found = _collection(case, terms, principal)
    admin = parse_minor(terms.admin, case.currency)
    if admin:
        found.append(OwnCost(name="admin", minor=admin, rule="cost.admin"))
    pursuit = sum(cost.minor for cost in found if cost.name != "admin")
    found += vat_on_costs(case, terms, sum(cost.minor for cost in found))
    if terms.lump_sum:
        found += _lump_sum(case, on, against=pursuit)
    return [cost for cost in found if cost.minor > 0]


def _collection(case: CaseClaims, terms: Snapshot, principal: int) -> list[OwnCost]:
    if terms.costs.kind is CostKind.STATUTORY:
        assert case.pack is not None
        charges = law.costs(case.pack, terms.costs.rule, case.facts(principal=principal))
        return [
            by_law(case, "collection" if not n else f"collection{n}", charge)
            for n, charge in enumerate(charges)
        ]
    component = terms.costs.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return [
        OwnCost(
            name="collection",
            minor=terms.costs.minor(principal, case.currency),
            rule=f"cost.{terms.costs.kind.lower()}",
            inputs={"principal": minor_text(principal, case.currency), **component},
        )
    ]


def by_law(case: CaseClaims, name: str, charge: Charge) -> OwnCost:
    """Return a charge of the law pack as one of a case."""
    assert case.pack is not None
    return OwnCost(
        name=name,
        minor=charge.amount_minor,
        rule=charge.rule.id,
        rule_version=case.pack.version,
        citation=charge.rule.citation,
        inputs={**charge.inputs, "verifiedOn": charge.rule.verified_on.isoformat()},
    )


def vat_on_costs(case: CaseClaims, terms: Snapshot, base: int) -> list[OwnCost]:
    """Return the VAT on costs; none where the client may deduct it or nobody charges it."""
    charged = terms.vat is VatOnCosts.IF_NOT_DEDUCTIBLE and not terms.vat_deductible
    if not charged or terms.vat_percent is None:
        return []
    rate = parse_rate(terms.vat_percent)
    return [
        OwnCost(
            name="vat",
            minor=percent_of(base, rate),
            rule="cost.vat",
            account=AccountKind.VAT,
            citation=VAT_CITATIONS.get(terms.law),
            inputs={
                "base": minor_text(base, case.currency),
                "percent": rate_text(rate),
                "rounding": "HALF_UP",
            },
        )
    ]


def _lump_sum(case: CaseClaims, on: date, *, against: int) -> list[OwnCost]:
    """Return the lump sums of the claims in default, less the costs they are credited against.

    Credited as § 288(5) sentence 3 BGB says: with costs of 100.44 nothing is left of 40 EUR.
    """
    if case.pack is None:
        return []
    each: list[Charge] = []
    for claim in case.claims.values():
        if claim.principal > 0 and late(case, claim, on):
            facts = case.facts(claim, principal=claim.amount_minor or claim.principal)
            charge = law.lump_sum(case.pack, facts)
            each += [charge] if charge is not None else []
    total = sum(charge.amount_minor for charge in each)
    credited = min(total, against) if case.pack.code == "de" else 0
    if total <= credited:
        return []
    rule = each[0].rule
    return [
        OwnCost(
            name="lump",
            minor=total - credited,
            rule=rule.id,
            rule_version=case.pack.version,
            citation=rule.citation,
            inputs={
                "claims": len(each),
                "lumpSums": minor_text(total, case.currency),
                "credited": minor_text(credited, case.currency),
                "verifiedOn": rule.verified_on.isoformat(),
            },
        )
    ]


def late(case: CaseClaims, claim: Claim, on: date) -> bool:
    """Tell whether a claim is in default on a day by the law of its case."""
    first = case.default_from(claim)
    return first is not None and first <= on
