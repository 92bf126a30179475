"""The parent's side of reading a bank statement: lines out of the child, checked once more."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from finview.imports.reading.limits import Limits
from finview.imports.reading.watch import Child, refusal
from finview.plugins.contracts.statement import BankLine, fault_of


class StatementLines:
    """The lines of a bank statement as they come; a context manager that ends its child process.

    `reader` is known once the first line was asked for. Iterating raises FileType, FileUnreadable
    or FileTooLarge with a fine reason, possibly after some lines: nothing of them is to be kept.
    """

    def __init__(
        self, path: Path, filename: str, limits: Limits, *, readers: Sequence[str] = ()
    ) -> None:
        self.reader = ""
        self._child = Child(path, filename, limits, {"what": "lines"}, readers)

    def __iter__(self) -> Iterator[BankLine]:
        for frame in self._child.answers():
            if frame["t"] == "file":
                self.reader = str(frame.get("reader", ""))[:80]
            elif frame["t"] == "lines":
                yield from (unpacked(line) for line in frame["lines"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._child.close()


def unpacked(packed: Any) -> BankLine:
    """Return a line that came as JSON; the child is the untrusted side, so all is checked again."""
    try:
        booked, value, minor, currency, name, iban, reference, key, returned = packed
        line = BankLine(
            booked_on=date.fromisoformat(booked),
            value_on=date.fromisoformat(value),
            amount_minor=minor,
            currency=currency,
            name=name,
            iban=iban,
            reference=reference,
            key=key,
            returned=returned,
        )
    except (TypeError, ValueError) as error:
        raise refusal("BANK_FILE_UNREADABLE") from error
    if fault_of(line) is not None:
        raise refusal("BANK_FILE_UNREADABLE")
    return line
