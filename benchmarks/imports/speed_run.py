"""One part of the speed benchmark, in a process of its own: a database, a workbook, or a measured run.

`speed.py` starts it; each part prints one JSON document.
"""

import argparse
import cProfile
import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
from sqlalchemy.schema import CreateIndex, CreateTable

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import speed_data

from finview.app import open_services, prepare
from finview.cases.debtors import Contacts, NewAddress, NewDebtor, NewPhone, create_debtors
from finview.cases.models import DebtorKind
from finview.db.models import load_models
from finview.db.tables import Base
from finview.jobs import claims
from finview.jobs.runner import run_job
from finview.matching import index
from finview.matching.normalise import NORM_VERSION
from finview.settings import Settings
from finview.testing.client import client_for

BATCH = 2_000
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB on Linux


def digest(*declared: str) -> str:
    """Return a short name of this version of the invented data, and of what else is declared."""
    source = Path(speed_data.__file__).read_text(encoding="utf-8")
    return blake2b("\n".join((source, *declared)).encode(), digest_size=6).hexdigest()


def database_path(work: Path, debtors: int) -> Path:
    """Return where a database of so many debtors is kept: one for each version of the tables."""
    load_models()
    tables = Base.metadata.sorted_tables
    indexes = sorted(str(CreateIndex(index)) for table in tables for index in table.indexes)
    version = digest(str(NORM_VERSION), *(str(CreateTable(table)) for table in tables), *indexes)
    return work / f"debtors-{debtors}-{version}"


def make_database(work: Path, debtors: int) -> dict[str, Any]:
    """Make a database with an agency and so many debtors in the index, unless it is there."""
    folder = database_path(work, debtors)
    if not (folder / "ready.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "finview.db").unlink(missing_ok=True)
        agency = _fill(folder, debtors)
        (folder / "ready.json").write_text(json.dumps(agency))
    return {"folder": str(folder), **json.loads((folder / "ready.json").read_text())}


def _fill(folder: Path, debtors: int) -> dict[str, str]:
    services = open_services(Settings(data_dir=folder))
    services.db.create_schema()
    prepare(services)
    client = client_for(services)
    unit = client.do("businessUnitCreate", "businessUnit { id }", name="Inkasso Nord")["id"]
    activate = "mutation($id: ID!) { businessUnitActivate(id: $id) { errors { code } } }"
    client.ask(activate, id=unit)
    made = {"businessUnitId": unit, "currency": "EUR"}
    customer = client.do("customerCreate", "customer { id }", name="Stadtwerke", **made)["id"]
    portfolio = client.do("portfolioCreate", "portfolio { id }", customerId=customer, name="2026")
    costs = {"kind": "FIXED", "amount": "40.00"}
    bucket = client.do(
        "bucketCreate",
        "bucket { id }",
        portfolioId=portfolio["id"],
        name="Standard",
        financials={"costs": costs, "interest": {"kind": "FIXED", "percent": "5"}},
    )
    everybody = speed_data.people(1)
    for begin in range(0, debtors, BATCH):
        some = list(islice(everybody, min(BATCH, debtors - begin)))
        with services.db.unit(durable=False) as session:
            create_debtors(session, [_debtor(person) for person in some], by=None)
        with services.db.unit(durable=False) as session:
            index.refresh(session, limit=BATCH)
    services.close()
    return {"portfolio": portfolio["id"], "bucket": bucket["id"]}


def _debtor(person: speed_data.Person) -> Any:
    address = NewAddress(
        street=person.street,
        house_no=person.house_no,
        postcode=person.postcode,
        city=person.town,
        country="DE",
    )
    phones = [number for number in (person.phone, person.mobile) if number]
    return NewDebtor(
        kind=DebtorKind.CONSUMER,
        locale="de",
        first_name=person.first,
        last_name=person.last,
        date_of_birth=person.born,
        contacts=Contacts(
            addresses=(address,),
            emails=(person.email,) if person.email else (),
            phones=tuple(NewPhone(raw=number, e164=number) for number in phones),
        ),
    )


def make_workbook(work: Path, rows: int, debtors: int) -> dict[str, Any]:
    """Make the workbook, unless it is there."""
    path = work / f"cases-{rows}-{debtors}-{digest()}.xlsx"
    if not path.exists():
        speed_data.write_workbook(path, rows, debtors)
    return {"workbook": str(path), "bytes": path.stat().st_size}


def read_barely(workbook: Path) -> dict[str, Any]:
    """Read every value of a workbook with openpyxl alone."""
    began = time.process_time()
    book = openpyxl.load_workbook(workbook, read_only=True)
    rows = sum(1 for _ in book.worksheets[0].iter_rows(min_row=2, values_only=True))
    return {"rows": rows, "cpu_s": time.process_time() - began}


class Phases:
    """CPU seconds, seconds and peak memory of this process, phase by phase."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, float]] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the block as one phase."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.seen[name] = {
            "cpu_s": round(time.process_time() - cpu, 3),
            "wall_s": round(time.perf_counter() - wall, 3),
            "rss_mb": round(peak_bytes() / 1e6, 1),
        }


def peak_bytes() -> int:
    """Return the peak resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT


def run(folder: Path, workbook: Path, agency: dict[str, str]) -> dict[str, Any]:
    """Drive one import through GraphQL, from the upload to the launched workflows."""
    services = open_services(Settings(data_dir=folder))
    client = client_for(services)
    client.ask("{ __typename }")
    phases = Phases()
    idle = peak_bytes()
    with phases.phase("upload"):
        made = client.do(
            "importCreate",
            "import { id }",
            uploadId=client.upload(workbook),
            portfolioId=agency["portfolio"],
            debtorKind="CONSUMER",
            phoneCountry="DE",
        )
    with phases.phase("read_stage"):
        client.drain()
        if _look(client, made["id"])["state"] == "MAPPING":
            client.do("importMap", "import { id }", importId=made["id"], columns=[])
            client.drain()
    staged = _look(client, made["id"])
    with phases.phase("match_create"):
        client.do("importReviewComplete", "import { id }", importId=made["id"])
        _run_bulk_job(services)
    created = _look(client, made["id"])
    with phases.phase("error_workbook"):  # a job of its own, behind the records
        client.drain()
    with phases.phase("link"):
        bucket = agency["bucket"]
        client.do("importLinkBucket", "import { id }", importId=made["id"], bucketId=bucket)
    with phases.phase("launch"):
        client.do("importLaunch", "import { id }", importId=made["id"])
        while _run_bulk_job(services):
            pass  # the workflows' own steps are not the import's
    launched = _look(client, made["id"])
    services.close()
    return {
        "phases": phases.seen,
        "idle_rss_mb": round(idle / 1e6, 1),
        "sections": staged["sectionCounts"],
        "matched": created["matchCounts"],
        "states": [staged["state"], created["state"], launched["state"]],
    }


def _run_bulk_job(services: Any) -> bool:
    """Run the next of the big jobs; tell whether there was one."""
    taken = claims.claim(services.db, "bulk", 1)
    for job in taken:
        run_job(services, job.id, job.attempt, job.kind)
    return bool(taken)


_LOOK = """query($id: ID!) { import(id: $id) { state
  sectionCounts { total ready needsCleansing faulty } matchCounts { new matched review } } }"""


def _look(client: Any, import_id: str) -> Any:
    return client.ask(_LOOK, id=import_id)["import"]


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("part", choices=["database", "workbook", "openpyxl", "run"])
    asked.add_argument("--work", type=Path)
    asked.add_argument("--rows", type=int)
    asked.add_argument("--debtors", type=int)
    asked.add_argument("--workbook", type=Path)
    asked.add_argument("--agency", type=json.loads)
    asked.add_argument("--profile", type=Path)
    given = asked.parse_args()
    if given.part == "database":
        answer = make_database(given.work, given.debtors)
    elif given.part == "workbook":
        answer = make_workbook(given.work, given.rows, given.debtors)
    elif given.part == "openpyxl":
        answer = read_barely(given.workbook)
    elif given.profile:
        with cProfile.Profile() as watched:
            answer = run(given.work, given.workbook, given.agency)
        watched.dump_stats(given.profile)
    else:
        answer = run(given.work, given.workbook, given.agency)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
