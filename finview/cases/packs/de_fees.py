"""German collection costs: fees of the RVG by value and date of the mandate, lump sum, VAT."""

from dataclasses import dataclass
from datetime import date

from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.money import minor_text, round_half_up
from finview.plugins.contracts.jurisdiction import Charge, ClaimFacts, Rule

sentences({"MANDATE_TOO_OLD": N_("There is no table of fees for a mandate of {on}.")})

VERIFIED_ON = date(2026, 11, 22)
_SOURCE = "gesetze-im-internet.de/rvg"
EUR = "EUR"
_TENTH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The 1.0 fee from a day on: a base up to 500 and an amount for each started step above.

    `steps` are (up to, width, amount) in cents; the last one has no end.
    """

    valid_from: date
    base: int
    small: int
    steps: tuple[tuple[int | None, int, int], ...]


_LAWS = (
    Table(
        valid_from=date(2025, 6, 1),
        base=5_150,
        small=3_150,
        steps=(
            (200_000, 50_000, 4_150),
            (1_000_000, 100_000, 5_950),
            (2_500_000, 300_000, 5_500),
            (5_000_000, 500_000, 8_600),
            (20_000_000, 1_500_000, 9_950),
            (50_000_000, 3_000_000, 14_000),
            (None, 5_000_000, 17_500),
        ),
    ),
    Table(
        valid_from=date(2021, 1, 1),
        base=4_900,
        small=3_000,
        steps=(
            (200_000, 50_000, 3_900),
            (1_000_000, 100_000, 5_600),
            (2_500_000, 300_000, 5_200),
            (5_000_000, 500_000, 8_100),
            (20_000_000, 1_500_000, 9_400),
            (50_000_000, 3_000_000, 13_200),
            (None, 5_000_000, 16_500),
        ),
    ),
)
_FIRST_STEP = 50_000
_SMALL_VALUE = 5_000
"""§ 13(2) RVG: an uncontested claim up to 50.00 has a 1.0 fee of its own."""

_LEAST = 1_500
"""§ 13(3) RVG: no fee is below 15.00."""

_FLAT_PERCENT, _FLAT_MOST = 20, 2_000
_PLAN_TENTHS = 7


def _rule(rule: str, citation: str) -> Rule:
    return Rule(id=rule, citation=citation, source=_SOURCE, verified_on=VERIFIED_ON)


# Tenths of a fee by rule. Note 2 to no. 2300: uncontested at most 0.9, simple cases 0.5; contested
# above 1.3 only if extensive or difficult. No. 2301: a plain letter.
RULES: dict[str, tuple[int, Rule]] = {
    "de.rvg.2300.uncontested": (
        9,
        _rule("de.rvg.2300.uncontested", "§ 13e RDG, § 13 RVG, no. 2300 note 2 VV RVG"),
    ),
    "de.rvg.2300.simple": (
        5,
        _rule("de.rvg.2300.simple", "§ 13e RDG, § 13 RVG, no. 2300 note 2 VV RVG"),
    ),
    "de.rvg.2300.contested": (
        13,
        _rule("de.rvg.2300.contested", "§ 13e RDG, § 13 RVG, no. 2300 VV RVG"),
    ),
    "de.rvg.2301.letter": (
        3,
        _rule("de.rvg.2301.letter", "§ 13e RDG, § 13 RVG, no. 2301 VV RVG"),
    ),
}
FLAT = _rule("de.rvg.7002", "no. 7002 VV RVG")
PLAN = _rule("de.rvg.1000.plan", "no. 1000 no. 2 VV RVG, § 31b RVG")
LUMP_SUM = Rule(
    id="de.lump_sum.288_5",
    citation="§ 288(5) BGB",
    source="gesetze-im-internet.de",
    verified_on=VERIFIED_ON,
    valid_from=date(2014, 7, 29),
)
_LUMP_SUM = 4_000


def table_of(mandate_on: date) -> Table:
    """Return the table of the day of the unconditional mandate (§ 60 RVG).

    Raises `Invalid` (MANDATE_TOO_OLD) before 2021.
    """
    for table in _LAWS:
        if mandate_on >= table.valid_from:
            return table
    raise Invalid("MANDATE_TOO_OLD", on=mandate_on)


def unit_fee(value: int, table: Table) -> int:
    """Return the 1.0 fee of a value in cents; a started step counts whole (§ 13(1) RVG)."""
    fee, below = table.base, _FIRST_STEP
    for up_to, width, amount in table.steps:
        if value <= below:
            break
        top = value if up_to is None else min(value, up_to)
        fee += -(-(top - below) // width) * amount
        below = top if up_to is None else up_to
    return fee


def business_fee(value: int, tenths: int, table: Table, *, contested: bool) -> int:
    """Return the business fee: a share of the 1.0 fee, at least 15.00, half a cent up (§ 2(2))."""
    small = value <= _SMALL_VALUE and not contested
    whole = table.small if small else unit_fee(value, table)
    return max(round_half_up(whole * tenths, _TENTH), _LEAST)


def plan_fee(value: int, table: Table) -> int:
    """Return the settlement fee of a payment agreement: 0.7 on half the claim (§ 31b RVG).

    The special fee of § 13(2) is not for it.
    """
    whole = unit_fee(round_half_up(value, 2), table)
    return max(round_half_up(whole * _PLAN_TENTHS, _TENTH), _LEAST)


def flat(fees: int) -> int:
    """Return the flat rate for post and telephone: 20 % of the fees, at most 20.00 (no. 7002)."""
    return min(round_half_up(fees * _FLAT_PERCENT, 100), _FLAT_MOST)


def costs(rule: str, claim: ClaimFacts) -> tuple[Charge, ...]:
    """Return business fee and flat rate of a claim, net of VAT; none in another currency.

    Raises `Invalid` (MANDATE_TOO_OLD).
    """
    if claim.currency != EUR or claim.principal_minor <= 0:
        return ()
    tenths, row = RULES[rule]
    day = claim.mandate_on or VERIFIED_ON
    table, contested = table_of(day), claim.contested or rule == "de.rvg.2300.contested"
    fee = business_fee(claim.principal_minor, tenths, table, contested=contested)
    inputs = {
        "value": minor_text(claim.principal_minor, EUR),
        "rate": f"{tenths // _TENTH}.{tenths % _TENTH}",
        "mandateOn": day.isoformat(),
        "lawFrom": table.valid_from.isoformat(),
        "rounding": "HALF_UP",
    }
    return (
        Charge(amount_minor=fee, rule=row, inputs=inputs),
        Charge(
            amount_minor=flat(fee),
            rule=FLAT,
            inputs={"base": minor_text(fee, EUR), "percent": "20", "max": "20.00"},
        ),
    )


def lump_sum(claim: ClaimFacts) -> Charge | None:
    """Return the 40 EUR of § 288(5) BGB: no consumer, claims that arose after 2014-07-28."""
    arisen = claim.issued_on or claim.due_on
    assert LUMP_SUM.valid_from is not None
    if claim.debtor_kind == "CONSUMER" or claim.currency != EUR:
        return None
    if arisen is not None and arisen < LUMP_SUM.valid_from:
        return None
    return Charge(amount_minor=_LUMP_SUM, rule=LUMP_SUM)


def plan_costs(claim: ClaimFacts) -> tuple[Charge, ...]:
    """Return what a payment agreement adds: the settlement fee and the rest of the flat rate.

    The flat rate of no. 7002 is one for all fees of the matter: what was charged of it counts.
    """
    if claim.currency != EUR or claim.principal_minor <= 0:
        return ()
    table = table_of(claim.mandate_on or VERIFIED_ON)
    fee = plan_fee(claim.principal_minor, table)
    inputs = {
        "value": minor_text(round_half_up(claim.principal_minor, 2), EUR),
        "rate": "0.7",
        "lawFrom": table.valid_from.isoformat(),
    }
    charged = dict(claim.charged)
    fees = sum(minor for rule, minor in charged.items() if rule in RULES)
    rest = max(flat(fees + fee) - charged.get(FLAT.id, 0), 0)
    told = {"base": minor_text(fees + fee, EUR), "percent": "20", "max": "20.00"}
    already = {"charged": minor_text(charged.get(FLAT.id, 0), EUR)}
    return (
        Charge(amount_minor=fee, rule=PLAN, inputs=inputs),
        Charge(amount_minor=rest, rule=FLAT, inputs={**told, **already}),
    )
