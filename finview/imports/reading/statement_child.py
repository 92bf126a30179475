"""The child's side of reading a bank statement: picks the reader, checks and sends its lines."""

import io
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from typing import Any, BinaryIO

# What the built-in readers need is imported before the limits are set.
from finview.imports.reading import (
    sniff,
    statement_camt,  # noqa: F401  # as above
    statement_csv,  # noqa: F401  # as above
)
from finview.imports.reading.limits import Limits, Refused
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.contracts.statement import BankLine, StatementReader, fault_of

BUILT_IN = (
    "finview.imports.reading.statements:CsvStatementReader",
    "finview.imports.reading.statements:CamtStatementReader",
)
CHUNK_LINES = 500
Send = Callable[..., None]


def stream(
    file: BinaryIO, filename: str, limits: Limits, readers: Sequence[str], send: Send
) -> None:
    """Send every line of the file in frames of at most 500; raises Refused."""
    size = file.seek(0, io.SEEK_END)
    if size == 0:
        raise Refused("FILE_EMPTY")
    if size > limits.upload_bytes_max:
        raise Refused("FILE_TOO_LARGE", bytes=size, limit=limits.upload_bytes_max)
    file.seek(0)
    reader = _best(file.read(sniff.HEAD_BYTES), filename, readers)
    file.seek(0)
    count = 0
    send("file", reader=reader.name)
    lines = _checked(reader, file)
    while chunk := list(islice(lines, CHUNK_LINES)):
        count += len(chunk)
        if count > limits.rows_max:
            raise Refused("BANK_FILE_LINES", limit=limits.rows_max)
        send("lines", lines=[packed(line) for line in chunk])


def packed(line: BankLine) -> list[Any]:
    """Return a line as JSON carries it; `statement_lines` reads it back."""
    return [
        line.booked_on.isoformat(),
        line.value_on.isoformat(),
        line.amount_minor,
        line.currency,
        line.name,
        line.iban,
        line.reference,
        line.key,
        line.returned,
    ]


def _best(head: bytes, filename: str, paths: Sequence[str]) -> StatementReader[Any]:
    """Return the surest reader; of equally sure ones what ships here, then by name."""
    found: list[tuple[float, bool, str, StatementReader[Any]]] = []
    for path in (*BUILT_IN, *paths):
        module, _, name = path.partition(":")
        provider: type[StatementReader[Any]] = getattr(import_module(module), name)
        reader = provider(NoSettings())
        sure = reader.sniff(head, filename)
        if sure > 0:
            found.append((-sure, path not in BUILT_IN, reader.name, reader))
    if not found:
        raise Refused("BANK_FILE_TYPE")
    return min(found, key=lambda one: one[:3])[3]


def _checked(reader: StatementReader[Any], file: BinaryIO) -> Iterator[BankLine]:
    for line in reader.lines(file):
        why = fault_of(line)
        if why is not None:
            raise Refused("BANK_FILE_READER", reader=reader.name, why=why)
        yield line
