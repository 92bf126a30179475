"""The law pack of the United Kingdom: late payment of businesses, the statutory moratorium."""

from datetime import date, time, timedelta
from typing import ClassVar

from finview.money import RATE_SCALE, minor_text
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

VERIFIED_ON = date(2026, 11, 22)
_SOURCE = "secondary sources, to be verified"
LATE_PAYMENT = Rule(
    id="uk.late_payment",
    citation="Late Payment of Commercial Debts (Interest) Act 1998, s. 6; SI 2002/1675",
    source=_SOURCE,
    verified_on=VERIFIED_ON,
)
TERM = Rule(
    id="uk.default.term",
    citation="Late Payment of Commercial Debts (Interest) Act 1998, s. 4",
    source=_SOURCE,
    verified_on=VERIFIED_ON,
)
LUMP_SUM = Rule(
    id="uk.lump_sum",
    citation="Late Payment of Commercial Debts (Interest) Act 1998, s. 5A",
    source=_SOURCE,
    verified_on=VERIFIED_ON,
)
POINTS = 8 * RATE_SCALE
# The bank rate of 30 June and 31 December, in force for debts overdue in the half-year after.
REFERENCE: tuple[tuple[date, int], ...] = (
    (date(2022, 6, 30), 12_500),
    (date(2022, 12, 31), 35_000),
    (date(2023, 6, 30), 50_000),
    (date(2023, 12, 31), 52_500),
    (date(2024, 6, 30), 52_500),
    (date(2024, 12, 31), 47_500),
    (date(2025, 6, 30), 42_500),
    (date(2025, 12, 31), 37_500),
    (date(2026, 6, 30), 37_500),
)
CHECKED_UNTIL = date(2026, 12, 31)
_TERM_DAYS = 30
_LUMP_SUMS = ((100_000, 4_000), (1_000_000, 7_000))
_LUMP_SUM_ABOVE = 10_000
REASONABLE_TIMES = Rule(
    id="uk.contact.times",
    citation="FCA CONC 7.9.4R (reasonable times); the hours are our reading, no rule names them",
    source=_SOURCE,
    verified_on=VERIFIED_ON,
)
FREQUENCY = Rule(
    id="uk.contact.frequency",
    citation="FCA CONC 7.9 names no number; the caps are those of 12 CFR § 1006.14(b)(2)",
    source=_SOURCE,
    verified_on=VERIFIED_ON,
)
_WEEK = (*((time(8), time(20)),) * 5, (time(9), time(17)), None)
CONTACT = ContactRules(
    hours={"CALL": _WEEK, "SMS": _WEEK},
    holidays=True,
    max_calls=7,
    per_days=7,
    talk_gap_days=7,
    zone="Europe/London",
    rules=(REASONABLE_TIMES, FREQUENCY),
)
MORATORIUM_DAYS = 60
CRISIS_DAYS_AFTER = 30


def reference(overdue_from: date) -> tuple[date, int]:
    """Return day and rate of the reference for a debt: fixed for its life (1/10,000 percent).

    Overdue from January to June: that of 31 December before; July to December: of 30 June. A day
    before the first row takes the first one, and what rests on it is provisional.
    """
    half = date(overdue_from.year, 6, 30)
    day = half if overdue_from > half else date(overdue_from.year - 1, 12, 31)
    known = [row for row in REFERENCE if row[0] <= day]
    return known[-1] if known else REFERENCE[0]


def lump_sum(invoice_minor: int) -> int:
    """Return the lump sum of one invoice in pence: 40, 70 or 100 pounds."""
    for below, amount in _LUMP_SUMS:
        if invoice_minor < below:
            return amount
    return _LUMP_SUM_ABOVE


def moratorium(entered_on: date) -> tuple[date, date]:
    """Return first and last day of the standard moratorium: 60 days from the day after the entry."""
    first = entered_on + timedelta(days=1)
    return first, entered_on + timedelta(days=MORATORIUM_DAYS)


def crisis_moratorium(entered_on: date, treatment_ends_on: date) -> tuple[date, date]:
    """Return first and last day in a mental health crisis: the treatment and 30 days after it."""
    return entered_on + timedelta(days=1), treatment_ends_on + timedelta(days=CRISIS_DAYS_AFTER)


class UnitedKingdom(Jurisdiction[NoSettings]):
    """The law of the United Kingdom as of `verified_on`, from secondary sources; no legal advice."""

    name: ClassVar[str] = "uk"
    title: ClassVar[str] = "United Kingdom"
    Settings: ClassVar[type[NoSettings]] = NoSettings
    code: ClassVar[str] = "uk"
    version: ClassVar[str] = "2026.1"
    verified_on: ClassVar[date] = VERIFIED_ON
    countries: ClassVar[tuple[str, ...]] = ("GB", "UK")

    def default_start(self, claim: ClaimFacts) -> DefaultStart | None:
        """Return the day after the due date, else after 30 days from the invoice."""
        last = claim.due_on
        if last is None and claim.issued_on is not None:
            last = claim.issued_on + timedelta(days=_TERM_DAYS)
        if last is None:
            return None
        return DefaultStart(last_day_to_pay=last, default_from=last + timedelta(days=1), rule=TERM)

    def interest(self, claim: ClaimFacts, default_from: date) -> Rates | None:
        """Return 8 % above the reference rate, fixed for the life of the debt; none for consumers."""
        if claim.debtor_kind == "CONSUMER":
            return None
        day, rate = reference(default_from)
        unsure = default_from <= day or default_from > CHECKED_UNTIL
        return Rates(
            steps=((date.min, rate + POINTS),),
            rule=LATE_PAYMENT,
            provisional_from=date.min if unsure else None,
        )

    def lump_sum(self, claim: ClaimFacts) -> Charge | None:
        """Return 40, 70 or 100 pounds by the size of the invoice; none for consumers."""
        if claim.debtor_kind == "CONSUMER" or claim.currency != "GBP":
            return None
        amount = lump_sum(claim.principal_minor)
        inputs = {"invoice": minor_text(claim.principal_minor, "GBP")}
        return Charge(amount_minor=amount, rule=LUMP_SUM, inputs=inputs)

    def contact_rules(self, debtor_kind: str) -> ContactRules:  # noqa: ARG002  # the same for both
        """Return reasonable times as we read them; e-mails and letters have no hours."""
        return CONTACT

    def moratorium(self, entered_on: date) -> tuple[date, date]:
        """Return the standard breathing space; one of a crisis has its end from the register."""
        return moratorium(entered_on)
