"""From lines as read to rows of the table: blank and total lines out, merged cells filled down."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finview.plugins.contracts.reader import BLANK, Cell, Line, Merged

_WORD_CHARS_MAX = 60
_TOTAL = re.compile(
    r"(?:(?:zwischen|gesamt|end|teil)?summen?|gesamt|insgesamt|gesamt(?:betrag|ergebnis)|saldo"
    r"|(?:grand|sub|running)?[ -]?totals?|sum|total (?:amount|due|outstanding)|balance)"
    r"(?: (?:offen|brutto|netto|open|net|gross))?"
    r"(?: ?[(\[]?(?:eur|euro|€|gbp|£|usd|\$|chf)[)\]]?)?\s*[:=]?\Z"
)
_AMOUNT = re.compile(
    r"[-+(]?\s*[€$£]?\s*\d[\d.,' \u00a0\u202f]*\)?-?\s*(?:€|£|\$|eur|gbp|chf|usd)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What decides which lines are rows of the table.

    `columns` is its width; `strict_width` makes other widths ROW_SHAPE. `debtor_columns` None
    means unknown: then a total line must hold nothing but amounts beside its word. `fill_columns`
    None means unknown too: then amounts are not filled down.
    """

    header_row: int
    columns: int
    strict_width: bool = False
    debtor_columns: frozenset[int] | None = None
    fill_columns: frozenset[int] | None = None
    merged: Sequence[Merged] = ()


@dataclass(frozen=True, slots=True)
class TotalLine:
    """A dropped total line, by its row number."""

    no: int


def table_rows(lines: Iterable[Line], shape: Shape) -> Iterator[Line | TotalLine]:
    """Yield the rows below the header; a dropped total line is told, a blank one isn't."""
    fill = _FillDown(shape)
    for line in lines:
        if line.no <= shape.header_row:
            continue
        if is_blank(line.cells):
            continue
        if is_total(line.cells, shape.debtor_columns):
            yield TotalLine(line.no)
            continue
        marks = list(line.marks)
        if shape.strict_width and not marks and _misshapen(line.cells, shape.columns):
            marks.append(("ROW_SHAPE", {"line": line.no}))
        cells = list(line.cells)
        while cells and len(cells) > shape.columns and not cells[-1][1]:
            cells.pop()
        cells.extend([BLANK] * (shape.columns - len(cells)))
        marks.extend(fill.apply(line.no, cells))
        if line.hidden:
            marks.append(("ROW_HIDDEN", {}))
        yield Line(line.no, cells, line.hidden, line.beyond, marks)


def is_blank(cells: Sequence[Cell]) -> bool:
    """Return whether nothing but white space stands in the row."""
    return all(not kind or (not text.strip() and kind == "s") for text, kind in cells)


def is_total(cells: Sequence[Cell], debtor_columns: frozenset[int] | None = None) -> bool:
    """Return whether this is a line of totals: its first text is a word for it, no debtor in it."""
    first = next(
        (at for at, (text, kind) in enumerate(cells) if kind == "s" and text.strip()), None
    )
    if first is None or len(cells[first][0]) > _WORD_CHARS_MAX:
        return False
    if not _TOTAL.match(" ".join(cells[first][0].casefold().split())):
        return False
    others = [
        (at, text.strip())
        for at, (text, kind) in enumerate(cells)
        if at != first and kind == "s" and text.strip()
    ]
    if debtor_columns is not None:
        return all(at not in debtor_columns for at, _ in others)
    return all(
        len(text) <= _WORD_CHARS_MAX and _AMOUNT.fullmatch(text.casefold()) for _, text in others
    )


def _misshapen(cells: Sequence[Cell], columns: int) -> bool:
    return len(cells) < columns or any(kind for _, kind in cells[columns:])


class _FillDown:
    """Copies the value of a vertically merged cell into the rows it spans."""

    def __init__(self, shape: Shape) -> None:
        self._wanted = wanted = shape.fill_columns
        self._starts: dict[int, list[Merged]] = {}
        for merged in shape.merged:
            top, left, bottom, _ = merged
            if bottom > top > shape.header_row and (wanted is None or left in wanted):
                self._starts.setdefault(top, []).append(merged)
        self._open: list[tuple[Merged, Cell]] = []

    def apply(self, no: int, cells: list[Cell]) -> list[tuple[str, Mapping[str, Any]]]:
        if not self._starts and not self._open:
            return []
        marks: list[tuple[str, Mapping[str, Any]]] = []
        self._open = [(merged, cell) for merged, cell in self._open if merged[2] >= no]
        for (_, column, _, _), cell in self._open:
            if column < len(cells) and not cells[column][1]:
                cells[column] = cell
                marks.append(("AUTOFIX_MERGED_FILL", {"column": column}))
        for merged in self._starts.pop(no, ()):
            if merged[1] < len(cells) and self._may_repeat(cells[merged[1]]):
                self._open.append((merged, cells[merged[1]]))
        return marks

    def _may_repeat(self, cell: Cell) -> bool:
        # Without a mapping an amount merged over two invoices must not be claimed twice.
        return bool(cell[1]) and (self._wanted is not None or "." not in cell[0] or cell[1] != "n")
