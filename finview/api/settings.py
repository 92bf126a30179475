"""The settings that cascade, as types and inputs: each value with its source."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

import strawberry
from strawberry import UNSET

from finview.api.common import Money, f
from finview.api.engine.context import Context
from finview.api.enrichment import costs_of
from finview.customers.preferences import (
    GROUPS,
    PREFERENCES,
    Effective,
    Resolved,
    of_buckets,
    of_customers,
    of_units,
)


@strawberry.enum(description="Where an effective value was set.")
class SettingSource(StrEnum):
    """Where an effective value was set."""

    SYSTEM = "SYSTEM"
    BUSINESS_UNIT = "BUSINESS_UNIT"
    CUSTOMER = "CUSTOMER"
    BUCKET = "BUCKET"


@strawberry.enum(description="What becomes of the interest of a breathing space.")
class BreathingSpaceInterest(StrEnum):
    """What becomes of the interest of a breathing space."""

    DEFERRED = "DEFERRED"
    WAIVED = "WAIVED"
    FROM_END = "FROM_END"


@strawberry.enum(description="What becomes of the interest while a payment plan runs.")
class PlanInterest(StrEnum):
    """What becomes of the interest while a payment plan runs."""

    CLOSING = "CLOSING"
    WAIVED = "WAIVED"


@strawberry.type(description="A yes or no with its source.")
class BooleanSetting:
    """A yes or no with its source."""

    value: bool = f(description="What holds.")
    source: SettingSource = f(description="Where it was set.")


@strawberry.type(description="A whole number with its source.")
class IntSetting:
    """A whole number with its source."""

    value: int = f(description="What holds.")
    source: SettingSource = f(description="Where it was set.")


@strawberry.type(description="An amount in the currency of the case, with its source.")
class DecimalSetting:
    """An amount with its source."""

    value: Decimal = f(description="What holds.")
    source: SettingSource = f(description="Where it was set.")


@strawberry.type(description="A type of message with its source; null is the shipped message.")
class MessageTypeSetting:
    """A type of message with its source."""

    value: str | None = f(description="The name of the message type.")
    source: SettingSource = f(description="Where it was set.")


@strawberry.type(description="The interest of a breathing space, with its source.")
class BreathingSpaceInterestSetting:
    """The interest of a breathing space, with its source."""

    value: BreathingSpaceInterest = f(description="What holds.")
    source: SettingSource = f(description="Where it was set.")


@strawberry.type(description="The interest while a plan runs, with its source.")
class PlanInterestSetting:
    """The interest while a plan runs, with its source."""

    value: PlanInterest = f(description="What holds.")
    source: SettingSource = f(description="Where it was set.")


_ENUMS: Mapping[str, tuple[type[Any], type[StrEnum]]] = {
    "breathing_space_interest": (BreathingSpaceInterestSetting, BreathingSpaceInterest),
    "plan_interest": (PlanInterestSetting, PlanInterest),
}


def _names(group: str) -> tuple[str, ...]:
    return tuple(p.name for p in PREFERENCES.values() if p.group == group)


def _shown(values: Mapping[str, Effective], group: str) -> dict[str, Any]:
    return {name: _one(name, values[name]) for name in _names(group)}


def _one(name: str, found: Effective) -> Any:
    source, default = SettingSource(found.source), PREFERENCES[name].default
    if name in _ENUMS:
        kind, choices = _ENUMS[name]
        return kind(value=choices(found.value), source=source)
    if isinstance(default, bool):
        return BooleanSetting(value=found.value, source=source)
    if isinstance(default, int):
        return IntSetting(value=found.value, source=source)
    if isinstance(default, Decimal):
        return DecimalSetting(value=found.value, source=source)
    return MessageTypeSetting(value=found.value, source=source)


@strawberry.type(description="What steers the workflows.")
class WorkflowSettings:
    """What steers the workflows."""

    breathing_space_enabled: BooleanSetting = f(description="Breathing space before the main one.")
    breathing_space_days: IntSetting = f(description="Its length in days, at least 1.")
    breathing_space_interest: BreathingSpaceInterestSetting = f(
        description="What becomes of its interest. Like the two above it counts for new cases only."
    )
    payment_plan_reminder_days: IntSetting = f(description="Days before an instalment is due.")
    max_call_attempts: IntSetting = f(description="Call requests in all; 0 for none.")

    @classmethod
    def of(cls, found: Resolved) -> "WorkflowSettings":
        """Return effective values as the API shows them."""
        return cls(**_shown(found.values, "workflow"))


@strawberry.type(description="What steers skip tracing.")
class EnrichmentSettings:
    """What steers skip tracing."""

    granted: bool = f(description="Whether an administrator allowed it to the customer.")
    enabled: BooleanSetting = f(description="Whether it runs.")
    interval_days: IntSetting = f(description="Age of the case in days before the first attempt.")
    attempts: IntSetting = f(description="How often the service is used.")
    cost_per_attempt: Money | None = f(
        description="What the bound provider quotes for the first attempt; null while none does."
    )

    @classmethod
    def of(cls, found: Resolved, cost: Money | None) -> "EnrichmentSettings":
        """Return effective values as the API shows them."""
        shown = _shown(found.values, "enrichment")
        return cls(granted=found.granted, cost_per_attempt=cost, **shown)


@strawberry.type(description="What steers imports; changes count for later imports.")
class ImportSettings:
    """What steers imports."""

    case_per_invoice: BooleanSetting = f(description="A case file of its own for each invoice.")
    match_on_customer_case_number: BooleanSetting = f(
        description="The customer's case number decides about the debtor."
    )
    auto_match_percent: IntSetting = f(description="From here a match is automatic.")
    review_percent: IntSetting = f(description="From here a person decides.")
    payment_term_days: IntSetting = f(description="Due date where a file has none.")
    invoice_number_required: BooleanSetting = f(description="A row without one is FAULTY.")
    invoice_date_required: BooleanSetting = f(description="A row without one is FAULTY.")

    @classmethod
    def of(cls, found: Resolved) -> "ImportSettings":
        """Return effective values as the API shows them."""
        return cls(**_shown(found.values, "imports"))


DEMANDS = (
    "Holds back what asserts a claim to a private person until the case has the data of every part of "
    "a first demand (§ 13a RDG)."
)


@strawberry.type(description="Which mails go out, and by which message.")
class CommunicationSettings:
    """Which mails go out, and by which message."""

    paid_in_full_mail: BooleanSetting = f(description="When paid in full.")
    paid_in_full_template: MessageTypeSetting = f(description="The message of that mail.")
    paid_in_settlement_mail: BooleanSetting = f(description="When paid in settlement.")
    paid_in_settlement_template: MessageTypeSetting = f(description="The message of that mail.")
    linked_notice: BooleanSetting = f(
        description="Tells an existing user who is linked to the customer."
    )
    hold_incomplete_demands: BooleanSetting = f(description=DEMANDS)

    @classmethod
    def of(cls, found: Resolved) -> "CommunicationSettings":
        """Return effective values as the API shows them."""
        return cls(**_shown(found.values, "communication"))


@strawberry.type(description="What steers payments and plans.")
class PaymentSettings:
    """What steers payments and plans."""

    plan_tolerance_days: IntSetting = f(description="Days late before a plan is broken.")
    plan_tolerance_amount: DecimalSetting = f(description="What an instalment may lack.")
    plan_interest: PlanInterestSetting = f(description="Interest while a plan runs.")
    small_balance: DecimalSetting = f(description="A rest up to here is waived by itself.")

    @classmethod
    def of(cls, found: Resolved) -> "PaymentSettings":
        """Return effective values as the API shows them."""
        return cls(**_shown(found.values, "payments"))


@strawberry.type(description="All settings of a customer, or of a business unit.")
class CustomerSettings:
    """All settings of a customer."""

    workflow: WorkflowSettings = f(description="Workflows.")
    enrichment: EnrichmentSettings = f(description="Skip tracing.")
    imports: ImportSettings = f(description="Imports.")
    communication: CommunicationSettings = f(description="Mails.")
    payments: PaymentSettings = f(description="Payments and plans.")

    @classmethod
    def of(cls, found: Resolved, cost: Money | None) -> "CustomerSettings":
        """Return effective values as the API shows them."""
        return cls(
            workflow=WorkflowSettings.of(found),
            enrichment=EnrichmentSettings.of(found, cost),
            imports=ImportSettings.of(found),
            communication=CommunicationSettings.of(found),
            payments=PaymentSettings.of(found),
        )


def _priced(
    ctx: Context, found: Mapping[int, Resolved]
) -> list[tuple[int, Resolved, Money | None]]:
    """Return settings with what an attempt to trace costs there."""
    costs = costs_of(ctx, [one.scopes for one in found.values()])
    return [(key, one, cost) for (key, one), cost in zip(found.items(), costs, strict=True)]


# Each answers a field for all parents of a page: the number of statements does not grow with them.


def unit_settings(ctx: Context, ids: Sequence[int]) -> dict[int, CustomerSettings]:
    """Return the settings of business units."""
    found = _priced(ctx, of_units(ctx.session, ids))
    return {i: CustomerSettings.of(v, cost) for i, v, cost in found}


def customer_settings(ctx: Context, ids: Sequence[int]) -> dict[int, CustomerSettings]:
    """Return the settings of customers."""
    found = _priced(ctx, of_customers(ctx.session, ids))
    return {i: CustomerSettings.of(v, cost) for i, v, cost in found}


def bucket_settings(ctx: Context, ids: Sequence[int]) -> dict[int, WorkflowSettings]:
    """Return the workflow settings of buckets."""
    return {i: WorkflowSettings.of(v) for i, v in of_buckets(ctx.session, ids).items()}


def bucket_enrichment(ctx: Context, ids: Sequence[int]) -> dict[int, EnrichmentSettings]:
    """Return the enrichment settings of buckets."""
    found = _priced(ctx, of_buckets(ctx.session, ids))
    return {i: EnrichmentSettings.of(v, cost) for i, v, cost in found}


def bucket_communication(ctx: Context, ids: Sequence[int]) -> dict[int, CommunicationSettings]:
    """Return the communication settings of buckets."""
    return {i: CommunicationSettings.of(v) for i, v in of_buckets(ctx.session, ids).items()}


INHERIT = "Null inherits again; left out stays."
MESSAGE = f"The name of a message type that tells of the end of a case. {INHERIT}"


@strawberry.input(description="Workflow settings to change.")
class WorkflowSettingsInput:
    """Workflow settings to change."""

    breathing_space_enabled: bool | None = f(default=UNSET, description=INHERIT)
    breathing_space_days: int | None = f(default=UNSET, description=INHERIT)
    breathing_space_interest: BreathingSpaceInterest | None = f(default=UNSET, description=INHERIT)
    payment_plan_reminder_days: int | None = f(default=UNSET, description=INHERIT)
    max_call_attempts: int | None = f(default=UNSET, description=INHERIT)


@strawberry.input(description="Skip tracing settings to change.")
class EnrichmentSettingsInput:
    """Skip tracing settings to change."""

    granted: bool | None = f(default=UNSET, description="For administrators only.")
    enabled: bool | None = f(default=UNSET, description=INHERIT)
    interval_days: int | None = f(default=UNSET, description=INHERIT)
    attempts: int | None = f(default=UNSET, description=INHERIT)


@strawberry.input(description="Import settings to change.")
class ImportSettingsInput:
    """Import settings to change."""

    case_per_invoice: bool | None = f(default=UNSET, description=INHERIT)
    match_on_customer_case_number: bool | None = f(default=UNSET, description=INHERIT)
    auto_match_percent: int | None = f(default=UNSET, description=INHERIT)
    review_percent: int | None = f(default=UNSET, description=INHERIT)
    payment_term_days: int | None = f(default=UNSET, description=INHERIT)
    invoice_number_required: bool | None = f(default=UNSET, description=INHERIT)
    invoice_date_required: bool | None = f(default=UNSET, description=INHERIT)


@strawberry.input(description="Mails to change.")
class CommunicationSettingsInput:
    """Mails to change."""

    paid_in_full_mail: bool | None = f(default=UNSET, description=INHERIT)
    paid_in_full_template: str | None = f(default=UNSET, description=MESSAGE)
    paid_in_settlement_mail: bool | None = f(default=UNSET, description=INHERIT)
    paid_in_settlement_template: str | None = f(default=UNSET, description=MESSAGE)
    linked_notice: bool | None = f(
        default=UNSET, description=f"{INHERIT} Not on a bucket: people belong to the customer."
    )
    hold_incomplete_demands: bool | None = f(default=UNSET, description=INHERIT)


@strawberry.input(description="Payment settings to change.")
class PaymentSettingsInput:
    """Payment settings to change."""

    plan_tolerance_days: int | None = f(default=UNSET, description=INHERIT)
    plan_tolerance_amount: Decimal | None = f(default=UNSET, description=INHERIT)
    plan_interest: PlanInterest | None = f(default=UNSET, description=INHERIT)
    small_balance: Decimal | None = f(default=UNSET, description=INHERIT)


def given_settings(wanted: Any) -> dict[str, Any]:
    """Return what a settings input really gives, by preference name; None means inherit."""
    values: dict[str, Any] = {}
    for group in GROUPS:
        block = getattr(wanted, group, None)
        if block is None or block is UNSET:
            continue
        for name in _names(group):
            value = getattr(block, name)
            if value is not UNSET:
                values[name] = value.value if isinstance(value, StrEnum) else value
    return values
