"""How fast the claim account is: balances as of a day (pure), a page's statements, payments posted.

python benchmarks/cases/speed.py [--cases 100000] [--payments 300]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from finview.app import migrate, open_services
from finview.cases.cases import NewCase, NewInvoice, open_cases
from finview.cases.claims import CaseClaims
from finview.cases.components import Breathing, Financials, Snapshot
from finview.cases.debtors import NewDebtor, create_debtors
from finview.cases.financials import link
from finview.cases.law import SHIPPED
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.cases.lifecycle import launch
from finview.cases.models import DebtorKind
from finview.cases.receipts import Receipt, record_payment, record_payments
from finview.cases.sample import fact, sample_case, with_lines
from finview.cases.statement import balance_of, balances
from finview.clock import now
from finview.customers.models import Bucket, BusinessUnit, Customer, Portfolio
from finview.money import Money
from finview.settings import Settings

AS_OF = date(2026, 11, 21)
TERMS = {"costs": {"kind": "STATUTORY"}, "interest": {"kind": "BASE_PLUS", "points": "5"}}


def timed(run: Callable[[], Any]) -> float:
    """Return the CPU seconds of one run: others may be busy on the machine."""
    started = time.process_time()
    run()
    return time.process_time() - started


def a_case(n: int) -> CaseClaims:
    """Return a case with a claim, two costs and, every third time, a payment and its allocation."""
    due = date(2025, 1, 1) + timedelta(days=n % 600)
    case = sample_case(
        Snapshot.model_validate(TERMS),
        SHIPPED["de"],
        Money(10_000 + n, "EUR"),
        kind=DebtorKind.CONSUMER,
        issued_on=due,
        due_on=due,
        opened_on=due,
        charges_from=due,
    )
    lines = [
        fact(TxnKind.COST, AccountKind.COSTS_OWN, due, 8_370),
        fact(TxnKind.COST, AccountKind.COSTS_OWN, due, 1_674),
    ]
    if n % 3 == 0:
        day = due + timedelta(days=60)
        lines += [
            fact(TxnKind.PAYMENT, AccountKind.UNALLOCATED, day, -2_000, txn_id=1),
            fact(TxnKind.ALLOCATION, AccountKind.UNALLOCATED, day, 2_000, txn_id=2),
            fact(TxnKind.ALLOCATION, AccountKind.COSTS_OWN, day, -2_000, txn_id=2),
        ]
    return with_lines(case, lines)


def opened_cases(services: Any, count: int) -> list[int]:
    """Open, link and launch cases in a fresh database."""
    with services.db.unit() as session:
        at = now()
        forms: Any = {
            name: {} for name in ("company", "email_settings", "invoice_settings", "email_footers")
        }
        unit = BusinessUnit(name="U", active=True, created_at=at, **forms)
        session.add(unit)
        session.flush()
        customer = Customer(
            number="1",
            name="C",
            currency="EUR",
            locale="de",
            business_unit_id=unit.id,
            company={},
            created_at=at,
        )
        session.add(customer)
        session.flush()
        portfolio = Portfolio(name="P", customer_id=customer.id, created_at=at)
        session.add(portfolio)
        session.flush()
        bucket = Bucket(
            portfolio_id=portfolio.id,
            name="B",
            financials={},
            customer_id=customer.id,
            created_at=at,
        )
        session.add(bucket)
        session.flush()
        new = NewDebtor(kind=DebtorKind.CONSUMER, locale="de", first_name="E", last_name="M")
        debtors = create_debtors(session, [new] * count, by=None)
        invoice = NewInvoice(
            amount_minor=100_000, issued_on=date(2026, 8, 1), due_on=date(2026, 8, 31)
        )
        given = {"customer_id": customer.id, "portfolio_id": portfolio.id, "currency": "EUR"}
        cases = [NewCase(debtor_id=d, invoices=(invoice,), **given) for d in debtors]
        ids = [case.id for case in open_cases(session, cases, by=None)]
        terms = Financials.model_validate(TERMS)
        link(
            session,
            ids,
            bucket_id=bucket.id,
            financials=terms,
            breathing=Breathing(),
            on=at.date(),
            by=None,
        )
        launch(session, ids, on=at.date(), by=None)
    return ids


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--payments", type=int, default=300)
    given = parser.parse_args()
    cases = [a_case(n) for n in range(10_000)]
    rounds = max(given.cases // len(cases), 1)
    for case in cases:
        balance_of(case, AS_OF)
    spent = timed(lambda: [balance_of(case, AS_OF) for _ in range(rounds) for case in cases])
    print(f"balances as of a day, pure: {rounds * len(cases) / spent:,.0f} cases/s")
    with tempfile.TemporaryDirectory() as folder:
        services = open_services(Settings(data_dir=Path(folder)))
        migrate(services)
        ids = opened_cases(services, given.payments)
        page(services, ids[:50])
        paid = timed(lambda: [pay(services, case_id) for case_id in ids])
        print(f"payments posted, one transaction each: {len(ids) / paid:,.0f}/s")
        many = timed(lambda: pay_all(services, ids))
        print(f"payments posted, a bank statement in one transaction: {len(ids) / many:,.0f}/s")
        services.close()


def page(services: Any, ids: list[int]) -> None:
    """Print how many statements the balances of a page take, and how long."""
    seen: list[str] = []
    event.listen(
        services.db.reader, "before_cursor_execute", lambda _c, _u, sql, *_: seen.append(sql)
    )
    with services.db.reading() as session:
        session.connection()
        seen.clear()
        spent = timed(lambda: balances(session, ids, AS_OF))
    reads = [sql for sql in seen if sql.startswith("SELECT")]
    print(f"a page of {len(ids)} balances: {len(reads)} statement(s), {spent * 1e3:.1f} ms")


def pay_all(services: Any, case_ids: list[int]) -> None:
    """Record one more payment of every case, as the lines of a bank statement are."""
    with services.db.unit() as session:
        receipts = [
            Receipt(
                case_id=case_id,
                amount=Money(4_000, "EUR"),
                received_on=now().date(),
                key=f"b{case_id}",
            )
            for case_id in case_ids
        ]
        answers = record_payments(session, receipts, by=None)
        assert all(isinstance(answer, int) for answer in answers), answers


def pay(services: Any, case_id: int) -> None:
    """Record one payment of a case."""
    with services.db.unit() as session:
        record_payment(
            session,
            case_id,
            Money(5_000, "EUR"),
            received_on=now().date(),
            key=f"k{case_id}",
            by=None,
        )


if __name__ == "__main__":
    main()
