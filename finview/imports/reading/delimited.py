"""Reads delimited text: encoding and delimiter by counting, records by RFC 4180, faults kept."""

import codecs
import csv
import io
import itertools
import math
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from finview.imports.reading import sniff
from finview.imports.reading.values import text_cell
from finview.plugins.contracts.reader import BLANK, Cell, Line, ReaderOptions

DELIMITERS = (";", "\t", "|", ",")
LEGACY_ENCODINGS = ("cp1252", "cp850", "mac_roman")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GERMAN = frozenset("äöüÄÖÜß")
_USUAL = frozenset("éèêëáàâçíîïóôúûùñœæÉÀÇÑ€„“”‚‘’–—…«»°§²³µ´\u00a0\u00ad")
_ASCII = bytes(range(128))
_BLOCK_BYTES = 1024 * 1024
_SAMPLE_BYTES = 256 * 1024
_SAMPLE_RECORDS = 50
_RECORD_LINES_MAX = 1_000
_FIELD_CHARS_MAX = 1024 * 1024
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d{1,2}(?!\d))")
_SEP_LINE = re.compile(r'\A"?sep=(.)"?\s*\Z', re.IGNORECASE)
_PREVIEW_LINES = 3


@dataclass(frozen=True, slots=True)
class Encoding:
    """The chosen encoding; `doubts` are the candidates to ask about, with a preview of each."""

    name: str
    doubts: tuple[dict[str, str], ...] = ()


def detect_encoding(file: BinaryIO) -> Encoding:
    """Return byte order mark, else strict UTF-8, else the legacy encoding with German letters.

    German letters count 2, usual French and typographic signs 1, any other sign -2. A best score
    below 1, or a tie, is a doubt (charset libraries got 3 of 3 such files wrong).
    """
    file.seek(0)
    head = file.read(sniff.HEAD_BYTES)
    for mark, name in _BOMS:
        if head.startswith(mark):
            return Encoding(name)
    wide = sniff.utf16_without_bom(head)
    if wide:
        return Encoding(wide)
    if _is_utf8(file):
        return Encoding("utf-8")
    bytes_seen, lines = _non_ascii(file)
    scores = {name: _score(name, bytes_seen) for name in LEGACY_ENCODINGS}
    scores["utf-8"] = _score_utf8(file)
    ranked = sorted(scores, key=lambda name: -scores[name])
    best = ranked[0]
    clear = scores[best] >= 1 and scores[best] > scores[ranked[1]] and best != "utf-8"
    if clear:
        return Encoding(best)
    previews = tuple({"encoding": name, "preview": _preview(lines, name)} for name in ranked)
    return Encoding(best, previews)


def detect_delimiter(text: str) -> str:
    """Return the sign that splits the first 50 records most evenly; a semicolon when none does.

    A comma between digits counts as a decimal comma as long as another sign splits the lines, or
    the first line has none.
    """
    lines = [line for line in _QUOTED.sub("q", text).splitlines() if line.strip()]
    lines = lines[:_SAMPLE_RECORDS]
    if not lines:
        return ","
    scores = {sign: _evenness([line.count(sign) for line in lines]) for sign in DELIMITERS[:3]}
    best = max(scores, key=lambda sign: scores[sign])
    stripped = [_DECIMAL_COMMA.sub(".", line) for line in lines]
    if "," in lines[0] and scores[best] < 1:
        stripped = lines
    comma = _evenness([line.count(",") for line in stripped])
    return best if scores[best] >= comma else ","


def _evenness(counts: list[int]) -> float:
    used = Counter(count for count in counts if count)
    if not used:
        return 0
    usual, times = used.most_common(1)[0]
    return (used.total() + times) / len(counts) + math.log2(usual + 1) / 10


class Delimited:
    """A delimited file with its settled encoding and delimiter, ready to give lines."""

    def __init__(self, file: BinaryIO, options: ReaderOptions) -> None:
        self.file = file
        self._options = options
        self.encoding = Encoding(options.encoding) if options.encoding else detect_encoding(file)
        sample = self._sample()
        first = sample.split("\n", 1)[0].rstrip("\r")
        told = _SEP_LINE.match(first)
        self._skip_first = told is not None
        self.delimiter = options.delimiter or (told.group(1) if told else detect_delimiter(sample))
        self.rows_estimate = self._estimate(sample)

    def lines(self) -> Iterator[Line]:
        """Yield the records with the number of the line they start in."""
        self.file.seek(0)
        text = io.TextIOWrapper(
            self.file, encoding=self.encoding.name, errors="replace", newline=""
        )
        try:
            for no, fields, fault in _records(text, self.delimiter):
                if no > 1 or not self._skip_first:
                    yield self._line(no, fields, fault=fault)
        finally:
            text.detach()  # the file stays open, it may be read again

    def _line(self, no: int, fields: list[str], *, fault: bool) -> Line:
        options = self._options
        marks: list[tuple[str, dict[str, Any]]] = [("ROW_SHAPE", {"line": no})] if fault else []
        beyond = 0
        if len(fields) > options.columns_max:
            beyond = sum(1 for text in fields[options.columns_max :] if text)
            fields = fields[: options.columns_max]
        cells: list[Cell] = []
        for column, text in enumerate(fields):
            if len(text) > options.cell_chars_max:
                marks.append(("TEXT_TOO_LONG", {"column": column, "limit": options.cell_chars_max}))
                text = text[: options.cell_chars_max]  # noqa: PLW2901  # cut where it is found
            cells.append(text_cell(text) if text else BLANK)
        return Line(no, cells, marks=marks, beyond=beyond)

    def _sample(self) -> str:
        self.file.seek(0)
        decoder = codecs.getincrementaldecoder(self.encoding.name)(errors="replace")
        return decoder.decode(self.file.read(_SAMPLE_BYTES)).lstrip("\ufeff")

    def _estimate(self, sample: str) -> int:
        size = self.file.seek(0, io.SEEK_END)
        if size <= _SAMPLE_BYTES:
            return len(sample.splitlines())
        return round(size / _SAMPLE_BYTES * max(sample.count("\n"), 1))


def _records(text: io.TextIOWrapper, delimiter: str) -> Iterator[tuple[int, list[str], bool]]:
    """Yield (line number, fields, faulty) for every record.

    A quote that is never closed, or closed at the wrong place, must not swallow what follows:
    then its first line alone becomes a faulty record, and reading goes on with the next line.
    """
    csv.field_size_limit(_FIELD_CHARS_MAX)
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        start = lines.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            first = lines.rewind()
            if first is None:
                return
            yield start, _lenient(first, delimiter), True
            continue
        yield start, fields, False


def _lenient(line: str, delimiter: str) -> list[str]:
    try:
        fields = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        fields = line.rstrip("\r\n").split(delimiter)
    return fields


class _Lines:
    """The physical lines of a file, which can be given back to the start of a record."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self._taken) >= _RECORD_LINES_MAX:
            raise StopIteration  # the quote is taken as never closed
        line = self._again.popleft() if self._again else next(self._text)
        self._taken.append(line)
        self.number += 1
        return line

    def begin(self) -> None:
        self._taken = []

    def rewind(self) -> str | None:
        """Give back all lines of the record but the first, which is returned."""
        if not self._taken:
            return None
        first, *rest = self._taken
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)
        return first


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        yield block


def _is_utf8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in _blocks(file):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _non_ascii(file: BinaryIO) -> tuple[Counter[int], list[bytes]]:
    """Return how often each byte above 127 occurs, and the first lines that hold one."""
    counts: Counter[int] = Counter()
    lines: list[bytes] = []
    for block in _blocks(file):
        counts.update(block.translate(None, _ASCII))
        if len(lines) < _PREVIEW_LINES:
            found = (line for line in block.splitlines() if not line.isascii())
            lines.extend(itertools.islice(found, _PREVIEW_LINES - len(lines)))
    return counts, lines


def _score(encoding: str, counts: Counter[int]) -> float:
    total = 0
    for byte, count in counts.items():
        try:
            sign = bytes([byte]).decode(encoding)
        except UnicodeDecodeError:
            return -math.inf
        total += count * (2 if sign in _GERMAN else 1 if sign in _USUAL else -2)
    return total


def _score_utf8(file: BinaryIO) -> float:
    """Score a file that is almost UTF-8: it is never chosen without asking."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    total = 0
    for block in _blocks(file):
        text = decoder.decode(block)
        for sign, count in Counter(c for c in text if c > "\x7f").items():
            value = 2 if sign in _GERMAN else 1 if sign in _USUAL else -2
            total += count * (-4 if sign == "\ufffd" else value)
    return total


def _preview(lines: list[bytes], encoding: str) -> str:
    return "\n".join(line.decode(encoding, errors="replace")[:120] for line in lines)
