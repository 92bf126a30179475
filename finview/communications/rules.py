"""The rules of contact that hold for a debtor: the law pack of the country, else the strictest."""

from dataclasses import dataclass
from datetime import date, time
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from finview.cases import law
from finview.cases.public_holidays import any_holidays, public_holidays, regions_of
from finview.communications.places import Place
from finview.communications.policy_models import ContactPolicy
from finview.communications.windows import Clock, keep_weeks, read_week
from finview.db.base import table_of
from finview.plugins.contracts.jurisdiction import ContactRules, Jurisdiction

STRICTEST = "strictest/1"
"""The version of what holds in a country without a pack."""

_WEEK = (*((time(9), time(17)),) * 5, None, None)
_STRICT = ContactRules(
    hours=dict.fromkeys(("CALL", "SMS", "EMAIL"), _WEEK),
    holidays=True,
    max_calls=7,
    per_days=7,
    talk_gap_days=7,
    rules=(),
)
_TABLE = table_of(ContactPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one debtor; `strictest`: nobody knows the law of this country."""

    limits: ContactRules
    version: str
    strictest: bool = False

    def clock(self, channel: str, place: Place, zone: str, country: str) -> Clock | None:
        """Return the hours of a channel at a place; `zone` and `country` are the unit's.

        None for a channel that has no hours.
        """
        week = self.limits.hours.get(channel)
        if week is None:
            return None
        own = (self.limits.zone,) if self.limits.zone else ()
        where, region = place.country or country, place.region
        days_off = self.limits.holidays

        def is_holiday(day: date) -> bool:
            if not days_off:
                return False
            if region is None and regions_of(where):
                return day in any_holidays(where, day.year)
            return day in public_holidays(where, day.year, region)

        return Clock(week=week, zones=place.zones or own or (zone,), is_holiday=is_holiday)


def rules_for(session: Session, country: str, debtor_kind: str, *, keep: bool = True) -> Rules:
    """Return the rules of a country for consumers or businesses.

    With `keep` the version that is used stands in `contact_policy` afterwards; without, nothing is
    written, as for a simulation.
    """
    pack = _pack(session, country)
    limits = (
        law.ask(pack, "contact_rules", lambda: pack.contact_rules(debtor_kind)) if pack else None
    )
    if pack is None or limits is None:
        country, version, limits, since = "", STRICTEST, _STRICT, None
    else:
        version, since = f"{pack.code}/{pack.version}", pack.verified_on
    wanted = select(ContactPolicy).where(
        ContactPolicy.country == country,
        ContactPolicy.debtor_kind == debtor_kind,
        ContactPolicy.version == version,
    )
    row = session.scalars(wanted).one_or_none()
    if row is not None:
        return Rules(limits=_read(row), version=version, strictest=version == STRICTEST)
    if keep:
        _write(session, _columns(country, debtor_kind, limits, version, since))
    return Rules(limits=limits, version=version, strictest=version == STRICTEST)


def _pack(session: Session, country: str) -> Jurisdiction[Any] | None:
    for pack in law.packs_of(session).values():
        if country in pack.countries:
            return pack
    return None


def _columns(
    country: str, debtor_kind: str, limits: ContactRules, version: str, since: date | None
) -> dict[str, Any]:
    return {
        "country": country,
        "debtor_kind": debtor_kind,
        "tz": limits.zone,
        "windows": keep_weeks(limits.hours),
        "calendar": country if limits.holidays else None,
        "max_calls": limits.max_calls,
        "per_days": limits.per_days,
        "talk_gap_days": limits.talk_gap_days,
        "sources": [
            {
                "id": rule.id,
                "citation": rule.citation,
                "source": rule.source,
                "verifiedOn": rule.verified_on.isoformat(),
            }
            for rule in limits.rules
        ],
        "version": version,
        "verified_on": since,
    }


def _write(session: Session, values: dict[str, Any]) -> None:
    """Add the row of a version; whoever comes second finds it there."""
    session.flush()
    lite = session.get_bind().dialect.name == "sqlite"
    made: Any = sqlite.insert(_TABLE) if lite else postgresql.insert(_TABLE)
    session.execute(made.values(values).on_conflict_do_nothing())


def _read(row: ContactPolicy) -> ContactRules:
    return ContactRules(
        hours={channel: read_week(week) for channel, week in row.windows.items()},
        holidays=row.calendar is not None,
        max_calls=row.max_calls,
        per_days=row.per_days,
        talk_gap_days=row.talk_gap_days,
        rules=(),
        zone=row.tz,
    )
