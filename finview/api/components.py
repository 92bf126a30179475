"""Financial components as types: what a bucket charges, and what that comes to in an example."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import strawberry
from sqlalchemy.orm import Session
from strawberry import UNSET

from finview.accounts.access import find
from finview.api.claims import Balance, StatementLine
from finview.api.common import f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, camel, user_error
from finview.api.engine.ids import key_of
from finview.api.engine.scalars import as_object
from finview.api.enums import DebtorKind
from finview.api.inputs import MoneyInput
from finview.cases import law
from finview.cases.components import (
    AllocationOrder,
    CostKind,
    Financials,
    InterestKind,
    InterestStart,
    TierMode,
    VatOnCosts,
    kept_financials,
    parse_financials,
)
from finview.cases.interest import DayCount
from finview.cases.received import check_sum
from finview.cases.sample import previewed, sample_case
from finview.cases.snapshots import snapshot_for, snapshot_without_customer
from finview.customers.models import Bucket as BucketRow
from finview.customers.models import Customer as CustomerRow
from finview.errors import FinviewError, Invalid
from finview.i18n import N_, sentences

sentences(
    {
        "FINANCIALS_TWICE": N_("Give either the financials or the components, not both."),
        "PREVIEW_NO_DATE": N_("The day asked for lies before the invoice."),
    }
)

strawberry.enum(CostKind, description="How collection costs are computed.")
strawberry.enum(TierMode, description="Whether the whole claim takes its tier, or each slice.")
strawberry.enum(InterestKind, description="How interest is computed.")
strawberry.enum(InterestStart, description="From which day the days before interest count.")
strawberry.enum(DayCount, description="How days become parts of a year.")
strawberry.enum(VatOnCosts, description="Whether VAT on costs is charged to the debtor.")
strawberry.enum(AllocationOrder, description="What money received pays first.")

UP_TO = "Up to and including this amount; null: no end."


@strawberry.type(description="One tier of collection costs.")
class CostTier:
    """One tier of collection costs."""

    up_to: Decimal | None = f(description=UP_TO)
    amount: Decimal | None = f(description="A fixed amount.")
    percent: Decimal | None = f(description="A percentage of the principal.")


@strawberry.type(description="Collection costs, in the currency of the case.")
class CostComponent:
    """Collection costs."""

    kind: CostKind = f(description="How they are computed.")
    amount: Decimal | None = f(description="Of FIXED.")
    percent: Decimal | None = f(description="Of PERCENT.")
    min: Decimal | None = f(description="At least this much.")
    max: Decimal | None = f(description="At most this much.")
    mode: TierMode | None = f(description="Of TIERED.")
    tiers: list[CostTier] = f(description="Of TIERED.")
    rule: str | None = f(description="Of STATUTORY: a rule of the law pack; null: its first.")


@strawberry.type(description="Interest on the open principal.")
class InterestComponent:
    """Interest on the open principal."""

    kind: InterestKind = f(description="How it is computed.")
    percent: Decimal | None = f(description="Of FIXED: percent a year.")
    points: Decimal | None = f(description="Of BASE_PLUS: points above the base rate.")
    starts_on: InterestStart = f(description="The day from which `afterDays` counts.")
    after_days: int = f(description="Days without interest after it.")
    day_count: DayCount = f(description="How days become parts of a year.")


@strawberry.type(description="What a case is charged: the typed form of `Bucket.financials`.")
class FinancialComponents:
    """What a case is charged."""

    costs: CostComponent = f(description="Collection costs.")
    lump_sum: bool = f(description="Whether businesses owe the statutory lump sum.")
    interest: InterestComponent = f(description="Interest.")
    admin: Decimal = f(description="Fixed administrative costs.")
    vat: VatOnCosts = f(description="Whether VAT on costs is charged.")
    vat_percent: Decimal | None = f(description="Its rate.")
    commission_percent: Decimal = f(description="The agency's share of money collected.")
    commission_interest_percent: Decimal | None = f(
        description="Its share of interest; null: as of the rest."
    )
    commission_costs_percent: Decimal | None = f(
        description="Its share of collection costs, 100 where it keeps them; null: as of the rest."
    )
    outer_order: AllocationOrder = f(description="What money pays first toward the debtor.")
    inner_order: AllocationOrder = f(description="What money pays first toward the customer.")

    @classmethod
    def of(cls, terms: Financials) -> "FinancialComponents":
        """Return components as the API shows them."""
        costs, interest = terms.costs, terms.interest
        tiered = costs.kind is CostKind.TIERED
        return cls(
            costs=CostComponent(
                kind=costs.kind,
                amount=costs.amount,
                percent=costs.percent,
                min=costs.min,
                max=costs.max,
                mode=costs.mode if tiered else None,
                tiers=[
                    CostTier(up_to=tier.up_to, amount=tier.amount, percent=tier.percent)
                    for tier in costs.tiers
                ],
                rule=costs.rule,
            ),
            lump_sum=terms.lump_sum,
            interest=InterestComponent(
                kind=interest.kind,
                percent=interest.percent,
                points=interest.points,
                starts_on=interest.starts_on,
                after_days=interest.after_days,
                day_count=interest.day_count,
            ),
            admin=terms.admin,
            vat=terms.vat,
            vat_percent=terms.vat_percent,
            commission_percent=terms.commission_percent or Decimal(0),
            commission_interest_percent=terms.commission_interest_percent,
            commission_costs_percent=terms.commission_costs_percent,
            outer_order=terms.outer_order,
            inner_order=terms.inner_order,
        )


@strawberry.input(description="One tier of collection costs: an amount or a percentage.")
class CostTierInput:
    """One tier of collection costs."""

    up_to: Decimal | None = f(default=None, description=UP_TO)
    amount: Decimal | None = f(default=None, description="A fixed amount.")
    percent: Decimal | None = f(default=None, description="A percentage of the principal.")


@strawberry.input(description="Collection costs.")
class CostComponentInput:
    """Collection costs."""

    kind: CostKind = f(description="How they are computed.")
    amount: Decimal | None = f(default=None, description="Of FIXED.")
    percent: Decimal | None = f(default=None, description="Of PERCENT.")
    min: Decimal | None = f(default=None, description="At least this much.")
    max: Decimal | None = f(default=None, description="At most this much.")
    mode: TierMode | None = f(default=None, description="Of TIERED; BRACKET when left out.")
    tiers: list[CostTierInput] | None = f(default=None, description="Of TIERED, rising.")
    rule: str | None = f(default=None, description="Of STATUTORY; the pack's first by default.")


@strawberry.input(description="Interest on the open principal.")
class InterestComponentInput:
    """Interest on the open principal."""

    kind: InterestKind = f(description="How it is computed.")
    percent: Decimal | None = f(default=None, description="Of FIXED: percent a year.")
    points: Decimal | None = f(default=None, description="Of BASE_PLUS.")
    starts_on: InterestStart | None = f(
        default=None, description="DEFAULT for STATUTORY, else DUE_DATE when left out."
    )
    after_days: int | None = f(default=None, description="Days without interest after it.")
    day_count: DayCount | None = f(default=None, description="ACT_365 when left out.")


@strawberry.input(description="What a bucket charges; what is left out charges nothing.")
class FinancialComponentsInput:
    """What a bucket charges."""

    costs: CostComponentInput | None = f(default=None, description="Collection costs.")
    lump_sum: bool | None = f(default=None, description="The statutory lump sum for businesses.")
    interest: InterestComponentInput | None = f(default=None, description="Interest.")
    admin: Decimal | None = f(default=None, description="Fixed administrative costs.")
    vat: VatOnCosts | None = f(default=None, description="VAT on costs.")
    vat_percent: Decimal | None = f(default=None, description="Its rate.")
    commission_percent: Decimal | None = f(default=None, description="The agency's share.")
    commission_interest_percent: Decimal | None = f(
        default=None, description="Its share of interest, where it is another."
    )
    commission_costs_percent: Decimal | None = f(
        default=None, description="Its share of collection costs; 100 keeps them."
    )
    outer_order: AllocationOrder | None = f(default=None, description="Toward the debtor.")
    inner_order: AllocationOrder | None = f(default=None, description="Toward the customer.")


@strawberry.input(description="An example to compute what a bucket charges.")
class FinancialsPreviewInput:
    """An example."""

    bucket_id: strawberry.ID | None = f(default=None, description="Whose components are used.")
    components: FinancialComponentsInput | None = f(
        default=None, description="Used instead of the bucket's, to try them out."
    )
    debtor_kind: DebtorKind = f(description="Consumer or business.")
    principal: MoneyInput = f(description="The amount of the one invoice.")
    invoice_date: date = f(description="Its date.")
    due_date: date | None = f(default=None, description="Its due date.")
    as_of: date = f(description="At the end of which day; costs are charged today at the latest.")


@strawberry.type(description="What an example comes to.")
class FinancialsPreview:
    """What an example comes to."""

    balance: Balance = f(description="What is owed; all zero with errors.")
    lines: list[StatementLine] = f(description="Every cent with the rule it rests on.")
    errors: list[UserError] = f(description="What is wrong with the input; empty when done.")


def plain(value: Any) -> Any:
    """Return a typed input as the JSON of `Bucket.financials`; what is left out stays out."""
    if value is UNSET or value is None:
        return None
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "__strawberry_definition__"):
        named = ((name, plain(item)) for name, item in vars(value).items())
        return {camel(name): item for name, item in named if item is not None}
    return value


def given_terms(financials: Any, components: Any) -> Financials:
    """Return the components of an input that has both forms; raises `Invalid` with their place."""
    typed = components is not UNSET and components is not None
    if typed and financials is not UNSET and financials is not None:
        raise Invalid("FINANCIALS_TWICE", path=("input", "components"))
    if typed:
        return parse_financials(plain(components), at=("input", "components"))
    place = ("input", "financials")
    value = None if financials is UNSET else financials
    return parse_financials(as_object(value, *place), at=place)


def checked_terms(
    session: Session, customer: CustomerRow, financials: Any, components: Any
) -> dict[str, Any]:
    """Return given components as they are kept, once the customer's law pack knows them all."""
    terms = given_terms(financials, components)
    typed = components is not UNSET and components is not None
    snapshot_for(session, customer, terms, at=("input", "components" if typed else "financials"))
    return terms.as_json()


def components_of(value: Mapping[str, Any] | None) -> FinancialComponents | None:
    """Return kept components as the API shows them; None without any."""
    return None if value is None else FinancialComponents.of(kept_financials(value))


def bucket_components(value: Mapping[str, Any]) -> FinancialComponents:
    """Return a bucket's components as the API shows them."""
    return FinancialComponents.of(kept_financials(value))


def bucket_financials_preview(info: Info, input: FinancialsPreviewInput) -> FinancialsPreview:  # noqa: A002  # the contract's word
    """Return what an example is charged; nothing is posted."""
    ctx = info.context
    try:
        return _previewed(ctx, input)
    except FinviewError as failure:
        currency = input.principal.currency
        return FinancialsPreview(
            balance=Balance.nothing(currency),
            lines=[],
            errors=[user_error(failure, ctx.locale)],
        )


def _previewed(ctx: Context, given: FinancialsPreviewInput) -> FinancialsPreview:
    principal = given.principal.money("input", "principal", "amount")
    check_sum(principal, ("input", "principal", "amount"))
    if given.as_of < given.invoice_date:
        raise Invalid("PREVIEW_NO_DATE", path=("input", "asOf"))
    bucket = None
    if given.bucket_id is not None:
        bucket = find(
            ctx.session, BucketRow, key_of(given.bucket_id, "bkt", "input", "bucketId"), ctx.who
        )
    kept = bucket.financials if bucket is not None and given.components is None else UNSET
    terms = given_terms(kept, given.components)
    if bucket is not None:
        customer = ctx.session.get_one(CustomerRow, bucket.customer_id)
        snapshot = snapshot_for(ctx.session, customer, terms, at=("input", "components"))
    else:
        snapshot = snapshot_without_customer(ctx.session, terms, at=("input", "components"))
    day = max(given.invoice_date, min(ctx.today, given.as_of))
    case = sample_case(
        snapshot,
        law.pack_for(law.packs_of(ctx.session), snapshot.law),
        principal,
        kind=given.debtor_kind,
        issued_on=given.invoice_date,
        due_on=given.due_date,
        opened_on=day,
        charges_from=day,
    )
    balance, lines = previewed(case, given.as_of)
    return FinancialsPreview(
        balance=Balance.of(balance),
        lines=[StatementLine.of(line, ctx.locale) for line in lines],
        errors=[],
    )
