"""The two built-in readers of bank statements as providers; parsing is imported when needed."""

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO, ClassVar

from finview.imports.reading import sniff
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.contracts.statement import BankLine, StatementReader

_CAMT = re.compile(rb"camt\.053\.|<(?:\w+:)?BkToCstmrStmt[\s>/]")
_NO_TABLE = (b"<", b"{", b"[", b":20:", b"%PDF")
_TEXT_NAMES = frozenset({".csv", ".tsv", ".txt", ".tab"})


class CsvStatementReader(StatementReader[NoSettings]):
    """The CSV exports of banks, German and English."""

    name: ClassVar[str] = "csv"
    title: ClassVar[str] = "CSV"

    def sniff(self, head: bytes, filename: str) -> float:
        """Return 0.6 for text with a name of text, 0.3 for other text; XML and MT940 are none."""
        plain = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
        foreign = plain.startswith(_NO_TABLE) or head.startswith((sniff.ZIP_MAGIC, sniff.OLE_MAGIC))
        if not plain or foreign or not sniff.looks_like_text(head):
            return 0
        return 0.6 if PurePath(filename).suffix.lower() in _TEXT_NAMES else 0.3

    def lines(self, file: BinaryIO) -> Iterator[BankLine]:
        """Yield the booked lines; columns are found by their names."""
        from finview.imports.reading.statement_csv import read_csv

        return read_csv(file)


class CamtStatementReader(StatementReader[NoSettings]):
    """CAMT.053 of any version, an entry with several transactions split into these."""

    name: ClassVar[str] = "camt053"
    title: ClassVar[str] = "CAMT.053"

    def sniff(self, head: bytes, filename: str) -> float:  # noqa: ARG002  # as the contract
        """Return 0.95 when the head names the message."""
        plain = head.replace(b"\0", b"")
        is_xml = plain.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")
        return 0.95 if is_xml and _CAMT.search(plain) else 0

    def lines(self, file: BinaryIO) -> Iterator[BankLine]:
        """Yield the booked transactions of all statements of the file."""
        from finview.imports.reading.statement_camt import read_camt

        return read_camt(file)
