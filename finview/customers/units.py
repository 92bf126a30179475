"""Business units: created, saved, then activated; only active ones can be chosen."""

from collections.abc import Collection, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, column, func, select, table
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.names import checked_name
from finview.customers.companies import checked_block
from finview.customers.models import BusinessUnit, Customer
from finview.customers.preferences import forget_settings
from finview.db import audit
from finview.db.cascade import ScopeRef
from finview.db.files import FileStore, StoredFile, delete_file
from finview.db.jobs import enqueue
from finview.errors import InUse, Invalid
from finview.i18n import N_, sentences

sentences(
    {
        "BUSINESS_UNIT_INACTIVE": N_("This business unit is not active."),
        "BUSINESS_UNIT_NAME_REQUIRED": N_("A business unit needs a name."),
        "BUSINESS_UNIT_IN_USE": N_("{count} customer(s) have this business unit."),
        "BUSINESS_UNIT_HAS_STATEMENTS": N_(
            "Bank statements of this business unit were imported; it can only be deactivated."
        ),
        "BASE_RATE_SOURCE_UNKNOWN": N_("There is no source of base rates named {name}."),
    }
)

ZONE = "Europe/Berlin"
"""The zone of days where a business unit names none."""

BLOCKS = ("company", "email_settings", "invoice_settings", "email_footers", "bank")
_NEEDED = (
    ("company", ("name", "street", "postcode", "city", "country", "registerNumber", "authority")),
    ("email_settings", ("sender",)),
    ("bank", ("iban",)),
)


# The table is of a room above.
_STATEMENT = table("bank_statement", column("business_unit_id", BigInteger))


def create_unit(
    session: Session,
    *,
    name: str | None,
    blocks: Mapping[str, Any],
    base_rate_source: str | None = None,
    by: int | None,
) -> BusinessUnit:
    """Create an inactive business unit; raise `Required` without a name, `Invalid` for nonsense."""
    unit = BusinessUnit(
        name=_name(name),
        base_rate_source=base_rate_source,
        created_at=clock.now(),
        **{block: checked_block(block, blocks.get(block)) for block in BLOCKS},
    )
    session.add(unit)
    session.flush()
    audit.record(
        session,
        "business_unit.create",
        actor_id=by,
        subject=("business_unit", unit.id),
        after=_facts(unit),
    )
    return unit


def update_unit(
    session: Session, unit: BusinessUnit, *, changes: Mapping[str, Any], by: int | None
) -> BusinessUnit:
    """Change what is given of the name, the blocks and the source of base rates.

    The caller has taken the row's next version. An empty name raises `Required`.
    """
    before = _facts(unit)
    if changes.get("name") is not None:
        unit.name = _name(changes["name"])
    for block in BLOCKS:
        if block in changes:
            setattr(unit, block, checked_block(block, changes[block]))
    if "base_rate_source" in changes:
        unit.base_rate_source = changes["base_rate_source"]
    _changed(session, unit, "business_unit.update", before, by)
    if "company" in changes or "bank" in changes:
        # Messages that wait for the unit's data may go now.
        about = {"unit_id": unit.id}
        dedupe_key = f"completed:unit:{unit.id}"
        enqueue(session, "communications.completed", about, dedupe_key=dedupe_key)
    return unit


def checked_base_rates(name: str | None, known: Collection[str]) -> str | None:
    """Return the law pack a unit chooses; raise `Invalid` for one that isn't installed."""
    if name is not None and name not in known:
        path = ("input", "baseRateSource")
        raise Invalid("BASE_RATE_SOURCE_UNKNOWN", path=path, name=name, known=sorted(known))
    return name


def set_logo(
    session: Session,
    store: FileStore,
    unit: BusinessUnit,
    logo: StoredFile | None,
    *,
    by: int | None,
) -> BusinessUnit:
    """Replace the logo by another stored file, or by none; the earlier one is deleted."""
    before = _facts(unit)
    earlier = session.get(StoredFile, unit.logo_file_id) if unit.logo_file_id else None
    unit.logo_file_id = logo.id if logo is not None else None
    session.flush()
    if earlier is not None:
        delete_file(session, store, earlier)
    _changed(session, unit, "business_unit.logo", before, by)
    return unit


def set_active(
    session: Session, unit: BusinessUnit, *, active: bool, by: int | None
) -> BusinessUnit:
    """Make a business unit selectable, or no longer; doing so again changes nothing.

    Customers that have a unit keep it when it is deactivated: it can only not be chosen anew.
    """
    if unit.active != active:
        before = _facts(unit)
        unit.active = active
        unit.lock_version += 1
        verb = "activate" if active else "deactivate"
        _changed(session, unit, f"business_unit.{verb}", before, by)
    return unit


def activate_unit(session: Session, unit: BusinessUnit, *, by: int | None) -> BusinessUnit:
    """Make a business unit selectable."""
    return set_active(session, unit, active=True, by=by)


def delete_unit(session: Session, store: FileStore, unit: BusinessUnit, *, by: int | None) -> None:
    """Delete a business unit with its settings.

    Raises `InUse` while a customer has it, and once a bank statement of it was imported.
    """
    # The lock keeps a new customer from taking the unit between the count and the deletion.
    session.refresh(unit, with_for_update=True)
    count = session.scalar(
        select(func.count()).select_from(Customer).where(Customer.business_unit_id == unit.id)
    )
    if count:
        raise InUse("BUSINESS_UNIT_IN_USE", path=("id",), count=count)
    received = select(func.count()).where(_STATEMENT.c.business_unit_id == unit.id)
    if session.scalar(received):
        raise InUse("BUSINESS_UNIT_HAS_STATEMENTS", path=("id",))
    before = _facts(unit)
    forget_settings(session, ScopeRef("BUSINESS_UNIT", unit.id))
    logo = session.get(StoredFile, unit.logo_file_id) if unit.logo_file_id else None
    session.delete(unit)
    session.flush()
    if logo is not None:
        delete_file(session, store, logo)
    audit.record(
        session,
        "business_unit.delete",
        actor_id=by,
        subject=("business_unit", unit.id),
        before=before,
    )


def missing_data(unit: BusinessUnit) -> list[str]:
    """Return what letters and e-mails of a unit still lack, as `company.street`; never a refusal.

    Where a message needs one of them it waits for it, so nothing is blocked here.
    """
    # The bank account may stand with the company's data, as older units have it.
    known = {**unit.company, **unit.bank}
    return [
        f"{_camel(block)}.{name}"
        for block, names in _NEEDED
        for name in names
        if not (known if block == "bank" else getattr(unit, block)).get(name)
    ]


def zone_of(unit: BusinessUnit) -> str:
    """Return the IANA zone in which the days of a business unit begin and end."""
    named = str(unit.company.get("timeZone") or ZONE)
    try:
        return ZoneInfo(named).key
    except (KeyError, ValueError, OSError):
        return ZONE


def _name(name: str | None) -> str:
    return checked_name(name, "BUSINESS_UNIT_NAME_REQUIRED", path=("input", "name"))


def _camel(block: str) -> str:
    head, *rest = block.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _facts(unit: BusinessUnit) -> dict[str, Any]:
    names = ("name", "active", "base_rate_source", "logo_file_id", *BLOCKS)
    return {name: getattr(unit, name) for name in names}


def _changed(
    session: Session, unit: BusinessUnit, action: str, before: Mapping[str, Any], by: int | None
) -> None:
    session.flush()
    audit.record(
        session,
        action,
        actor_id=by,
        subject=("business_unit", unit.id),
        before=before,
        after=_facts(unit),
    )
