"""The jurisdiction slot: one country's rules on default, interest, costs and time, as dated data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel

from finview.plugins.contracts.provider import Provider

S = TypeVar("S", bound=BaseModel)

Step = tuple[date, int]
"""From this day on the value holds: a yearly rate in 1/10,000 percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One dated rule: where it stands, and the day its figures were last compared with the source.

    `valid_to` is the first day on which it no longer holds, None while it does.
    """

    id: str
    citation: str
    source: str
    verified_on: date
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFacts:
    """What a rule may depend on; amounts are minor units of `currency`.

    `mandate_on` is the day the agency was engaged, `contested` whether the debtor objects,
    `charged` the costs that stand on the case already, by the ids of their rules.
    """

    debtor_kind: Literal["CONSUMER", "BUSINESS"]
    currency: str
    principal_minor: int = 0
    issued_on: date | None = None
    due_on: date | None = None
    mandate_on: date | None = None
    contested: bool = False
    charged: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultStart:
    """The last day to pay, and the day after it: the first day of default."""

    last_day_to_pay: date
    default_from: date
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Yearly rates in order of their days; before the first one there is no rate.

    From `provisional_from` on the last rate is carried on because its period is not published or
    not checked yet: whatever rests on those days is provisional.
    """

    steps: tuple[Step, ...]
    rule: Rule
    provisional_from: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One charge with the rule it rests on and what it was computed from."""

    amount_minor: int
    rule: Rule
    inputs: dict[str, Any] = field(default_factory=dict)


Hours = tuple[time, time] | None
"""From when to before when on a local day; None: closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRules:
    """When and how often people in a country may be contacted.

    `hours` has for a channel (EMAIL, LETTER, SMS, CALL) the hours of the seven days of a week,
    Monday first; a channel that is left out has none. With `holidays`, public holidays are closed
    for every channel that has hours. Calls: at most `max_calls` attempts in `per_days` days, none
    within `talk_gap_days` days of a conversation, whose own day is the first of them. `zone` is the
    only one of the country, None where there are several. `rules` say where all of it stands.
    """

    hours: Mapping[str, tuple[Hours, ...]]
    holidays: bool
    max_calls: int
    per_days: int
    talk_gap_days: int
    rules: tuple[Rule, ...]
    zone: str | None = None


class Jurisdiction(Provider[S]):
    """The law of one country as pure functions over dated rules; not legal advice.

    Everything is called inside transactions: no files, no network, no clock. A country without a
    rule inherits the answer "nothing" (None, no rates, no charges), which the core refuses where a
    component asks for it.
    """

    code: ClassVar[str]
    version: ClassVar[str]
    verified_on: ClassVar[date]
    countries: ClassVar[tuple[str, ...]] = ()
    order: ClassVar[str] = "DE_367"
    cost_rules: ClassVar[tuple[str, ...]] = ()

    def base_rates(self) -> Rates | None:
        """Return the base rate, to which components add their points."""
        return None

    def default_start(self, claim: ClaimFacts) -> DefaultStart | None:  # noqa: ARG002  # authors use it
        """Return when a claim falls into default; None without a date to reckon from."""
        return None

    def interest(self, claim: ClaimFacts, default_from: date) -> Rates | None:  # noqa: ARG002  # as above
        """Return the statutory rates of a claim that is in default since a day."""
        return None

    def costs(self, rule: str, claim: ClaimFacts) -> Sequence[Charge]:  # noqa: ARG002  # as above
        """Return the collection costs of a claim by one of `cost_rules`, net of VAT."""
        return ()

    def plan_costs(self, claim: ClaimFacts) -> Sequence[Charge]:  # noqa: ARG002  # as above
        """Return what a payment plan adds to the costs of a claim."""
        return ()

    def lump_sum(self, claim: ClaimFacts) -> Charge | None:  # noqa: ARG002  # as above
        """Return the lump sum for late payment of one claim, before anything is credited."""
        return None

    def limitation(
        self,
        arisen_on: date | None = None,  # noqa: ARG002  # as above
        acknowledged_on: date | None = None,  # noqa: ARG002  # as above
        title_final_on: date | None = None,  # noqa: ARG002  # as above
    ) -> date | None:
        """Return the last day of the limitation period."""
        return None

    def retention(self, document: str, dated: date) -> date | None:  # noqa: ARG002  # as above
        """Return the first day on which a record may be erased."""
        return None

    def first_letter_lacks(self, data: dict[str, Any]) -> tuple[str, ...]:  # noqa: ARG002  # as above
        """Return which statutory parts a first demand to a private person would lack."""
        return ()

    def contact_rules(self, debtor_kind: str) -> ContactRules | None:  # noqa: ARG002  # as above
        """Return when consumers or businesses may be contacted; None: the strictest default."""
        return None

    def moratorium(self, entered_on: date) -> tuple[date, date] | None:  # noqa: ARG002  # as above
        """Return first and last day of the statutory moratorium entered on a day, if there is one."""
        return None
