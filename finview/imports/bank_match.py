"""Which case a bank line pays: by case number, else by debtor number and amount; nothing guessed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from rapidfuzz import fuzz
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, CaseStatus, Debtor
from finview.cases.plans import plans_of
from finview.cases.statement import balances
from finview.cases.suspense import payments_of_amount, unreversed
from finview.customers.models import BusinessUnit, Customer
from finview.customers.units import zone_of
from finview.db.lists import one_of
from finview.imports.bank_models import BankLine as LineRow
from finview.imports.bank_models import BankLineState
from finview.imports.bank_numbers import Named, named_in
from finview.money import Money
from finview.plugins.contracts.statement import BankLine
from finview.text import skeleton

ALIKE_MIN = 85
"""How alike two names must be, of 100, to confirm a number that stands there without its letter."""
_CASES_MAX = 200
_NAMED_MAX = 10_000
"""More cases than the numbers in the lines of a chunk can name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a line is: `case_id` and no `payment_id`: a payment; both: that payment goes back.

    Without a case it waits for a person (`why` says for what), or there is nothing to book.
    """

    state: BankLineState
    why: str
    case_id: int | None = None
    payment_id: int | None = None
    near: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A case that a line may be about, as far as a decision needs it."""

    id: int
    number: str
    debtor_id: int
    debtor: str
    debtor_number: str
    unit_id: int
    currency: str
    status: str
    opened_on: date


@dataclass(slots=True)
class Desk:
    """What the lines of one chunk are decided with: their numbers looked up at once.

    `paid` is what earlier lines of the chunk pay, which no balance shows yet.
    """

    session: Session
    unit: BusinessUnit
    lines: Sequence[BankLine]
    named: list[Named] = field(init=False)
    by_number: dict[str, Found] = field(init=False)
    of_debtor: dict[str, list[Found]] = field(init=False)
    paid: dict[int, int] = field(default_factory=dict)
    reversed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Look up every number of every line, by two statements."""
        self.named = [named_in(f"{line.reference}\n{line.name}") for line in self.lines]
        numbers = {n for one in self.named for n in one.sure | one.maybe}
        cases = cases_where(self.session, self.unit, numbers=numbers)
        self.by_number = {case.number: case for case in cases}
        debtors = {n for n in numbers if n.startswith("D")}
        self.of_debtor = {}
        for case in cases_where(self.session, self.unit, debtors=debtors):
            self.of_debtor.setdefault(case.debtor_number, []).append(case)

    @property
    def today(self) -> date:
        """Return the day it is where the business unit is."""
        return clock.today(zone_of(self.unit))

    def judge(self, at: int) -> Verdict:
        """Return what is to be done with a line, and note what it pays; for returns see below."""
        line = self.lines[at]
        if line.amount_minor > 0:
            verdict = self._incoming(line, self.named[at])
            if verdict.case_id is not None and verdict.state == BankLineState.BOOKED:
                paid = self.paid.get(verdict.case_id, 0)
                self.paid[verdict.case_id] = paid + line.amount_minor
            return verdict
        why = "OUTGOING" if line.amount_minor else "ZERO"
        return Verdict(state=BankLineState.IGNORED, why=why)

    @property
    def going_back(self) -> list[int]:
        """Return the lines by which earlier payments go back."""
        return [at for at, line in enumerate(self.lines) if line.amount_minor < 0 and line.returned]

    def judge_return(self, at: int) -> Verdict:
        """Find the one payment that goes back: of a named case, else of the same payer.

        Call it once the other lines of the chunk are booked.
        """
        return self._went_back(self.lines[at], self.named[at])

    def _incoming(self, line: BankLine, named: Named) -> Verdict:
        sure = self._cases(named.cases())
        near = [*sure, *self._cases(named.maybe)]
        near += [
            c for n in sorted(named.debtors() | named.maybe) for c in self.of_debtor.get(n, [])
        ]
        if line.returned:
            return _waits("RETURNED_CREDIT", near)
        if line.value_on > self.today:
            return _waits("FUTURE", near)
        if len(sure) > 1:
            return _waits("SEVERAL", near)
        hits = sure or self._confirmed(line, named) or self._by_debtor(line, named)
        if len(hits) > 1:
            return _waits("SEVERAL", near)
        if not hits:
            return _waits("UNKNOWN", near)
        why = refusal_of(hits[0], line, self.unit.id)
        if why is not None:
            return _waits(why, near)
        how = "CASE_NUMBER" if sure or hits[0].number in named.maybe else "DEBTOR_AND_AMOUNT"
        return Verdict(state=BankLineState.BOOKED, why=how, case_id=hits[0].id)

    def _cases(self, numbers: Iterable[str]) -> list[Found]:
        return [self.by_number[n] for n in sorted(numbers) if n in self.by_number]

    def _confirmed(self, line: BankLine, named: Named) -> list[Found]:
        """Return the cases whose number stands there without its letter, and a second sign says so."""
        return [
            case
            for case in self._cases(named.maybe)
            if alike(line.name, case.debtor) >= ALIKE_MIN or self._owes(case, line)
        ]

    def _by_debtor(self, line: BankLine, named: Named) -> list[Found]:
        cases = [case for n in sorted(named.debtors()) for case in self.of_debtor.get(n, [])]
        return [case for case in cases if self._owes(case, line)]

    def _owes(self, case: Found, line: BankLine) -> bool:
        """Tell whether exactly this amount is open on the day of receipt, or a part of its plan."""
        if case.status == CaseStatus.CLOSED or case.currency != line.currency:
            return False
        paid = self.paid.get(case.id, 0)
        left = balances(self.session, [case.id], line.value_on)[case.id].open.minor
        if left - paid == line.amount_minor:
            return True
        plan = plans_of(self.session, [case.id]).get(case.id)
        parts = plan.parts if plan is not None and not paid else ()
        unpaid = [part.amount.minor - part.paid.minor for part in parts]
        return line.amount_minor in [minor for minor in unpaid if minor > 0][:1]

    def _went_back(self, line: BankLine, named: Named) -> Verdict:
        amount = Money(-line.amount_minor, line.currency)
        near = [c for c in self._cases(named.sure | named.maybe) if c.unit_id == self.unit.id]
        found = payments_of_amount(self.session, [case.id for case in near], amount)
        if not near and line.iban and line.name:
            found = self._from_payer(line, amount)
        found = [one for one in found if one[1] not in self.reversed]
        if len(found) != 1:
            why = "RETURN_SEVERAL" if found else "RETURN_UNKNOWN"
            return _waits(why, near, also=[case_id for case_id, _ in found])
        ((case_id, payment_id),) = found
        self.reversed.add(payment_id)
        state = BankLineState.BOOKED
        return Verdict(state=state, why="RETURNED", case_id=case_id, payment_id=payment_id)

    def _from_payer(self, line: BankLine, amount: Money) -> list[tuple[int, int]]:
        rows = self.session.execute(
            select(LineRow.case_id, LineRow.payment_id, LineRow.name)
            .where(
                LineRow.iban == line.iban,
                LineRow.business_unit_id == self.unit.id,
                LineRow.state == BankLineState.BOOKED,
                LineRow.amount_minor == amount.minor,
                LineRow.currency == amount.currency,
                LineRow.payment_id.is_not(None),
            )
            .order_by(LineRow.id)
            .limit(_CASES_MAX)
        ).all()
        same = {
            row.payment_id: row.case_id
            for row in rows
            if alike(row.name or "", line.name) >= ALIKE_MIN
        }
        standing = unreversed(self.session, list(same))
        return [(case_id, key) for key, case_id in same.items() if key in standing]


def _waits(why: str, near: Sequence[Found], also: Sequence[int] = ()) -> Verdict:
    ids = tuple(dict.fromkeys([*(case.id for case in near), *also]))
    return Verdict(state=BankLineState.SUSPENSE, why=why, near=ids)


def refusal_of(case: Found, line: BankLine, unit_id: int) -> str | None:
    """Return why a line must not be booked on a case by itself, None when it may."""
    if case.unit_id != unit_id:
        return "OTHER_UNIT"
    if case.currency != line.currency:
        return "CURRENCY"
    if case.status == CaseStatus.CLOSED:
        return "CLOSED"
    return "BEFORE_CASE" if line.value_on < case.opened_on else None


def alike(one: str, other: str) -> float:
    """Return how alike two names are, 0 to 100; the order of their words doesn't matter."""
    if not one or not other:
        return 0.0
    return float(fuzz.token_sort_ratio(skeleton(one), skeleton(other)))


def cases_where(
    session: Session,
    unit: BusinessUnit,
    *,
    numbers: Collection[str] = (),
    debtors: Collection[str] = (),
    ids: Collection[int] = (),
    debtor_ids: Collection[int] = (),
) -> list[Found]:
    """Return cases by their numbers or ids, or open ones of debtors (by id at most 200), oldest first.

    By case number those of other business units too: that a line names one is worth knowing.
    """
    wanted = (
        select(
            Case.id,
            Case.number,
            Case.debtor_id,
            Debtor.name,
            Debtor.number.label("debtor_number"),
            Customer.business_unit_id,
            Case.currency,
            Case.status,
            Case.opened_at,
        )
        .join(Debtor, Debtor.id == Case.debtor_id)
        .join(Customer, Customer.id == Case.customer_id)
        .order_by(Case.id)
        .limit(_NAMED_MAX if numbers or debtors else _CASES_MAX)
    )
    own = (Customer.business_unit_id == unit.id, Case.status != CaseStatus.CLOSED)
    cases = [n for n in numbers if n.startswith("C")]
    names, keys, owers = list(debtors), list(ids), list(debtor_ids)
    if cases:
        wanted = wanted.where(one_of(Case.number, cases))
    elif keys:
        wanted = wanted.where(one_of(Case.id, keys), Customer.business_unit_id == unit.id)
    elif names:
        wanted = wanted.where(one_of(Debtor.number, names), *own)
    elif owers:
        wanted = wanted.where(one_of(Case.debtor_id, owers), *own)
    else:
        return []
    zone = zone_of(unit)
    return [
        Found(
            id=row.id,
            number=row.number,
            debtor_id=row.debtor_id,
            debtor=row.name,
            debtor_number=row.debtor_number,
            unit_id=row.business_unit_id,
            currency=row.currency,
            status=row.status,
            opened_on=clock.day_in(row.opened_at, zone),
        )
        for row in session.execute(wanted)
    ]
