"""The contract of law packs: a pytest class; subclass it and override `pack`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from finview.cases import law
from finview.plugins.contracts.jurisdiction import Charge, ClaimFacts, Jurisdiction, Rates, Rule
from finview.plugins.contracts.provider import Provider
from finview.testing.contracts import ProviderContract

THREADS = 4
DUE = date(2026, 8, 31)
PRINCIPALS = (1, 4_999, 5_000, 50_001, 100_000, 1_000_000, 50_000_000)
"""Minor units, on and beside the steps that tables of fees have."""


def claims(code: str) -> list[ClaimFacts]:
    """Return claims of consumers and businesses, contested and not, of many sizes."""
    currency = {"uk": "GBP", "us": "USD"}.get(code, "EUR")
    plain = ClaimFacts(
        debtor_kind="CONSUMER",
        currency=currency,
        principal_minor=100_000,
        issued_on=DUE - timedelta(days=30),
        due_on=DUE,
        mandate_on=DUE + timedelta(days=30),
    )
    return [
        replace(plain, debtor_kind=kind, principal_minor=minor, contested=contested)
        for kind in ("CONSUMER", "BUSINESS")
        for minor in PRINCIPALS
        for contested in (False, True)
    ]


class JurisdictionContract(ProviderContract):
    """What every law pack keeps. Override `pack`."""

    @pytest.fixture
    def pack(self) -> Jurisdiction[Any]:
        """Return the pack under test."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, pack: Jurisdiction[Any]) -> Provider[Any]:
        """Return the pack as a provider."""
        return pack

    def test_it_says_whose_law_it_is_and_when_it_was_verified(
        self, pack: Jurisdiction[Any]
    ) -> None:
        """Cases keep code and version; statements show the day."""
        assert pack.code == pack.code.strip().lower()
        assert pack.version
        assert isinstance(pack.verified_on, date)
        assert pack.order in law_orders()

    def test_every_figure_names_its_rule_and_source(self, pack: Jurisdiction[Any]) -> None:
        """A figure nobody can trace is not law."""
        for rule in rules_of(pack):
            assert rule.id
            assert rule.citation
            assert rule.source
            assert rule.verified_on <= pack.verified_on

    def test_rates_stand_in_order_of_their_days(self, pack: Jurisdiction[Any]) -> None:
        """The account walks them in order; each day has one rate."""
        for rates in rates_of(pack):
            assert all(earlier[0] < later[0] for earlier, later in pairwise(rates.steps))

    def test_no_charge_is_negative(self, pack: Jurisdiction[Any]) -> None:
        """Charges add to a claim; taking away is a waiver."""
        assert all(charge.amount_minor >= 0 for charge in charges_of(pack))

    def test_costs_never_fall_with_the_claim(self, pack: Jurisdiction[Any]) -> None:
        """A larger claim of the same kind costs as much or more."""
        for rule in pack.cost_rules:
            for kind in ("CONSUMER", "BUSINESS"):
                mine = [c for c in claims(pack.code) if c.debtor_kind == kind and not c.contested]
                sums = [
                    sum(one.amount_minor for one in law.costs(pack, rule, claim)) for claim in mine
                ]
                assert sums == sorted(sums)

    def test_default_begins_after_the_day_a_claim_is_due(self, pack: Jurisdiction[Any]) -> None:
        """The day of the event is not counted."""
        found = [pack.default_start(claim) for claim in claims(pack.code)]
        assert all(start is None or start.default_from > DUE for start in found)

    def test_it_is_pure(self, pack: Jurisdiction[Any]) -> None:
        """The same question has the same answer, from four threads and in any order."""
        asked = claims(pack.code)
        alone = [answers(pack, claim) for claim in asked]
        with ThreadPoolExecutor(THREADS) as pool:
            together = list(pool.map(lambda claim: answers(pack, claim), reversed(asked)))
        assert together[::-1] == alone


def law_orders() -> tuple[str, ...]:
    """Return the orders in which payments may be allocated."""
    return ("DE_367", "DE_497", "PRINCIPAL_FIRST")


def answers(pack: Jurisdiction[Any], claim: ClaimFacts) -> Any:
    """Return all a pack says of a claim."""
    start = pack.default_start(claim)
    return (
        start,
        pack.interest(claim, start.default_from) if start else None,
        [list(pack.costs(rule, claim)) for rule in pack.cost_rules],
        list(pack.plan_costs(claim)),
        pack.lump_sum(claim),
    )


def rates_of(pack: Jurisdiction[Any]) -> list[Rates]:
    """Return every table of rates a pack answers with."""
    found = [pack.base_rates()]
    for claim in claims(pack.code):
        start = pack.default_start(claim)
        found.append(pack.interest(claim, start.default_from) if start else None)
    return [rates for rates in found if rates is not None]


def charges_of(pack: Jurisdiction[Any]) -> list[Charge]:
    """Return every charge a pack answers with."""
    found: list[Charge] = []
    for claim in claims(pack.code):
        found += [charge for rule in pack.cost_rules for charge in pack.costs(rule, claim)]
        found += pack.plan_costs(claim)
        lump = pack.lump_sum(claim)
        found += [lump] if lump else []
    return found


def rules_of(pack: Jurisdiction[Any]) -> list[Rule]:
    """Return every rule a pack rests on."""
    found = [charge.rule for charge in charges_of(pack)] + [r.rule for r in rates_of(pack)]
    for kind in ("CONSUMER", "BUSINESS"):
        contact = pack.contact_rules(kind)
        found += contact.rules if contact else ()
    starts = [pack.default_start(claim) for claim in claims(pack.code)]
    return found + [start.rule for start in starts if start]
