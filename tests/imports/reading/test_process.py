"""The child streams in chunks, can start anywhere, and never takes the service with it."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from finview.errors import FileTooLarge, FileUnreadable, FinviewError
from finview.imports.reading.process import Limits, probe, rows

CSV = b"Kundennr;Betrag\n" + b"".join(b"K%d;%d\n" % (n, n) for n in range(2500))
NASTY = """
import os, signal, sys, time
from finview.plugins.contracts.reader import ImportReader

class _Reader(ImportReader):
    name = title = "nasty"
    def sniff(self, head, filename):
        return 1.0

class Fine(_Reader):
    def rows(self, file, sheet):
        print("noise on standard output")
        yield [("Kundennr", "s"), ("Betrag", "s")]
        yield [("K1", "s"), ("5", "n")]

class Hanging(_Reader):
    def rows(self, file, sheet):
        yield [("Name", "s")]
        time.sleep(60)

class Greedy(_Reader):
    def rows(self, file, sheet):
        yield [("x" * 3_000_000_000, "s")]

class Spinning(_Reader):
    def rows(self, file, sheet):
        while True:
            pass
        yield []

class Writing(_Reader):
    def rows(self, file, sheet):
        with open(file.name + ".left", "w") as left:
            left.write("x" * 100_000)
        yield []

class Crashing(_Reader):
    def rows(self, file, sheet):
        os.kill(os.getpid(), signal.SIGSEGV)
        yield []

class Lying(_Reader):
    def rows(self, file, sheet):
        yield [(1, 2), ("a",)]

class Leaving(_Reader):
    def rows(self, file, sheet):
        sys.exit(3)
        yield []
"""


@pytest.fixture
def nasty(tmp_path, monkeypatch):
    """Install a reader of a plugin where the child can import it."""
    import sysconfig

    name = f"nasty_reader_{os.getpid()}"
    module = Path(sysconfig.get_paths()["purelib"]) / f"{name}.py"
    module.write_text(NASTY)
    yield lambda kind: [f"{name}:{kind}"]
    module.unlink()


def children() -> set[str]:
    here = Path(f"/proc/{os.getpid()}/task")
    if not here.exists():
        pytest.skip("this system does not list the children of a process")
    found: set[str] = set()
    for task in here.iterdir():
        with suppress(FileNotFoundError):  # a thread may end between the listing and the look
            found.update((task / "children").read_text().split())
    return found


def test_chunks_are_bounded_and_tell_the_progress(desk):
    path = desk.put(CSV, "f.csv")
    plan = probe(path, "f.csv", Limits()).plan
    with rows(path, "f.csv", plan, Limits()) as stream:
        chunks = list(stream)
    assert [len(chunk.rows) for chunk in chunks] == [1000, 1000, 500]
    assert [(chunk.done, chunk.total) for chunk in chunks] == [
        (1000, 2500), (2000, 2500), (2500, 2500),
    ]  # fmt: skip


def test_reading_starts_after_any_row(desk):
    desk.put(CSV, "f.csv")
    plan = desk.probe(CSV, "f.csv").plan
    whole, _ = desk.rows("f.csv", plan)
    rest, _ = desk.rows("f.csv", plan, after_row=1700)
    assert rest == [row for row in whole if row.no > 1700]


def test_a_plan_survives_json(desk, make):
    plan = desk.probe(CSV, "f.csv").plan.for_debtor([0])
    assert type(plan).from_dict(plan.as_dict()) == plan


def test_closing_ends_the_child(desk):
    path = desk.put(CSV * 20, "f.csv")
    before = children()
    stream = rows(path, "f.csv", desk.probe(CSV, "f.csv").plan, Limits(chunk_rows=10))
    next(stream)
    assert children() - before
    stream.close()
    stream.close()
    assert not children() - before
    with pytest.raises(StopIteration):
        next(stream)


def test_a_killed_child_is_a_failure_not_an_end(desk):
    path = desk.put(CSV * 20, "f.csv")
    before = children()
    stream = rows(path, "f.csv", desk.probe(CSV, "f.csv").plan, Limits(chunk_rows=10))
    next(stream)
    for pid in children() - before:
        os.kill(int(pid), signal.SIGKILL)
    with pytest.raises(FinviewError, match="READER_LIMIT"):
        list(stream)


def test_a_reader_of_a_plugin_is_used_by_name(desk, nasty):
    found = desk.probe(b"whatever", "f.csv", readers=nasty("Fine"))
    assert found.headers == ["Kundennr", "Betrag"]
    assert desk.rows("f.csv", found.plan, readers=nasty("Fine"))[0][0].cells == [
        ("K1", "s"), ("5", "n"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("Greedy", FileTooLarge), ("Hanging", FileTooLarge), ("Spinning", FileTooLarge),
        ("Crashing", FileUnreadable), ("Lying", FileUnreadable), ("Leaving", FileUnreadable),
        ("Writing", FileUnreadable),
    ],
)  # fmt: skip
def test_whatever_a_reader_does_the_service_gets_a_reason(desk, nasty, kind, error):
    limits = Limits(silence_s_max=2 if kind == "Hanging" else 20, cpu_s_max=1)
    before, start = children(), time.monotonic()
    with pytest.raises(error):
        desk.probe(b"a;b\n1;2\n", "f.csv", readers=nasty(kind), limits=limits)
    assert time.monotonic() - start < 15
    assert not children() - before
    left = desk.folder / "f.csv.left"
    assert not left.exists() or left.stat().st_size == 0


def test_no_secret_reaches_the_child(desk, nasty, monkeypatch):
    monkeypatch.setenv("FINVIEW_SECRET_KEY", "x" * 40)
    before = children()
    plan = desk.probe(CSV, "f.csv").plan
    with rows(desk.put(CSV * 20, "f.csv"), "f.csv", plan, Limits()) as stream:
        next(stream)
        (pid,) = children() - before
        assert b"FINVIEW" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_file_that_is_gone_is_a_failure(tmp_path):
    with pytest.raises(FileUnreadable):
        probe(tmp_path / "gone.xlsx", "gone.xlsx", Limits())
