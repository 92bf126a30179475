"""The import_reader slot: turns one kind of file into numbered rows of typed cells."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar, TypeVar

from pydantic import BaseModel

from finview.plugins.contracts.provider import Provider

S = TypeVar("S", bound=BaseModel)

Cell = tuple[str, str]
"""A cell as (text, type). Types: "" blank, "s" text, "n" number written with a dot and without
exponent, "d" date or date and time in ISO 8601, "b" true or false, "e" Excel error, "f" formula
whose value was never stored."""

BLANK: Cell = ("", "")

Merged = tuple[int, int, int, int]
"""A merged range: first row, first column, last row, last column; rows from 1, columns from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetFacts:
    """What the raw scan of a zipped workbook found in one part before anybody parsed it.

    `last_row` is the last row that holds a value, None when that can't be told.
    """

    last_row: int | None = None
    hidden_rows: Sequence[int] = ()
    filtered: bool = False
    merged: Sequence[Merged] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderOptions:
    """What the caller settled or limits; `parts` is filled for zipped files only."""

    encoding: str | None = None
    delimiter: str | None = None
    columns_max: int = 500
    cell_chars_max: int = 32_767
    parts: Mapping[str, SheetFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table of the file; files without sheets have one with an empty name."""

    name: str = ""
    visible: bool = True
    facts: SheetFacts = SheetFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is known of the file before its rows are read.

    `strict_width` says that a record with too many or too few fields is broken (delimited text);
    `notices` are (code, parameters).
    """

    sheets: Sequence[Sheet] = (Sheet(),)
    encoding: str | None = None
    delimiter: str | None = None
    date_1904: bool = False
    strict_width: bool = False
    rows_estimate: int | None = None
    notices: Sequence[tuple[str, Mapping[str, Any]]] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its number as a person sees it, its cells from column A on, and what is odd.

    `beyond` counts filled cells past `columns_max`, which are left out; `marks` are
    (code, parameters) that belong to this row, such as ROW_SHAPE.
    """

    no: int
    cells: Sequence[Cell]
    hidden: bool = False
    beyond: int = 0
    marks: Sequence[tuple[str, Mapping[str, Any]]] = ()


class ImportReader(Provider[S]):
    """Reads one kind of file; runs in the reading child process, without network or database.

    A minimal reader implements `sniff` and `rows`. Whatever it raises refuses the file; memory,
    CPU time and silence are limited from outside, so it need not defend itself.
    """

    format: ClassVar[str] = ""

    @abstractmethod
    def sniff(self, head: bytes, filename: str) -> float:
        """Return how surely this reader reads the file, 0 to 1, from its first 64 KiB."""

    @abstractmethod
    def rows(self, file: BinaryIO, sheet: str | None) -> Iterator[Sequence[Cell]]:
        """Yield every row of `sheet` (None: the first), blank ones too, first row first."""

    def survey(
        self,
        file: BinaryIO,  # noqa: ARG002  # for readers that override it
        options: ReaderOptions,  # noqa: ARG002  # for readers that override it
    ) -> Survey:
        """Return sheets and facts; the default is one nameless sheet."""
        return Survey()

    def lines(
        self,
        file: BinaryIO,
        sheet: Sheet,
        survey: Survey,  # noqa: ARG002  # for readers that override it
        options: ReaderOptions,
    ) -> Iterator[Line]:
        """Yield the rows with their numbers; the default counts `rows` from 1."""
        for no, cells in enumerate(self.rows(file, sheet.name or None), start=1):
            kept = cells[: options.columns_max]
            beyond = sum(1 for cell in cells[options.columns_max :] if cell[0])
            yield Line(no, kept, beyond=beyond)
