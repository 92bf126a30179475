"""Writes the error workbook: the client's columns again, with what is wrong beside each row.

Every text stays text: a cell that starts with = + - @ tab or carriage return would be a formula
or run as one when somebody edits it, so it is stored as a string with a quote prefix.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill

from finview.i18n import N_, translate
from finview.imports.reading.values import escape
from finview.plugins.contracts.reader import Cell

ROW_KEY = "_finview_row"
IMPORT_KEY = "_finview_import"
PROBLEMS = N_("Problems")
SHEET_TITLE = N_("Please correct")

_RISKY = ("=", "+", "-", "@", "\t", "\r")
_CELL_CHARS_MAX = 32_767  # Excel's own limit
_COMMENTS_MAX = 20_000  # they are kept in memory until the file is written
_WIDTH = 18
_BAD = PatternFill("solid", fgColor="FFF2CC")
_BOLD = Font(bold=True)
_WRAPPED = Alignment(wrap_text=True, vertical="top")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: a sentence, and the column's position when it is about one cell."""

    message: str
    column: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow:
    """A row as it came, its number in the original file, and its problems."""

    no: int
    cells: Sequence[Cell]
    problems: Sequence[Problem] = field(default_factory=tuple)


def write_error_workbook(
    target: Path | BinaryIO,
    *,
    headers: Sequence[str],
    rows: Iterable[ErrorRow],
    import_number: str,
    locale: str,
) -> int:
    """Write the rows that need work, in the order given, and return how many there were.

    The problem column stands behind the original ones; the hidden columns `_finview_row` and
    `_finview_import` let a corrected file find its rows again. Rows stream through: memory does
    not grow with their number.
    """
    book = Workbook(write_only=True)
    sheet = book.create_sheet(translate(SHEET_TITLE, locale)[:31])
    width = len(headers)
    sheet.freeze_panes = "A2"
    for column in range(1, width + 4):
        letter = _letter(column)
        sheet.column_dimensions[letter].width = 60 if column == width + 1 else _WIDTH
        sheet.column_dimensions[letter].hidden = column > width + 1
    titles = [*headers, translate(PROBLEMS, locale), ROW_KEY, IMPORT_KEY]
    sheet.append([_styled(text_cell(sheet, title), font=_BOLD) for title in titles])
    comments = count = 0
    for row in rows:
        count += 1
        said = _by_column(row.problems)
        cells = [_typed(sheet, cell) for cell in row.cells[:width]]
        cells += [WriteOnlyCell(sheet) for _ in range(width - len(cells))]
        for column, messages in said.items():
            if 0 <= column < width:
                cells[column].fill = _BAD
                if comments < _COMMENTS_MAX:
                    cells[column].comment = Comment(escape("\n".join(messages)), "finview")
                    comments += 1
        everything = "\n".join(problem.message for problem in row.problems)
        problem_cell = _styled(text_cell(sheet, everything), alignment=_WRAPPED)
        key, number = WriteOnlyCell(sheet, row.no), text_cell(sheet, import_number)
        sheet.append([*cells, problem_cell, key, number])
    book.save(target)
    return count


def text_cell(sheet: Any, text: str) -> Any:
    """Return a cell that holds `text` as text, whatever it starts with."""
    cell = WriteOnlyCell(sheet)
    if text:
        cell.value = escape(text[:_CELL_CHARS_MAX])[:_CELL_CHARS_MAX]
        cell.data_type = "s"
        if text.startswith(_RISKY):
            cell.quotePrefix = True
    return cell


def _typed(sheet: Any, cell: Cell) -> Any:
    text, kind = cell
    try:
        if kind == "n":
            return WriteOnlyCell(sheet, float(text) if "." in text else int(text))
        if kind == "d":
            return _dated(sheet, datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return text_cell(sheet, text)
    if kind == "b":
        return WriteOnlyCell(sheet, text == "true")
    return text_cell(sheet, text)


def _dated(sheet: Any, moment: datetime) -> Any:
    midnight = moment.time() == moment.min.time()
    cell = WriteOnlyCell(sheet, moment.date() if midnight else moment)
    cell.number_format = "yyyy-mm-dd" if midnight else "yyyy-mm-dd hh:mm:ss"
    return cell


def _styled(cell: Any, **style: Any) -> Any:
    for name, value in style.items():
        setattr(cell, name, value)
    return cell


def _by_column(problems: Sequence[Problem]) -> dict[int, list[str]]:
    said: dict[int, list[str]] = {}
    for problem in problems:
        if problem.column is not None:
            said.setdefault(problem.column, []).append(problem.message)
    return said


def _letter(column: int) -> str:
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
