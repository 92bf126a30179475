"""The parent side of reading: asks the child, checks what it says, and tells the table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Self

from finview.imports.reading.limits import Limits
from finview.imports.reading.results import Chunk, Notice, Probe, ReadPlan, Row, SheetScore
from finview.imports.reading.table import HeadLine, SheetHead, Table, find_table
from finview.imports.reading.watch import Child, refusal
from finview.plugins.contracts.reader import Cell

__all__ = [
    "Chunk", "Limits", "Notice", "Probe", "ReadPlan", "Row", "RowStream", "SheetScore", "probe", "rows",
]  # fmt: skip

_TYPES = frozenset("sndbef-")
_WORDS_LOOKED_UP = 400
_NAMES: dict[str, frozenset[str]] = {
    "xlsx": frozenset({".xlsx", ".xltx", ".xlsm", ".xltm"}),
    "xlsm": frozenset({".xlsm", ".xltm"}),
    "csv": frozenset({".csv", ".tsv", ".txt", ".tab", ""}),
}


def probe(
    path: Path,
    filename: str,
    limits: Limits,
    *,
    sheet: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    header_row: int | None = None,
    readers: Sequence[str] = (),
) -> Probe:
    """Return what the file is and where its table lies, read in a child process.

    `sheet`, `encoding`, `delimiter`, `header_row` are a person's choice where given; `readers`
    names readers of plugins as "module:Class". Raises FileUnreadable, FileEncrypted, FileTooLarge
    or FileType with the fine reason; Invalid SHEET_UNKNOWN.
    """
    request = {"what": "probe", "sheet": sheet, "encoding": encoding, "delimiter": delimiter}
    with Child(path, filename, limits, request, readers) as child:
        facts: dict[str, Any] = {}
        heads: list[SheetHead] = []
        for frame in child.answers():
            if frame["t"] == "file":
                facts = frame
            elif frame["t"] == "sheet":
                heads.append(_head(frame))
    if sheet is not None and all(head.name != sheet for head in heads):
        raise refusal("SHEET_UNKNOWN", sheet=sheet)
    return _probed(facts, heads, filename, limits, sheet=sheet, header_row=header_row)


def rows(
    path: Path,
    filename: str,
    plan: ReadPlan,
    limits: Limits,
    *,
    after_row: int = 0,
    readers: Sequence[str] = (),
) -> "RowStream":
    """Return the rows of the table in chunks, starting after row `after_row`.

    Iterate it, and close it (or use it as a context manager): closing ends the child. Raises as
    `probe` does, possibly after some chunks; what was read by then is not to be kept.
    """
    request = {
        "what": "rows",
        "sheet": plan.sheet,
        "encoding": plan.encoding,
        "delimiter": plan.delimiter,
        "header_row": plan.header_row,
        "columns": plan.columns,
        "debtor_columns": plan.debtor_columns,
        "fill_columns": plan.fill_columns,
        "after_row": after_row,
    }
    return RowStream(Child(path, filename, limits, request, readers))


class RowStream(Iterator[Chunk]):
    """The chunks of a table; ends its child process when closed or exhausted."""

    def __init__(self, child: "Child") -> None:
        self._child = child
        self._answers: Iterator[dict[str, Any]] = child.answers()

    def __next__(self) -> Chunk:
        for frame in self._answers:
            if frame["t"] == "rows":
                return _chunk(frame)
        self.close()
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """End the child process, whatever it is doing; there are no more chunks then."""
        self._answers = iter(())
        self._child.close()


def _head(frame: Mapping[str, Any]) -> SheetHead:
    try:
        return SheetHead(
            name=str(frame["name"]),
            visible=bool(frame["visible"]),
            lines=[
                HeadLine(no=row.no, cells=row.cells, beyond=int(packed[4]))
                for row, packed in ((_row(packed), packed) for packed in frame["lines"])
            ],
            merged=[(int(a), int(b), int(c), int(d)) for a, b, c, d in frame["merged"]],
            last_row=None if frame["last_row"] is None else int(frame["last_row"]),
            hidden_rows=[int(no) for no in frame["hidden_rows"]],
            filtered=bool(frame["filtered"]),
            beyond=int(frame["beyond"]),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise refusal("FILE_CORRUPT") from error


def _chunk(frame: Mapping[str, Any]) -> Chunk:
    try:
        return Chunk(
            rows=[_row(packed) for packed in frame["rows"]],
            notices=[(str(code), dict(params)) for code, params in frame["notices"]],
            done=int(frame["done"]),
            total=int(frame["total"]),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise refusal("FILE_CORRUPT") from error


def _row(packed: Sequence[Any]) -> Row:
    no, texts, kinds, marks, _ = packed
    "".join(texts)  # raises TypeError unless all are texts
    if len(texts) != len(kinds) or not _TYPES.issuperset(kinds):
        raise ValueError("cells and types differ")
    cells = [
        ("", "") if kind == "-" else (text, kind) for text, kind in zip(texts, kinds, strict=True)
    ]
    return Row(int(no), cells, [str(code) for code in marks])


def _probed(
    facts: Mapping[str, Any],
    heads: Sequence[SheetHead],
    filename: str,
    limits: Limits,
    *,
    sheet: str | None,
    header_row: int | None,
) -> Probe:
    from finview.imports.mapping import header_score

    score = _Thrifty(header_score)
    full_width = bool(facts.get("strict_width"))
    tables: list[tuple[SheetHead, Table]] = []
    for head in heads:
        given = header_row if sheet in (None, head.name) else None
        table = find_table(head, score, header_row=given, full_width=full_width)
        if table is not None:
            tables.append((head, table))
    head, table = _chosen(tables, sheet)
    if table.header_filled > limits.columns_max:
        raise refusal("COLUMN_LIMIT", limit=limits.columns_max)
    last = head.last_row or facts.get("rows_estimate") or 0
    return Probe(
        format=str(facts["format"]),
        sheets=[
            SheetScore(
                name=h.name,
                visible=h.visible,
                score=round(t.score, 3),
                header_row=t.header_row,
                rows=max((h.last_row or len(t.sample)) - t.header_row, 0),
            )
            for h, t in tables
        ],
        sheet=head.name or None,
        header_row=table.header_row,
        headers=table.headers,
        titles=table.titles,
        sample=[_fitted(line.cells, len(table.headers)) for line in table.sample],
        encoding=facts.get("encoding"),
        dialect={"delimiter": facts["delimiter"]} if facts.get("delimiter") else {},
        row_estimate=max(last - table.header_row, len(table.sample)),
        date_1904=bool(facts.get("date_1904")),
        fill_columns=table.fill_columns,
        notices=_notices(facts, head, table, filename, limits),
    )


class _Thrifty:
    """Looks each word up once, and a bounded number of words: people wait for the probe."""

    def __init__(self, score: Callable[[str], float]) -> None:
        self._score = score
        self._known: dict[str, float] = {}

    def __call__(self, text: str) -> float:
        if text not in self._known and len(self._known) < _WORDS_LOOKED_UP:
            self._known[text] = self._score(text)
        return self._known.get(text, 0.0)


def _chosen(
    tables: Sequence[tuple[SheetHead, Table]], sheet: str | None
) -> tuple[SheetHead, Table]:
    """Return the named sheet, else the best visible one with data, else a hidden one with data."""
    wanted = [(h, t) for h, t in tables if sheet in (None, h.name) and t.sample]
    if not wanted:
        raise refusal("NO_DATA_ROWS")
    return max(wanted, key=lambda pair: (pair[0].visible, pair[1].score))


def _notices(
    facts: Mapping[str, Any], head: SheetHead, table: Table, filename: str, limits: Limits
) -> list[Notice]:
    notices: list[Notice] = [(str(code), dict(params)) for code, params in facts["notices"]]
    kind, suffix = str(facts["format"]), PurePath(filename).suffix.lower()
    if suffix not in _NAMES.get(kind, frozenset({suffix})):
        notices.append(("NOTICE_EXTENSION_MISMATCH", {"extension": suffix, "format": kind}))
    if facts["macros"]:
        notices.append(("NOTICE_MACROS_IGNORED", {}))
    last = head.last_row or 0
    hidden = sum(1 for no in head.hidden_rows if table.header_row < no <= last)
    if hidden:
        notices.append(("NOTICE_HIDDEN_ROWS", {"count": hidden, "filtered": head.filtered}))
    if head.beyond:
        notices.append(("COLUMN_LIMIT", {"limit": limits.columns_max}))
    return notices


def _fitted(cells: Sequence[Cell], width: int) -> list[Cell]:
    return [*cells[:width], *[("", "")] * (width - len(cells))]
