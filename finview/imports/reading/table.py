"""Finds the table in the heads of the sheets: which sheet, which row is the header, which names."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from finview.imports.reading.lines import is_total
from finview.plugins.contracts.reader import Cell, Merged

HEADER_SEARCH_ROWS = 40
SAMPLE_ROWS = 200
HEADER_KNOWN = 0.75
_HEADER_CHARS_MAX = 80
_LIKELY_ROWS = 6
_LOOKED_UP = 60
_DATA_LIKE = re.compile(
    r"[-+(]?[\d.,' €$£%/:-]*\d[\d.,' €$£%)/:-]*|[^@\s]+@[^@\s]+\.\w+|\d{4}-\d\d-\d\d.*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLine:
    """One non-blank line near the top of a sheet; `beyond` counts filled cells past the limit."""

    no: int
    cells: Sequence[Cell]
    beyond: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetHead:
    """What the child sent of one sheet."""

    name: str
    visible: bool
    lines: Sequence[HeadLine]
    merged: Sequence[Merged] = ()
    last_row: int | None = None
    hidden_rows: Sequence[int] = ()
    filtered: bool = False
    beyond: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header and what lies above and below it; `header_row` 0 means the table has none.

    `width` counts the columns, `data` is the number of data rows seen in the head.
    """

    header_row: int
    headers: list[str]
    titles: list[list[str]]
    width: int
    header_filled: int
    sample: list[HeadLine]
    score: float
    fill_columns: tuple[int, ...] = ()


def find_table(
    sheet: SheetHead,
    score: Callable[[str], float],
    *,
    header_row: int | None = None,
    full_width: bool = False,
) -> Table | None:
    """Return the best table of a sheet, None when nothing stands in it.

    `score` says how surely a text is a column header. `full_width` (delimited text) counts the
    header's blank fields at the end as columns.
    """
    if not sheet.lines:
        return None
    if header_row is None:
        at, points = _best_header(sheet.lines, score)
    else:
        at = next((i for i, line in enumerate(sheet.lines) if line.no == header_row), -1)
        points = _header_points(sheet.lines, at, score) if at >= 0 else 0.0
    header = sheet.lines[at] if at >= 0 else None
    below = [line for line in sheet.lines[at + 1 :] if not is_total(line.cells)]
    if header is None:
        width = max(_width(line.cells) for line in below) if below else 0
        return Table(
            header_row=header_row or 0,
            headers=[""] * width,
            titles=[],
            width=width,
            header_filled=0,
            sample=below[:SAMPLE_ROWS],
            score=points,
        )
    width = max([_width(header.cells), *(_width(line.cells) for line in below[:SAMPLE_ROWS])])
    if full_width:
        width = len(header.cells)
    above = [line for line in sheet.lines if line.no < header.no]
    filled = sum(1 for text, _ in header.cells if text.strip())
    return Table(
        header_row=header.no,
        headers=_names(header, above, sheet.merged, width),
        titles=[[text for text, kind in line.cells if kind] for line in above],
        width=width,
        header_filled=filled + header.beyond,
        sample=below[:SAMPLE_ROWS],
        score=points,
        fill_columns=tuple(
            sorted({left for top, left, bottom, _ in sheet.merged if bottom > top > header.no})
        ),
    )


def _best_header(lines: Sequence[HeadLine], score: Callable[[str], float]) -> tuple[int, float]:
    """Return the position of the header (-1: the sheet has none) and its points.

    Names are looked up in the rows that are built like a header only: a look-up costs
    milliseconds, and a form-like sheet has a thousand texts near its top.
    """
    built = {at: _built(lines, at) for at in range(min(len(lines), HEADER_SEARCH_ROWS))}
    likely = sorted(sorted(built, key=lambda at: -built[at])[:_LIKELY_ROWS])
    best, points, known = likely[0], float("-inf"), 0.0
    for at in likely:
        names = _known(lines[at].cells, score)
        if names + built[at] > points:
            best, points, known = at, names + built[at], names
        if names >= 3 and names * 2 >= len(_filled(lines[at])):
            break
    if not known and _data_share(lines[best].cells) > 0.25:
        return -1, 0.0
    return best, points


def _header_points(lines: Sequence[HeadLine], at: int, score: Callable[[str], float]) -> float:
    return _known(lines[at].cells, score) + _built(lines, at)


def _known(cells: Sequence[Cell], score: Callable[[str], float]) -> float:
    """Return how many different cells name something we know, each as surely as it does."""
    texts = dict.fromkeys(text.strip() for text, kind in cells if kind == "s")
    words = [text for text in texts if text and len(text) <= _HEADER_CHARS_MAX]
    scores = [score(text) for text in words[:_LOOKED_UP] if not _looks_like_data(text)]
    return sum(points for points in scores if points >= HEADER_KNOWN)


def _built(lines: Sequence[HeadLine], at: int) -> float:
    """Weigh how a row is built: texts instead of data, and a table of its width below it."""
    cells = lines[at].cells
    filled = _filled(lines[at])
    if not filled:
        return -9.0
    names = {cells[i][0].strip() for i in filled if cells[i][1] == "s"}
    texts = sum(1 for name in names if len(name) <= _HEADER_CHARS_MAX) / len(filled)
    below = [_filled(line) for line in lines[at + 1 : at + 21]]
    columns = max((len(found) for found in below), default=0)
    cover = sum(1 for found in below if len(found & filled) * 2 >= len(filled))
    carried = cover / len(below) if below else 0.0
    width = len(filled) / max(columns, len(filled))
    alone = 0.5 if len(filled) == 1 and columns > 1 else 0.0
    return texts + carried + width - 2 * _data_share(cells) - alone - at * 0.02


def _looks_like_data(text: str) -> bool:
    # Longer texts are no data of these kinds, and would make the pattern slow.
    return len(text) <= _HEADER_CHARS_MAX and _DATA_LIKE.fullmatch(text) is not None


def _data_share(cells: Sequence[Cell]) -> float:
    filled = [(text.strip(), kind) for text, kind in cells if text.strip() or kind == "f"]
    data = sum(1 for text, kind in filled if kind != "s" or _looks_like_data(text))
    return data / len(filled) if filled else 0.0


def _filled(line: HeadLine) -> set[int]:
    return {i for i, (text, _) in enumerate(line.cells) if text.strip()}


def _width(cells: Sequence[Cell]) -> int:
    return (
        max((i for i, (text, kind) in enumerate(cells) if text.strip() or kind == "f"), default=-1)
        + 1
    )


def _names(
    header: HeadLine, above: Sequence[HeadLine], merged: Sequence[Merged], width: int
) -> list[str]:
    """Return the column names; a group merged over several columns above is put before them."""
    cells = [*header.cells, *[("", "")] * max(width - len(header.cells), 0)]
    names = [" ".join(text.split()) for text, _ in cells[:width]]
    rows = {line.no: line.cells for line in above}
    for top, left, bottom, right in merged:
        if top not in rows or left >= min(len(rows[top]), width):
            continue
        group = " ".join(rows[top][left][0].split())
        if bottom >= header.no and not names[left]:
            names[left] = group  # one name merged over group row and header row
        elif bottom == header.no - 1 and right > left and group:
            for column in range(left, min(right + 1, width)):
                names[column] = f"{group} / {names[column]}" if names[column] else group
    return names
