"""One case as its ledger tells it: terms, claims, lines, and the interest that accrues (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from finview.cases import law
from finview.cases.components import Breathing, InterestKind, Snapshot
from finview.cases.interest import Accrual, Step, Window, accrue, breathing_terms, denominator
from finview.money import round_half_up
from finview.plugins.contracts.jurisdiction import ClaimFacts, Jurisdiction

IMPORTED_INTEREST = "import.interest"
"""The rule of interest the customer had charged; it is no part of what we accrue."""

ADJUSTED_INTEREST = "adjust.interest"
"""The rule of interest added or taken away by hand."""

GIVEN_INTEREST = frozenset({IMPORTED_INTEREST, ADJUSTED_INTEREST})
"""Interest that comes from outside; all other interest follows from the facts."""

FIRST_STEP = date.min


class Terms(NamedTuple):
    """How a claim bears interest: its tariff, its first day, and the days left out."""

    tariff: law.Tariff
    since: date
    without: tuple[Window, ...]


@dataclass(slots=True, kw_only=True)
class Claim:
    """One invoice: the changes of its principal, and the interest posted of what it accrues."""

    invoice_id: int
    number: str | None
    issued_on: date | None
    due_on: date | None
    costs_minor: int
    interest_minor: int
    amount_minor: int = 0
    changes: list[Step] = field(default_factory=list)
    posted: list[Step] = field(default_factory=list)

    @property
    def principal(self) -> int:
        """What is open of the principal at the end of the reading."""
        return sum(change for _, change in self.changes)

    def steps(self) -> list[Step]:
        """Return the open principal as steps in order of their days."""
        if len(self.changes) < 2:
            return self.changes
        steps: list[Step] = []
        total = 0
        for day, change in sorted(self.changes):
            total += change
            steps.append((day, total))
        return steps

    def posted_after(self, day: date) -> int:
        """Return the accrued interest that was posted on later days than this one."""
        return sum([amount for on, amount in self.posted if on > day])


@dataclass(slots=True, kw_only=True)
class CaseClaims:
    """One case as read: its terms, claims in order of due date, and its ledger lines.

    `stretch_from` is the day of the last allocation that interest was posted for: a stretch of
    interest runs from one allocation to the next and is rounded once. `pack` is the
    law the case was linked under; None only while it has no components. `windows` are days that bear
    no interest whatever the breathing space says, such as those of a statutory moratorium.
    """

    id: int
    currency: str
    status: str
    business: bool
    customer_id: int
    financials: Snapshot | None
    breathing: Breathing
    charges_from: date | None
    charge_round: int
    pack: Jurisdiction[Any] | None = None
    opened_on: date | None = None
    windows: tuple[Window, ...] = ()
    stretch_from: date = FIRST_STEP
    claims: dict[int, Claim] = field(default_factory=dict)
    lines: list[Any] = field(default_factory=list)

    @property
    def principal(self) -> int:
        """The open principal of all claims."""
        return sum(claim.principal for claim in self.claims.values())

    def bears_interest(self, day: date) -> bool:
        """Tell whether money received on a day meets interest.

        Not before the end of a breathing space, of which nothing shows. Without one
        interest is owed since default, also for money received before the case was linked.
        """
        if self.charges_from is None:
            return False
        return not self.breathing.enabled or day >= self.charges_from

    def facts(self, claim: Claim | None = None, *, principal: int = 0) -> ClaimFacts:
        """Return what the law may ask about a claim, or about the whole case."""
        return ClaimFacts(
            debtor_kind="BUSINESS" if self.business else "CONSUMER",
            currency=self.currency,
            principal_minor=principal,
            issued_on=claim.issued_on if claim else None,
            due_on=claim.due_on if claim else None,
            mandate_on=None if claim else self.opened_on,
            contested=self.status == "DISPUTED" and claim is None,
        )

    def default_from(self, claim: Claim) -> date | None:
        """Return the first day of default by the law of the case."""
        found = law.default_from(self.pack, self.facts(claim)) if self.pack else None
        return found[0] if found else None

    def terms(self, claim: Claim) -> Terms | None:
        """Return how a claim bears interest; None when it bears none.

        Where the creditor has charged interest itself, ours begins with the hand-over: the same
        days are never charged twice.
        """
        if self.financials is None:
            return None
        asked = self.financials.interest
        if asked.kind is InterestKind.NONE:
            return None
        default = None
        if asked.kind is InterestKind.STATUTORY or asked.starts_on == "DEFAULT":
            default = self.default_from(claim)
        first = asked.first_day(claim.issued_on, claim.due_on, default)
        tariff = self._tariff(claim, default or first) if first else None
        if first is None or tariff is None:
            return None
        if claim.interest_minor > 0 and self.opened_on is not None:
            first = max(first, self.opened_on)
        since, without = breathing_terms(self.breathing.policy, first, self.breathing.window)
        return Terms(tariff, since, (*without, *self.windows))

    def _tariff(self, claim: Claim, default: date | None) -> law.Tariff | None:
        assert self.financials is not None
        asked = self.financials.interest
        if asked.kind is InterestKind.FIXED:
            return law.fixed(asked.rate, asked.day_count) if asked.rate else None
        assert self.pack is not None, "a case with components has a law pack"
        if asked.kind is InterestKind.BASE_PLUS:
            return law.base_plus(self.pack, asked.added, asked.day_count)
        assert default is not None
        return law.statutory(self.pack, self.facts(claim), default, asked.day_count)

    def accrued(self, claim: Claim, until: date, *, after: date | None = None) -> Accrual | None:
        """Return the interest of a claim in its stretch up to a day, that day not counted.

        None without terms. `after` leaves out the days before it; by default those before the
        stretch.
        """
        terms = self.terms(claim)
        if terms is None or self.financials is None:
            return None
        since = max(terms.since, self.stretch_from if after is None else after)
        return accrue(
            claim.steps(),
            terms.tariff.steps,
            since=since,
            until=max(until, since),
            day_count=self.financials.interest.day_count,
            without=terms.without,
        )

    def owed(self, claim: Claim, until: date) -> int:
        """Return `accrued` in minor units, summed up from the tariff's curve."""
        terms = self.terms(claim)
        if terms is None or self.financials is None:
            return 0
        since = max(self.stretch_from, terms.since)
        found = terms.tariff.curve.numerator(claim.steps(), since, until, terms.without)
        return round_half_up(found, denominator(self.financials.interest.day_count))

    def provisional(self, claim: Claim, until: date) -> bool:
        """Tell whether the interest of the stretch rests on a rate that isn't published yet."""
        terms = self.terms(claim)
        if terms is None:
            return False
        return terms.tariff.provisional(max(terms.since, self.stretch_from), until)

    def unposted_minor(self, as_of: date) -> int:
        """Return the interest of all claims that shows on a day and is not posted yet."""
        if self.charges_from is None or as_of < self.charges_from:
            return 0
        total = 0
        for claim in self.claims.values():
            total += self.owed(claim, as_of)
            if claim.posted:
                total -= claim.posted_after(self.stretch_from)
        return total

    def unposted(self, as_of: date) -> list[tuple[Claim, Accrual, int]]:
        """Return the interest not posted yet of each claim, as it shows on a day.

        Nothing shows before the first day of charges (during a breathing space, before the link).
        """
        if self.charges_from is None or as_of < self.charges_from:
            return []
        return self.to_post(as_of)

    def to_post(self, day: date) -> list[tuple[Claim, Accrual, int]]:
        """Return what a posting on a day adds: the stretch, rounded, less what is posted in it."""
        found = []
        for claim in self.claims.values():
            minor = self.owed(claim, day) - claim.posted_after(self.stretch_from)
            if minor:
                accrual = self.accrued(claim, day)
                assert accrual is not None, "what bears interest has terms"
                found.append((claim, accrual, minor))
        return found


def gather(lines: Sequence[Any], cases: dict[int, CaseClaims]) -> None:
    """Hand ledger lines to their cases: principal, posted interest, the start of the stretch."""
    allocated: dict[int, dict[int, date]] = {}
    undone: set[int] = set()
    for row in lines:
        case = cases[row.case_id]
        case.lines.append(row)
        if row.account == "PRINCIPAL":
            case.claims[row.invoice_id].changes.append((row.effective_on, row.amount))
        elif row.kind == "INTEREST" and row.rule not in GIVEN_INTEREST:
            case.claims[row.invoice_id].posted.append((row.effective_on, row.amount))
        if row.reverses_id is not None:
            undone |= {row.reverses_id, row.txn_id}
        elif row.kind == "ALLOCATION":
            allocated.setdefault(row.case_id, {})[row.txn_id] = row.effective_on
    for case_id, txns in allocated.items():
        case = cases[case_id]
        days = [day for txn, day in txns.items() if txn not in undone and case.bears_interest(day)]
        case.stretch_from = max(days, default=FIRST_STEP)
