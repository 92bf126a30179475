"""The two built-in readers as providers; what they need is imported when a file is at hand."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from finview.imports.reading import sniff
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.contracts.reader import (
    Cell,
    ImportReader,
    Line,
    ReaderOptions,
    Sheet,
    Survey,
)

if TYPE_CHECKING:
    from finview.imports.reading.delimited import Delimited
    from finview.imports.reading.xlsx import Book

_WORKBOOK_PART = re.compile(rb"\[Content_Types\]\.xml|xl/(?:workbook|worksheets/)")
_TEXT_NAMES = frozenset({".csv", ".tsv", ".txt", ".tab"})


class CsvReader(ImportReader[NoSettings]):
    """Delimited text in any encoding German software writes."""

    name: ClassVar[str] = "csv"
    title: ClassVar[str] = "CSV"
    format: ClassVar[str] = "csv"
    _open: "Delimited | None" = None

    def sniff(self, head: bytes, filename: str) -> float:
        """Return 0.6 for text with a name of text, 0.3 for other text."""
        if head.startswith((sniff.ZIP_MAGIC, sniff.OLE_MAGIC)) or not sniff.looks_like_text(head):
            return 0
        return 0.6 if PurePath(filename).suffix.lower() in _TEXT_NAMES else 0.3

    def survey(self, file: BinaryIO, options: ReaderOptions) -> Survey:
        """Settle encoding and delimiter; a doubt is the notice ENCODING_UNCERTAIN."""
        found = self._delimited(file, options)
        doubts = found.encoding.doubts
        notice = ("ENCODING_UNCERTAIN", {"encoding": found.encoding.name, "previews": doubts})
        return Survey(
            encoding=found.encoding.name,
            delimiter=found.delimiter,
            strict_width=True,
            rows_estimate=found.rows_estimate,
            notices=(notice,) if doubts else (),
        )

    def rows(
        self,
        file: BinaryIO,
        sheet: str | None,  # noqa: ARG002  # as the contract
    ) -> Iterator[Sequence[Cell]]:
        """Yield the cells of every record."""
        yield from (line.cells for line in self._delimited(file, ReaderOptions()).lines())

    def lines(
        self,
        file: BinaryIO,
        sheet: Sheet,  # noqa: ARG002  # as the contract
        survey: Survey,  # noqa: ARG002  # as the contract
        options: ReaderOptions,
    ) -> Iterator[Line]:
        """Yield every record with the number of the line it starts in."""
        return self._delimited(file, options).lines()

    def _delimited(self, file: BinaryIO, options: ReaderOptions) -> "Delimited":
        if self._open is None or self._open.file is not file:
            from finview.imports.reading.delimited import Delimited

            self._open = Delimited(file, options)
        return self._open


class OpenpyxlReader(ImportReader[NoSettings]):
    """Workbooks of Excel 2007 and later, with or without macros (which are never read)."""

    name: ClassVar[str] = "openpyxl"
    title: ClassVar[str] = "Excel (.xlsx, .xlsm)"
    format: ClassVar[str] = "xlsx"
    _open: "Book | None" = None

    def sniff(self, head: bytes, filename: str) -> float:
        """Return 0.9 when a part of a workbook is named in the head, 0.5 by the file's name."""
        if not head.startswith(sniff.ZIP_MAGIC):
            return 0
        if _WORKBOOK_PART.search(head):
            return 0.9
        return 0.5 if PurePath(filename).suffix.lower() in {".xlsx", ".xlsm"} else 0.1

    def survey(self, file: BinaryIO, options: ReaderOptions) -> Survey:
        """List the worksheets with what the raw scan found in each."""
        book = self._book(file)
        return Survey(sheets=book.sheets(options.parts), date_1904=book.date_1904)

    def rows(self, file: BinaryIO, sheet: str | None) -> Iterator[Sequence[Cell]]:
        """Yield the cells of every row, blank ones where the file leaves rows out."""
        sheets = self._book(file).sheets({})
        chosen = next(found for found in sheets if sheet in (None, found.name))
        no = 1
        for line in self._book(file).lines(chosen, ReaderOptions()):
            for _ in range(no, line.no):
                yield ()
            no = line.no + 1
            yield line.cells

    def lines(
        self,
        file: BinaryIO,
        sheet: Sheet,
        survey: Survey,  # noqa: ARG002  # as the contract
        options: ReaderOptions,
    ) -> Iterator[Line]:
        """Yield the rows that stand in the file; their numbers may have gaps."""
        return self._book(file).lines(sheet, options)

    def _book(self, file: BinaryIO) -> "Book":
        if self._open is None or self._open.file is not file:
            from finview.imports.reading.xlsx import Book

            self._open = Book(file)
        return self._open
