"""The settings that cascade: one row per setting, the chain of a case, the effective value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from finview.customers.models import Bucket, Customer, Setting
from finview.db import audit
from finview.db.cascade import SYSTEM, ScopeRef, nearest
from finview.errors import EnrichmentNotGranted, Invalid, Required
from finview.i18n import N_, sentences

Group = Literal["workflow", "enrichment", "imports", "communication"]

sentences(
    {
        "SETTING_OUT_OF_RANGE": N_("This setting must lie between {min} and {max}."),
        "SETTING_ORDER": N_("The review floor must lie below the automatic match."),
        "BREATHING_DAYS_REQUIRED": N_("A breathing space needs its number of days."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One setting: its kind, the agency-wide default, and the values that make sense."""

    name: str
    group: Group
    default: bool | int
    min: int = 0
    max: int = 0
    on_bucket: bool = False


def _days(name: str, group: Group, default: int, low: int, high: int) -> Preference:
    return Preference(name=name, group=group, default=default, min=low, max=high, on_bucket=True)


PREFERENCES: Mapping[str, Preference] = {
    p.name: p
    for p in (
        Preference(name="breathing_space_enabled", group="workflow", default=False, on_bucket=True),
        _days("breathing_space_days", "workflow", 14, 1, 365),
        _days("payment_plan_reminder_days", "workflow", 5, 0, 60),
        _days("max_call_attempts", "workflow", 3, 0, 20),
        Preference(name="enabled", group="enrichment", default=False, on_bucket=True),
        _days("interval_days", "enrichment", 30, 0, 730),
        _days("attempts", "enrichment", 1, 0, 10),
        Preference(name="case_per_invoice", group="imports", default=False),
        Preference(name="match_on_customer_case_number", group="imports", default=False),
        Preference(name="auto_match_percent", group="imports", default=80, min=50, max=100),
        Preference(name="review_percent", group="imports", default=40, min=0, max=99),
        Preference(name="payment_term_days", group="imports", default=30, min=0, max=365),
        Preference(name="paid_in_full_mail", group="communication", default=False, on_bucket=True),
        Preference(
            name="paid_in_settlement_mail", group="communication", default=False, on_bucket=True
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Effective:
    """A value and the scope it comes from."""

    value: Any
    source: str


def chain(customer: Customer, bucket: Bucket | None = None) -> list[ScopeRef]:
    """Return the scopes of a customer, or of one of its buckets, nearest first."""
    own = [ScopeRef("BUCKET", bucket.id)] if bucket is not None else []
    return [
        *own,
        ScopeRef("CUSTOMER", customer.id),
        ScopeRef("BUSINESS_UNIT", customer.business_unit_id),
        SYSTEM,
    ]


def effective(
    session: Session, scopes: Sequence[ScopeRef], group: Group | None = None
) -> dict[str, Effective]:
    """Return every setting (of one group) with its value and source along a chain of scopes."""
    where = [(scope.kind, scope.id) for scope in scopes]
    stored: dict[str, dict[ScopeRef, Any]] = {}
    for row in session.scalars(
        select(Setting).where(tuple_(Setting.scope_kind, Setting.scope_id).in_(where))
    ):
        at = ScopeRef(row.scope_kind, row.scope_id)  # type: ignore[arg-type]  # written by set_settings only
        stored.setdefault(row.name, {})[at] = row.value
    answer = {}
    for name, preference in PREFERENCES.items():
        if group in (None, preference.group):
            found = nearest(scopes, stored.get(name, {}))
            answer[name] = (
                Effective(found[0], found[1].kind)
                if found
                else Effective(preference.default, SYSTEM.kind)
            )
    return answer


def set_settings(
    session: Session,
    scopes: Sequence[ScopeRef],
    values: Mapping[str, Any],
    *,
    granted: bool,
    by: int | None,
) -> None:
    """Set values at the nearest of `scopes`; None makes a setting inherit again.

    Raises `Invalid` out of range, `Required` for a breathing space without days, and
    `EnrichmentNotGranted` for enrichment settings of a customer without that entitlement.
    """
    at = scopes[0]
    existing = {
        row.name: row
        for row in session.scalars(
            select(Setting).where(Setting.scope_kind == at.kind, Setting.scope_id == at.id)
        )
    }
    for name, value in values.items():
        _check(PREFERENCES[name], value, granted=granted)
        row = existing.get(name)
        if value is None:
            if row is not None:
                session.delete(row)
        elif row is None:
            session.add(Setting(scope_kind=at.kind, scope_id=at.id, name=name, value=value))
        else:
            row.value = value
    session.flush()
    _check_together(effective(session, scopes), values)
    audit.record(
        session,
        "settings.update",
        actor_id=by,
        subject=(at.kind.lower(), at.id),
        changed=dict(values),
    )


def _check(preference: Preference, value: Any, *, granted: bool) -> None:
    path = ("input", preference.group, preference.name)
    if preference.group == "enrichment" and not granted and value is not None:
        raise EnrichmentNotGranted(path=path)
    if value is None or isinstance(preference.default, bool):
        return
    if not preference.min <= value <= preference.max:
        raise Invalid("SETTING_OUT_OF_RANGE", path=path, min=preference.min, max=preference.max)


def _check_together(now: Mapping[str, Effective], changed: Mapping[str, Any]) -> None:
    days = now["breathing_space_days"]
    touched = not changed.keys().isdisjoint({"breathing_space_enabled", "breathing_space_days"})
    if touched and now["breathing_space_enabled"].value and days.source == SYSTEM.kind:
        path = ("input", "workflow", "breathing_space_days")
        raise Required("BREATHING_DAYS_REQUIRED", path=path)
    if now["review_percent"].value >= now["auto_match_percent"].value:
        raise Invalid("SETTING_ORDER", path=("input", "imports", "review_percent"))
