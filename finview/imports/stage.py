"""The job that brings every row of the file into the review, chunk by chunk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.db.failpoints import failpoint
from finview.db.files import StoredFile, path_of
from finview.db.jobs import CHUNKED, JobView, Step, job
from finview.errors import FileUnreadable, FinviewError
from finview.imports.cells import ColumnEvidence, ColumnFormat
from finview.imports.fields import FIELDS
from finview.imports.models import Import, ImportColumn, ImportRow, ImportState
from finview.imports.read import fail, import_died
from finview.imports.reading.limits import Limits
from finview.imports.reading.process import Chunk, ReadPlan, rows
from finview.imports.rules import Context, Issue, RowResult
from finview.imports.staging import (
    RawRow,
    check_file,
    checked,
    context_of,
    settled_kind,
    stored_rows,
    write_file_issues,
    write_rows,
)


@dataclass(frozen=True, slots=True)
class _Rows:
    work: list[tuple[RawRow, RowResult]]
    notices: list[Any]
    total: int | None


@dataclass(frozen=True, slots=True)
class _Settled:
    """All rows are in; these formats differ from those the rows were checked with."""

    formats: dict[str, ColumnFormat]


@dataclass(frozen=True, slots=True)
class _WholeFile:
    issues: list[tuple[int, Issue]]


@job("import.stage", shape=CHUNKED, queue="bulk", on_dead=import_died)
class StageRows:
    """Read, check and write all rows; again from what was read when the mapping has changed.

    Phases, kept in the cursor: `read` from the file, `check` again from the rows, `file` for the
    rules over all rows, `end`.
    """

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.import_id: int = view.args["import_id"]
        cursor = view.cursor or {}
        self.phase: str = cursor.get("phase", "")
        self.after: int = cursor.get("row", 0)
        self.done: int = cursor.get("done", 0)
        self.evidence = {
            int(idx): ColumnEvidence.from_json(kept)
            for idx, kept in cursor.get("evidence", {}).items()
        }
        self.source: Iterator[Chunk] | None = None
        self.ctx: Context | None = None
        self.country = ""
        self.total: int | None = None
        self.options: dict[int, dict[str, Any]] = {}

    def prepare(self) -> _Rows | _Settled | _WholeFile | FinviewError | None:
        """Return the next piece of work; parsing and checking happen here, with no lock held."""
        if self.phase == "end" or not self._load():
            return None
        try:
            if self.phase == "read":
                return self._from_file()
            if self.phase == "check":
                return self._from_rows()
        except FinviewError as failure:
            return failure
        with self.view.services.db.reading() as session:
            return _WholeFile(check_file(session, session.get_one(Import, self.import_id)))

    def write(self, session: Session, work: _Rows | _Settled | _WholeFile | FinviewError) -> Step:
        """Write one piece and where to go on."""
        row = session.get_one(Import, self.import_id)
        if not self._current(row):
            self.phase = "end"
        elif isinstance(work, FinviewError):
            fail(session, row, work.as_dict())
            self.phase = "end"
        elif isinstance(work, _Rows):
            failpoint("import.stage.chunk")
            write_rows(session, row.id, work.work)
            row.notices = [*row.notices, *work.notices][:200]
            if work.work:
                self.after = work.work[-1][0].no
            self.done += len(work.work)
            self.total = work.total or self.total
        elif isinstance(work, _Settled):
            self._settle(row, work)
        else:
            write_file_issues(session, row.id, work.issues)
            row.state, row.staged = ImportState.REVIEW, True
            self.phase = "end"
        evidence = {} if self.phase == "end" else self.evidence
        return Step(
            cursor={
                "phase": self.phase,
                "row": self.after,
                "done": self.done,
                "evidence": {str(idx): kept.as_json() for idx, kept in evidence.items()},
            },
            done=self.done,
            total=self.total,
            phase="IMPORT_READING",
        )

    def finish(self, session: Session) -> None:
        """Nothing is left to do: the last piece has moved the import on."""

    def close(self) -> None:
        """End the reading process."""
        closing = getattr(self.source, "close", None)
        if closing is not None:
            closing()

    def _current(self, row: Import) -> bool:
        version = self.view.args["version"]
        return row.state == ImportState.READING and row.mapping_version == version

    def _load(self) -> bool:
        """Read what the rules need; tell whether the job is still wanted."""
        with self.view.services.db.reading() as session:
            row = session.get(Import, self.import_id)
            if row is None or not self._current(row):
                return False
            if self.ctx is None:
                if not self.phase:
                    self.phase = "check" if row.staged else "read"
                self.ctx = context_of(session, row)
                self.country = row.phone_country
                columns = session.scalars(
                    select(ImportColumn).where(ImportColumn.import_id == row.id)
                )
                for column in columns:
                    kind = settled_kind(column.field)
                    if kind is not None:
                        self.options[column.idx] = column.options
                        self.evidence.setdefault(column.idx, ColumnEvidence(kind))
        return True

    def _from_file(self) -> _Rows | _Settled:
        services = self.view.services
        if self.source is None:
            with services.db.reading() as session:
                row = session.get_one(Import, self.import_id)
                stored = session.get_one(StoredFile, row.file_id)
                plan = ReadPlan.from_dict(row.plan["read"]).for_debtor(self._debtor_columns())
            self.source = iter(
                rows(
                    path_of(services.files, stored),
                    stored.filename,
                    plan,
                    Limits.of(services.settings),
                    after_row=self.after,
                )
            )
        chunk = next(self.source, None)
        if chunk is None:
            if not self.done:
                raise FileUnreadable("NO_DATA_ROWS")
            return self._formats()
        raw = [RawRow(row.no, row.cells, row.marks) for row in chunk.rows]
        notices = [[code, params] for code, params in chunk.notices]
        return _Rows(self._checked(raw), notices, chunk.total)

    def _debtor_columns(self) -> list[int]:
        assert self.ctx is not None
        of_debtor = ("debtor", "address", "email", "phone")
        return [
            idx
            for idx, name in enumerate(self.ctx.fields)
            if name is not None and name in FIELDS and FIELDS[name].target in of_debtor
        ]

    def _from_rows(self) -> _Rows | _Settled:
        with self.view.services.db.reading() as session:
            raw = stored_rows(
                session,
                self.import_id,
                after=self.after,
                limit=self.view.services.settings.import_chunk_rows,
            )
            if self.total is None:
                self.total = session.scalar(
                    select(func.count()).where(ImportRow.import_id == self.import_id)
                )
        return _Rows(self._checked(raw), [], self.total) if raw else self._formats()

    def _checked(self, raw: list[RawRow]) -> list[tuple[RawRow, RowResult]]:
        for idx, evidence in self.evidence.items():
            evidence.add(row.cells[idx] for row in raw if idx < len(row.cells))
        assert self.ctx is not None
        return checked(raw, self.ctx)

    def _formats(self) -> _Settled:
        settled: dict[str, ColumnFormat] = {}
        assert self.ctx is not None
        for idx, evidence in self.evidence.items():
            name = self.ctx.fields[idx]
            if name is not None:
                settled[name] = evidence.settled(
                    country=self.country, options=self.options.get(idx)
                )
        return _Settled(settled)

    def _settle(self, row: Import, work: _Settled) -> None:
        assert self.ctx is not None
        if work.formats == dict(self.ctx.formats):
            self.phase = "file"
            return
        # The rows were checked with what a part of the file suggested: once more, with certainty.
        row.formats = {name: kept.as_json() for name, kept in work.formats.items()}
        row.staged = True
        self.ctx, self.evidence, self.after, self.done = None, {}, 0, 0
        self.phase = "check"
