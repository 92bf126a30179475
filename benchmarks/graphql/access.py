"""Measures what access costs: the nested page as a customer's user against an administrator's.

`python benchmarks/graphql/access.py [--databases sqlite postgresql] [--cases 10000]
[--customers 1 20] [--rounds 7] [--requests 200] [--json]`. One server, asked in turn by an
administrator, a commercial contact of the first customer and an employee who is linked to five of
its portfolios; medians of the rounds, and ratios of the administrator's. With one customer all
three read the very same pages; with twenty the customer's cases lie scattered among the others'.
On a busy machine only ratios count.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from speed import PAGES, QUERY, Server
from sqlalchemy import func, select, update

from finview import clock
from finview.accounts.access import Role, grant
from finview.accounts.tokens import create_token
from finview.accounts.users import create_user
from finview.api.engine import paging
from finview.app import open_services, prepare
from finview.cases.models import Case, Invoice
from finview.customers.models import Portfolio
from finview.settings import Settings
from finview.testing import db as testing_db
from finview.testing.book import write_book

PORTFOLIOS = 5
PAGE = 50
LIMIT = 1.15
"""How much longer a customer's user may take than an administrator."""


@contextmanager
def prepared(kind: str) -> Iterator[Settings]:
    """Make an empty database with all tables."""
    with tempfile.TemporaryDirectory(prefix="finview-access-") as name:
        folder = Path(name)
        if kind == "sqlite":
            yield testing_db.copy_template(testing_db.make_template(folder), folder)
        else:
            with testing_db.postgres() as server, server.fresh(folder) as settings:
                yield settings


def fill(settings: Settings, cases: int, customers: int) -> tuple[Mapping[str, str], list[int]]:
    """Write the book; return a token for each viewer, and where the first customer's pages begin."""
    services = open_services(settings)
    prepare(services)
    with services.db.unit() as session:
        book = write_book(session, cases=cases, customers=customers, awkward=False)
        first, own = next(iter(book.portfolios.items()))
        more = [
            Portfolio(customer_id=first, name=f"Mehr {n}", created_at=clock.now())
            for n in range(PORTFOLIOS - len(own))
        ]
        session.add_all(more)
        session.flush()
        linked = [*own, *(one.id for one in more)]
        for model, key in ((Case, Case.id), (Invoice, Invoice.case_id)):
            for n, portfolio in enumerate(linked):
                mine = (model.customer_id == first, key % len(linked) == n)
                session.execute(update(model).where(*mine).values(portfolio_id=portfolio))
        session.execute(update(Case).values(import_id=1))  # whose debtors and addresses they are
        users = {
            who: create_user(session, email=f"{who}@example.org", name=who, role=role)
            for who, role in (("administrator", Role.ADMIN), ("contact", None), ("employee", None))
        }
        grant(session, users["contact"].id, Role.CUSTOMER_USER, customer_id=first)
        given = {"customer_id": first, "portfolio_ids": linked}
        grant(session, users["employee"].id, Role.CUSTOMER_USER, **given)
        tokens = {who: create_token(session, user) for who, user in users.items()}
        ids = session.scalars(select(Case.id).where(Case.customer_id == first).order_by(Case.id))
        starts = list(ids)[:-PAGE:PAGE] or [0]
        assert session.scalar(select(func.count(Case.id))) == cases
    if settings.url.startswith("postgres"):
        with services.db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as made:
            made.exec_driver_sql("VACUUM ANALYZE")
    services.close()
    return tokens, starts[:PAGES]


def measure(kind: str, given: argparse.Namespace, customers: int) -> dict[str, Any]:
    """Measure all viewers in turn; return the medians of each, and the ratios."""
    mark = paging.fingerprint([paging.Order(Case.id)])
    with prepared(kind) as settings:
        tokens, starts = fill(settings, given.cases, customers)
        bodies = [
            json.dumps({"query": QUERY, "variables": {"after": paging.cursor(mark, [n])}}).encode()
            for n in starts
        ]
        server = Server("finview", settings, tokens["administrator"])
        found: dict[str, list[tuple[float, float]]] = {who: [] for who in tokens}
        try:
            for n in range(given.rounds + 1):  # the first one warms up
                for who, token in tokens.items():
                    server.headers["authorization"] = f"Bearer {token}"
                    before = server.cpu_s()
                    asked = [bodies[k % len(bodies)] for k in range(given.requests)]
                    wall, _, answers = server.ask(asked)
                    _full(answers)
                    spent = server.cpu_s() - before
                    if n:
                        found[who].append((wall / given.requests, spent / given.requests))
        finally:
            server.stop()
    base = found["administrator"]
    return {
        who: {
            "ms": median(wall for wall, _ in rounds) * 1000,
            "cpu_ms": median(cpu for _, cpu in rounds) * 1000,
            "ratio": median(a[0] / b[0] for a, b in zip(rounds, base, strict=True)),
        }
        for who, rounds in found.items()
    }


def _full(answers: list[bytes]) -> None:
    for answer in answers:
        nodes = json.loads(answer)["data"]["cases"]["nodes"]
        if len(nodes) != PAGE:
            raise SystemExit(f"a page of {len(nodes)} cases")


def main() -> None:
    """Measure and print; exits with 1 when access costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--customers", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report = {
        f"{kind}, {customers} customers": measure(kind, given, customers)
        for kind in given.databases
        for customers in given.customers
    }
    if given.json:
        print(json.dumps(report, indent=1))
    else:
        print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        for what, viewers in report.items():
            for who, f in viewers.items():
                print(
                    f"{what:26}{who:15}{f['ms']:8.2f} ms {f['cpu_ms']:8.2f} ms CPU{f['ratio']:7.2f}x"
                )
    over = [f["ratio"] for viewers in report.values() for f in viewers.values()]
    raise SystemExit(int(max(over) > LIMIT))


if __name__ == "__main__":
    main()
