"""Reads many cases with their claims and sealed ledger lines at once, and accrues their interest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.components import Breathing, Financials
from finview.cases.interest import Accrual, Step, accrue, breathing_terms
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn, TxnKind
from finview.cases.models import Case, Debtor, DebtorKind, Invoice
from finview.cases.timeline import chunks
from finview.db.lists import one_of

IMPORTED_INTEREST = "import.interest"
"""The rule of interest the customer had charged; it is no part of what we accrue."""

ACCRUED_INTEREST = "interest.fixed"
"""The rule of interest we accrue by the case's own component."""

FIRST_STEP = date.min


@dataclass(slots=True, kw_only=True)
class Claim:
    """One invoice: the changes of its principal, and the interest posted of what it accrues."""

    invoice_id: int
    number: str | None
    issued_on: date | None
    due_on: date | None
    costs_minor: int
    interest_minor: int
    changes: list[Step] = field(default_factory=list)
    posted: list[Step] = field(default_factory=list)

    @property
    def principal(self) -> int:
        """What is open of the principal at the end of the reading."""
        return sum(change for _, change in self.changes)

    def steps(self) -> list[Step]:
        """Return the open principal as steps in order of their days."""
        steps: list[Step] = []
        total = 0
        for day, change in sorted(self.changes):
            total += change
            steps.append((day, total))
        return steps

    def posted_after(self, day: date) -> int:
        """Return the accrued interest that was posted on later days than this one."""
        return sum(amount for on, amount in self.posted if on > day)


@dataclass(slots=True, kw_only=True)
class CaseClaims:
    """One case as read: its terms, claims in order of due date, and its ledger lines.

    `stretch_from` is the day of the last allocation that interest was posted for: a stretch of
    interest runs from one allocation to the next and is rounded once (money.md 3).
    """

    id: int
    currency: str
    status: str
    business: bool
    customer_id: int
    financials: Financials | None
    breathing: Breathing
    charges_from: date | None
    charge_round: int
    stretch_from: date = FIRST_STEP
    claims: dict[int, Claim] = field(default_factory=dict)
    lines: list[Any] = field(default_factory=list)

    @property
    def principal(self) -> int:
        """The open principal of all claims."""
        return sum(claim.principal for claim in self.claims.values())

    def bears_interest(self, day: date) -> bool:
        """Tell whether money received on a day meets interest.

        Not before the end of a breathing space, of which nothing shows (money.md 7). Without one
        interest is owed since default, also for money received before the case was linked.
        """
        if self.charges_from is None:
            return False
        return not self.breathing.enabled or day >= self.charges_from

    def rates(self) -> list[Step]:
        """Return the yearly rate in 1/10,000 percent as steps in order of their days."""
        return [(FIRST_STEP, self.financials.interest.rate)] if self.financials else []

    def accrued(self, claim: Claim, until: date, *, after: date | None = None) -> Accrual | None:
        """Return the interest of a claim in its stretch up to a day, that day not counted.

        None without terms. `after` leaves out the days before it; by default those before the
        stretch.
        """
        if self.financials is None or not self.financials.interest.rate:
            return None
        terms = self.financials.interest
        first = terms.first_day(claim.issued_on, claim.due_on)
        if first is None:
            return None
        since, without = breathing_terms(self.breathing.policy, first, self.breathing.window)
        since = max(since, self.stretch_from if after is None else after)
        return accrue(
            claim.steps(),
            self.rates(),
            since=since,
            until=max(until, since),
            day_count=terms.day_count,
            without=without,
        )

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
            accrual = self.accrued(claim, day)
            if accrual is None:
                continue
            minor = accrual.minor - claim.posted_after(self.stretch_from)
            if minor:
                found.append((claim, accrual, minor))
        return found


def read_claims(
    session: Session, case_ids: Sequence[int], *, as_of: date, lock: bool = False
) -> dict[int, CaseClaims]:
    """Read cases with every sealed line of their claim accounts effective up to `as_of`.

    Three statements for each thousand cases. `lock` holds the cases until the transaction ends.
    """
    found: dict[int, CaseClaims] = {}
    for chunk in chunks(case_ids):
        found |= _cases(session, chunk, lock=lock)
        _claims(session, chunk, found)
        _lines(session, chunk, as_of, found)
    return found


def _cases(session: Session, case_ids: Sequence[int], *, lock: bool) -> dict[int, CaseClaims]:
    statement = (
        select(
            Case.id,
            Case.currency,
            Case.status,
            Case.customer_id,
            Case.financials,
            Case.breathing,
            Case.charges_from,
            Case.charge_round,
            Debtor.kind,
        )
        .join(Debtor, Debtor.id == Case.debtor_id)
        .where(one_of(Case.id, case_ids))
        .order_by(Case.id)
    )
    if lock:
        statement = statement.with_for_update(of=Case)
    return {
        row.id: CaseClaims(
            id=row.id,
            currency=row.currency,
            status=row.status,
            business=row.kind == DebtorKind.BUSINESS,
            customer_id=row.customer_id,
            financials=_financials(row.financials),
            breathing=_breathing(row.breathing),
            charges_from=row.charges_from,
            charge_round=row.charge_round,
        )
        for row in session.execute(statement)
    }


def _claims(session: Session, case_ids: Sequence[int], found: Mapping[int, CaseClaims]) -> None:
    rows = session.execute(
        select(
            Invoice.id,
            Invoice.case_id,
            Invoice.number,
            Invoice.issued_on,
            Invoice.due_on,
            Invoice.costs_minor,
            Invoice.interest_minor,
        )
        .where(one_of(Invoice.case_id, case_ids))
        .order_by(Invoice.case_id, Invoice.due_on, Invoice.id)
    )
    for row in rows:
        found[row.case_id].claims[row.id] = Claim(
            invoice_id=row.id,
            number=row.number,
            issued_on=row.issued_on,
            due_on=row.due_on,
            costs_minor=row.costs_minor,
            interest_minor=row.interest_minor,
        )


def _lines(
    session: Session, case_ids: Sequence[int], as_of: date, found: Mapping[int, CaseClaims]
) -> None:
    rows = session.execute(
        select(
            LedgerAccount.case_id,
            LedgerAccount.invoice_id,
            LedgerAccount.kind.label("account"),
            LedgerEntry.amount,
            LedgerEntry.line,
            LedgerTxn.id.label("txn_id"),
            LedgerTxn.kind.label("kind"),
            LedgerTxn.effective_on,
            LedgerTxn.reverses_id,
            LedgerTxn.rule,
        )
        .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
        .join(LedgerTxn, LedgerTxn.id == LedgerEntry.txn_id)
        .where(
            one_of(LedgerAccount.case_id, case_ids),
            LedgerAccount.kind != AccountKind.CLAIM_CONTRA,
            LedgerTxn.sealed == 1,
            LedgerTxn.effective_on <= as_of,
        )
    )
    allocated: dict[int, dict[int, date]] = {}
    undone: set[int] = set()
    for row in rows:
        case = found[row.case_id]
        case.lines.append(row)
        if row.account == AccountKind.PRINCIPAL:
            case.claims[row.invoice_id].changes.append((row.effective_on, row.amount))
        elif row.kind == TxnKind.INTEREST and row.rule == ACCRUED_INTEREST:
            case.claims[row.invoice_id].posted.append((row.effective_on, row.amount))
        if row.reverses_id is not None:
            undone |= {row.reverses_id, row.txn_id}
        elif row.kind == TxnKind.ALLOCATION:
            allocated.setdefault(row.case_id, {})[row.txn_id] = row.effective_on
    for case_id, txns in allocated.items():
        case = found[case_id]
        days = [day for txn, day in txns.items() if txn not in undone and case.bears_interest(day)]
        case.stretch_from = max(days, default=FIRST_STEP)


def _financials(value: Mapping[str, Any] | None) -> Financials | None:
    return None if value is None else _parsed_financials(orjson.dumps(value))


def _breathing(value: Mapping[str, Any] | None) -> Breathing:
    return _parsed_breathing(orjson.dumps(value or {}))


# The cases of a bucket share their snapshot: ten thousand of them are parsed once.
@lru_cache(maxsize=256)
def _parsed_financials(value: bytes) -> Financials:
    return Financials.model_validate_json(value)


@lru_cache(maxsize=256)
def _parsed_breathing(value: bytes) -> Breathing:
    return Breathing.model_validate_json(value)
