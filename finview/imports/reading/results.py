"""What a reading gives: the probe of a file, the plan to read its rows, chunks of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from finview.plugins.contracts.reader import Cell

Notice = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetScore:
    """A sheet of the file and how much it looks like the table of cases."""

    name: str
    visible: bool
    score: float
    header_row: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """What a reading of the rows needs to know; all of it comes from a `Probe`, or from a person.

    `debtor_columns` are the positions mapped to a debtor's fields: a total line has none of them.
    `fill_columns` limits filling merged cells down to these positions. None: not known; then texts
    and whole numbers are filled down, never an amount.
    """

    sheet: str | None
    header_row: int
    columns: int
    encoding: str | None = None
    delimiter: str | None = None
    debtor_columns: tuple[int, ...] | None = None
    fill_columns: tuple[int, ...] | None = None

    def for_debtor(self, columns: Sequence[int]) -> Self:
        """Return the plan for a mapping in which these positions hold the debtor's data."""
        return replace(self, debtor_columns=tuple(columns), fill_columns=tuple(columns))

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return the plan kept as `as_dict`."""
        told = dict(stored)
        for name in ("debtor_columns", "fill_columns"):
            if told.get(name) is not None:
                told[name] = tuple(told[name])
        return cls(**told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What is known of a file before its rows are read.

    `headers` are addressed by position and may repeat or be blank; `header_row` 0 means there is
    none. `sample` holds up to 200 data rows as long as `headers`. `dialect` has the delimiter.
    `row_estimate` counts data rows: exact for small files, an upper bound for sheets with gaps.
    """

    format: str
    sheets: list[SheetScore]
    sheet: str | None
    header_row: int
    headers: list[str]
    titles: list[list[str]]
    sample: list[list[Cell]]
    encoding: str | None = None
    dialect: dict[str, str] = field(default_factory=dict)
    row_estimate: int = 0
    date_1904: bool = False
    fill_columns: tuple[int, ...] = ()
    notices: list[Notice] = field(default_factory=list)

    @property
    def plan(self) -> ReadPlan:
        """Return the plan that reads this table; `ReadPlan.for_debtor` sharpens it."""
        return ReadPlan(
            sheet=self.sheet,
            header_row=self.header_row,
            columns=len(self.headers),
            encoding=self.encoding,
            delimiter=self.dialect.get("delimiter"),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number in Excel (CSV: the line it starts in), its cells, what is odd about it.

    Marks are codes: ROW_SHAPE, AUTOFIX_MERGED_FILL, TEXT_TOO_LONG (cut at the limit), ROW_HIDDEN.
    """

    no: int
    cells: list[Cell]
    marks: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """At most 1,000 rows, what was noticed among them, and how far the reading is (in rows)."""

    rows: list[Row]
    notices: list[Notice]
    done: int
    total: int
