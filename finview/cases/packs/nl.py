"""The law pack of the Netherlands: extrajudicial collection costs by tiers."""

from collections.abc import Sequence
from datetime import date, time
from typing import ClassVar

from finview.cases.costs import Tier, slice_costs
from finview.money import minor_text
from finview.plugins.contracts.jurisdiction import (
    Charge,
    ClaimFacts,
    ContactRules,
    Jurisdiction,
    Rule,
)
from finview.plugins.contracts.provider import NoSettings

VERIFIED_ON = date(2026, 11, 22)
BIK = Rule(
    id="nl.bik",
    citation="art. 6:96 BW, Besluit vergoeding voor buitengerechtelijke incassokosten",
    source="secondary sources, to be verified",
    verified_on=VERIFIED_ON,
    valid_from=date(2012, 7, 1),
)
CAREFUL = Rule(
    id="nl.contact.careful",
    citation="Wet kwaliteit incassodienstverlening (careful contact); hours and caps are our reading",
    source="secondary sources, to be verified",
    verified_on=VERIFIED_ON,
)
_WEEK = (*((time(8), time(20)),) * 5, (time(9), time(17)), None)
CONTACT = ContactRules(
    hours={"CALL": _WEEK, "SMS": _WEEK},
    holidays=True,
    max_calls=7,
    per_days=7,
    talk_gap_days=7,
    zone="Europe/Amsterdam",
    rules=(CAREFUL,),
)
LEAST, MOST = 4_000, 677_500
TIERS = (
    Tier(up_to=250_000, rate=150_000),
    Tier(up_to=500_000, rate=100_000),
    Tier(up_to=1_000_000, rate=50_000),
    Tier(up_to=20_000_000, rate=10_000),
    Tier(up_to=None, rate=5_000),
)


def costs(principal: int) -> int:
    """Return the costs of a principal in cents: 15 % of the first 2500, and so on; 40 to 6775."""
    return slice_costs(principal, TIERS, least=LEAST, most=MOST)


class Netherlands(Jurisdiction[NoSettings]):
    """Dutch law as of `verified_on`, from secondary sources; not legal advice.

    Consumers owe the costs only after a free letter that gave them 14 days and the exact amount.
    """

    name: ClassVar[str] = "nl"
    title: ClassVar[str] = "Netherlands"
    Settings: ClassVar[type[NoSettings]] = NoSettings
    code: ClassVar[str] = "nl"
    version: ClassVar[str] = "2026.1"
    verified_on: ClassVar[date] = VERIFIED_ON
    countries: ClassVar[tuple[str, ...]] = ("NL",)
    cost_rules: ClassVar[tuple[str, ...]] = (BIK.id,)

    def costs(self, rule: str, claim: ClaimFacts) -> Sequence[Charge]:  # noqa: ARG002  # there is one
        """Return the costs of the decree."""
        if claim.currency != "EUR" or claim.principal_minor <= 0:
            return ()
        inputs = {"principal": minor_text(claim.principal_minor, "EUR"), "rounding": "HALF_UP"}
        return (Charge(amount_minor=costs(claim.principal_minor), rule=BIK, inputs=inputs),)

    def contact_rules(self, debtor_kind: str) -> ContactRules:  # noqa: ARG002  # the same for both
        """Return careful hours as we read them; e-mails and letters have no hours."""
        return CONTACT
