"""Which law pack a case goes by, and what it says: rates, default, charges, through the guard."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session

from finview.cases.curve import Curve, curve
from finview.cases.interest import DayCount, Step
from finview.cases.packs.builtin import finview_jurisdictions
from finview.db import Database, database_of
from finview.errors import Invalid, State
from finview.i18n import N_, sentences
from finview.money import RATE_SCALE
from finview.plugins import guard
from finview.plugins.contracts.jurisdiction import Charge, ClaimFacts, Jurisdiction, Rates, Rule
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.discovery import OUR_OWN
from finview.plugins.manager import Plugins
from finview.plugins.slots import SLOTS

CODES = sentences(
    {
        "LAW_PACK_MISSING": N_("The law pack “{code}” of this case is not installed."),
        "LAW_NO_BASE_RATE": N_("The law pack “{code}” has no base rate."),
        "LAW_NO_COSTS": N_("The law pack “{code}” has no statutory costs “{rule}”."),
    }
)

T = TypeVar("T")
Packs = Mapping[str, Jurisdiction[Any]]
DEFAULT_CODE = "de"
SLOT = "jurisdiction"
_FIRST = date.min

SHIPPED: Packs = {cls.code: cls(NoSettings()) for cls in finview_jurisdictions()}
"""What an embedded database without plugins goes by."""

_INSTALLED: "WeakKeyDictionary[Database, Packs]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """The yearly rates of one claim with the rule they rest on, ready to be summed up.

    `known_from` is the first day with a rate, where the table of rates begins later than time.
    """

    steps: tuple[Step, ...]
    curve: Curve
    rule: str
    rule_version: str = "1"
    citation: str | None = None
    verified_on: date | None = None
    points: int | None = None
    provisional_from: date | None = None
    known_from: date | None = None

    def provisional(self, since: date, until: date) -> bool:
        """Tell whether days from `since` to before `until` rest on a rate that isn't there yet."""
        if until <= since:
            return False
        late = self.provisional_from is not None and until > self.provisional_from
        return late or (self.known_from is not None and since < self.known_from)


def install(database: Database, plugins: Plugins) -> None:
    """Let a database go by the packs that are installed, the shipped ones among them."""
    found = {}
    for name in plugins.providers(SLOT):
        pack: Any = plugins.make(SLOT, name)
        found[pack.code] = pack
    use(database, found.values())


def use(database: Database, packs: Iterable[Jurisdiction[Any]]) -> None:
    """Let a database go by these packs, over the shipped ones."""
    _INSTALLED[database] = {**SHIPPED, **{pack.code: pack for pack in packs}}


def packs_of(session: Session) -> Packs:
    """Return the packs a session's database goes by."""
    return _INSTALLED.get(database_of(session), SHIPPED)


def code_for(packs: Packs, country: object) -> str:
    """Return the code of the pack of a business unit's country; Germany without one."""
    wanted = str(country or "").upper()
    for pack in packs.values():
        if wanted in pack.countries:
            return pack.code
    return DEFAULT_CODE


def pack_for(packs: Packs, code: str) -> Jurisdiction[Any]:
    """Return a pack by its code; raise `State` (LAW_PACK_MISSING): law is never replaced silently."""
    pack = packs.get(code)
    if pack is None:
        raise State("LAW_PACK_MISSING", code=code)
    return pack


def ask(pack: Jurisdiction[Any], what: str, run: Callable[[], T]) -> T:
    """Return what a pack answers; a fault in a plugin's comes as the guard's errors.

    The shipped packs may refuse with one of our own errors.
    """
    line = guard.line_of(pack)
    if line.distribution == OUR_OWN:
        return run()
    return guard.inline(type(pack), SLOTS[SLOT], line.distribution, what, run)


def fixed(rate: int, count: DayCount) -> Tariff:
    """Return the tariff of a fixed rate in 1/10,000 percent."""
    return _fixed(rate, count)


@lru_cache(maxsize=256)
def _fixed(rate: int, count: DayCount) -> Tariff:
    steps = ((_FIRST, rate),)
    return Tariff(steps=steps, curve=curve(steps, count), rule="interest.fixed")


@lru_cache(maxsize=1024)
def base_plus(pack: Jurisdiction[Any], points: int, count: DayCount) -> Tariff:
    """Return base rate + points (1/10,000 percent); raise `Invalid` (LAW_NO_BASE_RATE)."""
    base = ask(pack, "base_rates", pack.base_rates)
    if base is None:
        raise Invalid("LAW_NO_BASE_RATE", code=pack.code)
    steps = tuple((day, rate + points) for day, rate in base.steps)
    return _tariff(pack, base, steps, count, points)


@lru_cache(maxsize=8192)
def statutory(
    pack: Jurisdiction[Any], claim: ClaimFacts, default_from: date, count: DayCount
) -> Tariff | None:
    """Return the statutory rates of a claim in default; None where the law has none for it."""
    rates = ask(pack, "interest", lambda: pack.interest(claim, default_from))
    if rates is None:
        return None
    base = ask(pack, "base_rates", pack.base_rates)
    points = None
    if base is not None and len(base.steps) == len(rates.steps):
        points = rates.steps[-1][1] - base.steps[-1][1]
    return _tariff(pack, rates, rates.steps, count, points)


def default_from(pack: Jurisdiction[Any], claim: ClaimFacts) -> tuple[date, Rule] | None:
    """Return the first day of default and its rule; None without a date to reckon from."""
    start = ask(pack, "default_start", lambda: pack.default_start(claim))
    return None if start is None else (start.default_from, start.rule)


def costs(pack: Jurisdiction[Any], rule: str | None, claim: ClaimFacts) -> tuple[Charge, ...]:
    """Return the statutory costs of a claim, by the pack's first rule unless one is named.

    Raises `Invalid` (LAW_NO_COSTS) for a rule the pack hasn't.
    """
    name = rule or next(iter(pack.cost_rules), "")
    if name not in pack.cost_rules:
        raise Invalid("LAW_NO_COSTS", code=pack.code, rule=rule or "–")
    return tuple(ask(pack, "costs", lambda: pack.costs(name, claim)))


def plan_costs(pack: Jurisdiction[Any], claim: ClaimFacts) -> tuple[Charge, ...]:
    """Return what a payment plan adds to the costs."""
    return tuple(ask(pack, "plan_costs", lambda: pack.plan_costs(claim)))


def lump_sum(pack: Jurisdiction[Any], claim: ClaimFacts) -> Charge | None:
    """Return the lump sum for late payment of one claim, before costs are credited."""
    return ask(pack, "lump_sum", lambda: pack.lump_sum(claim))


def _tariff(
    pack: Jurisdiction[Any],
    rates: Rates,
    steps: tuple[Step, ...],
    count: DayCount,
    points: int | None,
) -> Tariff:
    first = steps[0][0] if steps else None
    return Tariff(
        steps=steps,
        curve=curve(steps, count),
        rule=rates.rule.id,
        rule_version=pack.version,
        citation=rates.rule.citation,
        verified_on=rates.rule.verified_on,
        points=points,
        provisional_from=rates.provisional_from,
        known_from=None if first in (None, _FIRST) else first,
    )


def points_text(points: int) -> str:
    """Return percentage points as text, e.g. "5" or "2.5"."""
    whole, rest = divmod(points, RATE_SCALE)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".") if rest else str(whole)
