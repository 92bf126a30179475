"""Business units: created, saved, then activated; only active ones can be chosen."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.names import checked_name
from finview.customers.models import BusinessUnit
from finview.db import audit
from finview.i18n import N_, sentences

sentences(
    {
        "BUSINESS_UNIT_INACTIVE": N_("This business unit is not active."),
        "BUSINESS_UNIT_NAME_REQUIRED": N_("A business unit needs a name."),
    }
)

ZONE = "Europe/Berlin"
"""The zone of days where a business unit names none."""

BLOCKS = ("company", "email_settings", "invoice_settings", "email_footers")


def create_unit(
    session: Session, *, name: str | None, blocks: Mapping[str, Any], by: int | None
) -> BusinessUnit:
    """Create an inactive business unit; raise `Required` without a name."""
    unit = BusinessUnit(
        name=_name(name),
        created_at=clock.now(),
        **{block: dict(blocks.get(block) or {}) for block in BLOCKS},
    )
    session.add(unit)
    session.flush()
    audit.record(session, "business_unit.create", actor_id=by, subject=("business_unit", unit.id))
    return unit


def update_unit(
    session: Session,
    unit: BusinessUnit,
    *,
    name: str | None,
    blocks: Mapping[str, Any],
    by: int | None,
) -> BusinessUnit:
    """Change what is given; an empty name raises `Required`."""
    if name is not None:
        unit.name = _name(name)
    for block, value in blocks.items():
        setattr(unit, block, dict(value or {}))
    unit.lock_version += 1
    audit.record(session, "business_unit.update", actor_id=by, subject=("business_unit", unit.id))
    return unit


def activate_unit(session: Session, unit: BusinessUnit, *, by: int | None) -> BusinessUnit:
    """Make a business unit selectable; doing so again changes nothing."""
    if not unit.active:
        unit.active = True
        unit.lock_version += 1
        audit.record(
            session, "business_unit.activate", actor_id=by, subject=("business_unit", unit.id)
        )
    return unit


def zone_of(unit: BusinessUnit) -> str:
    """Return the IANA zone in which the days of a business unit begin and end."""
    named = str(unit.company.get("timeZone") or ZONE)
    try:
        return ZoneInfo(named).key
    except (KeyError, ValueError, OSError):
        return ZONE


def _name(name: str | None) -> str:
    return checked_name(name, "BUSINESS_UNIT_NAME_REQUIRED", path=("input", "name"))
