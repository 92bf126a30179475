"""The settings that cascade: one row per setting, the chain of a case, value and source, changes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from finview.customers.models import Bucket, Customer, Setting
from finview.db import audit
from finview.db.cascade import SYSTEM, ScopeRef, nearest
from finview.db.jobs import enqueue
from finview.db.lists import one_of
from finview.errors import EnrichmentNotGranted, Invalid, Required
from finview.i18n import N_, sentences

Group = Literal["workflow", "enrichment", "imports", "communication", "payments"]
GROUPS: tuple[Group, ...] = ("workflow", "enrichment", "imports", "communication", "payments")

sentences(
    {
        "SETTING_OUT_OF_RANGE": N_("This setting must lie between {min} and {max}."),
        "SETTING_ORDER": N_("The review floor must lie below the automatic match."),
        "SETTING_UNKNOWN": N_("There is no such setting: {name}."),
        "SETTING_NOT_HERE": N_("A bucket can't override this setting."),
        "SETTING_CHOICE": N_("This setting must be one of: {choices}."),
        "OVERRIDE_CYCLIC": N_("These settings inherit from themselves."),
        "BREATHING_DAYS_REQUIRED": N_("A breathing space needs its number of days."),
    }
)

COMPLETION_MESSAGES = ("case_closed_paid", "case_closed_settled")
"""The message types that tell a debtor of the end; null leaves the choice to the occasion."""

_DECIMALS_MAX = 3
_OUTWARD = ("BUCKET", "CUSTOMER", "BUSINESS_UNIT", "SYSTEM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One setting: the agency-wide default, whose type is the setting's, and what makes sense.

    Numbers lie between `min` and `max`; a text is one of `choices`. `replan` is a kind of job that
    dates anew what was planned by the old value; it is told the scope.
    """

    name: str
    group: Group
    default: bool | int | Decimal | str | None
    min: int = 0
    max: int = 0
    choices: tuple[str, ...] = ()
    on_bucket: bool = False
    replan: str = ""

    def check(self, value: Any) -> None:
        """Raise `Invalid` for a value of this setting that makes no sense."""
        path = ("input", self.group, self.name)
        if self.choices:
            if value not in self.choices:
                raise Invalid("SETTING_CHOICE", path=path, choices=list(self.choices))
        elif not isinstance(self.default, bool):
            fine = self.min <= value <= self.max
            if isinstance(value, Decimal):
                fine = fine and -int(value.as_tuple().exponent) <= _DECIMALS_MAX
            if not fine:
                raise Invalid("SETTING_OUT_OF_RANGE", path=path, min=self.min, max=self.max)

    def kept(self, value: Any) -> Any:
        """Return a value as JSON keeps it."""
        return str(value) if isinstance(value, Decimal) else value

    def read(self, kept: Any) -> Any:
        """Return a kept value as it is used."""
        return Decimal(kept) if isinstance(self.default, Decimal) else kept


def _yes_no(name: str, group: Group, *, default: bool = False, bucket: bool = False) -> Preference:
    return Preference(name=name, group=group, default=default, on_bucket=bucket)


def _number(
    name: str,
    group: Group,
    default: int,
    low: int,
    high: int,
    *,
    bucket: bool = True,
    replan: str = "",
) -> Preference:
    return Preference(
        name=name,
        group=group,
        default=default,
        min=low,
        max=high,
        on_bucket=bucket,
        replan=replan,
    )


def _choice(
    name: str, group: Group, default: str | None, *choices: str, bucket: bool = True
) -> Preference:
    return Preference(name=name, group=group, default=default, choices=choices, on_bucket=bucket)


def _amount(name: str) -> Preference:
    return Preference(name=name, group="payments", default=Decimal(0), max=100_000)


PREFERENCES: Mapping[str, Preference] = {
    p.name: p
    for p in (
        _yes_no("breathing_space_enabled", "workflow", bucket=True),
        _number("breathing_space_days", "workflow", 14, 1, 365),
        _choice(
            "breathing_space_interest", "workflow", "DEFERRED", "DEFERRED", "WAIVED", "FROM_END"
        ),
        _number("payment_plan_reminder_days", "workflow", 5, 0, 60, replan="workflow.replan"),
        _number("max_call_attempts", "workflow", 3, 0, 20),
        _yes_no("enabled", "enrichment", bucket=True),
        _number("interval_days", "enrichment", 30, 0, 730, replan="enrichment.replan"),
        _number("attempts", "enrichment", 1, 0, 10, replan="enrichment.replan"),
        _yes_no("case_per_invoice", "imports"),
        _yes_no("match_on_customer_case_number", "imports"),
        _number("auto_match_percent", "imports", 80, 50, 100, bucket=False),
        _number("review_percent", "imports", 40, 0, 99, bucket=False),
        _number("payment_term_days", "imports", 30, 0, 365, bucket=False),
        _yes_no("invoice_number_required", "imports"),
        _yes_no("invoice_date_required", "imports", default=True),
        _yes_no("paid_in_full_mail", "communication", bucket=True),
        _choice("paid_in_full_template", "communication", None, *COMPLETION_MESSAGES),
        _yes_no("paid_in_settlement_mail", "communication", bucket=True),
        _choice("paid_in_settlement_template", "communication", None, *COMPLETION_MESSAGES),
        _yes_no("linked_notice", "communication"),
        _yes_no("hold_incomplete_demands", "communication", bucket=True),
        _number("plan_tolerance_days", "payments", 5, 0, 60, bucket=False),
        _amount("plan_tolerance_amount"),
        _choice("plan_interest", "payments", "CLOSING", "CLOSING", "WAIVED", bucket=False),
        _amount("small_balance"),
    )
}


@dataclass(frozen=True, slots=True)
class Effective:
    """A value and the scope it comes from."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """All settings of one scope, whether enrichment was granted to its customer, and its chain."""

    values: Mapping[str, Effective]
    granted: bool
    scopes: tuple[ScopeRef, ...] = ()


def chain(customer: Customer, bucket: Bucket | None = None) -> list[ScopeRef]:
    """Return the scopes of a customer, or of one of its buckets, nearest first."""
    own = [ScopeRef("BUCKET", bucket.id)] if bucket is not None else []
    return [*own, ScopeRef("CUSTOMER", customer.id), *unit_chain(customer.business_unit_id)]


def unit_chain(unit_id: int) -> list[ScopeRef]:
    """Return the scopes of a business unit, nearest first."""
    return [ScopeRef("BUSINESS_UNIT", unit_id), SYSTEM]


def effective(
    session: Session, scopes: Sequence[ScopeRef], group: Group | None = None
) -> dict[str, Effective]:
    """Return every setting (of one group) with its value and source along a chain of scopes."""
    return effective_many(session, [scopes], group)[0]


def effective_many(
    session: Session, chains: Sequence[Sequence[ScopeRef]], group: Group | None = None
) -> list[dict[str, Effective]]:
    """Return the same for many chains, by one statement whatever their number."""
    stored: dict[str, dict[ScopeRef, Any]] = {}
    places: dict[str, set[int]] = {}
    for scope in {scope for scopes in chains for scope in scopes}:
        places.setdefault(scope.kind, set()).add(scope.id)
    where = [
        and_(Setting.scope_kind == kind, one_of(Setting.scope_id, sorted(ids)))
        for kind, ids in sorted(places.items())
    ]
    for row in session.execute(
        select(Setting.scope_kind, Setting.scope_id, Setting.name, Setting.value).where(or_(*where))
    ):
        stored.setdefault(row.name, {})[ScopeRef(row.scope_kind, row.scope_id)] = row.value
    wanted = [p for p in PREFERENCES.values() if group in (None, p.group)]
    return [
        {p.name: _nearest(p, scopes, stored.get(p.name, {})) for p in wanted} for scopes in chains
    ]


def _nearest(
    preference: Preference, scopes: Sequence[ScopeRef], stored: Mapping[ScopeRef, Any]
) -> Effective:
    found = nearest(scopes, stored) if stored else None
    if found is None:
        return Effective(preference.default, SYSTEM.kind)
    return Effective(preference.read(found[0]), found[1].kind)


def of_units(session: Session, unit_ids: Sequence[int]) -> dict[int, Resolved]:
    """Return the effective settings of business units; enrichment is granted to customers."""
    chains = [unit_chain(i) for i in unit_ids]
    found = effective_many(session, chains)
    return {
        i: Resolved(values, granted=False, scopes=tuple(scopes))
        for i, scopes, values in zip(unit_ids, chains, found, strict=True)
    }


def of_customers(session: Session, customer_ids: Sequence[int]) -> dict[int, Resolved]:
    """Return the effective settings of customers: the same few statements for any number."""
    rows = session.scalars(select(Customer).where(one_of(Customer.id, list(customer_ids)))).all()
    chains = [chain(row) for row in rows]
    found = effective_many(session, chains)
    return {
        row.id: Resolved(values, row.enrichment_granted, tuple(scopes))
        for row, scopes, values in zip(rows, chains, found, strict=True)
    }


def of_buckets(session: Session, bucket_ids: Sequence[int]) -> dict[int, Resolved]:
    """Return the effective settings of buckets: the same few statements for any number."""
    rows = session.execute(
        select(Bucket, Customer)
        .join(Customer, Customer.id == Bucket.customer_id)
        .where(one_of(Bucket.id, list(bucket_ids)))
    ).all()
    chains = [chain(customer, bucket) for bucket, customer in rows]
    found = effective_many(session, chains)
    return {
        bucket.id: Resolved(values, customer.enrichment_granted, tuple(scopes))
        for (bucket, customer), scopes, values in zip(rows, chains, found, strict=True)
    }


def set_settings(
    session: Session,
    scopes: Sequence[ScopeRef],
    values: Mapping[str, Any],
    *,
    granted: bool,
    by: int | None,
) -> None:
    """Set values at the nearest of `scopes`; None makes a setting inherit again.

    Raises `Invalid` for what is out of range, no choice, unknown or not to be overridden here,
    `Required` for a breathing space without days, and `EnrichmentNotGranted` for enrichment
    settings of a customer without that entitlement; then nothing changes.
    """
    at = _checked_chain(scopes)[0]
    for name, value in values.items():
        _check(name, value, at, granted=granted)
    existing = {
        row.name: row
        for row in session.scalars(
            select(Setting).where(Setting.scope_kind == at.kind, Setting.scope_id == at.id)
        )
    }
    before = {name: existing[name].value if name in existing else None for name in values}
    for name, value in values.items():
        row = existing.get(name)
        kept = PREFERENCES[name].kept(value)
        if value is None:
            if row is not None:
                session.delete(row)
        elif row is None:
            session.add(Setting(scope_kind=at.kind, scope_id=at.id, name=name, value=kept))
        else:
            row.value = kept
    session.flush()
    _check_together(session, scopes, values.keys())
    audit.record(
        session,
        "settings.update",
        actor_id=by,
        subject=(at.kind.lower(), at.id),
        before=before,
        after={name: PREFERENCES[name].kept(value) for name, value in values.items()},
    )
    # Never deduplicated: one that runs already may have passed what this change is about.
    for kind in sorted({PREFERENCES[name].replan for name in values} - {""}):
        enqueue(session, kind, {"scope_kind": at.kind, "scope_id": at.id})


def forget_settings(session: Session, at: ScopeRef) -> None:
    """Remove every value set at a scope that goes away."""
    for row in session.scalars(
        select(Setting).where(Setting.scope_kind == at.kind, Setting.scope_id == at.id)
    ):
        session.delete(row)
    session.flush()


def _checked_chain(scopes: Sequence[ScopeRef]) -> Sequence[ScopeRef]:
    """Return a chain in which every scope lies outside the one before, so that it has an end."""
    ranks = [_OUTWARD.index(scope.kind) for scope in scopes]
    if ranks != sorted(set(ranks)):
        raise Invalid("OVERRIDE_CYCLIC", path=("input",))
    return scopes


def _check(name: str, value: Any, at: ScopeRef, *, granted: bool) -> None:
    preference = PREFERENCES.get(name)
    if preference is None:
        raise Invalid("SETTING_UNKNOWN", path=("input",), name=name)
    path = ("input", preference.group, name)
    if at.kind == "BUCKET" and not preference.on_bucket:
        raise Invalid("SETTING_NOT_HERE", path=path)
    if value is None:
        return
    if preference.group == "enrichment" and not granted:
        raise EnrichmentNotGranted(path=path)
    preference.check(value)


def _check_together(session: Session, scopes: Sequence[ScopeRef], changed: Collection[str]) -> None:
    now = effective(session, scopes)
    days = now["breathing_space_days"]
    touched = {"breathing_space_enabled", "breathing_space_days"} & set(changed)
    if touched and now["breathing_space_enabled"].value and days.source == SYSTEM.kind:
        path = ("input", "workflow", "breathing_space_days")
        raise Required("BREATHING_DAYS_REQUIRED", path=path)
    bounds = {"review_percent", "auto_match_percent"} & set(changed)
    if not bounds:
        return
    everywhere = [now, *_below(session, scopes[0])]
    if any(v["review_percent"].value >= v["auto_match_percent"].value for v in everywhere):
        name = "review_percent" if "review_percent" in bounds else "auto_match_percent"
        raise Invalid("SETTING_ORDER", path=("input", "imports", name))


def _below(session: Session, at: ScopeRef) -> list[dict[str, Effective]]:
    """Return the import settings of a unit's customers that have some of their own."""
    if at.kind != "BUSINESS_UNIT":
        return []
    own = select(Setting.scope_id).where(
        Setting.scope_kind == "CUSTOMER",
        Setting.name.in_(("review_percent", "auto_match_percent")),
    )
    rows = session.scalars(
        select(Customer).where(Customer.business_unit_id == at.id, Customer.id.in_(own))
    )
    return effective_many(session, [chain(row) for row in rows], "imports")


def show_settings(values: Mapping[str, Effective]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return settings by group and name, each value as JSON shows it, with its source."""
    shown: dict[str, dict[str, dict[str, Any]]] = {group: {} for group in GROUPS}
    for name, found in values.items():
        preference = PREFERENCES[name]
        shown[preference.group][name] = {
            "value": preference.kept(found.value),
            "source": found.source,
        }
    return shown


__all__ = [
    "COMPLETION_MESSAGES",
    "GROUPS",
    "PREFERENCES",
    "Effective",
    "Group",
    "Preference",
    "Resolved",
    "chain",
    "effective",
    "effective_many",
    "forget_settings",
    "of_buckets",
    "of_customers",
    "of_units",
    "set_settings",
    "show_settings",
    "unit_chain",
]
