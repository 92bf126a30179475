"""The job that looks at a new file: what it is, where its table lies, what its columns mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from finview.db.bulk import bulk_insert
from finview.db.files import StoredFile, path_of
from finview.db.jobs import CHUNKED, JobError, JobView, Step, job
from finview.errors import FinviewError
from finview.imports.cells import settle
from finview.imports.fields import FIELDS
from finview.imports.mapping import ColumnProposal, Remembered, file_ready, propose
from finview.imports.models import (
    Import,
    ImportColumn,
    ImportIssue,
    ImportRow,
    ImportState,
    MappingMemory,
)
from finview.imports.reading.limits import Limits
from finview.imports.reading.process import Probe, probe
from finview.imports.staging import settled_kind
from finview.imports.terms import terms_of
from finview.imports.upload import start

SAMPLES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Seen:
    probe: Probe
    columns: list[ColumnProposal]


def fail(session: Session, row: Import, failure: Mapping[str, Any]) -> None:
    """Let an import end with its reason; rows and columns read so far go."""
    for table in (ImportIssue, ImportRow, ImportColumn):
        session.execute(delete(table).where(table.import_id == row.id))
    row.state, row.failure = ImportState.FAILED, dict(failure)


def import_died(session: Session, view: JobView, error: JobError) -> None:
    """Let an import whose job was given up say so."""
    row = session.get(Import, view.args["import_id"])
    if row is not None and row.state in (ImportState.READING, ImportState.MATCHING):
        row.state = ImportState.FAILED
        row.failure = {"code": error.code, "params": dict(error.params), "path": []}


@job("import.read", shape=CHUNKED, queue="bulk", on_dead=import_died)
class ReadFile:
    """Probe the file in a child process and propose a field for every column."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.done = view.cursor is not None

    def prepare(self) -> _Seen | FinviewError | None:
        """Look at the file, with no session open; a file that can't be read is a result too."""
        if self.done:
            return None
        services = self.view.services
        with services.db.reading() as session:
            row = session.get(Import, self.view.args["import_id"])
            if row is None or row.state != ImportState.READING or row.file_id is None:
                return None
            stored = session.get_one(StoredFile, row.file_id)
            memory = remembered(session, row.customer_id)
            kind, country = row.debtor_kind, row.phone_country
        path = path_of(services.files, stored)
        try:
            seen = probe(path, stored.filename, Limits.of(services.settings))
        except FinviewError as failure:
            return failure
        columns = propose(
            seen.headers, seen.sample, debtor_kind=kind, country=country, memory=memory
        )
        return _Seen(seen, columns)

    def write(self, session: Session, work: _Seen | FinviewError) -> Step:
        """Keep the proposal; go on by itself when every column is clear."""
        self.done = True
        row = session.get_one(Import, self.view.args["import_id"])
        step = Step(cursor={"read": True}, done=0, total=None)
        if row.state != ImportState.READING:
            return step
        if isinstance(work, FinviewError):
            fail(session, row, work.as_dict())
            return step
        row.plan = {
            "read": work.probe.plan.as_dict(),
            "format": work.probe.format,
            "mac_dates": work.probe.date_1904,
        }
        row.notices = [*row.notices, *([code, params] for code, params in work.probe.notices)]
        session.execute(delete(ImportColumn).where(ImportColumn.import_id == row.id))
        bulk_insert(session, ImportColumn, [_column(row.id, c) for c in work.columns])
        row.formats = _first_formats(work, row.phone_country)
        if file_ready(work.columns, row.debtor_kind, terms_of(row).required):
            row.mapping_version += 1
            row.job_id = start(session, row, "import.stage")
        else:
            row.state = ImportState.MAPPING
        return step

    def finish(self, session: Session) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held open."""


def remembered(session: Session, customer_id: int) -> dict[str, Remembered]:
    """Return what people decided about headers of this customer's files."""
    return {
        row.header_norm: Remembered(
            field=row.field, hits=row.hits, misses=row.misses, options=row.options
        )
        for row in session.scalars(
            select(MappingMemory).where(MappingMemory.customer_id == customer_id).limit(5000)
        )
        if row.field is None or row.field in FIELDS
    }


def _first_formats(seen: _Seen, country: str) -> dict[str, Any]:
    """Settle the columns by the sample: mostly right, so that one pass over the file will do."""
    formats: dict[str, Any] = {}
    for column in seen.columns:
        kind = settled_kind(column.field)
        if kind is not None and column.field is not None:
            cells = [r[column.index] for r in seen.probe.sample if column.index < len(r)]
            settled = settle(kind, cells, country, column.options)
            formats[column.field] = settled.as_json()
    return formats


def _column(import_id: int, column: ColumnProposal) -> dict[str, Any]:
    return {
        "import_id": import_id,
        "idx": column.index,
        "header": column.header[:300],
        "samples": list(column.samples[:SAMPLES_SHOWN]),
        "field": column.field,
        "score": column.confidence,
        "margin": column.margin,
        "decided_by": column.decided,
        "evidence": column.evidence,
        "options": dict(column.options),
    }
