"""The financial components of a bucket and the breathing space, as they are snapshotted on a case."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from finview.cases import costs
from finview.cases.interest import DayCount, Policy, Window
from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.money import parse_minor, parse_rate

CODES = sentences(
    {
        "FINANCIALS_INVALID": N_("The financial components are not valid at {field}: {detail}."),
        "FINANCIALS_LAW_PACK": N_("{kind} needs a law pack, which this installation doesn't have."),
    }
)

DEFAULT_TERM_DAYS = 30
"""Where an invoice has no due date: in default 30 days after it (§ 286(3) BGB)."""

Amount = Annotated[Decimal, Field(ge=0, max_digits=18)]
Percent = Annotated[Decimal, Field(ge=0, le=1000, decimal_places=4)]


class CostKind(StrEnum):
    """How collection costs are computed."""

    NONE = "NONE"
    FIXED = "FIXED"
    PERCENT = "PERCENT"
    TIERED = "TIERED"


class InterestKind(StrEnum):
    """How interest is computed."""

    NONE = "NONE"
    FIXED = "FIXED"


class InterestStart(StrEnum):
    """The day from which a component counts its days."""

    INVOICE_DATE = "INVOICE_DATE"
    DUE_DATE = "DUE_DATE"
    DEFAULT = "DEFAULT"


_LAW_PACK_KINDS = {"STATUTORY", "BASE_PLUS"}


def _shape(value: Any) -> Any:
    """Accept the shapes people write: "NONE", {"FIXED": {…}}, `type`, or no kind at all."""
    if value is None or isinstance(value, str):
        value = {"kind": value or "NONE"}
    if not isinstance(value, Mapping):
        return value
    named = [key for key in value if str(key).upper() in {*CostKind, *_LAW_PACK_KINDS}]
    if len(value) == 1 and named and isinstance(value[named[0]], Mapping):
        value = {"kind": named[0], **value[named[0]]}
    given = {("kind" if key == "type" else key): item for key, item in value.items()}
    guesses = (("tiers", "TIERED"), ("percent", "PERCENT"), ("amount", "FIXED"))
    kind = given.get("kind") or next((name for key, name in guesses if given.get(key)), "NONE")
    kind = str(kind).upper()
    if kind in _LAW_PACK_KINDS:
        raise Invalid("FINANCIALS_LAW_PACK", kind=kind)
    return {**given, "kind": kind}


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
    return given


class _Model(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class CostTier(_Model):
    """One tier, up to and including an amount (none: no end): an amount or a percentage."""

    up_to: Amount | None = None
    amount: Amount | None = None
    percent: Percent | None = None


class CostComponent(_Model):
    """Collection costs; amounts are in the currency of the case."""

    kind: CostKind = CostKind.NONE
    amount: Amount | None = None
    percent: Percent | None = None
    min: Amount | None = None
    max: Amount | None = None
    mode: Literal["BRACKET", "SLICE"] = "BRACKET"
    tiers: tuple[CostTier, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"FIXED": "amount", "PERCENT": "percent", "TIERED": "tiers"}.get(self.kind)
        if needed and not getattr(self, needed) and getattr(self, needed) != 0:
            raise ValueError(f"{needed} is needed for {self.kind}")
        bounds = [tier.up_to for tier in self.tiers[:-1]]
        if None in bounds or bounds != sorted({b for b in bounds if b is not None}):
            raise ValueError("tiers must rise; only the last may have no end")
        return self

    def minor(self, principal: int, currency: str) -> int:
        """Return the costs of an open principal, both in minor units."""
        if self.kind is CostKind.NONE:
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
        way = costs.bracket_costs if self.mode == "BRACKET" else costs.slice_costs
        return way(principal, tiers, least=least, most=most)


class InterestComponent(_Model):
    """Interest; the first day is the chosen date + `after_days` + 1 (money.md 3)."""

    kind: InterestKind = InterestKind.NONE
    percent: Percent | None = None
    starts_on: InterestStart = InterestStart.DUE_DATE
    after_days: Annotated[int, Field(ge=0, le=3650)] = 0
    day_count: DayCount = DayCount.ACT_365

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind is InterestKind.FIXED and self.percent is None:
            raise ValueError("percent is needed for FIXED")
        return self

    @property
    def rate(self) -> int:
        """The yearly rate in 1/10,000 percent; 0 without interest."""
        fixed = self.kind is InterestKind.FIXED
        return parse_rate(self.percent) if fixed and self.percent is not None else 0

    def first_day(self, issued_on: date | None, due_on: date | None) -> date | None:
        """Return the first day that bears interest, None when the claim has no date at all.

        Without a due date a claim counts as due 30 days after the invoice. DEFAULT is the due date
        until a law pack refines it by working days and reminders.
        """
        if self.starts_on is InterestStart.INVOICE_DATE:
            base = issued_on or due_on
        else:
            base = due_on or (issued_on and issued_on + timedelta(days=DEFAULT_TERM_DAYS))
        return base and base + timedelta(days=self.after_days + 1)


class Financials(_Model):
    """What a bucket charges (money.md 5); the typed form of `Bucket.financials`."""

    costs: Annotated[CostComponent, BeforeValidator(_shape)] = CostComponent()
    lump_sum: bool = False
    interest: Annotated[InterestComponent, BeforeValidator(_interest_shape)] = InterestComponent()
    admin: Amount = Decimal(0)
    vat: Literal["NEVER"] = "NEVER"
    commission_percent: Percent | None = None
    outer_order: Literal["DE_367", "DE_497", "PRINCIPAL_FIRST"] = "DE_367"
    inner_order: Literal["DE_367", "DE_497", "PRINCIPAL_FIRST"] = "DE_367"

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


def parse_financials(value: Mapping[str, Any] | None) -> Financials:
    """Read `Bucket.financials`; None and {} charge nothing.

    Raises `Invalid`: FINANCIALS_INVALID with the place, FINANCIALS_LAW_PACK for STATUTORY and
    BASE_PLUS.
    """
    try:
        return Financials.model_validate(value or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "financials"
        raise Invalid("FINANCIALS_INVALID", field=place, detail=first["msg"]) from error


def _minor(amount: Decimal | None, currency: str) -> int | None:
    return None if amount is None else parse_minor(amount, currency)
