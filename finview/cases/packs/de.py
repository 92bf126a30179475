"""The law pack of Germany: base rate, default, RVG costs, lump sum, limitation, first letter."""

from collections.abc import Sequence
from datetime import date, time
from typing import Any, ClassVar

from finview.cases.packs import de_dates, de_fees, de_rates
from finview.plugins.contracts.jurisdiction import (
    Charge,
    ClaimFacts,
    ContactRules,
    DefaultStart,
    Jurisdiction,
    Rates,
    Rule,
)
from finview.plugins.contracts.provider import NoSettings

FIRST_LETTER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("CLIENT", ("client_name", "client_address")),
    ("GROUND", ("contract_subject", "contract_date")),
    ("INTEREST", ("interest_base", "interest_rate", "interest_period")),
    ("HIGHER_RATE", ("higher_rate_reason",)),
    ("COSTS", ("costs_kind", "costs_amount", "costs_ground")),
    ("VAT", ("vat_reason",)),
    ("ADDRESS_SOURCE", ("address_source",)),
    ("AUTHORITY", ("authority_name", "authority_address", "authority_contact")),
)
"""The eight parts of § 13a(1) RDG in its order, and the data each of them needs."""

DAYS_OF_REST = Rule(
    id="de.contact.days_of_rest",
    citation="Art. 140 GG with Art. 139 WRV, holiday acts of the Länder: Sundays and holidays rest",
    source="no statute names hours for calls: those of a working day are our reading; to be verified",
    verified_on=de_rates.VERIFIED_ON,
)
CALL_CAPS = Rule(
    id="de.contact.caps",
    citation="no statute; § 238 StGB and § 240 StGB set the outer limits, the caps are those of "
    "12 CFR § 1006.14(b)(2)",
    source="our reading, to be verified",
    verified_on=de_rates.VERIFIED_ON,
)
_WEEK = (*((time(8), time(20)),) * 5, (time(9), time(18)), None)
CONTACT = ContactRules(
    hours={"CALL": _WEEK, "SMS": _WEEK},
    holidays=True,
    max_calls=7,
    per_days=7,
    talk_gap_days=7,
    zone="Europe/Berlin",
    rules=(DAYS_OF_REST, CALL_CAPS),
)

_ONLY_IF = {
    "INTEREST": "claims_interest",
    "HIGHER_RATE": "above_statutory",
    "COSTS": "claims_costs",
    "VAT": "claims_vat",
    "ADDRESS_SOURCE": "address_traced",
}


class Germany(Jurisdiction[NoSettings]):
    """German law as of `verified_on`; not legal advice."""

    name: ClassVar[str] = "de"
    title: ClassVar[str] = "Germany"
    Settings: ClassVar[type[NoSettings]] = NoSettings
    code: ClassVar[str] = "de"
    version: ClassVar[str] = "2026.2"
    verified_on: ClassVar[date] = de_rates.VERIFIED_ON
    countries: ClassVar[tuple[str, ...]] = ("DE",)
    order: ClassVar[str] = "DE_367"
    cost_rules: ClassVar[tuple[str, ...]] = tuple(de_fees.RULES)

    def base_rates(self) -> Rates:
        """Return the base rate (§ 247 BGB)."""
        return de_rates.base_rates()

    def default_start(self, claim: ClaimFacts) -> DefaultStart | None:
        """Return when a claim falls into default (§ 286 BGB)."""
        return de_dates.default_start(claim)

    def interest(self, claim: ClaimFacts, default_from: date) -> Rates:  # noqa: ARG002  # it floats
        """Return base + 5 or + 9 points (§ 288 BGB)."""
        return de_rates.statutory(claim)

    def costs(self, rule: str, claim: ClaimFacts) -> Sequence[Charge]:
        """Return fee and flat rate by the RVG (§ 13e RDG)."""
        return de_fees.costs(rule, claim)

    def plan_costs(self, claim: ClaimFacts) -> Sequence[Charge]:
        """Return the settlement fee of a payment plan (no. 1000 VV RVG)."""
        return de_fees.plan_costs(claim)

    def lump_sum(self, claim: ClaimFacts) -> Charge | None:
        """Return the 40 EUR of § 288(5) BGB."""
        return de_fees.lump_sum(claim)

    def limitation(
        self,
        arisen_on: date | None = None,
        acknowledged_on: date | None = None,
        title_final_on: date | None = None,
    ) -> date | None:
        """Return the last day of the limitation period (§§ 195, 197, 199, 212 BGB)."""
        return de_dates.limitation(arisen_on, acknowledged_on, title_final_on)

    def retention(self, document: str, dated: date) -> date | None:
        """Return the first day on which a record may be erased (§ 147 AO, § 257 HGB)."""
        return de_dates.retention(document, dated)

    def first_letter_lacks(self, data: dict[str, Any]) -> tuple[str, ...]:
        """Return the parts of § 13a(1) RDG that lack data; those not due for the case don't."""
        lacking = []
        for part, needed in FIRST_LETTER:
            due = part not in _ONLY_IF or bool(data.get(_ONLY_IF[part]))
            if due and any(data.get(name) in (None, "") for name in needed):
                lacking.append(part)
        return tuple(lacking)

    def contact_rules(self, debtor_kind: str) -> ContactRules:  # noqa: ARG002  # the same for both
        """Return the hours of working days for calls and text messages; others have none."""
        return CONTACT
