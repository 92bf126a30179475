"""Measures the launch of many cases by its job, and advances of a wait - e-mail - wait graph.

`python benchmarks/jobs/launch.py [--cases 10000] [--advances 1000] [--only sqlite postgresql]
[--json]`. The job does all of it: case, run, first timer, timeline, planned enrichment, the job of
the first advance, 200 cases a transaction. CPU is that of this process: on a busy machine the
wall's figure says more about the others. `last/first half` shows whether it stays linear. Memory is
what the process has grown by at its peak.
"""

import argparse
import logging
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rig import databases, show

from finview import clock
from finview.accounts.models import AccountUser
from finview.app import open_services
from finview.cases.cases import NewCase, NewInvoice, open_cases
from finview.cases.components import Breathing, Financials
from finview.cases.debtors import Contacts, NewDebtor, create_debtors
from finview.cases.financials import link
from finview.cases.models import DebtorKind
from finview.customers.models import Bucket, BusinessUnit, Customer, Portfolio
from finview.db import testclock
from finview.db.jobs import Progress, enqueue
from finview.db.runtime import Services
from finview.imports.models import Import
from finview.jobs import claims
from finview.jobs.runner import run_job, tick
from finview.plugins.manager import Plugins
from finview.workflows import shipped
from finview.workflows.definitions import publish
from finview.workflows.models import WorkflowKind

GATE_PER_S = 1_000
GATE_MB = 150
MADE_AT_ONCE = 1_000
GRAPH = {
    "start": "first",
    "nodes": [
        {"id": "first", "type": "wait", "config": {"days": 1}, "ports": {"done": "mail"}},
        {
            "id": "mail",
            "type": "email",
            "config": {"template": "first_demand"},
            "ports": dict.fromkeys(
                ("sent", "bounced", "no_address", "not_allowed", "failed"), "second"
            ),
        },
        {"id": "second", "type": "wait", "config": {"days": 14}, "ports": {"done": "end"}},
        {"id": "end", "type": "end"},
    ],
}


def agency(services: Services) -> tuple[int, int, int]:
    """Add what a case needs; return the ids of portfolio, bucket and import."""
    at = clock.now()
    forms: Any = {
        name: {} for name in ("company", "email_settings", "invoice_settings", "email_footers")
    }
    with services.db.unit() as session:
        unit = BusinessUnit(name="U", active=True, created_at=at, **forms)
        user = AccountUser(email="a@example.org", name="A", created_at=at)
        session.add_all([unit, user])
        session.flush()
        given: Any = {"name": "C", "currency": "EUR", "locale": "de", "company": {}}
        customer = Customer(number="1", business_unit_id=unit.id, created_at=at, **given)
        session.add(customer)
        session.flush()
        whose = {"customer_id": customer.id, "created_at": at}
        portfolio = Portfolio(name="P", **whose)
        session.add(portfolio)
        session.flush()
        bucket = Bucket(name="B", portfolio_id=portfolio.id, financials={}, **whose)
        session.add(bucket)
        files: Any = {name: {} for name in ("plan", "terms", "formats", "counts")}
        launched = Import(
            number="1",
            portfolio_id=portfolio.id,
            business_unit_id=unit.id,
            debtor_kind="CONSUMER",
            phone_country="DE",
            currency="EUR",
            state="LAUNCHED",
            notices=[],
            created_by=user.id,
            **whose,
            **files,
        )
        session.add(launched)
        session.flush()
        plugins = services.get(Plugins)
        shipped.install(session, plugins)
        publish(session, plugins, key="bench", name="B", kind=WorkflowKind.MAIN, graph=GRAPH,
                customer_id=customer.id)  # fmt: skip
        return portfolio.id, bucket.id, launched.id


def make_cases(services: Services, ids: tuple[int, int, int], count: int) -> None:
    """Open cases and link them to the bucket; half of them begin with a breathing space."""
    portfolio_id, bucket_id, import_id = ids
    day = clock.today()
    invoice = NewInvoice(amount_minor=100_000, issued_on=date(2026, 8, 1), due_on=date(2026, 8, 31))
    given: Any = {"customer_id": 1, "portfolio_id": portfolio_id, "currency": "EUR"}
    for start in range(0, count, MADE_AT_ONCE):
        with services.db.unit(durable=False) as session:
            people = [
                NewDebtor(
                    kind=DebtorKind.CONSUMER,
                    locale="de",
                    first_name="E",
                    last_name=f"M{n}",
                    contacts=Contacts(emails=(f"m{n}@example.org",)),
                )
                for n in range(start, min(start + MADE_AT_ONCE, count))
            ]
            debtors = create_debtors(session, people, by=None)
            cases = [NewCase(debtor_id=d, invoices=(invoice,), **given) for d in debtors]
            opened = open_cases(session, cases, by=None, import_id=import_id)
            terms = Financials.model_validate({"costs": {"kind": "STATUTORY"}})
            for parity, breathing in ((0, Breathing()), (1, Breathing(enabled=True, days=14))):
                mine = [case.id for n, case in enumerate(opened) if n % 2 == parity]
                link(session, mine, bucket_id=bucket_id, financials=terms, breathing=breathing,
                     on=day, by=None)  # fmt: skip


def resident_mb(which: str) -> float:
    """Return how much memory the process holds, or held at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which))


def launched(services: Services, import_id: int, count: int) -> dict[str, Any]:
    """Run the job that launches them all."""
    with services.db.unit() as session:
        enqueue(session, "workflow.launch", {"import_id": import_id})
    (claimed,) = claims.claim(services.db, "bulk", 1)
    marks: list[tuple[float, int]] = []

    def mark(step: Progress) -> None:
        marks.append((time.process_time(), step.done))

    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = resident_mb("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    run_job(services, claimed.id, claimed.attempt, claimed.kind, on_progress=mark)
    wall, spent = time.perf_counter() - wall, time.process_time() - cpu
    grown = resident_mb("VmHWM") - before
    assert marks[-1][1] == count, "not all were launched"
    middle = next(at for at, done in marks if done >= count / 2)
    return {
        "cases": count,
        "cases/s wall": round(count / wall),
        "cases/s CPU": round(count / spent),
        "gate": GATE_PER_S,
        "last/first half": round((marks[-1][0] - middle) / (middle - cpu), 2),
        "MB grown": round(grown, 1),
        "MB gate": GATE_MB,
    }


def advanced(services: Services, at_most: int) -> dict[str, Any]:
    """Advance cases from the launch over the e-mail to the second wait; return how fast."""
    ran, wall, cpu = 0, 0.0, 0.0
    for days in (0, 2, 0):
        with services.db.unit() as session:
            testclock.advance(session, timedelta(days=days))
        tick(services)
        left = at_most
        while left > 0:
            found = claims.claim(services.db, "default", min(left, claims.BATCH))
            advances = [one for one in found if one.kind == "workflow.advance"]
            began, spent = time.perf_counter(), time.process_time()
            for one in advances:
                run_job(services, one.id, one.attempt, one.kind)
            wall += time.perf_counter() - began
            cpu += time.process_time() - spent
            ran, left = ran + len(advances), left - len(found)
            if not found:
                break
    return {"advances": ran, "advances/s wall": round(ran / wall), "CPU": round(ran / cpu)}


def measure(name: str, args: Any) -> Iterator[dict[str, Any]]:
    with databases(name) as fresh, fresh() as settings:
        services = open_services(settings.model_copy(update={"env": "development"}))
        ids = agency(services)
        make_cases(services, ids, args.cases)
        yield {"database": name, **launched(services, ids[2], args.cases)}
        yield {"database": name, **advanced(services, args.advances)}
        services.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--advances", type=int, default=1_000)
    parser.add_argument("--only", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = [list(measure(name, args)) for name in args.only]
    for rows in zip(*found, strict=True):
        show(rows, as_json=args.json)
    slow = [one for one, _ in found
            if max(one["cases/s wall"], one["cases/s CPU"]) < GATE_PER_S
            or one["MB grown"] > GATE_MB]  # fmt: skip
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
