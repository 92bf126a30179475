"""Statements to customers: what was collected, the agency's share, what is paid out; once each.

Every transaction that brought a customer money (or took some back) is taken by exactly one
statement: the first whose period ends on its day or later. What is posted afterwards with an
earlier day comes in the next one. Each currency has statements of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases import ledger
from finview.cases.client_models import (
    ClientStatement,
    ClientStatementClosing,
    ClientStatementPosition,
)
from finview.cases.client_positions import AMOUNTS, CATEGORY, taken, untaken
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn, TxnKind
from finview.cases.models import Case, CaseStatus
from finview.cases.numbers import reserve_numbers
from finview.cases.vat import Vat, vat_on_commission
from finview.customers.models import BusinessUnit, Customer
from finview.customers.units import zone_of
from finview.db import audit
from finview.db.base import table_of
from finview.db.bulk import bulk_insert, reserve_ids
from finview.db.jobs import enqueue
from finview.db.lists import one_of
from finview.errors import Invalid, NotFound, State
from finview.i18n import N_, sentences
from finview.money import minor_text, rate_text

CODES = sentences(
    {
        "STATEMENT_PERIOD": N_("A period ends on the day it begins or later."),
        "STATEMENT_FUTURE": N_("A period ends today or earlier."),
        "STATEMENT_TOO_EARLY": N_("A period begins on {first} or later."),
        "STATEMENT_TOO_LONG": N_("A period has at most {max} days."),
        "STATEMENT_OVERLAP": N_(
            "Statement {number} goes until {last}; the next one begins on {first} or later."
        ),
        "STATEMENT_CURRENCIES": N_(
            "There is something to settle in several currencies: {currencies}. Please name one."
        ),
        "STATEMENT_TOO_MANY": N_(
            "{count} cases are more than the {max} of one statement; please choose a shorter period."
        ),
    }
)

FIRST_DAY = date(2000, 1, 1)
PERIOD_DAYS_MAX = 366
CASES_MAX = 50_000
"""They are settled in one transaction, within a few seconds."""

BOOK = "client_statement.book"
"""The job that writes the workbook; it stands in a room above."""

_GIVEN_UP_AT_END = (
    "write_off",
    "withdrawn",
    "waiver.settlement",
    "waiver.small_balance",
    "waiver.capped",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums of a statement in minor units; `payout` below zero is owed by the customer."""

    collected: int
    direct: int
    commission: int
    vat: int
    brought_forward: int

    @property
    def payout(self) -> int:
        """What is left of the trust money for the customer."""
        return self.collected - self.commission - self.vat - self.brought_forward

    def columns(self) -> dict[str, int]:
        """Return the sums as the statement keeps them."""
        names = ("collected", "direct", "commission", "vat", "brought_forward", "payout")
        return {f"{name}_minor": getattr(self, name) for name in names}


def create_statement(
    session: Session,
    customer_id: int,
    *,
    from_on: date,
    to_on: date,
    currency: str | None = None,
    by: int | None,
) -> ClientStatement:
    """Settle with a customer what was collected until the end of a period, and post the payout.

    Taken is every line not taken before with an effective day up to `to_on`, also from before the
    period. Commission goes by the components each case keeps; VAT by where agency and customer are.
    `currency` may be left out while only one has something to settle. The workbook follows by a job.
    Raises `NotFound`, `Invalid` (STATEMENT_…, VAT_RATE_MISSING), `State` (STATEMENT_OVERLAP).
    """
    customer = _locked(session, customer_id)
    unit = session.get_one(BusinessUnit, customer.business_unit_id)
    today = clock.today(zone_of(unit))
    _check_period(from_on, to_on, today)
    last_days = _last_days(session, customer_id)
    currency = currency or _only_currency(session, customer, to_on, last_days, zone_of(unit))
    before = _before(session, customer_id, currency, from_on)
    vat = vat_on_commission(unit.company, unit.invoice_settings, customer.company, to_on)
    (statement_id,) = reserve_ids(session, table_of(ClientStatement), 1)
    positions = taken(session, statement_id, customer_id, currency, to_on, vat)
    totals = _totals(positions, before)
    closings = _closings(session, customer_id, currency, before, to_on, zone_of(unit))
    _check_size(len(positions), len(closings))
    (number,) = reserve_numbers(session, "statement", 1)
    made = ClientStatement(
        id=statement_id,
        number=number,
        customer_id=customer_id,
        currency=currency,
        from_on=from_on,
        to_on=to_on,
        **totals.columns(),
        vat_rate=vat.rate,
        vat_rule=vat.rule,
        vat_country=vat.country,
        payout_txn_id=_pay_out(session, customer, number, currency, totals, vat, today, by=by),
        created_at=clock.now(),
        created_by=by,
    )
    session.add(made)
    session.flush()
    bulk_insert(session, ClientStatementPosition, positions)
    rows = [{"statement_id": statement_id, **closing} for closing in closings]
    bulk_insert(session, ClientStatementClosing, rows)
    audit.record(
        session,
        "client_statement.create",
        actor_id=by,
        subject=("client_statement", statement_id),
        number=number,
        payout=minor_text(totals.payout, currency),
    )
    enqueue(session, BOOK, {"statement_id": statement_id}, dedupe_key=f"{BOOK}:{statement_id}")
    return made


def closed_cases(session: Session, statement_ids: Sequence[int], most: int) -> dict[int, list[int]]:
    """Return the cases that statements list as closed, by statement, at most so many of each."""
    found: dict[int, list[int]] = {key: [] for key in statement_ids}
    rank = (
        func.row_number()
        .over(
            partition_by=ClientStatementClosing.statement_id,
            order_by=ClientStatementClosing.case_id,
        )
        .label("rank")
    )
    ranked = (
        select(ClientStatementClosing.statement_id, ClientStatementClosing.case_id, rank)
        .where(one_of(ClientStatementClosing.statement_id, list(statement_ids)))
        .subquery()
    )
    wanted = select(ranked.c.statement_id, ranked.c.case_id).where(ranked.c.rank <= most)
    for row in session.execute(wanted.order_by(ranked.c.statement_id, ranked.c.case_id)):
        found[row.statement_id].append(row.case_id)
    return found


def _locked(session: Session, customer_id: int) -> Customer:
    """Return a customer, held against another statement; money may be posted meanwhile."""
    wanted = select(Customer).where(Customer.id == customer_id).with_for_update(key_share=True)
    found = session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise NotFound(path=("customerId",))
    return found


def _check_period(from_on: date, to_on: date, today: date) -> None:
    if to_on < from_on:
        raise Invalid("STATEMENT_PERIOD", path=("to",))
    if to_on > today:
        raise Invalid("STATEMENT_FUTURE", path=("to",))
    if from_on < FIRST_DAY:
        raise Invalid("STATEMENT_TOO_EARLY", path=("from",), first=FIRST_DAY)
    if (to_on - from_on).days >= PERIOD_DAYS_MAX:
        raise Invalid("STATEMENT_TOO_LONG", path=("from",), max=PERIOD_DAYS_MAX)


def _check_size(*counts: int) -> None:
    for count in counts:
        if count > CASES_MAX:
            raise Invalid("STATEMENT_TOO_MANY", path=("to",), count=count, max=CASES_MAX)


def _last_days(session: Session, customer_id: int) -> dict[str, date]:
    """Return the last day that was settled, by currency."""
    rows = session.execute(
        select(ClientStatement.currency, func.max(ClientStatement.to_on).label("last"))
        .where(ClientStatement.customer_id == customer_id)
        .group_by(ClientStatement.currency)
    )
    return {row.currency: row.last for row in rows}


def _before(
    session: Session, customer_id: int, currency: str, from_on: date
) -> ClientStatement | None:
    """Return the statement before; raises `State` (STATEMENT_OVERLAP) when it ends too late."""
    wanted = select(ClientStatement).where(
        ClientStatement.customer_id == customer_id, ClientStatement.currency == currency
    )
    newest = wanted.order_by(ClientStatement.to_on.desc()).limit(1)
    found = session.scalars(newest).one_or_none()
    if found is not None and from_on <= found.to_on:
        raise State(
            "STATEMENT_OVERLAP",
            path=("from",),
            number=found.number,
            last=found.to_on,
            first=found.to_on + timedelta(days=1),
        )
    return found


def _only_currency(
    session: Session, customer: Customer, to_on: date, last_days: dict[str, date], zone: str
) -> str:
    """Return the currency that has something to settle; the customer's own when none has."""
    money = (
        select(LedgerAccount.currency)
        .where(
            LedgerAccount.customer_id == customer.id,
            LedgerAccount.kind == AccountKind.CUSTOMER_PAYABLE,
            untaken(LedgerAccount.id, to_on).exists(),
        )
        .distinct()
    )
    found = set(session.scalars(money))
    closed = select(Case.currency, func.max(Case.closed_at)).where(
        Case.customer_id == customer.id, *_closed_until(to_on, zone)
    )
    for currency, at in session.execute(closed.group_by(Case.currency)):
        last = last_days.get(currency)
        if last is None or (at and at >= clock.start_of(last + timedelta(days=1), zone)):
            found.add(currency)
    if len(found) > 1:
        listed = ", ".join(sorted(found))
        raise Invalid("STATEMENT_CURRENCIES", path=("currency",), currencies=listed)
    return found.pop() if found else customer.currency


def _totals(positions: Sequence[dict[str, Any]], before: ClientStatement | None) -> Totals:
    def paid(*, direct: bool) -> int:
        return sum(row[name] for row in positions if row["direct"] is direct for name in AMOUNTS)

    return Totals(
        collected=paid(direct=False),
        direct=paid(direct=True),
        commission=sum(row["commission_minor"] for row in positions),
        vat=sum(row["vat_minor"] for row in positions),
        brought_forward=max(-before.payout_minor, 0) if before is not None else 0,
    )


def _pay_out(
    session: Session,
    customer: Customer,
    number: str,
    currency: str,
    totals: Totals,
    vat: Vat,
    on: date,
    *,
    by: int | None,
) -> int | None:
    """Post what leaves the trust account: the customer's part and the agency's; None for nothing.

    Below zero nothing is paid: the customer owes it (CUSTOMER_PAYABLE stays in debit) until the
    next statement sets it off, and what is missing in trust comes from the agency's own bank.
    """

    def of(kind: AccountKind) -> ledger.Account:
        if kind in (AccountKind.CUSTOMER_PAYABLE, AccountKind.DIRECT_RECEIVED):
            return ledger.Account(kind=kind, currency=currency, customer_id=customer.id)
        unit = customer.business_unit_id
        return ledger.Account(kind=kind, currency=currency, business_unit_id=unit)

    paid = max(totals.payout, 0)
    kept = totals.commission + totals.vat
    lines = (
        (of(AccountKind.CUSTOMER_PAYABLE), paid + totals.direct + kept),
        (of(AccountKind.DIRECT_RECEIVED), -totals.direct),
        (of(AccountKind.BANK_TRUST), -totals.collected),
        (of(AccountKind.BANK_OWN), totals.collected - paid),
        (of(AccountKind.COMMISSION_INCOME), -totals.commission),
        (of(AccountKind.VAT_PAYABLE), -totals.vat),
    )
    moved = tuple((account, minor) for account, minor in lines if minor)
    if not moved:
        return None
    posting = ledger.Posting(
        case_id=None,
        kind=TxnKind.PAYOUT,
        effective_on=on,
        idem_key=f"payout:{number}",
        lines=moved,
        rule="payout.statement",
        inputs={
            "statement": number,
            "collected": minor_text(totals.collected, currency),
            "direct": minor_text(totals.direct, currency),
            "commission": minor_text(totals.commission, currency),
            "vat": minor_text(totals.vat, currency),
            "vatPercent": rate_text(vat.rate),
            "broughtForward": minor_text(totals.brought_forward, currency),
            "payout": minor_text(totals.payout, currency),
            "rounding": "HALF_UP",
        },
    )
    return ledger.post(session, [posting], by=by)[0]


def _closed_until(to_on: date, zone: str) -> tuple[ColumnElement[bool], ...]:
    end = clock.start_of(to_on + timedelta(days=1), zone)
    return Case.status == CaseStatus.CLOSED, Case.closed_at < end


def _closings(
    session: Session,
    customer_id: int,
    currency: str,
    before: ClientStatement | None,
    to_on: date,
    zone: str,
) -> list[dict[str, Any]]:
    """Return the cases closed since the statement before, and what was given up of each."""
    wanted = [
        Case.customer_id == customer_id,
        Case.currency == currency,
        *_closed_until(to_on, zone),
    ]
    if before is not None:
        wanted.append(Case.closed_at >= clock.start_of(before.to_on + timedelta(days=1), zone))
    rows = session.execute(
        select(Case.id, Case.close_reason, Case.closed_at).where(*wanted).order_by(Case.id)
    ).all()
    left = _given_up(session, and_(*wanted))
    return [
        {
            "case_id": row.id,
            "reason": row.close_reason,
            "closed_on": clock.day_in(row.closed_at, zone),
            "remaining_minor": left.get(row.id, 0),
        }
        for row in rows
    ]


def _given_up(session: Session, wanted: ColumnElement[bool]) -> dict[int, int]:
    """Return what was written off or waived at the end of cases, less what was taken back."""
    rows = session.execute(
        select(LedgerTxn.case_id, func.sum(-LedgerEntry.amount).label("minor"))
        .join(Case, Case.id == LedgerTxn.case_id)
        .join(LedgerEntry, LedgerEntry.txn_id == LedgerTxn.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            wanted,
            LedgerTxn.rule.in_(_GIVEN_UP_AT_END),
            LedgerTxn.sealed == 1,
            LedgerAccount.kind.in_(list(CATEGORY)),
        )
        .group_by(LedgerTxn.case_id)
    )
    return {row.case_id: int(row.minor) for row in rows}
