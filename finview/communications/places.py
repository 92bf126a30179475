"""Where a debtor is, as far as hours and holidays go: country, region and zones of the best address."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from babel.core import get_global
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.models import Address, PointState

POSTCODE_DIGITS = 5
_RANK = {PointState.CONFIRMED: 0, PointState.VALID: 1, PointState.NOT_CONFIRMED: 2}

# The first digits of postcodes that lie in one Land alone; where the border runs through, no Land is
# named, and then every Land's holidays count.
_LAENDER: Mapping[str, tuple[str, ...]] = {
    "BB": ("03", "15", "144", "145", "146"),
    "BE": ("10", "120", "121", "122", "123", "124", "126", "13", "140", "141"),
    "BW": ("70", "71", "72", "73", "75", "77", "78", "79"),
    "BY": ("80", "81", "82", "83", "84", "85", "86", "90", "91", "92", "93", "94", "95"),
    "HB": ("281", "282", "283"),
    "HE": ("35", "60", "61"),
    "HH": ("20", "223", "224", "225", "226", "227"),
    "MV": ("170", "18"),
    "NI": ("26", "30", "31"),
    "NW": ("32", "33", *(str(n) for n in range(40, 48)), "50", "52", "58", "59"),
    "RP": ("54", "56", "67"),
    "SH": ("24", "25"),
    "SL": ("661",),
    "SN": ("02", "041", "042", "043", "08", "09"),
    "ST": ("061", "39"),
    "TH": ("98", "99"),
}
_LAND_OF = {prefix: land for land, prefixes in _LAENDER.items() for prefix in prefixes}

# The first three digits of ZIP codes, from each on to before the next, by state.
_STATES: tuple[tuple[int, str], ...] = (
    *((5, "NY"), (6, "PR"), (10, "MA"), (28, "RI"), (30, "NH"), (39, "ME"), (50, "VT"), (55, "MA")),
    *((56, "VT"), (60, "CT"), (63, "NY"), (64, "CT"), (70, "NJ"), (90, ""), (100, "NY")),
    *((150, "PA"), (197, "DE"), (200, "DC"), (201, "VA"), (202, "DC"), (206, "MD"), (220, "VA")),
    *((247, "WV"), (270, "NC"), (290, "SC"), (300, "GA"), (320, "FL"), (340, ""), (341, "FL")),
    *((350, "AL"), (370, "TN"), (386, "MS"), (398, "GA"), (400, "KY"), (430, "OH"), (460, "IN")),
    *((480, "MI"), (500, "IA"), (530, "WI"), (550, "MN"), (569, "DC"), (570, "SD"), (580, "ND")),
    *((590, "MT"), (600, "IL"), (630, "MO"), (660, "KS"), (680, "NE"), (700, "LA"), (716, "AR")),
    *((730, "OK"), (733, "TX"), (734, "OK"), (750, "TX"), (800, "CO"), (820, "WY"), (832, "ID")),
    *((840, "UT"), (850, "AZ"), (870, "NM"), (885, "TX"), (889, "NV"), (900, "CA"), (962, "")),
    *((967, "HI"), (969, ""), (970, "OR"), (980, "WA"), (995, "AK")),
)
_STARTS = [start for start, _ in _STATES]
_EASTERN, _CENTRAL = "America/New_York", "America/Chicago"
_MOUNTAIN, _PACIFIC = "America/Denver", "America/Los_Angeles"
_ALASKA, _HAWAII = "America/Anchorage", "Pacific/Honolulu"

# A state that lies in two zones has both: contact must be allowed in either.
_ZONES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("CT", "DC", "DE", "GA", "MA", "MD", "ME", "NC", "NH", "NJ"), (_EASTERN,)),
    **dict.fromkeys(("NY", "OH", "PA", "RI", "SC", "VA", "VT", "WV"), (_EASTERN,)),
    **dict.fromkeys(("FL", "IN", "KY", "MI", "TN"), (_EASTERN, _CENTRAL)),
    **dict.fromkeys(("AL", "AR", "IA", "IL", "LA", "MN", "MO", "MS", "OK", "WI"), (_CENTRAL,)),
    **dict.fromkeys(("KS", "ND", "NE", "SD", "TX"), (_CENTRAL, _MOUNTAIN)),
    **dict.fromkeys(("CO", "MT", "NM", "UT", "WY"), (_MOUNTAIN,)),
    "AZ": ("America/Phoenix", _MOUNTAIN),
    **dict.fromkeys(("ID", "NV", "OR"), (_MOUNTAIN, _PACIFIC)),
    **dict.fromkeys(("CA", "WA"), (_PACIFIC,)),
    "AK": (_ALASKA, "America/Adak"),
    "HI": (_HAWAII,),
    "PR": ("America/Puerto_Rico",),
}
EVERYWHERE = (_EASTERN, _CENTRAL, _MOUNTAIN, _PACIFIC)
"""The zones of a United States address whose state is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a debtor is; `zones` is empty where the address doesn't tell."""

    country: str | None
    region: str | None = None
    zones: tuple[str, ...] = ()


def place_of(session: Session, debtor_id: int) -> Place:
    """Return the place of a debtor's best address that names a country."""
    found = session.execute(
        select(Address.id, Address.state, Address.country, Address.postcode).where(
            Address.debtor_id == debtor_id, Address.state != PointState.INVALID
        )
    ).all()
    best = min(
        found,
        key=lambda row: (not row.country, _RANK.get(PointState(row.state), 3), row.id),
        default=None,
    )
    if best is None:
        return Place(country=None)
    return place(best.country, best.postcode)


def place(country: str | None, postcode: str | None) -> Place:
    """Return the place of a country and a postcode."""
    if not country:
        return Place(country=None)
    code = country.upper()
    digits = "".join(c for c in postcode or "" if c.isdecimal())
    if code == "DE":
        return Place(country=code, region=land_of(digits), zones=("Europe/Berlin",))
    if code == "US":
        state = state_of(digits)
        return Place(country=code, region=state, zones=_ZONES.get(state or "", EVERYWHERE))
    return Place(country=code, zones=only_zone(code))


def land_of(postcode: str) -> str | None:
    """Return the German Land a postcode lies in for certain."""
    if len(postcode) != POSTCODE_DIGITS:
        return None
    return _LAND_OF.get(postcode[:2]) or _LAND_OF.get(postcode[:3])


def state_of(zip_code: str) -> str | None:
    """Return the state of the United States a ZIP code belongs to."""
    if len(zip_code) < POSTCODE_DIGITS:
        return None
    n = bisect_right(_STARTS, int(zip_code[:3])) - 1
    return (_STATES[n][1] or None) if n >= 0 else None


@lru_cache(maxsize=256)
def only_zone(country: str) -> tuple[str, ...]:
    """Return the zone of a country that has one; nothing where it has several or is unknown."""
    named = "GB" if country == "UK" else country
    zones = sorted(zone for zone, of in get_global("zone_territories").items() if of == named)
    return (zones[0],) if len(zones) == 1 else ()
