"""Allocation: what money received pays, derived from the facts of a case and posted anew with them.

Facts come from outside (claims, costs, payments). Interest posted and allocations follow from them:
they are replayed in order of their days, and whatever stands otherwise in the ledger is reversed
and posted anew. So the order in which facts are entered never matters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases import ledger
from finview.cases.claims import FIRST_STEP, GIVEN_INTEREST, CaseClaims, Claim
from finview.cases.interest import Step
from finview.cases.ledger import Account, Posting
from finview.cases.ledger_models import AccountKind, LedgerTxn, TxnKind
from finview.cases.postings import account, accrued_posting
from finview.cases.reading import read_claims
from finview.cases.received import Received
from finview.cases.refunded import reserved
from finview.cases.timeline import chunks
from finview.db.lists import one_of
from finview.money import minor_text

COSTS, INTEREST, PRINCIPAL = "costs", "interest", "principal"
ORDERS: Mapping[str, tuple[str, str, str]] = {
    "DE_367": (COSTS, INTEREST, PRINCIPAL),
    "DE_497": (COSTS, PRINCIPAL, INTEREST),
    "PRINCIPAL_FIRST": (PRINCIPAL, COSTS, INTEREST),
}
CAPPED = "waiver.capped"
"""The rule of what is taken back of a waiver because less was open than it gave up."""

_GIVEN_UP = (TxnKind.WAIVER, TxnKind.WRITE_OFF)
_MOVING = (TxnKind.PAYMENT, *_GIVEN_UP)
CITATIONS = {"DE_367": "§ 367(1) BGB", "DE_497": "§ 497(3) BGB"}
CATEGORY: Mapping[str, str] = {
    AccountKind.COSTS_PRE: COSTS,
    AccountKind.COSTS_OWN: COSTS,
    AccountKind.VAT: COSTS,
    AccountKind.INTEREST: INTEREST,
    AccountKind.PRINCIPAL: PRINCIPAL,
}

Place = tuple[str, int | None]
"""One account of a claim: its kind, and its invoice where it has one."""


def waterfall(amount: int, due: Sequence[int]) -> list[int]:
    """Pay amounts due one after the other and return the parts; what is left pays nothing."""
    parts = []
    for each in due:
        parts.append(min(amount, max(each, 0)))
        amount -= parts[-1]
    return parts


def reallocate(session: Session, case_ids: Sequence[int], *, by: int | None) -> None:
    """Bring posted interest and allocations of cases to what their facts demand.

    Cases on which nothing was paid or given up are left as they are. Locks those it touches.
    """
    for chunk in chunks(sorted(case_ids)):
        paid = session.scalars(
            select(LedgerTxn.case_id)
            .where(one_of(LedgerTxn.case_id, chunk), LedgerTxn.kind.in_(_MOVING))
            .distinct()
        ).all()
        recompute(session, [key for key in paid if key], by=by)


def recompute(session: Session, case_ids: Sequence[int], *, by: int | None) -> None:
    """Do the same for all of these cases, also for those on which nothing was paid."""
    cases = read_claims(session, case_ids, as_of=date.max, lock=True)
    standing, used = _standing(session, cases)
    wrong: list[int] = []
    missing: list[Posting] = []
    for case in cases.values():
        wanted = {_mark(posting): posting for posting in replay(case)}
        mine = standing[case.id]
        differ = {
            mark
            for mark, (_, content) in mine.items()
            if mark not in wanted or _content(case, wanted[mark]) != content
        }
        wrong += [mine[mark][0] for mark in differ]
        missing += [p for mark, p in wanted.items() if mark not in mine or mark in differ]
    if wrong:
        ledger.reverse(session, sorted(wrong), by=by, reason="RECOMPUTED")
    ledger.post(session, [_anew(posting, used) for posting in missing], by=by)


def payments_in(case: CaseClaims) -> list[Received]:
    """Return the payments of a case that were not reversed, in order of value date and entry."""
    undone = {row.reverses_id for row in case.lines}
    found = [
        Received(id=row.txn_id, on=row.effective_on, minor=-row.amount, currency=case.currency)
        for row in case.lines
        if row.kind == TxnKind.PAYMENT
        and row.account == AccountKind.UNALLOCATED
        and row.reverses_id is None
        and row.txn_id not in undone
    ]
    return sorted(found, key=lambda payment: (payment.on, payment.id))


def _anew(posting: Posting, used: set[str]) -> Posting:
    """Return the posting under a key that no earlier, reversed posting has."""
    key, n = posting.idem_key, 1
    while key in used:
        n += 1
        key = f"{posting.idem_key}:{n}"
    return replace(posting, idem_key=key)


Mark = tuple[str, date, int | None]
"""What a derived posting is about: its kind, its day, its payment or invoice."""

Content = tuple[Any, Any, str | None]


def _mark(posting: Posting) -> Mark:
    about = posting.inputs.get("payment")
    if posting.kind == TxnKind.INTEREST:
        about = posting.lines[0][0].invoice_id
    return posting.kind, posting.effective_on, about


def _content(case: CaseClaims, posting: Posting) -> Content:
    # The other side (contra, payable) follows from the lines of the case itself.
    own = [
        (a.kind, a.invoice_id, minor)
        for a, minor in posting.lines
        if a.case_id == case.id and a.kind != AccountKind.CLAIM_CONTRA
    ]
    # What rests on a carried-on rate is posted anew with a newer pack, also when it is the same.
    resting = posting.rule_version if posting.provisional else None
    return sorted(own, key=str), dict(posting.inputs), resting


def _standing(
    session: Session, cases: Mapping[int, CaseClaims]
) -> tuple[dict[int, dict[Mark, tuple[int, Content]]], set[str]]:
    """Return the derived postings that stand, by case and by what they are about, and all keys."""
    rows = session.execute(
        select(
            LedgerTxn.id,
            LedgerTxn.idem_key,
            LedgerTxn.inputs,
            LedgerTxn.provisional,
            LedgerTxn.rule_version,
        ).where(
            one_of(LedgerTxn.case_id, sorted(cases)),
            LedgerTxn.kind.in_((TxnKind.INTEREST, TxnKind.ALLOCATION, TxnKind.WAIVER)),
        )
    ).all()
    inputs = {row.id: row.inputs for row in rows}
    resting = {row.id: row.rule_version if row.provisional else None for row in rows}
    found: dict[int, dict[Mark, tuple[int, Content]]] = {}
    for case in cases.values():
        undone = {row.reverses_id for row in case.lines}
        lines: dict[int, list[tuple[str, int | None, int]]] = {}
        marks: dict[int, Mark] = {}
        for row in case.lines:
            if not is_derived(row) or row.reverses_id is not None or row.txn_id in undone:
                continue
            lines.setdefault(row.txn_id, []).append((row.account, row.invoice_id, row.amount))
            about = inputs[row.txn_id].get("payment")
            if row.kind == TxnKind.INTEREST:
                about = row.invoice_id
            marks[row.txn_id] = (row.kind, row.effective_on, about)
        found[case.id] = {
            mark: (txn_id, (sorted(lines[txn_id], key=str), inputs[txn_id], resting[txn_id]))
            for txn_id, mark in marks.items()
        }
    return found, {row.idem_key for row in rows}


def is_derived(row: Any) -> bool:
    """Tell whether a line follows from the facts of its case, and is computed anew from them."""
    if row.kind == TxnKind.INTEREST:
        return row.rule not in GIVEN_INTEREST
    return bool(row.kind == TxnKind.ALLOCATION) or row.rule == CAPPED


def replay(case: CaseClaims) -> list[Posting]:
    """Return the interest and the allocations that follow from the facts of a case, in order.

    Pure. Payments of one day are allocated in order of entry, which makes the same sums as one
    payment would. What a payment can't pay is overpaid, and pays what is claimed on a later day.
    """
    return _Replay(case).run()


class _Replay:
    """The claim account built up day by day from its facts."""

    def __init__(self, case: CaseClaims) -> None:
        facts = [row for row in case.lines if not is_derived(row) and row.account in CATEGORY]
        self.payments = payments_in(case)
        self.refunded, self.short = reserved(self.payments, case.lines)
        self.changes: dict[Place, list[Step]] = {}
        for row in facts:
            self.changes.setdefault((row.account, row.invoice_id), []).append(
                (row.effective_on, row.amount)
            )
        claims = {
            key: replace(
                claim, posted=[], changes=self.changes.setdefault((AccountKind.PRINCIPAL, key), [])
            )
            for key, claim in sorted(case.claims.items(), key=_by_age)
        }
        self.case = replace(case, claims=claims, lines=[], stretch_from=FIRST_STEP)
        self.fact_days = {row.effective_on for row in facts}
        self.given_up_on = {row.effective_on for row in facts if row.kind in _GIVEN_UP}
        self.posted_on = set(self.given_up_on)
        if case.breathing.window is not None and case.charges_from is not None:
            self.posted_on.add(case.charges_from)
        order = case.financials.outer_order if case.financials else "DE_367"
        self.order = order
        self.places = _places(claims, ORDERS[order])
        self.made: list[Posting] = []

    def run(self) -> list[Posting]:
        case = self.case
        first = min((payment.on for payment in self.payments), default=date.max)
        days = {payment.on for payment in self.payments}
        days |= {day for day in self.fact_days if day > first}
        days |= self.posted_on
        over: list[tuple[Received, int]] = []
        for day in sorted(days):
            new = [payment for payment in self.payments if payment.on == day]
            owed = bool(over) and self._owed(day)
            if not (new or owed or day in self.posted_on):
                continue
            if case.bears_interest(day):
                self._post_interest(day)
            if day in self.given_up_on:
                self._cap(day)
            over = [(p, self._allocate(p, rest, day, again=True)) for p, rest in over]
            over += [(p, self._allocate(p, p.minor, day)) for p in new]
            over = [(payment, rest) for payment, rest in over if self._usable(payment, rest)]
            if (new or owed) and case.bears_interest(day):
                case.stretch_from = day
        return self.made

    def _usable(self, payment: Received, rest: int) -> bool:
        """Tell whether what is left over of a payment may still pay something.

        More may have been refunded than there was, because money went back since: then the next
        that is left over makes up for it.
        """
        kept = self.refunded.get(payment.id, 0)
        taken = min(self.short, max(rest - kept, 0))
        self.short -= taken
        self.refunded[payment.id] = kept + taken
        return rest > kept + taken

    def _open(self, place: Place, day: date) -> int:
        return sum(minor for on, minor in self.changes.get(place, ()) if on <= day)

    def _owed(self, day: date) -> bool:
        if any(self._open(place, day) > 0 for place in self.places):
            return True
        return self.case.bears_interest(day) and bool(self.case.to_post(day))

    def _post_interest(self, day: date) -> None:
        for claim, accrual, minor in self.case.to_post(day):
            self.made.append(accrued_posting(self.case, claim, minor, day, accrual))
            claim.posted.append((day, minor))
            place = (AccountKind.INTEREST, claim.invoice_id)
            self.changes.setdefault(place, []).append((day, minor))

    def _cap(self, day: date) -> None:
        """Take back of what was given up on a day whatever is more than was open then.

        Money that is entered later and received before may have paid it already.
        """
        lines: list[tuple[Account, int]] = []
        for place in self.places:
            excess = -self._open(place, day)
            if excess > 0:
                lines.append((account(self.case, *place), excess))
                self.changes[place].append((day, excess))
        if lines:
            contra = account(self.case, AccountKind.CLAIM_CONTRA)
            lines.append((contra, -sum(minor for _, minor in lines)))
            self.made.append(
                Posting(
                    case_id=self.case.id,
                    kind=TxnKind.WAIVER,
                    effective_on=day,
                    idem_key=f"capped:{self.case.id}:{day.isoformat()}",
                    lines=tuple(lines),
                    rule=CAPPED,
                )
            )

    def _allocate(self, payment: Received, minor: int, day: date, *, again: bool = False) -> int:
        """Post what an amount of a payment pays on a day and return what is left over."""
        usable = minor - self.refunded.get(payment.id, 0)
        parts = waterfall(usable, [self._open(place, day) for place in self.places])
        paid = {place: part for place, part in zip(self.places, parts, strict=True) if part}
        if again and not paid:
            return minor
        for place, part in paid.items():
            self.changes[place].append((day, -part))
        rest = minor - sum(parts)
        self.made.append(_allocation(self.case, self.order, payment, paid, rest, day, again=again))
        return rest


def _by_age(item: tuple[int, Claim]) -> tuple[bool, date, int]:
    """Order claims by their due date, those without one last."""
    key, claim = item
    due = claim.due_on or claim.issued_on
    return due is None, due or date.max, key


def _places(claims: Mapping[int, Claim], order: Sequence[str]) -> list[Place]:
    groups: dict[str, list[Place]] = {
        COSTS: [
            (kind, None) for kind in (AccountKind.COSTS_PRE, AccountKind.COSTS_OWN, AccountKind.VAT)
        ],
        INTEREST: [(AccountKind.INTEREST, key) for key in claims],
        PRINCIPAL: [(AccountKind.PRINCIPAL, key) for key in claims],
    }
    return [place for category in order for place in groups[category]]


def _allocation(
    case: CaseClaims,
    order: str,
    payment: Received,
    paid: Mapping[Place, int],
    rest: int,
    day: date,
    *,
    again: bool,
) -> Posting:
    """Return the posting: what pays on one side, what is paid on the other, the rest overpaid."""
    total = sum(paid.values())
    lines: list[tuple[Account, int]] = [
        (account(case, kind, invoice_id), -part) for (kind, invoice_id), part in paid.items()
    ]
    over = account(case, AccountKind.OVERPAID)
    if again:
        lines.insert(0, (over, total))
    else:
        lines.insert(0, (account(case, AccountKind.UNALLOCATED), total + rest))
        lines += [(over, -rest)] if rest else []
    if total:
        payable = Account(
            kind=AccountKind.CUSTOMER_PAYABLE, currency=case.currency, customer_id=case.customer_id
        )
        lines += [(account(case, AccountKind.CLAIM_CONTRA), total), (payable, -total)]
    sums = dict.fromkeys((COSTS, INTEREST, PRINCIPAL), 0)
    for (kind, _), part in paid.items():
        sums[CATEGORY[kind]] += part
    return Posting(
        case_id=case.id,
        kind=TxnKind.ALLOCATION,
        effective_on=day,
        idem_key=f"allocation:{payment.id}:{day.isoformat()}",
        lines=tuple(lines),
        rule=f"allocation.{order.lower()}",
        citation=CITATIONS.get(order),
        inputs={
            "payment": payment.id,
            "receivedOn": payment.on.isoformat(),
            "received": minor_text(payment.minor, case.currency),
            "order": order,
            **{name: minor_text(part, case.currency) for name, part in sums.items()},
            "overpaid": minor_text(rest, case.currency),
        },
    )
