"""Balances in bulk, and the statement of a case that explains every cent with its rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.cases.allocation import CATEGORY
from finview.cases.claims import ACCRUED_INTEREST, CaseClaims, read_claims
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn, TxnKind
from finview.cases.models import Invoice
from finview.cases.postings import interest_inputs
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
        "STATEMENT_COST_ADMIN": N_("Administrative costs"),
        "STATEMENT_COST_LUMP_SUM": N_("Lump sum for late payment"),
        "STATEMENT_INTEREST_FIXED": N_(
            "Interest on invoice {invoice}: {percent} % a year for {days} days until {until}"
        ),
        "STATEMENT_PAID_COSTS": N_("Payment of {on}: costs"),
        "STATEMENT_PAID_INTEREST": N_("Payment of {on}: interest on invoice {invoice}"),
        "STATEMENT_PAID_PRINCIPAL": N_("Payment of {on}: principal of invoice {invoice}"),
        "STATEMENT_OVERPAID": N_("Payment of {on}: overpaid"),
        "STATEMENT_WAIVER_SETTLEMENT": N_("Waived: the settlement was kept"),
        "STATEMENT_OTHER": N_("Booking"),
    }
)

_COSTS = {AccountKind.COSTS_PRE, AccountKind.COSTS_OWN, AccountKind.VAT}
_CLAIM = {AccountKind.PRINCIPAL, AccountKind.INTEREST, AccountKind.OVERPAID, *_COSTS}
_ORDER = {TxnKind.OPEN: 0, TxnKind.COST: 1, TxnKind.INTEREST: 2, TxnKind.ALLOCATION: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What is still open of each part, their sum, and all money received for information."""

    principal: Money
    interest: Money
    costs: Money
    payments: Money
    open: Money


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
        key: _balance(case, as_of)
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


def statement(session: Session, case_id: int, as_of: date) -> list[StatementLine]:
    """Return every line of a case's claim account up to `as_of`, in order of their days.

    They add up to what is open, less what was overpaid (money.md 6).
    Interest that has accrued but is not posted stands as lines of its own at the end. A posting
    that was reversed and its reversal cancel out and are left out. Raises `NotFound`.
    """
    case = read_claims(session, [case_id], as_of=as_of).get(case_id)
    if case is None:
        raise NotFound
    told = _explanations(session, case)
    undone = {row.reverses_id for row in case.lines if row.reverses_id is not None}
    lines = [
        _line(case, row, told[row.txn_id])
        for row in sorted(case.lines, key=lambda row: (row.txn_id, row.line))
        if row.reverses_id is None and row.txn_id not in undone and row.account in _CLAIM
    ]
    lines += [
        _interest_line(
            as_of, Money(minor, case.currency), interest_inputs(case, claim, as_of, accrual)
        )
        for claim, accrual, minor in case.unposted(as_of)
    ]
    return sorted(lines, key=lambda line: (line.on, _ORDER.get(TxnKind(line.kind), 4)))


def _balance(case: CaseClaims, as_of: date) -> Balance:
    sums = dict.fromkeys(AccountKind, 0)
    payments = 0
    for row in case.lines:
        sums[AccountKind(row.account)] += row.amount
        if row.kind == TxnKind.PAYMENT and row.account == AccountKind.UNALLOCATED:
            payments -= row.amount
    principal = sums[AccountKind.PRINCIPAL]
    costs = sum(sums[kind] for kind in _COSTS)
    interest = sums[AccountKind.INTEREST] + sum(minor for _, _, minor in case.unposted(as_of))
    parts = (principal, interest, costs, payments, principal + interest + costs)
    names = ("principal", "interest", "costs", "payments", "open")
    return Balance(
        **{name: Money(part, case.currency) for name, part in zip(names, parts, strict=True)}
    )


def _explanations(session: Session, case: CaseClaims) -> dict[int, Any]:
    rows = session.execute(
        select(
            LedgerTxn.id,
            LedgerTxn.rule_version,
            LedgerTxn.citation,
            LedgerTxn.inputs,
            LedgerTxn.provisional,
        ).where(LedgerTxn.case_id == case.id)
    )
    return {row.id: row for row in rows}


def _line(case: CaseClaims, row: Any, told: Any) -> StatementLine:
    amount = Money(row.amount, case.currency)
    if row.rule == ACCRUED_INTEREST:
        return _interest_line(row.effective_on, amount, told.inputs)
    code = f"STATEMENT_{row.rule.replace('.', '_').upper()}"
    if row.kind == TxnKind.ALLOCATION:
        category = CATEGORY.get(row.account)
        code = f"STATEMENT_PAID_{category.upper()}" if category else "STATEMENT_OVERPAID"
    known = code in CODES
    received = told.inputs.get("receivedOn")
    claim = case.claims.get(row.invoice_id) if row.invoice_id else None
    principal = told.inputs.get("principal") if row.kind == TxnKind.COST else None
    return StatementLine(
        on=row.effective_on,
        kind=row.kind,
        amount=amount,
        code=code if known else "STATEMENT_OTHER",
        params={
            "invoice": (claim and claim.number) or "–",
            "percent": _percent(told.inputs),
            "principal": Money.parse(principal, case.currency) if principal else "",
            "on": date.fromisoformat(received) if received else "",
        },
        rule=row.rule,
        rule_version=told.rule_version,
        citation=told.citation,
        provisional=told.provisional,
        inputs=told.inputs,
    )


def _interest_line(on: date, amount: Money, inputs: Mapping[str, Any]) -> StatementLine:
    return StatementLine(
        on=on,
        kind=TxnKind.INTEREST,
        amount=amount,
        code="STATEMENT_INTEREST_FIXED",
        params={
            "invoice": inputs.get("invoice") or "–",
            "percent": _percent(inputs),
            "days": sum(segment["days"] for segment in inputs.get("segments", ())),
            "until": on,
        },
        rule=ACCRUED_INTEREST,
        rule_version="1",
        citation=None,
        inputs=inputs,
    )


def _percent(inputs: Mapping[str, Any]) -> Rate | str:
    return Rate(parse_rate(inputs["percent"])) if "percent" in inputs else ""
