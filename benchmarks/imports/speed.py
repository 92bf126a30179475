"""Measures an import from upload to launch: rows per CPU second of the parent process, and memory.

`python benchmarks/imports/speed.py [--rows 10000] [--debtors 100000] [--work DIR] [--json]`; the
database of existing debtors is made once in DIR and used again. The reading child is a process of
its own: its CPU is not the parent's, its memory is shown apart. Beside it stands what bare openpyxl
needs to read the same file, for machines differ.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

PART = Path(__file__).resolve().with_name("speed_run.py")
LOOK_S = 0.02
GATE_ROWS_PER_CPU_S = 1_000
GATE_RSS_MB = 300
TO_CREATED = ("upload", "read_stage", "match_create")


class Children:
    """Looks every 20 ms how much memory the children of a process took at their peak (Linux only).

    Not by RUSAGE_CHILDREN: a child starts with its parent's peak there.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak_kib = 0

    def __enter__(self) -> "Children":
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            for listed in Path(f"/proc/{self._pid}/task").glob("*/children"):
                for child in _read(listed).split():
                    self._look(Path(f"/proc/{child}"))

    def _look(self, child: Path) -> None:
        # Until it runs its own program it is still a copy of the parent.
        if b"finview.imports.reading" not in _read(child / "cmdline").encode():
            return
        for line in _read(child / "status").splitlines():
            if line.startswith("VmHWM:"):
                self.peak_kib = max(self.peak_kib, int(line.split()[1]))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""


def part(name: str, **options: object) -> tuple[dict[str, Any], int]:
    """Run one part in a fresh process; return its document and its children's peak in KiB."""
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    command = [sys.executable, str(PART), name, *words]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        Children(process.pid) as children,
    ):
        answer, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{name} failed: {process.returncode}")
    document: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return document, children.peak_kib


def measure(work: Path, rows: int, debtors: int, profile: Path | None) -> dict[str, Any]:
    """Make what is missing, run one import on a copy of the database, and return the figures."""
    made, _ = part("database", work=work, debtors=debtors)
    book, _ = part("workbook", work=work, rows=rows, debtors=debtors)
    bare, _ = part("openpyxl", workbook=book["workbook"])
    with tempfile.TemporaryDirectory(dir=work) as folder:
        shutil.copyfile(Path(made["folder"]) / "finview.db", Path(folder) / "finview.db")
        options = {"work": folder, "workbook": book["workbook"], "agency": json.dumps(made)}
        if profile:
            options["profile"] = str(profile)
        seen, child_kib = part("run", **options)
    phases = seen["phases"]
    cpu_s = sum(phases[name]["cpu_s"] for name in TO_CREATED)
    bare_rows_per_cpu_s = rows / bare["cpu_s"]
    return {
        "rows": rows,
        "debtors": debtors,
        "phases": phases,
        "cpu_s_to_created": round(cpu_s, 3),
        "rows_per_cpu_s": round(rows / cpu_s),
        "openpyxl_rows_per_cpu_s": round(bare_rows_per_cpu_s),
        "share_of_openpyxl": round(rows / cpu_s / bare_rows_per_cpu_s, 2),
        "rss_mb": phases["match_create"]["rss_mb"],
        "rss_mb_launched": phases["launch"]["rss_mb"],
        "rss_mb_idle": seen["idle_rss_mb"],
        "child_rss_mb": round(child_kib * 1024 / 1e6, 1) or None,
        "sections": seen["sections"],
        "matched": seen["matched"],
        "states": seen["states"],
        "gates": {"rows_per_cpu_s": GATE_ROWS_PER_CPU_S, "rss_mb": GATE_RSS_MB},
    }


def show(found: dict[str, Any]) -> None:
    """Print the figures for people."""
    print(f"{found['rows']} rows against {found['debtors']} debtors: {found['sections']}")
    print(f"{'phase':<14}{'CPU s':>8}{'s':>8}{'peak MB':>9}")
    for name, phase in found["phases"].items():
        print(f"{name:<14}{phase['cpu_s']:>8.2f}{phase['wall_s']:>8.2f}{phase['rss_mb']:>9.0f}")
    print(
        f"upload to created: {found['cpu_s_to_created']:.2f} CPU s, "
        f"{found['rows_per_cpu_s']} rows per CPU s (gate {GATE_ROWS_PER_CPU_S})\n"
        f"bare openpyxl: {found['openpyxl_rows_per_cpu_s']} rows per CPU s; "
        f"the whole import runs at {found['share_of_openpyxl']} of it\n"
        f"peak memory: parent {found['rss_mb']:.0f} MB (gate {GATE_RSS_MB}, "
        f"idle {found['rss_mb_idle']:.0f}), reading child {found['child_rss_mb'] or '?'} MB\n"
        f"matching: {found['matched']}"
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=10_000)
    asked.add_argument("--debtors", type=int, default=100_000)
    cache = Path(tempfile.gettempdir()) / "finview-benchmarks"
    asked.add_argument("--work", type=Path, default=cache, help="where made data is kept")
    asked.add_argument("--json", action="store_true", help="print one JSON document")
    asked.add_argument("--profile", type=Path, help="write a cProfile of the run, which slows it")
    given = asked.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    found = measure(given.work.resolve(), given.rows, given.debtors, given.profile)
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


if __name__ == "__main__":
    main()
