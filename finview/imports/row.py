"""A row while it is being checked: its cells by field, its values and issues so far."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from finview.imports.cells import Cell
from finview.imports.checked import AUTO_FIX, USER, Context, Issue, Scalar, Value
from finview.imports.fieldrules import NO_VALUE, Checked

Overrides = Mapping[str, str | None]
"""Values typed by a person, by field; None clears the field."""

NOTHING_TYPED: Final[Overrides] = MappingProxyType({})


class Row:
    """A row being checked: its cells by field, its values and issues so far."""

    __slots__ = ("cells", "confirmed", "ctx", "issues", "overrides", "seconds", "values")

    def __init__(self, cells: dict[str, Cell], ctx: Context, overrides: Overrides) -> None:
        self.cells = cells
        self.ctx = ctx
        self.overrides = overrides
        self.values: dict[str, Value] = {}
        self.issues: list[Issue] = []
        self.confirmed: set[str] = set()
        self.seconds: dict[str, str] = {}

    def take(self, name: str, checked: Checked) -> None:
        """Keep what a cell's own rules said."""
        self.values[name] = checked.value
        if checked.issues:
            self.issues += checked.issues
        if checked.second:
            self.seconds[name] = checked.second

    def text(self, name: str) -> str:
        """Return the text value of a field, empty if it has none."""
        value = self.values.get(name, NO_VALUE).value
        return value if isinstance(value, str) else ""

    def day(self, name: str) -> date | None:
        """Return the date value of a field."""
        iso = self.text(name)
        return date.fromisoformat(iso) if iso else None

    def amended(self, name: str) -> bool:
        """Tell whether a person typed this field's value."""
        return name in self.overrides

    def change(self, name: str, value: Scalar, found: Issue | None = None) -> None:
        """Replace a value by what a rule made of it, noting the repair unless a person typed it."""
        old = self.values.get(name, NO_VALUE)
        if self.amended(name):
            self.values[name] = Value(raw=old.raw, value=value, source=USER)
            return
        codes = (*old.codes, found.code) if found else old.codes
        self.values[name] = Value(raw=old.raw, value=value, source=AUTO_FIX, codes=codes)
        if found:
            self.issues.append(found)
