"""The readers that ship inside finview, offered through the same hook as any plugin's."""

from typing import Any

from finview.imports.reading.readers import CsvReader, OpenpyxlReader
from finview.imports.reading.statements import CamtStatementReader, CsvStatementReader
from finview.plugins.contracts.reader import ImportReader
from finview.plugins.contracts.statement import StatementReader
from finview.plugins.hookspecs import hookimpl


@hookimpl
def finview_import_readers() -> list[type[ImportReader[Any]]]:
    """Offer the reader of delimited text and the one of .xlsx and .xlsm."""
    return [CsvReader, OpenpyxlReader]


@hookimpl
def finview_statement_readers() -> list[type[StatementReader[Any]]]:
    """Offer the readers of bank statements as CSV and as CAMT.053."""
    return [CsvStatementReader, CamtStatementReader]
