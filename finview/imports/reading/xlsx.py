"""Reads .xlsx and .xlsm through openpyxl's read-only parts, row by row.

openpyxl opens the archive, the styles and the sheet's XML; its cell objects are left out, because
they lose what we need: number formats, formulas without a value, row attributes. The raw scan has
refused DTDs before, so the child runs openpyxl without defusedxml, whose pure Python parser is
2.5 times slower.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import IO, Any, BinaryIO
from xml.etree.ElementTree import Element

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.datetime import MAC_EPOCH, from_ISO8601
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

from finview.imports.reading import values
from finview.plugins.contracts.reader import BLANK, Cell, Line, ReaderOptions, Sheet, SheetFacts

_TAG = f"{{{SHEET_MAIN_NS}}}"
_VALUE, _FORMULA, _INLINE = _TAG + "v", _TAG + "f", _TAG + "is"
_STRING, _TEXT, _RUN = _TAG + "si", _TAG + "t", _TAG + "r"
_LETTERS = re.compile(r"\A\$?([A-Z]{1,3})\$?\d")


class Book:
    """An opened workbook: its sheets, date system and shared strings."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        reader = _Reader(file, read_only=True, data_only=True, keep_links=False)
        reader.read()
        self._archive = reader.archive
        self._workbook: Any = reader.wb
        self._strings: list[Cell] = reader.shared_strings
        self._parts = reader.parts
        self.date_1904: bool = self._workbook.epoch == MAC_EPOCH

    def sheets(self, facts: Mapping[str, SheetFacts]) -> list[Sheet]:
        """Return the worksheets in the order of the tabs; chart and macro sheets are none.

        Raises LookupError when the file has worksheets but openpyxl finds none (strict OOXML).
        """
        if facts and not self._parts:
            raise LookupError("no worksheet is reachable")
        return [
            Sheet(name=name, visible=visible, facts=facts.get(part, SheetFacts()))
            for name, part, visible in self._parts
        ]

    def lines(self, sheet: Sheet, options: ReaderOptions) -> Iterator[Line]:
        """Yield the rows that stand in the file, up to the last one with a value."""
        part = next(part for name, part, _ in self._parts if name == sheet.name)
        last = sheet.facts.last_row
        if last == 0:
            return
        with self._archive.open(part) as source:
            parser = _Sheet(source, self._strings, self._workbook, self.date_1904, options)
            line = None
            for line in parser.parse():
                if last is not None and line.no > last:
                    return
                yield line
            if line is None and last:
                raise LookupError("the sheet has values, but in no row openpyxl knows")


class _Reader(ExcelReader):  # type: ignore[misc]
    """Opens what is needed to read cells; document properties can be broken and stay unread."""

    def read(self) -> None:
        self.read_manifest()
        self.read_strings()
        self.read_workbook()
        apply_stylesheet(self.archive, self.wb)
        # openpyxl's own sheet objects would parse a whole sheet that lacks its dimension tag.
        self.parts = [
            (sheet.name, rel.target, sheet.state == "visible")
            for sheet, rel in self.parser.find_sheets()
            if rel.target in self.valid_files and rel.Type.endswith("/worksheet")
        ]

    def read_strings(self) -> None:
        part = self.package.find(SHARED_STRINGS)
        if part is not None:
            with self.archive.open(part.PartName[1:]) as source:
                self.shared_strings = [
                    values.text_cell(values.unescape(text)) for text in _strings(source)
                ]


def _strings(source: IO[bytes]) -> Iterator[str]:
    for _, element in iterparse(source):
        if element.tag == _STRING:
            yield _plain(element)
            element.clear()


def _plain(element: Element) -> str:
    """Return the text of a string or inline string: runs joined, phonetic guides left out."""
    if len(element) == 1 and element[0].tag == _TEXT:
        return element[0].text or ""
    parts = []
    for child in element:
        if child.tag == _TEXT:
            parts.append(child.text or "")
        elif child.tag == _RUN:
            parts.append(child.findtext(_TEXT) or "")
    return "".join(parts)


class _Sheet(WorkSheetParser):  # type: ignore[misc]
    """openpyxl's worksheet parser, giving lines of (text, type) instead of cell dictionaries."""

    def __init__(
        self,
        source: IO[bytes],
        strings: list[Cell],
        workbook: Any,
        date_1904: bool,
        options: ReaderOptions,
    ) -> None:
        super().__init__(source, strings, data_only=True)
        self._columns_max = options.columns_max
        self._chars_max = options.cell_chars_max
        self._indexes: dict[str, int] = {}
        self._stored: dict[str, Callable[[str, str | None], Cell]] = {
            "n": partial(_number, _styles(workbook, date_1904=date_1904)),
            "s": lambda stored, _style: strings[int(stored)],
            "b": lambda stored, _style: ("true" if stored in ("1", "true") else "false", "b"),
            "str": lambda stored, _style: values.text_cell(values.unescape(stored)),
            "e": lambda stored, _style: (stored, "e"),
            "d": _iso_date,
        }

    def parse_row(self, row: Element) -> Line:
        """Return the row; cells past the limit of columns are counted and dropped."""
        number = row.get("r")
        self.row_counter: int = int(float(number)) if number else self.row_counter + 1
        cells: list[Cell] = []
        column, beyond = -1, 0
        marks: list[tuple[str, dict[str, Any]]] = []
        for element in row:
            reference = element.get("r")
            column = self._column(reference) if reference else column + 1
            cell = self._cell(element)
            if not cell[1]:
                continue
            if column >= self._columns_max:
                beyond += 1
                continue
            if len(cell[0]) > self._chars_max:
                cell = (cell[0][: self._chars_max], cell[1])
                marks.append(("TEXT_TOO_LONG", {"column": column, "limit": self._chars_max}))
            if column >= len(cells):
                cells.extend([BLANK] * (column - len(cells)))
                cells.append(cell)
            else:
                cells[column] = cell
        hidden = row.get("hidden") in ("1", "true")
        return Line(self.row_counter, cells, hidden, beyond, marks)

    def _column(self, reference: str) -> int:
        letters = reference.rstrip("0123456789")
        index = self._indexes.get(letters)
        if index is None:
            found = _LETTERS.match(reference.upper())
            if found is None:
                raise ValueError(f"no cell reference: {reference[:20]}")
            index = 0
            for letter in found.group(1):
                index = index * 26 + ord(letter) - 64
            index -= 1
            self._indexes[letters] = index
        return index

    def _cell(self, element: Element) -> Cell:
        kind = element.get("t", "n")
        if kind == "inlineStr":
            inline = element.find(_INLINE)
            if inline is not None:
                return values.text_cell(values.unescape(_plain(inline)))
        stored = element.findtext(_VALUE)
        if not stored:
            if kind == "str" and stored is not None:
                return BLANK  # a formula whose result is the empty text
            return BLANK if element.find(_FORMULA) is None else ("", "f")
        read = self._stored.get(kind)
        if read is None:
            return values.text_cell(values.unescape(stored))
        return read(stored, element.get("s"))


def _styles(workbook: Any, *, date_1904: bool) -> dict[str, Any]:
    """Return, by style id, how to write a number whose format changes what a person sees."""
    styles: dict[str, Any] = {}
    for index, style in enumerate(workbook._cell_styles):  # noqa: SLF001  # no public way
        if index in workbook._date_formats:  # noqa: SLF001
            elapsed = index in workbook._timedelta_formats  # noqa: SLF001
            styles[str(index)] = partial(values.date_cell, date_1904=date_1904, elapsed=elapsed)
            continue
        mask = values.zero_mask(_format_code(workbook, style.numFmtId))
        if mask is not None:
            styles[str(index)] = partial(_padded, mask)
    return styles


def _format_code(workbook: Any, format_id: int) -> str:
    if format_id < BUILTIN_FORMATS_MAX_SIZE:
        return str(BUILTIN_FORMATS.get(format_id, "General"))
    custom = workbook._number_formats  # noqa: SLF001
    position = format_id - BUILTIN_FORMATS_MAX_SIZE
    return str(custom[position]) if position < len(custom) else "General"


def _number(styles: dict[str, Any], stored: str, style: str | None) -> Cell:
    if style is not None:
        shown = styles.get(style)
        if shown is not None:
            cell: Cell = shown(stored)
            return cell
    return (values.number_text(stored), "n")


def _padded(mask: str, stored: str) -> Cell:
    text = values.masked(stored, mask)
    return (values.number_text(stored), "n") if text is None else (text, "s")


def _iso_date(stored: str, _style: str | None) -> Cell:
    try:
        read = from_ISO8601(stored)
    except ValueError:
        return values.text_cell(stored)
    text = read.isoformat() if hasattr(read, "isoformat") else str(read)
    if len(text) > 10 and text[10] == "T":
        return (text[:10] if text.endswith("T00:00:00") else text, "d")
    return (text, "d" if len(text) == 10 and text[4] == "-" else "s")
