"""Worked examples posted to a database: the answers of `vectors.evaluate`, read from the ledger."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.adjust import adjust_charge
from finview.cases.allocation import COSTS
from finview.cases.cases import NewCase, NewInvoice, open_cases
from finview.cases.components import Breathing, Financials
from finview.cases.debtors import NewDebtor, create_debtors
from finview.cases.financials import link
from finview.cases.interest import DayCount, Policy
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn
from finview.cases.lifecycle import end_breathing, launch
from finview.cases.models import Case, DebtorKind
from finview.cases.payments import payments_of
from finview.cases.receipts import record_payment
from finview.cases.reversal import reverse_payment
from finview.cases.statement import Balance, balances
from finview.customers.models import Bucket, BusinessUnit, Customer, Portfolio
from finview.db import Database
from finview.money import Money, minor_text, parse_minor

Given = Mapping[str, Any]
Answer = dict[str, Any]
ONE_DAY = timedelta(days=1)
PARTS = ("costs", "interest", "principal")


def evaluate_stored(database: Database, kind: str, given: Given) -> Answer:
    """Answer a worked example from what the ledger of a database holds; raises KeyError by kind.

    The clock stands on the days on which things became known. Kinds that post nothing are not here.
    """
    return KINDS[kind](database, given)


@dataclass(frozen=True, slots=True)
class _Book:
    customer: int
    portfolio: int
    bucket: int


@contextmanager
def _on(database: Database, day: date) -> Iterator[Session]:
    """Work on a day, at noon."""
    with clock.standing_at(datetime.combine(day, time(12), UTC)), database.unit() as session:
        yield session


def _book(session: Session, country: str, currency: str) -> _Book:
    """Return the book of a country's business unit, made once."""
    name = f"vectors {country} {currency}"
    found = session.scalars(select(Customer).where(Customer.name == name)).one_or_none()
    at = clock.now()
    if found is None:
        forms: dict[str, Any] = {"email_settings": {}, "invoice_settings": {}, "email_footers": {}}
        company = {"country": country, "timeZone": "UTC"}
        unit = BusinessUnit(name=name, active=True, created_at=at, company=company, **forms)
        session.add(unit)
        session.flush()
        number = str((session.scalar(select(func.max(Customer.id))) or 0) + 1)
        found = Customer(
            number=f"V{number}",
            name=name,
            currency=currency,
            locale="de",
            business_unit_id=unit.id,
            company={},
            created_at=at,
        )
        session.add(found)
        session.flush()
    count = session.scalar(select(func.count()).select_from(Portfolio)) or 0
    portfolio = Portfolio(name=f"P{count}", customer_id=found.id, created_at=at)
    session.add(portfolio)
    session.flush()
    bucket = Bucket(
        portfolio_id=portfolio.id, name="B", financials={}, customer_id=found.id, created_at=at
    )
    session.add(bucket)
    session.flush()
    return _Book(found.id, portfolio.id, bucket.id)


def _opened(
    session: Session,
    terms: Given,
    invoice: NewInvoice,
    *,
    currency: str = "EUR",
    country: str = "DE",
    kind: DebtorKind = DebtorKind.CONSUMER,
    breathing: Breathing | None = None,
) -> int:
    """Open, link and launch a case today and return its id."""
    book = _book(session, country, currency)
    new = NewDebtor(kind=kind, locale="de", first_name="E", last_name="M")
    (debtor,) = create_debtors(session, [new], by=None)
    case = NewCase(
        customer_id=book.customer,
        portfolio_id=book.portfolio,
        debtor_id=debtor,
        currency=currency,
        invoices=(invoice,),
    )
    (opened,) = open_cases(session, [case], by=None)
    link(
        session,
        [opened.id],
        bucket_id=book.bucket,
        financials=Financials.model_validate(terms),
        breathing=breathing or Breathing(),
        on=clock.today(),
        by=None,
    )
    launch(session, [opened.id], on=clock.today(), by=None)
    return opened.id


def _invoice(principal: str, currency: str, due: date, **more: Any) -> NewInvoice:
    minor = parse_minor(principal, currency)
    return NewInvoice(amount_minor=minor, issued_on=due, due_on=due, **more)


def _interest_of(rate: Given, count: str) -> dict[str, Any]:
    named = {"points": rate["points"]} if "points" in rate else {"percent": rate["fixed"]}
    return {**named, "dayCount": count}


def _balance(session: Session, case_id: int, day: date) -> Balance:
    return balances(session, [case_id], day)[case_id]


def _interest(database: Database, given: Given) -> Answer:
    since, until = date.fromisoformat(given["from"]), date.fromisoformat(given["to"])
    currency, found = given["currency"], {}
    for count in DayCount:
        with _on(database, since) as session:
            terms = {"interest": _interest_of(given["rate"], count.value)}
            invoice = _invoice(given["principal"], currency, since - ONE_DAY)
            case_id = _opened(session, terms, invoice, currency=currency)
        with _on(database, max(until, since)) as session:
            found[count.value] = _balance(session, case_id, until).interest.text
    return {"interest": found}


def _ledger_run(database: Database, given: Given) -> Answer:
    since, currency = date.fromisoformat(given["default_from"]), given["currency"]
    with _on(database, since) as session:
        terms = {
            "interest": _interest_of(given["rate"], given.get("day_count", "ACT_365")),
            "outerOrder": given["order"],
        }
        invoice = _invoice(given["principal"], currency, since - ONE_DAY)
        case_id = _opened(session, terms, invoice, currency=currency)
        free = [list(window) for window in given.get("no_interest", ())]
        session.get_one(Case, case_id).interest_free = free or None
    happened = [(_known(event), 0, n, event) for n, event in enumerate(given["events"])]
    happened += [
        (date.fromisoformat(query.get("known_on", "2026-12-31")), 1, n, query)
        for n, query in enumerate(given["queries"])
    ]
    answers: dict[int, Answer] = {}
    payments: dict[str, int] = {}
    for day, asked, n, what in sorted(happened, key=lambda one: one[:3]):
        with _on(database, day) as session:
            if asked:
                answers[n] = _queried(session, case_id, what, currency)
            else:
                _happen(session, case_id, what, f"{case_id}/{n}", currency, payments)
    return {"queries": [answers[n] for n in sorted(answers)]}


def _known(event: Given) -> date:
    return date.fromisoformat(event.get("booked_on", event["value_on"]))


def _happen(
    session: Session,
    case_id: int,
    event: Given,
    key: str,
    currency: str,
    payments: dict[str, int],
) -> None:
    amount = Money(parse_minor(event.get("amount", "0"), currency), currency)
    if event["type"] == "cost":
        adjust_charge(session, case_id, COSTS, amount, "vector", key=key, by=None)
    elif event["type"] == "payment":
        day = date.fromisoformat(event["value_on"])
        made = record_payment(session, case_id, amount, received_on=day, key=key, by=None)
        payments[event.get("id", key)] = made
    elif event["type"] == "reversal":
        reverse_payment(session, payments[event["of"]], "vector", by=None)


def _queried(session: Session, case_id: int, query: Given, currency: str) -> Answer:
    day = date.fromisoformat(query["as_of"])
    left = _balance(session, case_id, day)
    shown = {name: getattr(left, name).text for name in (*PARTS, "open")}
    sums: dict[date, dict[str, int]] = {}
    for payment in payments_of(session, [case_id])[case_id]:
        if payment.received_on <= day:
            mine = sums.setdefault(payment.received_on, dict.fromkeys(PARTS, 0))
            for name in PARTS:
                mine[name] += parse_minor(payment.allocation[name], currency)
    parts = [
        {"on": on.isoformat(), **{name: minor_text(minor, currency) for name, minor in one.items()}}
        for on, one in sorted(sums.items())
    ]
    over = minor_text(_overpaid(session, case_id, day), currency)
    return {"allocations": parts, "balance": {**shown, "overpaid": over}}


def _overpaid(session: Session, case_id: int, day: date) -> int:
    wanted = (
        select(func.coalesce(func.sum(LedgerEntry.amount), 0))
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .join(LedgerTxn, LedgerTxn.id == LedgerEntry.txn_id)
        .where(
            LedgerAccount.case_id == case_id,
            LedgerAccount.kind == AccountKind.OVERPAID,
            LedgerTxn.effective_on <= day,
        )
    )
    return -int(session.scalar(wanted) or 0)


def _breathing_space(database: Database, given: Given) -> Answer:
    started, as_of = (date.fromisoformat(given[name]) for name in ("started_on", "as_of"))
    due = date.fromisoformat(given["default_from"]) - ONE_DAY
    found: dict[str, str] = {}
    ends_on = Breathing(enabled=True, days=given["days"]).begun(started).ends_on
    assert ends_on is not None
    for policy in Policy:
        space = Breathing(enabled=True, days=given["days"], policy=policy)
        with _on(database, started) as session:
            terms = {"interest": _interest_of(given["rate"], "ACT_365")}
            invoice = _invoice(given["principal"], "EUR", due)
            case_id = _opened(session, terms, invoice, breathing=space)
        # Later than its day, as after a downtime: what is charged is that of the true end.
        with _on(database, max(as_of, ends_on) + 3 * ONE_DAY) as session:
            end_breathing(session, [case_id])
            found[policy.value] = _balance(session, case_id, as_of).interest.text
    return {"ends_on": ends_on.isoformat(), "interest": found}


def _allocation(database: Database, given: Given) -> Answer:
    day = date(2026, 11, 2)
    sums = {name: parse_minor(given[name], "EUR") for name in PARTS}
    with _on(database, day) as session:
        invoice = _invoice(
            given["principal"],
            "EUR",
            day - ONE_DAY,
            costs_minor=sums["costs"],
            interest_minor=sums["interest"],
        )
        terms = {"interest": {"kind": "NONE"}, "outerOrder": given["order"]}
        case_id = _opened(session, terms, invoice)
        amount = Money.parse(given["payment"], "EUR")
        record_payment(session, case_id, amount, received_on=day, key=f"{case_id}", by=None)
        left = _balance(session, case_id, day)
        over = _overpaid(session, case_id, day)
    rest = {name: getattr(left, name).minor for name in PARTS}
    return {
        "allocated": {name: minor_text(sums[name] - rest[name], "EUR") for name in sums},
        "overpaid": minor_text(over, "EUR"),
        "rest": {name: minor_text(minor, "EUR") for name, minor in rest.items()},
    }


def _tiered(database: Database, given: Given) -> Answer:
    tiers = [
        {
            name: tier[key]
            for key, name in (("up_to", "upTo"), ("amount", "amount"), ("percent", "percent"))
            if tier.get(key) is not None
        }
        for tier in given["tiers"]
    ]
    bounds = {name: given[name] for name in ("min", "max") if given.get(name) is not None}
    costs = {"kind": "TIERED", "mode": given["mode"], "tiers": tiers, **bounds}
    return {"costs": _costs(database, given["principal"], {"costs": costs})}


def _nl_costs(database: Database, given: Given) -> Answer:
    return {"costs": _costs(database, given["principal"], {"costs": {"kind": "STATUTORY"}}, "NL")}


def _costs(database: Database, principal: str, terms: Given, country: str = "DE") -> str:
    day = date(2026, 11, 2)
    with _on(database, day) as session:
        invoice = _invoice(principal, "EUR", day - ONE_DAY)
        case_id = _opened(session, terms, invoice, country=country)
        return _balance(session, case_id, day).costs.text


KINDS: Mapping[str, Callable[[Database, Given], Answer]] = {
    "interest": _interest,
    "ledger_run": _ledger_run,
    "breathing_space": _breathing_space,
    "allocation": _allocation,
    "tiered_costs": _tiered,
    "nl_costs": _nl_costs,
}
