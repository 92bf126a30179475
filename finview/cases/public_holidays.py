"""Public holidays of countries and their regions, from the library `holidays`: the one source."""

from datetime import date
from functools import lru_cache

GERMANY = "DE"


@lru_cache(maxsize=512)
def public_holidays(country: str, year: int, region: str | None = None) -> frozenset[date]:
    """Return the public holidays of a country, or of one of its regions (ISO 3166-2, "BY").

    Those of a part of a region, such as Assumption in Bavaria, are among them. A country nobody
    knows has none. For Germany they begin with 1991.
    """
    # A fifth of a second at the start of every command, for what few of them need.
    import holidays

    try:
        known = holidays.country_holidays(country)
    except NotImplementedError:
        return frozenset()
    subdivision = region if region in known.subdivisions else None
    kinds = ("public", "catholic") if "catholic" in known.supported_categories else ("public",)
    wanted = kinds if subdivision else ("public",)
    found = holidays.country_holidays(
        country, subdiv=subdivision, years=year, categories=wanted, observed=True
    )
    # Asking for a day may add years to the library's own dictionary: only this one is meant.
    return frozenset(day for day in found if day.year == year)


@lru_cache(maxsize=64)
def regions_of(country: str) -> tuple[str, ...]:
    """Return the regions of a country that have holidays of their own, by their codes."""
    import holidays

    try:
        found: tuple[str, ...] = holidays.country_holidays(country).subdivisions
    except NotImplementedError:
        return ()
    return found


@lru_cache(maxsize=128)
def any_holidays(country: str, year: int) -> frozenset[date]:
    """Return the days that are a holiday anywhere in a country: what to heed without a region."""
    days = set(public_holidays(country, year))
    for region in regions_of(country):
        days |= public_holidays(country, year, region)
    return frozenset(days)
