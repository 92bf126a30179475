"""`finview case show`: a case with its claim account, every cent explained."""

from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, Debtor, Invoice
from finview.cases.statement import balances, statement
from finview.cli import show
from finview.cli.opening import opened
from finview.customers.models import BusinessUnit, Customer, Portfolio
from finview.errors import NotFound
from finview.i18n import N_, sentences
from finview.money import Money

sentences({"CASE_NOT_FOUND": N_("There is no case with the number {number}.")})

PARTS = ("principal", "interest", "costs", "payments", "open", "overpaid")


def run_show(number: str, as_of: date | None) -> dict[str, Any]:
    """Return a case by its number with balance and statement at the end of a day."""
    with opened() as services, services.db.reading() as session:
        case = session.scalar(select(Case).where(Case.number == number))
        if case is None:
            raise NotFound("CASE_NOT_FOUND", number=number)
        return {"case": case_document(session, case, as_of)}


def case_document(session: Session, case: Case, as_of: date | None = None) -> dict[str, Any]:
    """Return a case as `--json` shows it; the day defaults to today at the agency."""
    customer = session.get_one(Customer, case.customer_id)
    unit = session.get_one(BusinessUnit, customer.business_unit_id)
    day = as_of or clock.today(str(unit.company.get("timeZone") or "Europe/Berlin"))
    balance = balances(session, [case.id], day)[case.id]
    invoices = session.scalars(
        select(Invoice).where(Invoice.case_id == case.id).order_by(Invoice.id)
    )
    locale = show.locale()
    return {
        "number": case.number,
        "status": case.status,
        "customer": customer.name,
        "portfolio": session.get_one(Portfolio, case.portfolio_id).name,
        "debtor": session.get_one(Debtor, case.debtor_id).name,
        "currency": case.currency,
        "contractSubject": case.contract_subject,
        "asOf": day.isoformat(),
        "balance": {part: amount(getattr(balance, part)) for part in PARTS},
        "invoices": [
            {
                "number": invoice.number,
                "issuedOn": invoice.issued_on,
                "dueOn": invoice.due_on,
                "amount": amount(Money(invoice.amount_minor, case.currency)),
            }
            for invoice in invoices
        ],
        "statement": [
            {
                "date": line.on.isoformat(),
                "kind": line.kind,
                "text": line.text(locale),
                "amount": amount(line.amount),
                "rule": line.rule,
                "ruleVersion": line.rule_version,
                "citation": line.citation,
                "provisional": line.provisional,
                "inputs": dict(line.inputs),
            }
            for line in statement(session, case.id, day)
        ],
    }


def amount(money: Money) -> dict[str, str]:
    """Return an amount as the API writes it."""
    return {"amount": money.text, "currency": money.currency}


def show_case(found: dict[str, Any]) -> None:
    """Print a case."""
    show.line(f"{found['number']}  {found['status']}  {found['debtor']}  ({found['customer']})")
    show_account(found)


def show_account(found: dict[str, Any]) -> None:
    """Print the claim account of a case with its balance."""
    locale = show.locale()
    rows = [
        (
            _day(one["date"], locale),
            one["text"],
            one["citation"] or one["rule"],
            _money(one["amount"], locale),
        )
        for one in found["statement"]
    ]
    rows.append(
        (
            _day(found["asOf"], locale),
            show.say(N_("Open")),
            "",
            _money(found["balance"]["open"], locale),
        )
    )
    headers = [
        show.say(N_("Date")),
        show.say(N_("Booking")),
        show.say(N_("Ground")),
        show.say(N_("Amount")),
    ]
    show.table(headers, rows)


def _day(text: str, locale: str) -> str:
    from finview.i18n import written

    return written(date.fromisoformat(text), locale)


def _money(value: dict[str, str], locale: str) -> str:
    return Money.parse(value["amount"], value["currency"]).format(locale)
