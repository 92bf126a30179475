"""What a statement takes of the ledger: the money of each case by category, and the agency's share."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, func, insert, literal, select
from sqlalchemy.orm import Session

from finview.cases.client_models import ClientStatementTxn
from finview.cases.commission import share_of
from finview.cases.components import Financials, kept_financials
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn, TxnKind
from finview.cases.models import Case
from finview.cases.timeline import chunks
from finview.cases.vat import Vat
from finview.db.lists import one_of
from finview.money import parse_rate

CATEGORY = {
    AccountKind.PRINCIPAL: "principal_minor",
    AccountKind.INTEREST: "interest_minor",
    AccountKind.COSTS_PRE: "costs_before_minor",
    AccountKind.COSTS_OWN: "costs_minor",
    AccountKind.VAT: "costs_vat_minor",
}
AMOUNTS = tuple(CATEGORY.values())


def untaken(account_id: Any, to_on: date) -> Select[Any]:
    """Return the transactions of an account of a customer that no statement has taken yet."""
    earlier = select(literal(1)).where(ClientStatementTxn.txn_id == LedgerTxn.id)
    return (
        select(LedgerEntry.txn_id)
        .join(LedgerTxn, LedgerTxn.id == LedgerEntry.txn_id)
        .where(
            LedgerEntry.account_id == account_id,
            LedgerTxn.kind == TxnKind.ALLOCATION,
            LedgerTxn.sealed == 1,
            LedgerTxn.effective_on <= to_on,
            ~earlier.exists(),
        )
    )


def taken(
    session: Session, statement_id: int, customer_id: int, currency: str, to_on: date, vat: Vat
) -> list[dict[str, Any]]:
    """Take what is due, and return the positions: of each case its trust money, its direct money."""
    accounts = _accounts(session, customer_id, currency)
    payable = accounts.get(AccountKind.CUSTOMER_PAYABLE)
    if payable is None:
        return []
    due = untaken(payable, to_on).add_columns(literal(statement_id)).distinct()
    session.execute(
        insert(ClientStatementTxn).from_select(["txn_id", "statement_id"], due),
        execution_options={"synchronize_session": False},
    )
    direct = _direct(accounts.get(AccountKind.DIRECT_RECEIVED))
    rows = session.execute(
        select(
            LedgerTxn.case_id,
            direct.label("direct"),
            LedgerAccount.kind,
            func.sum(-LedgerEntry.amount).label("minor"),
        )
        .join(ClientStatementTxn, ClientStatementTxn.txn_id == LedgerTxn.id)
        .join(LedgerEntry, LedgerEntry.txn_id == LedgerTxn.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            ClientStatementTxn.statement_id == statement_id, LedgerAccount.kind.in_(list(CATEGORY))
        )
        .group_by(LedgerTxn.case_id, direct, LedgerAccount.kind)
    )
    sums: dict[tuple[int, bool], dict[str, int]] = {}
    for row in rows:
        amounts = sums.setdefault((row.case_id, bool(row.direct)), dict.fromkeys(AMOUNTS, 0))
        amounts[CATEGORY[row.kind]] += int(row.minor)
    terms = _terms(session, {case_id for case_id, _ in sums})
    return [
        _position(statement_id, case_id, terms.get(case_id), amounts, vat, direct=own)
        for (case_id, own), amounts in sorted(sums.items())
        if any(amounts.values())
    ]


def _accounts(session: Session, customer_id: int, currency: str) -> dict[str, int]:
    rows = session.execute(
        select(LedgerAccount.kind, LedgerAccount.id).where(
            LedgerAccount.customer_id == customer_id, LedgerAccount.currency == currency
        )
    )
    return {row.kind: row.id for row in rows}


def _direct(account_id: int | None) -> ColumnElement[bool]:
    """Return whether an allocation splits money that the debtor paid to the customer itself."""
    if account_id is None:
        return literal(False)  # the constant of a column
    own = select(LedgerEntry.txn_id).where(LedgerEntry.account_id == account_id)
    among: ColumnElement[bool] = LedgerTxn.inputs["payment"].as_integer().in_(own)
    return among


def _terms(session: Session, case_ids: Iterable[int]) -> dict[int, Financials]:
    found: dict[int, Financials] = {}
    for chunk in chunks(sorted(case_ids)):
        rows = session.execute(
            select(Case.id, Case.financials).where(
                one_of(Case.id, chunk), Case.financials.is_not(None)
            )
        )
        found |= {row.id: kept_financials(row.financials) for row in rows}
    return found


def _position(
    statement_id: int,
    case_id: int,
    terms: Financials | None,
    amounts: dict[str, int],
    vat: Vat,
    *,
    direct: bool,
) -> dict[str, Any]:
    """Return one position; a case that was never linked has no components and no commission.

    Where costs have a rate of their own, the VAT the debtor paid on them bears none: the VAT on the
    commission is what it was paid for.
    """
    principal, interest, costs = _rates(terms)
    own = terms is not None and terms.commission_costs_percent is not None
    kept = share_of(
        [
            (amounts["principal_minor"] + amounts["costs_before_minor"], principal),
            (amounts["interest_minor"], interest),
            (amounts["costs_minor"], costs),
            (amounts["costs_vat_minor"], 0 if own else costs),
        ],
        vat=vat.rate,
    )
    return {
        "statement_id": statement_id,
        "case_id": case_id,
        "direct": direct,
        **amounts,
        "principal_rate": principal,
        "interest_rate": interest,
        "costs_rate": costs,
        "commission_minor": kept.commission,
        "vat_minor": kept.vat,
    }


def _rates(terms: Financials | None) -> tuple[int, int, int]:
    """Return the rates of the commission on principal, interest and collection costs."""
    if terms is None:
        return 0, 0, 0
    general = terms.commission_percent or 0
    own = (terms.commission_interest_percent, terms.commission_costs_percent)
    interest, costs = (general if percent is None else percent for percent in own)
    return parse_rate(general), parse_rate(interest), parse_rate(costs)
