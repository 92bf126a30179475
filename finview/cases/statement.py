"""Balances in bulk, and the statement of a case that explains every cent with its rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.orm import Session

from finview.cases.allocation import CATEGORY
from finview.cases.claims import GIVEN_INTEREST, CaseClaims
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn, TxnKind
from finview.cases.models import Invoice
from finview.cases.postings import interest_inputs, interest_source
from finview.cases.reading import read_claims
from finview.cases.timeline import chunks
from finview.errors import NotFound
from finview.i18n import N_, sentence, sentences
from finview.money import Money, Rate, parse_rate

CODES = sentences(
    {
        "STATEMENT_CLAIM_PRINCIPAL": N_("Principal of invoice {invoice}"),
        "STATEMENT_IMPORT_COSTS": N_("Earlier costs of the creditor"),
        "STATEMENT_IMPORT_INTEREST": N_("Interest charged by the creditor on invoice {invoice}"),
        "STATEMENT_COST_FIXED": N_("Collection costs"),
        "STATEMENT_COST_PERCENT": N_("Collection costs, {percent} % of {principal}"),
        "STATEMENT_COST_TIERED": N_("Collection costs by the amount of {principal}"),
        "STATEMENT_COST_STATUTORY": N_("Collection costs by law: {rate} fee on {value}"),
        "STATEMENT_COST_LAW": N_("Collection costs by law"),
        "STATEMENT_COST_FLAT": N_("Flat rate for post and telephone"),
        "STATEMENT_COST_PLAN": N_("Fee for the payment plan"),
        "STATEMENT_COST_VAT": N_("VAT of {percent} % on {base}"),
        "STATEMENT_COST_ADMIN": N_("Administrative costs"),
        "STATEMENT_COST_LUMP_SUM": N_("Lump sum for late payment"),
        "STATEMENT_INTEREST_FIXED": N_(
            "Interest on invoice {invoice}: {percent} % a year for {days} days until {until}"
        ),
        "STATEMENT_INTEREST_FLOATING": N_(
            "Interest on invoice {invoice}: base rate plus {points} percentage points "
            "for {days} days until {until}"
        ),
        "STATEMENT_ADJUST_COSTS": N_("Costs changed by hand: {reason}"),
        "STATEMENT_ADJUST_INTEREST": N_("Interest changed by hand: {reason}"),
        "STATEMENT_CLAIM_CHANGED": N_("Amount of invoice {invoice} changed"),
        "STATEMENT_WRITE_OFF": N_("Written off: {reason}"),
        "STATEMENT_WITHDRAWN": N_("Withdrawn: {reason}"),
        "STATEMENT_REFUND_OVERPAID": N_("Refund of what was overpaid: {reason}"),
        "STATEMENT_PAID_COSTS": N_("Payment of {on}: costs"),
        "STATEMENT_PAID_INTEREST": N_("Payment of {on}: interest on invoice {invoice}"),
        "STATEMENT_PAID_PRINCIPAL": N_("Payment of {on}: principal of invoice {invoice}"),
        "STATEMENT_OVERPAID": N_("Payment of {on}: overpaid"),
        "STATEMENT_WAIVER_SETTLEMENT": N_("Waived: the settlement was kept"),
        "STATEMENT_WAIVER_SMALL_BALANCE": N_("Waived: a small rest"),
        "STATEMENT_WAIVER_PLAN_INTEREST": N_("Waived: interest while the payment plan was kept"),
        "STATEMENT_WAIVER_CAPPED": N_("Taken back: less was open than was given up"),
        "STATEMENT_OTHER": N_("Booking"),
    }
)

_COSTS = {AccountKind.COSTS_PRE, AccountKind.COSTS_OWN, AccountKind.VAT}
_CLAIM = {AccountKind.PRINCIPAL, AccountKind.INTEREST, AccountKind.OVERPAID, *_COSTS}
_BY_RULE = {
    "de.rvg.7002": "STATEMENT_COST_FLAT",
    "de.rvg.1000.plan": "STATEMENT_COST_PLAN",
    "de.lump_sum.288_5": "STATEMENT_COST_LUMP_SUM",
    "uk.lump_sum": "STATEMENT_COST_LUMP_SUM",
}
_ORDER = {TxnKind.OPEN: 0, TxnKind.COST: 1, TxnKind.INTEREST: 2, TxnKind.ALLOCATION: 3}


class Balance(NamedTuple):
    """What is still open of each part, their sum, and all money received for information.

    Kept in minor units of one currency: a million of them are made, few are looked at.
    """

    currency: str
    principal_minor: int
    interest_minor: int
    costs_minor: int
    payments_minor: int
    overpaid_minor: int = 0

    @property
    def principal(self) -> Money:
        """Open principal."""
        return Money(self.principal_minor, self.currency)

    @property
    def interest(self) -> Money:
        """Open interest."""
        return Money(self.interest_minor, self.currency)

    @property
    def costs(self) -> Money:
        """Open costs."""
        return Money(self.costs_minor, self.currency)

    @property
    def payments(self) -> Money:
        """All money received."""
        return Money(self.payments_minor, self.currency)

    @property
    def overpaid(self) -> Money:
        """What was received beyond all that was open, and not refunded."""
        return Money(max(self.overpaid_minor, 0), self.currency)

    @property
    def open(self) -> Money:
        """What is to be paid."""
        return Money(self.principal_minor + self.interest_minor + self.costs_minor, self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One line of the claim account with the rule it rests on; the text is made on reading."""

    on: date
    kind: str
    amount: Money
    code: str
    params: Mapping[str, Any]
    rule: str
    rule_version: str
    citation: str | None
    provisional: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def text(self, locale: str) -> str:
        """Return the line's sentence in `locale`."""
        return sentence(self.code, locale, self.params)


def balances(session: Session, case_ids: Sequence[int], as_of: date) -> dict[int, Balance]:
    """Return the balance of each case at the end of `as_of`: posted lines plus accrued interest.

    Interest runs up to the day, that day not counted. Before the first day of charges (during the
    breathing space, before the bucket link) there are neither costs nor interest.
    """
    return {
        key: balance_of(case, as_of)
        for key, case in read_claims(session, case_ids, as_of=as_of).items()
    }


def invoices_open(session: Session, invoice_ids: Sequence[int], as_of: date) -> dict[int, Money]:
    """Return the open principal of each invoice at the end of `as_of`."""
    found: dict[int, Money] = {}
    for chunk in chunks(invoice_ids):
        posted = (
            select(LedgerAccount.invoice_id, func.sum(LedgerEntry.amount).label("minor"))
            .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
            .join(LedgerTxn, LedgerTxn.id == LedgerEntry.txn_id)
            .where(
                LedgerAccount.invoice_id.in_(chunk),
                LedgerAccount.kind == AccountKind.PRINCIPAL,
                LedgerTxn.sealed == 1,
                LedgerTxn.effective_on <= as_of,
            )
            .group_by(LedgerAccount.invoice_id)
            .subquery()
        )
        rows = session.execute(
            select(Invoice.id, Invoice.currency, func.coalesce(posted.c.minor, 0).label("minor"))
            .outerjoin(posted, posted.c.invoice_id == Invoice.id)
            .where(Invoice.id.in_(chunk))
        )
        found |= {row.id: Money(int(row.minor), row.currency) for row in rows}
    return found


def overpaid() -> Select[Any]:
    """Return the query for the cases on which more was received than was open, and not refunded."""
    # Written out: only then the partial index of these accounts is used.
    kind = LedgerAccount.kind == literal_column(f"'{AccountKind.OVERPAID}'")
    return (
        select(LedgerAccount.case_id)
        .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
        .join(LedgerTxn, LedgerTxn.id == LedgerEntry.txn_id)
        .where(kind, LedgerAccount.case_id.is_not(None), LedgerTxn.sealed == 1)
        .group_by(LedgerAccount.case_id)
        .having(func.sum(LedgerEntry.amount) < 0)
    )


def statement(session: Session, case_id: int, as_of: date) -> list[StatementLine]:
    """Return every line of a case's claim account up to `as_of`, in order of their days.

    They add up to what is open, less what was overpaid.
    Interest that has accrued but is not posted stands as lines of its own at the end. A posting
    that was reversed and its reversal cancel out and are left out. Raises `NotFound`.
    """
    case = read_claims(session, [case_id], as_of=as_of).get(case_id)
    if case is None:
        raise NotFound
    return lines_of(case, _explanations(session, case), as_of)


def lines_of(case: CaseClaims, told: Mapping[int, Any], as_of: date) -> list[StatementLine]:
    """Return the statement of a case that was read up to a day; `told` explains transactions."""
    undone = {row.reverses_id for row in case.lines if row.reverses_id is not None}
    lines = [
        _line(case, row, told[row.txn_id])
        for row in sorted(case.lines, key=lambda row: (row.txn_id, row.line))
        if row.reverses_id is None and row.txn_id not in undone and row.account in _CLAIM
    ]
    lines += [
        _interest_line(
            as_of,
            Money(minor, case.currency),
            interest_inputs(case, claim, as_of, accrual),
            **interest_source(case, claim, as_of),
        )
        for claim, accrual, minor in case.unposted(as_of)
    ]
    return sorted(lines, key=lambda line: (line.on, _ORDER.get(TxnKind(line.kind), 4)))


def balance_of(case: CaseClaims, as_of: date) -> Balance:
    """Return the balance of a case that was read up to a day (pure)."""
    principal = interest = costs = payments = overpaid = 0
    for row in case.lines:
        account = row.account
        if account == "PRINCIPAL":
            principal += row.amount
        elif account == "INTEREST":
            interest += row.amount
        elif account in _COSTS:
            costs += row.amount
        elif account == "UNALLOCATED" and row.kind == "PAYMENT":
            payments -= row.amount
        elif account == "OVERPAID":
            overpaid -= row.amount
    interest += case.unposted_minor(as_of)
    return Balance(case.currency, principal, interest, costs, payments, overpaid)


def _explanations(session: Session, case: CaseClaims) -> dict[int, Any]:
    rows = session.execute(
        select(
            LedgerTxn.id,
            LedgerTxn.rule_version,
            LedgerTxn.citation,
            LedgerTxn.inputs,
            LedgerTxn.provisional,
            LedgerTxn.reason,
        ).where(LedgerTxn.case_id == case.id)
    )
    return {row.id: row for row in rows}


def _line(case: CaseClaims, row: Any, told: Any) -> StatementLine:
    amount = Money(row.amount, case.currency)
    source = {
        "rule": row.rule,
        "rule_version": told.rule_version,
        "citation": told.citation,
        "provisional": told.provisional,
    }
    if row.kind == TxnKind.INTEREST and row.rule not in GIVEN_INTEREST:
        return _interest_line(row.effective_on, amount, told.inputs, **source)
    received = told.inputs.get("receivedOn")
    claim = case.claims.get(row.invoice_id) if row.invoice_id else None
    return StatementLine(
        on=row.effective_on,
        kind=row.kind,
        amount=amount,
        code=_code(row, told.inputs),
        params={
            "invoice": (claim and claim.number) or "–",
            "percent": _percent(told.inputs),
            "principal": _money(told.inputs, "principal", case.currency, row.kind),
            "value": _money(told.inputs, "value", case.currency, row.kind),
            "base": _money(told.inputs, "base", case.currency, row.kind),
            "rate": told.inputs.get("rate", ""),
            "reason": told.reason or "",
            "on": date.fromisoformat(received) if received else "",
        },
        inputs=told.inputs,
        **source,
    )


def _code(row: Any, inputs: Mapping[str, Any]) -> str:
    """Return the code of a line's sentence: by what it paid, by its rule, else by its kind."""
    if row.kind == TxnKind.ALLOCATION:
        category = CATEGORY.get(row.account)
        return f"STATEMENT_PAID_{category.upper()}" if category else "STATEMENT_OVERPAID"
    if row.rule in _BY_RULE:
        return _BY_RULE[row.rule]
    code = f"STATEMENT_{row.rule.replace('.', '_').upper()}"
    if code in CODES:
        return code
    if row.kind == TxnKind.COST:
        return "STATEMENT_COST_STATUTORY" if "value" in inputs else "STATEMENT_COST_LAW"
    return "STATEMENT_OTHER"


def _interest_line(
    on: date, amount: Money, inputs: Mapping[str, Any], **source: Any
) -> StatementLine:
    floating = "points" in inputs
    return StatementLine(
        on=on,
        kind=TxnKind.INTEREST,
        amount=amount,
        code="STATEMENT_INTEREST_FLOATING" if floating else "STATEMENT_INTEREST_FIXED",
        params={
            "invoice": inputs.get("invoice") or "–",
            "percent": _percent(inputs),
            "points": Rate(parse_rate(inputs["points"])) if floating else "",
            "days": sum(segment["days"] for segment in inputs.get("segments", ())),
            "until": on,
        },
        inputs=inputs,
        **source,
    )


def _percent(inputs: Mapping[str, Any]) -> Rate | str:
    return Rate(parse_rate(inputs["percent"])) if "percent" in inputs else ""


def _money(inputs: Mapping[str, Any], name: str, currency: str, kind: str) -> Money | str:
    """Return an amount of a cost's inputs; allocations keep sums under the same names."""
    value = inputs.get(name) if kind == TxnKind.COST else None
    return Money.parse(value, currency) if value else ""
