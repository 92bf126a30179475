"""What a case keeps of its bucket: the components, and the law they were linked under."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from finview.cases import law
from finview.cases.components import CostKind, Financials, InterestKind, Snapshot
from finview.customers.models import Bucket, BusinessUnit, Customer
from finview.customers.units import zone_of
from finview.errors import Invalid

PLACE = ("input", "financials")


def snapshot_of(session: Session, bucket_id: int, financials: Financials) -> Snapshot:
    """Return a bucket's components with the law of its business unit's country.

    Raises `Invalid` as `check_law`.
    """
    bucket = session.get_one(Bucket, bucket_id)
    return snapshot_for(session, session.get_one(Customer, bucket.customer_id), financials)


def snapshot_for(
    session: Session, customer: Customer, financials: Financials, *, at: Sequence[str] = PLACE
) -> Snapshot:
    """Return components as a case of this customer would keep them; raises as `check_law`.

    Whether the client may deduct VAT is `vatDeductible` of its company data, yes when left out:
    a business as a rule may, and then the debtor doesn't owe it.
    """
    unit = session.get_one(BusinessUnit, customer.business_unit_id)
    packs = law.packs_of(session)
    # The unit's own choice of a law goes before its country (base_rate_source).
    code = unit.base_rate_source or law.code_for(packs, unit.company.get("country"))
    kept = Snapshot(
        **dict(financials),
        law=code,
        law_version=law.pack_for(packs, code).version,
        zone=zone_of(unit),
        vat_deductible=customer.company.get("vatDeductible") is not False,
    )
    check_law(packs, kept, at)
    return kept


def snapshot_without_customer(
    session: Session, financials: Financials, *, at: Sequence[str] = PLACE
) -> Snapshot:
    """Return components as the law of the default country has them; raises as `check_law`."""
    packs = law.packs_of(session)
    pack = law.pack_for(packs, law.DEFAULT_CODE)
    kept = Snapshot(**dict(financials), law=pack.code, law_version=pack.version)
    check_law(packs, kept, at)
    return kept


def check_law(packs: law.Packs, terms: Snapshot, at: Sequence[str]) -> None:
    """Raise `Invalid` (LAW_NO_COSTS, LAW_NO_BASE_RATE) for a component the pack can't compute."""
    pack = law.pack_for(packs, terms.law)
    if terms.interest.kind is InterestKind.BASE_PLUS and pack.base_rates() is None:
        raise Invalid("LAW_NO_BASE_RATE", path=(*at, "interest", "kind"), code=pack.code)
    if terms.costs.kind is CostKind.STATUTORY:
        rule = terms.costs.rule or next(iter(pack.cost_rules), None)
        if rule not in pack.cost_rules:
            raise Invalid(
                "LAW_NO_COSTS", path=(*at, "costs", "rule"), code=pack.code, rule=rule or "–"
            )
