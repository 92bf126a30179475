"""The German base rate with all its periods, and the statutory rates that rest on it."""

from bisect import bisect_right
from datetime import date

from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.money import RATE_SCALE
from finview.plugins.contracts.jurisdiction import ClaimFacts, Rates, Rule

sentences({"NO_RATE": N_("There is no base rate for {on}.")})

VERIFIED_ON = date(2026, 11, 22)
CHECKED_UNTIL = date(2026, 12, 31)
"""The last day whose half-year was looked up; from the next day on the last rate is provisional."""

BASE = Rule(
    id="de.base_rate",
    citation="§ 247 BGB",
    source="Deutsche Bundesbank; the rows of 2026 from secondary sources",
    verified_on=VERIFIED_ON,
    valid_from=date(2002, 1, 1),
)
CONSUMER = Rule(
    id="de.interest.288_1",
    citation="§ 288(1) BGB",
    source="gesetze-im-internet.de",
    verified_on=VERIFIED_ON,
)
BUSINESS = Rule(
    id="de.interest.288_2",
    citation="§ 288(2) BGB",
    source="gesetze-im-internet.de",
    verified_on=VERIFIED_ON,
    valid_from=date(2014, 7, 29),
)
BUSINESS_OLD = Rule(
    id="de.interest.288_2.old",
    citation="§ 288(2) BGB, Art. 229 § 34 EGBGB",
    source="gesetze-im-internet.de",
    verified_on=VERIFIED_ON,
    valid_to=date(2014, 7, 29),
)

# In 1/10,000 percent from 1 January or 1 July on; a half-year without a row kept the rate.
_ROWS: tuple[tuple[int, int, int], ...] = (
    (2002, 1, 25_700),
    (2002, 7, 24_700),
    (2003, 1, 19_700),
    (2003, 7, 12_200),
    (2004, 1, 11_400),
    (2004, 7, 11_300),
    (2005, 1, 12_100),
    (2005, 7, 11_700),
    (2006, 1, 13_700),
    (2006, 7, 19_500),
    (2007, 1, 27_000),
    (2007, 7, 31_900),
    (2008, 1, 33_200),
    (2008, 7, 31_900),
    (2009, 1, 16_200),
    (2009, 7, 1_200),
    (2011, 7, 3_700),
    (2012, 1, 1_200),
    (2013, 1, -1_300),
    (2013, 7, -3_800),
    (2014, 1, -6_300),
    (2014, 7, -7_300),
    (2015, 1, -8_300),
    (2016, 7, -8_800),
    (2023, 1, 16_200),
    (2023, 7, 31_200),
    (2024, 1, 36_200),
    (2024, 7, 33_700),
    (2025, 1, 22_700),
    (2025, 7, 12_700),
    (2026, 7, 15_200),
)
STEPS = tuple((date(year, month, 1), rate) for year, month, rate in _ROWS)
_DAYS = [day for day, _ in STEPS]


def base_rates() -> Rates:
    """Return the base rate of § 247 BGB; provisional behind the last half-year looked up."""
    return Rates(steps=STEPS, rule=BASE, provisional_from=date(CHECKED_UNTIL.year + 1, 1, 1))


def base_rate(on: date) -> tuple[int, bool]:
    """Return the base rate of a day in 1/10,000 percent, and whether it is only carried on.

    Raises `Invalid` (NO_RATE) before 2002-01-01.
    """
    place = bisect_right(_DAYS, on)
    if not place:
        raise Invalid("NO_RATE", on=on)
    return STEPS[place - 1][1], on > CHECKED_UNTIL


def statutory(claim: ClaimFacts) -> Rates:
    """Return base + 5 points, + 9 where no consumer is involved (§ 288 BGB).

    Art. 229 § 34 EGBGB: 9 points only for obligations that arose after 2014-07-28, before that 8.
    The day of the invoice, else the due date, stands for the day of the obligation.
    """
    if claim.debtor_kind == "CONSUMER":
        return plus(5 * RATE_SCALE, CONSUMER)
    arisen = claim.issued_on or claim.due_on
    assert BUSINESS.valid_from is not None
    if arisen is not None and arisen < BUSINESS.valid_from:
        return plus(8 * RATE_SCALE, BUSINESS_OLD)
    return plus(9 * RATE_SCALE, BUSINESS)


def plus(points: int, rule: Rule) -> Rates:
    """Return the base rate with points (1/10,000 percent) added."""
    base = base_rates()
    steps = tuple((day, rate + points) for day, rate in base.steps)
    return Rates(steps=steps, rule=rule, provisional_from=base.provisional_from)
