"""The reading child process: limits itself, reads one file, writes frames to its parent.

It knows neither database nor settings, and imports little, as every reading starts one.
"""

import os
import sys
import time
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any, BinaryIO

from finview.imports.reading import frames, rawscan, sniff
from finview.imports.reading.limits import MIB, Limits, Refused
from finview.imports.reading.lines import Shape, TotalLine, is_blank, table_rows
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.contracts.reader import ImportReader, Line, ReaderOptions, Sheet, Survey

BUILT_IN = (
    "finview.imports.reading.readers:CsvReader",
    "finview.imports.reading.readers:OpenpyxlReader",
)
HEAD_LINES = 260
HEAD_BYTES_MAX = 4 * MIB
HEAD_SHEETS_MAX = 40
TICK_S = 2.0
CHUNK_BYTES_MAX = 8 * MIB
# Whatever a reader trips over is the file's fault here; anything else ends the process.
_UNREADABLE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def confine(limits: Limits) -> None:
    """Give memory, CPU time, written files and open files their bounds where the system can."""
    try:
        import resource
    except ImportError:  # Windows: the raw scan and the parent's watchdog still hold
        return
    bounds = {
        "RLIMIT_AS": limits.memory_bytes_max,
        "RLIMIT_CPU": limits.cpu_s_max,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 32,
        "RLIMIT_CORE": 0,
    }
    for name, bound in bounds.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            bound = min(bound, hard)  # noqa: PLW2901  # never above what the system allows
        try:
            resource.setrlimit(kind, (bound, bound))
        except (ValueError, OSError):  # macOS refuses some
            continue


class _Session:
    """One reading: the request, the open file and the pipe to the parent."""

    def __init__(self, request: dict[str, Any], file: BinaryIO, out: BinaryIO) -> None:
        self._request = request
        self._file = file
        self._out = out
        self._limits = Limits(**request["limits"])
        self._last_sign = time.monotonic()
        self._filename: str = request["filename"]

    def send(self, kind: str, **frame: Any) -> None:
        frames.write(self._out, {"t": kind, **frame})
        self._last_sign = time.monotonic()

    def tick(self) -> None:
        """Show a sign of life when the last one is a while ago."""
        if time.monotonic() - self._last_sign >= TICK_S:
            self.send("tick")

    def run(self) -> None:
        if self._request["what"] == "lines":
            self._bank_lines()
            return
        kind = sniff.classify(self._file, self._filename, self._limits)
        reader = self._reader(kind)
        options = ReaderOptions(
            encoding=self._request.get("encoding"),
            delimiter=self._request.get("delimiter"),
            columns_max=self._limits.columns_max,
            cell_chars_max=self._limits.cell_chars_max,
            parts=self._raw_scan(),
        )
        survey = reader.survey(self._file, options)
        self.tick()
        if self._request["what"] == "probe":
            self._probe(kind, reader, survey, options)
        else:
            self._rows(reader, survey, options)
        self.send("end")

    def _bank_lines(self) -> None:
        from finview.imports.reading import statement_child

        statement_child.stream(
            self._file, self._filename, self._limits, self._request["readers"], self.send
        )
        self.send("end")

    def _raw_scan(self) -> dict[str, Any]:
        self._file.seek(0)
        if self._file.read(4) != sniff.ZIP_MAGIC:
            return {}
        return rawscan.scan(self._file, self._limits, self.tick).sheets

    def _reader(self, kind: sniff.Kind) -> ImportReader[Any]:
        self._file.seek(0)
        head = self._file.read(sniff.HEAD_BYTES)
        best: tuple[float, ImportReader[Any]] | None = None
        for path in (*BUILT_IN, *self._request["readers"]):
            module, _, name = path.partition(":")
            provider: type[ImportReader[Any]] = getattr(import_module(module), name)
            reader = provider(NoSettings())
            sure = reader.sniff(head, self._filename)
            if path in BUILT_IN and reader.format != kind.format.replace("xlsm", "xlsx"):
                continue
            if sure > 0 and (best is None or sure > best[0]):
                best = (sure, reader)
        if best is None:
            raise Refused("UNSUPPORTED_LEGACY_FORMAT", format=kind.format)
        return best[1]

    def _probe(
        self,
        kind: sniff.Kind,
        reader: ImportReader[Any],
        survey: Survey,
        options: ReaderOptions,
    ) -> None:
        self.send(
            "file",
            format=kind.format,
            macros=kind.macros,
            encoding=survey.encoding,
            delimiter=survey.delimiter,
            date_1904=survey.date_1904,
            strict_width=survey.strict_width,
            rows_estimate=survey.rows_estimate,
            notices=[[code, dict(params)] for code, params in survey.notices],
        )
        for number, sheet in enumerate(survey.sheets):
            lines: Iterator[Line] = iter(())
            if number < HEAD_SHEETS_MAX or sheet.name == self._request.get("sheet"):
                lines = reader.lines(self._file, sheet, survey, options)
            self.send("sheet", **self._sheet(sheet, lines))

    def _sheet(self, sheet: Sheet, lines: Iterator[Line]) -> dict[str, Any]:
        head: list[Any] = []
        size = 0
        beyond = 0
        for line in lines:
            self.tick()
            beyond = max(beyond, line.beyond)
            if is_blank(line.cells):
                continue
            head.append(_packed(line))
            size += sum(len(text) for text, _ in line.cells)
            if len(head) >= HEAD_LINES or size > HEAD_BYTES_MAX:
                break
        facts = sheet.facts
        return {
            "name": sheet.name,
            "visible": sheet.visible,
            "last_row": facts.last_row,
            "hidden_rows": list(facts.hidden_rows),
            "filtered": facts.filtered,
            "merged": [list(merged) for merged in facts.merged],
            "beyond": beyond,
            "lines": head,
        }

    def _rows(self, reader: ImportReader[Any], survey: Survey, options: ReaderOptions) -> None:
        wanted = self._request["sheet"]
        sheet = next((s for s in survey.sheets if wanted in (None, s.name)), None)
        if sheet is None and wanted is None:
            raise Refused("NO_DATA_ROWS")
        if sheet is None:
            raise Refused("SHEET_UNKNOWN", sheet=wanted)
        shape = Shape(
            header_row=self._request["header_row"],
            columns=self._request["columns"],
            strict_width=survey.strict_width,
            debtor_columns=_columns(self._request["debtor_columns"]),
            fill_columns=_columns(self._request["fill_columns"]),
            merged=sheet.facts.merged,
        )
        last = sheet.facts.last_row or survey.rows_estimate or 0
        total = max(last - shape.header_row, 0)
        lines = table_rows(self._alive(reader.lines(self._file, sheet, survey, options)), shape)
        self._stream(lines, total, shape.header_row)

    def _alive(self, lines: Iterator[Line]) -> Iterator[Line]:
        while batch := list(islice(lines, 200)):
            self.tick()
            yield from batch

    def _stream(self, lines: Iterator[Line | TotalLine], total: int, header_row: int) -> None:
        after = self._request["after_row"]
        rows: list[Any] = []
        notices: list[Any] = []
        count = size = done = 0
        for line in lines:
            done = line.no - header_row
            if isinstance(line, TotalLine):
                if line.no > after:
                    notices.append(["NOTICE_TOTAL_ROW", {"row": line.no}])
                continue
            count += 1
            if count > self._limits.rows_max:
                raise Refused("ROW_LIMIT", limit=self._limits.rows_max)
            if line.no <= after:
                continue
            rows.append(_packed(line))
            size += sum(len(text) for text, _ in line.cells)
            if len(rows) >= self._limits.chunk_rows or size > CHUNK_BYTES_MAX:
                self.send("rows", rows=rows, notices=notices, done=done, total=max(total, done))
                rows, notices, size = [], [], 0
        if rows or notices:
            self.send("rows", rows=rows, notices=notices, done=done, total=done)


def _packed(line: Line) -> list[Any]:
    """Return a line as JSON: number, texts, one letter per type (blank: "-"), marks, extras."""
    texts = [text for text, _ in line.cells]
    kinds = "".join([kind or "-" for _, kind in line.cells])
    marks = sorted({code for code, _ in line.marks}) if line.marks else []
    return [line.no, texts, kinds, marks, line.beyond]


def _columns(wanted: list[int] | None) -> frozenset[int] | None:
    return None if wanted is None else frozenset(wanted)


def _preload(path: str) -> None:
    # Before the limits, so that Python may still keep the compiled modules for the next child.
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # pathlib costs start time
            zipped = file.read(4) == sniff.ZIP_MAGIC
    except OSError:
        return
    if zipped:
        sys.modules["numpy"] = None  # type: ignore[assignment]  # openpyxl would load it: 90 ms, threads
        import_module("finview.imports.reading.xlsx")
        del sys.modules["numpy"]
    else:
        import_module("finview.imports.reading.delimited")


def main() -> None:
    """Read the request from standard input and answer on standard output, once."""
    out = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # a plugin that prints must not break the frames
    os.close(silence)
    request = frames.read(sys.stdin.buffer)
    if request is None:
        return
    warnings.simplefilter("ignore")
    if request["what"] == "lines":
        import_module("finview.imports.reading.statement_child")
    else:
        _preload(request["path"])
    confine(Limits(**request["limits"]))
    try:
        _answer(request, out)
    except BrokenPipeError:
        os._exit(0)  # the parent has gone; nothing to tell anybody


def _answer(request: dict[str, Any], out: BinaryIO) -> None:
    failure: dict[str, Any]
    try:
        with open(request["path"], "rb") as file:  # noqa: PTH123  # pathlib costs start time
            _Session(request, file, out).run()
        return
    except BrokenPipeError:
        raise
    except Refused as refusal:
        failure = {"reason": refusal.reason, "params": refusal.params}
    except MemoryError:
        failure = {"reason": "READER_LIMIT", "params": {}}
    except _UNREADABLE as error:
        bank = request["what"] == "lines"
        reason = "BANK_FILE_UNREADABLE" if bank else "WORKBOOK_UNREADABLE"
        failure = {"reason": reason, "params": {"detail": type(error).__name__}}
    frames.write(out, {"t": "fail", **failure})


if __name__ == "__main__":
    main()
