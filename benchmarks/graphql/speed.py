"""Measures the nested page: requests/s, server CPU per request, p50 and p99, against its rivals.

`python benchmarks/graphql/speed.py [--databases sqlite postgresql] [--cases 10000] [--rounds 4]
[--requests 200] [--json]`. One server process each, 8 connections, rounds in turn, medians. Finview
runs as shipped: signed in with a token, access, limits and masking on. The content of all answers
is hashed and must be equal. On a busy machine only CPU and ratios of CPU count.
"""

import argparse
import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from finview.accounts.access import Role
from finview.accounts.tokens import create_token
from finview.accounts.users import create_user
from finview.api.engine import paging
from finview.app import open_services, prepare
from finview.cases.models import Case
from finview.settings import Settings
from finview.testing import db as testing_db
from finview.testing.book import write_book

HERE = Path(__file__).resolve().parent
VARIANTS = ("dataloaders", "rows", "finview", "raw")
CONNECTIONS = 8
PAGES = 20
BALANCE = "finview, balances"
SHIPPED = {
    "FINVIEW_ENV": "production",
    "FINVIEW_SECRET_KEY": "benchmark" * 8,
    # One viewer is as busy here as a thousand are elsewhere; the buckets are still counted.
    "FINVIEW_RATE_POINTS_S": "1000000000",
    "FINVIEW_RATE_POINTS_BURST": "1000000000",
}
BALANCES = """query($after: String) { cases(first: 50, after: $after) {
  nodes { number balance { open { amount currency } } debtor { name } }
  pageInfo { hasNextPage endCursor } } }"""
QUERY = """query($after: String) { cases(first: 50, after: $after) {
  nodes { number debtor { name addresses { street city } }
    invoices { number amount { amount currency } } portfolio { name customer { name } } }
  pageInfo { hasNextPage endCursor } } }"""


class Server:
    """One variant in a process of its own."""

    def __init__(self, variant: str, settings: Settings, token: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        command = [sys.executable, str(HERE / "servers.py"), variant, settings.url]
        command += [str(settings.data_dir), str(self.port)]
        self.process = subprocess.Popen(
            command, env=os.environ | SHIPPED, stderr=subprocess.DEVNULL
        )
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("a server did not start") from None
                time.sleep(0.1)
            else:
                return
        raise SystemExit("a server did not start in a minute")

    def cpu_s(self) -> float:
        """Return the CPU the server's threads have used so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(one.read_text().split()[0]) for one in tasks) / 1e9

    def peak_mib(self) -> float:
        """Return the most memory it had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def counts(self) -> dict[str, int]:
        """Return how finview answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/counts")
        found: dict[str, int] = json.loads(connection.getresponse().read())
        connection.close()
        return found

    def ask(self, bodies: list[bytes]) -> tuple[float, list[float], list[bytes]]:
        """Send requests over all connections; return wall time, latencies, answers."""
        left, answers, times = iter(enumerate(bodies)), {}, []
        lock = threading.Lock()

        def work() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            while True:
                with lock:
                    n, body = next(left, (-1, b""))
                if n < 0:
                    return
                began = time.perf_counter()
                connection.request("POST", "/graphql", body, self.headers)
                answers[n] = connection.getresponse().read()
                times.append(time.perf_counter() - began)

        threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
        began = time.perf_counter()
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return time.perf_counter() - began, times, [answers[n] for n in range(len(bodies))]

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def content(answer: bytes) -> str:
    """Return the hash of what an answer says, without page info: raw SQL has none."""
    given = json.loads(answer)
    if given.get("errors"):
        raise SystemExit(f"an answer with errors: {answer[:300]!r}")
    nodes = given["data"]["cases"]["nodes"]
    for node in nodes:
        node["debtor"]["addresses"] = node["debtor"]["addresses"] or []
    return hashlib.sha256(json.dumps(nodes, sort_keys=True).encode()).hexdigest()


def measure(settings: Settings, token: str, rounds: int, requests: int) -> dict[str, Any]:
    """Measure all variants in turn; return the medians of each, and how finview answered."""
    bodies, balances = _bodies(QUERY), _bodies(BALANCES)
    servers = {variant: Server(variant, settings, token) for variant in VARIANTS}
    found: dict[str, list[dict[str, float]]] = {variant: [] for variant in (*VARIANTS, BALANCE)}
    try:
        said = {v: [content(a) for a in s.ask(bodies)[2]] for v, s in servers.items()}
        if len({tuple(hashes) for hashes in said.values()}) != 1:
            raise SystemExit("the variants do not say the same")
        for _ in range(rounds):
            for variant, server in servers.items():
                count = requests if variant == "dataloaders" else requests * 4
                found[variant].append(_round(server, bodies, count))
            found[BALANCE].append(_round(servers["finview"], balances, requests))
        counts = servers["finview"].counts()
    finally:
        for server in servers.values():
            server.stop()
    medians: dict[str, Any] = {
        v: {k: median(one[k] for one in of) for k in of[0]} for v, of in found.items()
    }
    return medians | {"counts": counts}


def _bodies(query: str) -> list[bytes]:
    mark = paging.fingerprint([paging.Order(Case.id)])
    cursors = [paging.cursor(mark, [n * 50]) for n in range(1, PAGES + 1)]
    return [json.dumps({"query": query, "variables": {"after": c}}).encode() for c in cursors]


def _round(server: Server, bodies: list[bytes], count: int) -> dict[str, float]:
    server.ask(bodies)
    before = server.cpu_s()
    wall, times, _ = server.ask([bodies[n % PAGES] for n in range(count)])
    spent = server.cpu_s() - before
    times.sort()
    return {
        "requests_s": count / wall,
        "cpu_ms": spent / count * 1000,
        "p50_ms": times[count // 2] * 1000,
        "p99_ms": times[count * 99 // 100] * 1000,
        "peak_mib": server.peak_mib(),
    }


@contextmanager
def database(kind: str, cases: int) -> Iterator[tuple[Settings, str]]:
    """Make a database with a book; yield its settings and a token."""
    with tempfile.TemporaryDirectory(prefix="finview-bench-") as name:
        folder = Path(name)
        if kind == "sqlite":
            settings = testing_db.copy_template(testing_db.make_template(folder), folder)
            yield settings, _fill(settings, cases)
        else:
            with testing_db.postgres() as server, server.fresh(folder) as settings:
                yield settings, _fill(settings, cases)


def _fill(settings: Settings, cases: int) -> str:
    services = open_services(settings)
    prepare(services)
    with services.db.unit() as session:
        write_book(session, cases=cases, customers=20, awkward=False)
        user = create_user(session, email="b@example.org", name="Bench", role=Role.ADMIN)
        token = create_token(session, user)
    if settings.url.startswith("postgres"):
        with services.db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as made:
            made.exec_driver_sql("VACUUM ANALYZE")
    services.close()
    return token


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report = {}
    for kind in given.databases:
        with database(kind, given.cases) as (settings, token):
            report[kind] = measure(settings, token, given.rounds, given.requests)
    if given.json:
        print(json.dumps(report, indent=1))
        return
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    for kind, variants in report.items():
        show(kind, variants)
    print(
        "PostGraphile is not measured here: node and a package registry are not at hand everywhere"
    )


def show(kind: str, variants: dict[str, Any]) -> None:
    """Print the figures of one database."""
    counts = variants.pop("counts")
    base, raw = variants["dataloaders"], variants["raw"]
    print(f"{kind:18} requests/s   base   raw   CPU ms  p50 ms  p99 ms peak MiB")
    for name, f in variants.items():
        times, share = f["requests_s"] / base["requests_s"], f["requests_s"] / raw["requests_s"]
        print(
            f"  {name:18}{f['requests_s']:8.1f}{times:7.1f}x{share:6.0%}"
            f"{f['cpu_ms']:8.2f}{f['p50_ms']:8.1f}{f['p99_ms']:8.1f}{f['peak_mib']:9.0f}"
        )
    for what in ("document", "plan"):
        hits, misses = counts[f"{what}_hits"], counts[f"{what}_misses"]
        print(f"  {what} cache: {hits / max(1, hits + misses):.1%} of {hits + misses} found")
    print(f"  {counts['written']} written by the database, {counts['fallbacks']} of them in vain")


if __name__ == "__main__":
    main()
