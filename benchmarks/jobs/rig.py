"""What the benchmarks of jobs share: fresh databases, the CPU of every process, a table with gates."""

import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finview.settings import Settings
from finview.testing import db as testing_db

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where the files lie: the disk, and other people's use of it, shall not decide."""

Fresh = Callable[[], Any]


@contextmanager
def databases(name: str) -> Iterator[Fresh]:
    """Give a maker of fresh databases with every table."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        if name == "sqlite":
            template = testing_db.make_template(folder)
            count = itertools.count()

            @contextmanager
            def fresh() -> Iterator[Settings]:
                here = folder / str(next(count))
                here.mkdir()
                yield testing_db.copy_template(template, here)

            yield fresh
        else:
            server = stack.enter_context(testing_db.postgres())
            yield lambda: server.fresh(folder)


@dataclass(frozen=True, slots=True)
class Taken:
    """What something took, in seconds; `cpu` is that of this process and of its servers."""

    wall: float
    cpu: float


def measured(act: Callable[[], None], *, servers: Sequence[int] = ()) -> Taken:
    """Time something; `servers` are processes, beside the children of this one, that work for it."""
    wall, cpu = time.perf_counter(), cpu_s(servers)
    act()
    return Taken(time.perf_counter() - wall, cpu_s(servers) - cpu)


def cpu_s(servers: Sequence[int] = ()) -> float:
    """Return the CPU seconds of this process, of `servers`, and of all their children so far."""
    own, others = time.process_time(), 0.0
    try:
        facts = dict(_facts())
    except OSError:  # no /proc here
        return own
    known = {os.getpid(), *servers}
    grown = True
    while grown:
        more = {pid for pid, (parent, *_) in facts.items() if parent in known} - known
        known |= more
        grown = bool(more)
    for pid in known - {os.getpid()}:
        if pid in facts:
            _, ran, reaped = facts[pid]
            others += ran + (reaped if pid in servers else 0.0)
    return own + others


def _facts() -> Iterator[tuple[int, tuple[int, float, float]]]:
    """Give each process: its parent, its CPU seconds, and those of children that have ended."""
    tick = os.sysconf("SC_CLK_TCK")
    for name in (entry.name for entry in Path("/proc").iterdir()):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            ran, reaped = int(stat[11]) + int(stat[12]), int(stat[13]) + int(stat[14])
            yield int(name), (int(stat[1]), ran / tick, reaped / tick)


def postmaster(services: Any) -> list[int]:
    """Return the process that started the connections of a PostgreSQL on this machine."""
    if services.db.dialect == "sqlite":
        return []
    with services.db.reading() as session:
        pid = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar()
    facts = dict(_facts()) if Path("/proc/self").exists() else {}
    return [facts[pid][0]] if pid in facts else []


def show(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print figures as a table, the names of the first row above, or as JSON."""
    if as_json:
        print(json.dumps(rows, indent=2, default=str))
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    texts = [names, *([_text(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[n]) for line in texts) for n in range(len(names))]
    for line in texts:
        print("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)), flush=True)
    print(flush=True)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
