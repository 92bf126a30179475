"""The settings that cascade, as types and inputs: each value with its source."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import strawberry
from sqlalchemy.orm import Session
from strawberry import UNSET

from finview.api.common import f
from finview.customers.models import Customer
from finview.customers.preferences import PREFERENCES, Effective, chain, effective


@strawberry.enum(description="Where an effective value was set.")
class SettingSource(StrEnum):
    """Where an effective value was set."""

    SYSTEM = "SYSTEM"
    BUSINESS_UNIT = "BUSINESS_UNIT"
    CUSTOMER = "CUSTOMER"
    BUCKET = "BUCKET"


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


def _shown(values: Mapping[str, Effective], names: tuple[str, ...]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name in names:
        value, source = values[name].value, SettingSource(values[name].source)
        kind = BooleanSetting if isinstance(PREFERENCES[name].default, bool) else IntSetting
        shown[name] = kind(value=value, source=source)
    return shown


def _names(group: str) -> tuple[str, ...]:
    return tuple(p.name for p in PREFERENCES.values() if p.group == group)


@strawberry.type(description="What steers the workflows.")
class WorkflowSettings:
    """What steers the workflows."""

    breathing_space_enabled: BooleanSetting = f(description="Breathing space before the main one.")
    breathing_space_days: IntSetting = f(description="Its length in days, at least 1.")
    payment_plan_reminder_days: IntSetting = f(description="Days before an instalment is due.")
    max_call_attempts: IntSetting = f(description="Call requests in all; 0 for none.")

    @classmethod
    def of(cls, values: Mapping[str, Effective]) -> "WorkflowSettings":
        """Return effective values as the API shows them."""
        return cls(**_shown(values, _names("workflow")))


@strawberry.type(description="What steers skip tracing.")
class EnrichmentSettings:
    """What steers skip tracing."""

    granted: bool = f(description="Whether an administrator allowed it.")
    enabled: BooleanSetting = f(description="Whether it runs.")
    interval_days: IntSetting = f(description="Age of the case in days before the first attempt.")
    attempts: IntSetting = f(description="How often the service is used.")


@strawberry.type(description="What steers imports.")
class ImportSettings:
    """What steers imports."""

    case_per_invoice: BooleanSetting = f(description="A case file of its own for each invoice.")
    match_on_customer_case_number: BooleanSetting = f(
        description="The customer's case number decides about the debtor."
    )
    auto_match_percent: IntSetting = f(description="From here a match is automatic.")
    review_percent: IntSetting = f(description="From here a person decides.")
    payment_term_days: IntSetting = f(description="Due date where a file has none.")


@strawberry.type(description="Which mails go out on completion.")
class CommunicationSettings:
    """Which mails go out on completion."""

    paid_in_full_mail: BooleanSetting = f(description="When paid in full.")
    paid_in_settlement_mail: BooleanSetting = f(description="When paid in settlement.")


@strawberry.type(description="All settings of a customer.")
class CustomerSettings:
    """All settings of a customer."""

    workflow: WorkflowSettings = f(description="Workflows.")
    enrichment: EnrichmentSettings = f(description="Skip tracing.")
    imports: ImportSettings = f(description="Imports.")
    communication: CommunicationSettings = f(description="Completion mails.")

    @classmethod
    def of(cls, session: Session, customer: Customer) -> "CustomerSettings":
        """Return a customer's effective settings."""
        values = effective(session, chain(customer))
        return cls(
            workflow=WorkflowSettings.of(values),
            enrichment=EnrichmentSettings(
                granted=customer.enrichment_granted, **_shown(values, _names("enrichment"))
            ),
            imports=ImportSettings(**_shown(values, _names("imports"))),
            communication=CommunicationSettings(**_shown(values, _names("communication"))),
        )


INHERIT = "Null inherits again; left out stays."


@strawberry.input(description="Workflow settings to change.")
class WorkflowSettingsInput:
    """Workflow settings to change."""

    breathing_space_enabled: bool | None = f(default=UNSET, description=INHERIT)
    breathing_space_days: int | None = f(default=UNSET, description=INHERIT)
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


@strawberry.input(description="Completion mails to change.")
class CommunicationSettingsInput:
    """Completion mails to change."""

    paid_in_full_mail: bool | None = f(default=UNSET, description=INHERIT)
    paid_in_settlement_mail: bool | None = f(default=UNSET, description=INHERIT)


def given_settings(wanted: Any) -> dict[str, Any]:
    """Return what a settings input really gives, by preference name; None means inherit."""
    values: dict[str, Any] = {}
    for group in ("workflow", "enrichment", "imports", "communication"):
        block = getattr(wanted, group, None)
        if block is None or block is UNSET:
            continue
        for name in _names(group):
            value = getattr(block, name)
            if value is not UNSET:
                values[name] = value
    return values
