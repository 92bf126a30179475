"""Inflates a zipped workbook once, counting bytes and searching patterns; nothing is parsed.

It refuses bombs and DTDs before any XML parser sees the file, and finds what read-only openpyxl
can't tell or tells too late: last row with a value, hidden rows, filters, merged ranges.
Zip entry names are never used as paths.
"""

import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, BinaryIO

from finview.imports.reading.limits import Limits, Refused
from finview.plugins.contracts.reader import Merged, SheetFacts

_WINDOW_BYTES = 1024 * 1024
_HIDDEN_ROWS_MAX = 100_000
_MERGED_MAX = 100_000
_DOCTYPE = b"<!DOCTYPE"
_ENCODING = re.compile(rb"""\A[^<]{0,4}<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)""")
_ENCODINGS = frozenset({b"utf-8", b"utf8", b"utf-16", b"us-ascii", b"ascii", b"iso-8859-1"})
_ROOT = re.compile(rb"<(?:(\w+):)?worksheet[\s>]")
_ROW_NO = re.compile(rb"""\sr\s*=\s*["'](\d{1,7})["']""")
_RANGE = re.compile(rb"""\sref\s*=\s*["']\$?([A-Z]{1,3})\$?(\d+):\$?([A-Z]{1,3})\$?(\d+)["']""")
_HIDDEN = re.compile(rb"""\shidden\s*=\s*["'](?:1|true)["']""")


@dataclass(slots=True)
class RawScan:
    """What the scan found: the true inflated size and the facts of each worksheet part."""

    inflated_bytes: int = 0
    sheets: dict[str, SheetFacts] = field(default_factory=dict)


def scan(file: BinaryIO, limits: Limits, tick: Callable[[], None]) -> RawScan:
    """Inflate every part once; `tick` is called now and then as a sign of life.

    Raises Refused: FILE_TOO_LARGE_UNCOMPRESSED, XML_DTD_FORBIDDEN, WORKBOOK_UNREADABLE (an
    encoding no workbook has) or FILE_CORRUPT (checksum, lying size, cut off).
    """
    found = RawScan()
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                with archive.open(info) as part:
                    _scan_part(part, info, found, limits, tick)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise Refused("FILE_CORRUPT") from error
    return found


def _scan_part(
    part: IO[bytes],
    info: zipfile.ZipInfo,
    found: RawScan,
    limits: Limits,
    tick: Callable[[], None],
) -> None:
    name = info.filename.lower()
    is_xml = name.endswith((".xml", ".rels", ".vml"))
    sheet: _SheetScan | None = None
    size, carry, wide, first = 0, b"", False, True
    while window := part.read(_WINDOW_BYTES):
        size += len(window)
        found.inflated_bytes += len(window)
        ratio_broken = size > limits.part_ratio_max * max(info.compress_size, 1)
        if found.inflated_bytes > limits.inflated_bytes_max or (
            size > limits.part_bytes_suspicious and ratio_broken
        ):
            raise Refused("FILE_TOO_LARGE_UNCOMPRESSED", limit=limits.inflated_bytes_max)
        tick()
        if first:
            is_xml = is_xml or window.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<")
            wide = window[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in window[:4]
        if not is_xml:
            first = False
            continue
        text = carry + (window.replace(b"\0", b"") if wide else window)
        if first:
            _check_encoding(text)
            root = _ROOT.search(text[:16_384])
            sheet = _SheetScan(root.group(1) or b"") if root else None
            first = False
        text, carry = _whole_tags(text)
        _search(text, sheet)
    _search(carry, sheet)
    if sheet is not None:
        found.sheets[info.filename] = sheet.facts()


def _whole_tags(text: bytes) -> tuple[bytes, bytes]:
    # Every pattern starts with "<" and ends before the next one: cut there and none is torn.
    cut = text.rfind(b"<")
    if cut <= 0 or len(text) - cut > _WINDOW_BYTES:
        return text, b""
    return text[:cut], text[cut:]


def _check_encoding(text: bytes) -> None:
    # In an exotic encoding "<!DOCTYPE" would be other bytes; OOXML knows UTF-8 and UTF-16 only.
    declared = _ENCODING.match(text[:200])
    if declared and declared.group(1).lower() not in _ENCODINGS:
        raise Refused("WORKBOOK_UNREADABLE")


def _search(text: bytes, sheet: "_SheetScan | None") -> None:
    if _DOCTYPE in text:
        raise Refused("XML_DTD_FORBIDDEN")
    if sheet is not None:
        sheet.feed(text)


class _SheetScan:
    """Follows one worksheet part through its windows."""

    def __init__(self, prefix: bytes) -> None:
        colon = prefix + b":" if prefix else b""
        self._row, self._value, self._inline = (
            b"<" + colon + b"row", b"</" + colon + b"v>", b"</" + colon + b"is>",
        )  # fmt: skip
        self._merge, self._filter = b"<" + colon + b"mergeCell ", b"<" + colon + b"filterColumn"
        self._row_seen: int | None = 0
        self._last_row: int | None = 0
        self._hidden: list[int] = []
        self._filtered = False
        self._merged: list[Merged] = []

    def feed(self, text: bytes) -> None:
        self._follow_rows(text)
        if b"hidden" in text:
            self._find_hidden(text)
        if self._filter in text:
            self._filtered = True
        if self._merge in text:
            self._find_merged(text)

    def facts(self) -> SheetFacts:
        return SheetFacts(
            last_row=self._last_row,
            hidden_rows=self._hidden,
            filtered=self._filtered,
            merged=self._merged,
        )

    def _follow_rows(self, text: bytes) -> None:
        at = max(text.rfind(self._value), text.rfind(self._inline))
        if at >= 0 and self._last_row is not None:
            self._last_row = self._row_before(text, at)
        self._row_seen = self._row_before(text, len(text))

    def _row_before(self, text: bytes, at: int) -> int | None:
        start = at
        while (start := text.rfind(self._row, 0, start)) >= 0:
            sign = text[start + len(self._row) : start + len(self._row) + 1]
            if sign in b" \t\r\n>/":
                number = _ROW_NO.search(text[start : text.find(b">", start) + 1])
                return int(number.group(1)) if number else None
        return self._row_seen

    def _find_hidden(self, text: bytes) -> None:
        start = 0
        while (start := text.find(self._row, start)) >= 0:
            end = text.find(b">", start)
            tag = text[start : end + 1]
            number = _ROW_NO.search(tag)
            if number and _HIDDEN.search(tag) and len(self._hidden) < _HIDDEN_ROWS_MAX:
                self._hidden.append(int(number.group(1)))
            start += len(self._row)

    def _find_merged(self, text: bytes) -> None:
        start = 0
        while (start := text.find(self._merge, start)) >= 0:
            found = _RANGE.search(text[start : text.find(b">", start) + 1])
            if found and len(self._merged) < _MERGED_MAX:
                left, top, right, bottom = found.groups()
                self._merged.append(
                    (int(top), column_index(left), int(bottom), column_index(right))
                )
            start += len(self._merge)


def column_index(letters: bytes) -> int:
    """Return the position of a column named by capital letters, A = 0."""
    index = 0
    for letter in letters:
        index = index * 26 + letter - 64
    return index - 1
