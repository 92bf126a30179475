"""The financial components of a bucket and the breathing space, as they are snapshotted on a case."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Any, Self

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from finview.cases import costs
from finview.cases.interest import DayCount, Policy, Window
from finview.cases.refusals import refusal, refused
from finview.money import parse_minor, parse_rate

DEFAULT_TERM_DAYS = 30
"""Where an invoice has no due date: in default 30 days after it (§ 286(3) BGB)."""

Amount = Annotated[Decimal, Field(ge=0, max_digits=18)]
Percent = Annotated[Decimal, Field(ge=0, le=100, decimal_places=4)]


class CostKind(StrEnum):
    """How collection costs are computed."""

    NONE = "NONE"
    FIXED = "FIXED"
    PERCENT = "PERCENT"
    TIERED = "TIERED"
    STATUTORY = "STATUTORY"


class TierMode(StrEnum):
    """Whether the whole claim takes its tier, or each slice of it its own."""

    BRACKET = "BRACKET"
    SLICE = "SLICE"


class InterestKind(StrEnum):
    """How interest is computed."""

    NONE = "NONE"
    FIXED = "FIXED"
    BASE_PLUS = "BASE_PLUS"
    STATUTORY = "STATUTORY"


class InterestStart(StrEnum):
    """The day from which a component counts its days."""

    INVOICE_DATE = "INVOICE_DATE"
    DUE_DATE = "DUE_DATE"
    DEFAULT = "DEFAULT"


class VatOnCosts(StrEnum):
    """Whether VAT on collection costs is charged to the debtor (no. 7008 VV RVG)."""

    NEVER = "NEVER"
    IF_NOT_DEDUCTIBLE = "IF_NOT_DEDUCTIBLE"


class AllocationOrder(StrEnum):
    """What money received pays first."""

    DE_367 = "DE_367"
    DE_497 = "DE_497"
    PRINCIPAL_FIRST = "PRINCIPAL_FIRST"


_KINDS = {*CostKind, *InterestKind}


def _shape(value: Any) -> Any:
    """Accept the shapes people write: "NONE", {"FIXED": {…}}, `type`, or no kind at all."""
    if value is None or isinstance(value, str):
        value = {"kind": value or "NONE"}
    if not isinstance(value, Mapping):
        return value
    named = [key for key in value if str(key).upper() in _KINDS]
    if len(value) == 1 and named and isinstance(value[named[0]], Mapping):
        value = {"kind": named[0], **value[named[0]]}
    given = {("kind" if key == "type" else key): item for key, item in value.items()}
    guesses = (
        ("tiers", "TIERED"),
        ("points", "BASE_PLUS"),
        ("percent", "PERCENT"),
        ("amount", "FIXED"),
    )
    kind = given.get("kind") or next((name for key, name in guesses if given.get(key)), "NONE")
    return {**given, "kind": str(kind).upper()}


def _interest_shape(value: Any) -> Any:
    shaped = _shape(value)
    if not isinstance(shaped, Mapping):
        return shaped
    given = dict(shaped)
    if given["kind"] == "PERCENT":
        given["kind"] = "FIXED"
    starts = given.pop("starts", None)
    if isinstance(starts, Mapping):
        given["startsOn"] = starts.get("on") or starts.get("from") or InterestStart.DUE_DATE
        given["afterDays"] = starts.get("days", 0)
    elif starts is not None:
        given["startsOn"] = starts
    if "days" in given:
        given["afterDays"] = given.pop("days")
    if given["kind"] == InterestKind.STATUTORY:
        # The law has a start of its own; another one has to be asked for.
        given.setdefault("startsOn", InterestStart.DEFAULT)
    return {key: item for key, item in given.items() if item is not None}


class _Model(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class CostTier(_Model):
    """One tier, up to and including an amount (none: no end): an amount or a percentage."""

    up_to: Amount | None = None
    amount: Amount | None = None
    percent: Percent | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.amount is None and self.percent is None:
            raise refusal("FINANCIALS_TIER_EMPTY")
        return self


class CostComponent(_Model):
    """Collection costs; amounts are in the currency of the case."""

    kind: CostKind = CostKind.NONE
    amount: Amount | None = None
    percent: Percent | None = None
    min: Amount | None = None
    max: Amount | None = None
    mode: TierMode = TierMode.BRACKET
    tiers: tuple[CostTier, ...] = ()
    rule: Annotated[str | None, Field(max_length=80)] = None

    @field_validator("tiers", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return value or ()

    @field_validator("tiers")
    @classmethod
    def _whole(cls, tiers: tuple[CostTier, ...]) -> tuple[CostTier, ...]:
        last = tiers[-1].up_to if tiers else None
        ends = [tier.up_to for tier in tiers if tier.up_to is not None]
        open_inside = any(tier.up_to is None for tier in tiers[:-1])
        if open_inside or ends != sorted(set(ends)):
            raise refusal("FINANCIALS_TIERS_ORDER")
        if last is not None:
            raise refusal("FINANCIALS_TIERS_GAP", above=str(last))
        return tiers

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"FIXED": "amount", "PERCENT": "percent", "TIERED": "tiers"}.get(self.kind)
        if needed and not getattr(self, needed) and getattr(self, needed) != 0:
            raise refusal("FINANCIALS_REQUIRED", needed=needed, kind=self.kind.value)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise refusal("FINANCIALS_MIN_MAX", min=str(self.min), max=str(self.max))
        return self

    def minor(self, principal: int, currency: str) -> int:
        """Return the costs of an open principal, both in minor units; STATUTORY are the pack's."""
        if self.kind in (CostKind.NONE, CostKind.STATUTORY):
            return 0
        if self.kind is CostKind.FIXED:
            return parse_minor(self.amount or 0, currency)
        least, most = _minor(self.min, currency), _minor(self.max, currency)
        if self.kind is CostKind.PERCENT:
            rate = parse_rate(self.percent or 0)
            return costs.percent_costs(principal, rate, least=least, most=most)
        tiers = [
            costs.Tier(
                up_to=_minor(tier.up_to, currency),
                amount=_minor(tier.amount, currency),
                rate=None if tier.percent is None else parse_rate(tier.percent),
            )
            for tier in self.tiers
        ]
        way = costs.bracket_costs if self.mode is TierMode.BRACKET else costs.slice_costs
        return way(principal, tiers, least=least, most=most)


class InterestComponent(_Model):
    """Interest; the first day is the chosen date + `after_days` + 1."""

    kind: InterestKind = InterestKind.NONE
    percent: Percent | None = None
    points: Percent | None = None
    starts_on: InterestStart = InterestStart.DUE_DATE
    after_days: Annotated[int, Field(ge=0, le=3650)] = 0
    day_count: DayCount = DayCount.ACT_365

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"FIXED": "percent", "BASE_PLUS": "points"}.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise refusal("FINANCIALS_REQUIRED", needed=needed, kind=self.kind.value)
        return self

    @cached_property
    def rate(self) -> int:
        """The fixed yearly rate in 1/10,000 percent; 0 where there is none."""
        fixed = self.kind is InterestKind.FIXED
        return parse_rate(self.percent) if fixed and self.percent is not None else 0

    @cached_property
    def added(self) -> int:
        """The points above the base rate in 1/10,000 percent; 0 where there are none."""
        return parse_rate(self.points) if self.points is not None else 0

    def first_day(
        self, issued_on: date | None, due_on: date | None, default_from: date | None = None
    ) -> date | None:
        """Return the first day that bears interest, None when the claim has no date at all.

        Without a due date a claim counts as due 30 days after the invoice. DEFAULT is the first
        day of default as the law pack has it, with working days; without one the due date's.
        """
        if self.starts_on is InterestStart.DEFAULT and default_from is not None:
            return default_from + timedelta(days=self.after_days)
        if self.starts_on is InterestStart.INVOICE_DATE:
            base = issued_on or due_on
        else:
            base = due_on or (issued_on and issued_on + timedelta(days=DEFAULT_TERM_DAYS))
        return base and base + timedelta(days=self.after_days + 1)


class Financials(_Model):
    """What a bucket charges; the typed form of `Bucket.financials`."""

    costs: Annotated[CostComponent, BeforeValidator(_shape)] = CostComponent()
    lump_sum: bool = False
    interest: Annotated[InterestComponent, BeforeValidator(_interest_shape)] = InterestComponent()
    admin: Amount = Decimal(0)
    vat: VatOnCosts = VatOnCosts.NEVER
    vat_percent: Percent | None = None
    commission_percent: Percent | None = None
    commission_interest_percent: Percent | None = None
    commission_costs_percent: Percent | None = None
    outer_order: AllocationOrder = AllocationOrder.DE_367
    inner_order: AllocationOrder = AllocationOrder.DE_367

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.vat is VatOnCosts.IF_NOT_DEDUCTIBLE and self.vat_percent is None:
            raise refusal("FINANCIALS_REQUIRED", needed="vatPercent", kind=self.vat.value)
        return self

    @model_validator(mode="before")
    @classmethod
    def _friendly(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        given = {key: item for key, item in value.items() if item is not None}
        if isinstance(given.get("admin"), Mapping):
            given["admin"] = given["admin"].get("amount", 0)
        return given

    def as_json(self) -> dict[str, Any]:
        """Return the canonical JSON: amounts and percentages as decimal strings."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Snapshot(Financials):
    """The components as a case keeps them, with the law pack they were linked under.

    `zone` is where the days of the case begin; `vat_deductible` says that the client may deduct the
    VAT on the costs, so that the debtor doesn't owe it.
    """

    law: str = "de"
    law_version: str = ""
    zone: str = "Europe/Berlin"
    vat_deductible: bool = True


class Breathing(_Model):
    """The breathing space of a case: its terms from the bucket link, its dates from the launch."""

    enabled: bool = False
    days: Annotated[int, Field(ge=0, le=3650)] = 0
    policy: Policy = Policy.DEFERRED
    starts_on: date | None = None
    ends_on: date | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.enabled and self.days < 1:
            raise ValueError("a breathing space needs at least one day")
        return self

    @property
    def window(self) -> Window | None:
        """The days of the breathing space once it has begun: the end is not one of them."""
        if self.starts_on is None or self.ends_on is None:
            return None
        return self.starts_on, self.ends_on

    def begun(self, on: date) -> "Breathing":
        """Return it with its dates: it ends `days` days after the day of the launch (W2)."""
        return self.model_copy(update={"starts_on": on, "ends_on": on + timedelta(days=self.days)})

    def as_json(self) -> dict[str, Any]:
        """Return the JSON kept with the case."""
        return self.model_dump(mode="json", by_alias=True)


def parse_financials(
    value: Mapping[str, Any] | None, *, at: Sequence[str] = ("input", "financials")
) -> Financials:
    """Read `Bucket.financials`; None and {} charge nothing.

    Raises `Invalid` with the place as path below `at`: FINANCIALS_REQUIRED, FINANCIALS_TIER…,
    FINANCIALS_MIN_MAX, FINANCIALS_RANGE, FINANCIALS_UNKNOWN, FINANCIALS_CHOICE, FINANCIALS_INVALID.
    """
    try:
        return Financials.model_validate(value or {})
    except ValidationError as error:
        raise refused(error, at) from error


def kept_financials(value: Mapping[str, Any]) -> Financials:
    """Return components as a bucket or a case keeps them; parsed once for all that share them."""
    return _kept(orjson.dumps(value))


@lru_cache(maxsize=256)
def _kept(value: bytes) -> Financials:
    return Snapshot.model_validate_json(value)


def _minor(amount: Decimal | None, currency: str) -> int | None:
    return None if amount is None else parse_minor(amount, currency)
