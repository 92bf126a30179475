"""What Python adds to a text the database wrote: the frame of each page, cursors, values in holes.

The database marks these places with control characters, which no JSON holds as they stand.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from finview.api.engine.context import Context
from finview.api.engine.dialect import Statement
from finview.api.engine.plan import ROWS_MAX, Arguments, Made, Part
from finview.api.engine.select import Unplanned
from finview.api.engine.sources import Bulk

LOST = "\x18"
"""Stands for a row that can't be written."""
HOLE = "\x1f"
"""Stands around the number of a hole and the key of its value."""
NEXT = "\x1e"
"""Stands between the rows of a page of which the last may be one too many."""
_OBJECT = '{"'  # begins every object, and nothing else: quotes in texts are escaped
_OBJECT_CHARS = 8

Row = Sequence[Any]
Binds = Mapping[str, Any]
Fetch = Callable[[str, Binds], Sequence[Row]]
Show = Callable[[Row, Binds], str]


@dataclass(frozen=True, slots=True)
class Text:
    """A plan's statement, and how its one row becomes the answer."""

    statement: Statement
    show: Show
    holes: tuple[Made, ...]

    def read(self, fetch: Fetch, binds: Binds) -> str:
        """Return the answer, its holes open; raises `Unplanned` for what can't be written."""
        (row,) = fetch(self.statement.text, self.statement.params(binds))
        text = self.show(row, binds)
        if LOST in text:
            raise Unplanned("null in a non-null place")
        # Objects are rows or parts of rows: how many rows there are the rows back end knows.
        if len(text) > ROWS_MAX * _OBJECT_CHARS and text.count(_OBJECT) > ROWS_MAX:
            raise Unplanned("perhaps too many rows")
        return text

    def fill(self, text: str, ctx: Context, given: Sequence[Arguments]) -> str:
        """Return the answer with its holes filled: each function is called once with all keys."""
        pieces = text.split(HOLE)
        marks = [(int(hole), int(key)) for hole, _, key in map(_halves, pieces[1::2])]
        found = []
        for number, item in enumerate(self.holes):
            keys = sorted({key for hole, key in marks if hole == number})
            found.append(_values(item, keys, ctx, given))
        pieces[1::2] = [found[hole][key] for hole, key in marks]
        return "".join(pieces)


def _halves(mark: str) -> tuple[str, str, str]:
    return mark.partition(":")


def _values(
    item: Made, keys: Sequence[int], ctx: Context, given: Sequence[Arguments]
) -> dict[int, str]:
    """Return the values of a hole as JSON, by key; 0 is a key that points nowhere."""
    assert isinstance(item.field, Bulk)
    assert item.site is not None
    asked = [key for key in keys if key]
    made = item.field.make(ctx, asked, **given[item.site].values) if asked else {}
    return {key: orjson.dumps(item.complete(made.get(key))).decode() for key in keys}


def always(value: str) -> Show:
    """Return what shows a constant."""
    return lambda _row, _binds: value


def column(index: int) -> Show:
    """Return what shows a column of the row."""
    return lambda row, _binds: str(row[index])


def framed(parts: Sequence[tuple[str, Show]]) -> Show:
    """Return what shows an object; what stands between two values is made once."""
    keys = [
        ("," if n else "{") + orjson.dumps(key).decode() + ":" for n, (key, _) in enumerate(parts)
    ]
    shows = [(key, show) for key, (_, show) in zip(keys, parts, strict=True)]
    return lambda row, binds: "".join([key + show(row, binds) for key, show in shows]) + "}"


@dataclass(frozen=True, slots=True)
class Ends:
    """A page whose rows were asked for with one more: where it ends, and whether it goes on."""

    first: str
    count: int
    cursors: int | None
    after: bool

    def listed(self, index: int) -> Show:
        """Return what shows the list of the page's rows."""

        def show(row: Row, binds: Binds) -> str:
            text = row[index] or ""
            if row[self.count] > binds[self.first]:
                text = text[: text.rindex(NEXT)]
            return f"[{text.replace(NEXT, ',')}]"

        return show

    def info(self, part: Part) -> Show:
        """Return what shows a field of the page info."""
        if part.name == "hasNextPage":
            return lambda row, binds: "true" if row[self.count] > binds[self.first] else "false"
        if part.name == "hasPreviousPage":
            return always("true" if self.after else "false")
        if part.name in ("startCursor", "endCursor"):
            assert self.cursors is not None
            return self._cursor(self.cursors, 0 if part.name == "startCursor" else -1)
        return always(orjson.dumps(part.inside).decode())

    def _cursor(self, index: int, at: int) -> Show:
        def show(row: Row, binds: Binds) -> str:
            if not row[index]:
                return "null"
            plain = row[index].split(NEXT)[: binds[self.first]][at]
            return '"' + urlsafe_b64encode(plain.encode()).decode().rstrip("=") + '"'

        return show


def listed(index: int) -> Show:
    """Return what shows a list of rows that were joined as they are to be shown."""
    return lambda row, _binds: f"[{row[index] or ''}]"


__all__ = ["HOLE", "LOST", "NEXT", "Ends", "Fetch", "Show", "Text", "always", "column", "framed"]
