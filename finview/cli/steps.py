"""The steps of an import as a terminal takes them: each ends when its background work is done."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.accounts.access import Viewer
from finview.cases.models import Case, Debtor
from finview.cli.show import OnProgress
from finview.customers.models import Customer, Portfolio
from finview.db.jobs import Job, State
from finview.db.runtime import Services
from finview.errors import FieldRequired, FinviewError, JobFailed, describe
from finview.i18n import N_, sentence, sentences, translate
from finview.imports import columns, edits, link, revert, upload
from finview.imports import launch as launching
from finview.imports.fields import FIELDS, missing_required
from finview.imports.models import (
    Import,
    ImportColumn,
    ImportIssue,
    ImportRow,
    ImportState,
    MatchOutcome,
    Section,
)
from finview.imports.rulebook import message
from finview.imports.staging import section_counts
from finview.imports.terms import terms_of
from finview.jobs.runner import drain
from finview.money import Money

sentences(
    {"IMPORT_STUCK": N_("The import still stands at {state}; see: finview jobs list --failed")}
)

BUSY = (ImportState.READING, ImportState.MATCHING)
PATIENCE_S = 600
TRIES_MAX = 2
PAUSE_S = 0.2


class Refused(FinviewError):
    """An import that failed, with what was stored about it."""

    def __init__(self, failure: dict[str, Any]) -> None:
        params = dict(failure.get("params") or {})
        super().__init__(params.pop("reason", None), path=failure.get("path") or (), **params)
        self.code = failure["code"]  # type: ignore[misc]  # stored with the import


class ImportSteps:
    """One import, walked through step by step with the verbs everyone uses."""

    def __init__(self, services: Services, viewer: Viewer, on_progress: OnProgress) -> None:
        self.services = services
        self.viewer = viewer
        self.on_progress = on_progress
        self.import_id = 0

    def upload(self, path: Path, portfolio: Portfolio, *, kind: str, country: str) -> None:
        """Announce and receive the file, and read it; a refused file raises and leaves nothing."""
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        with self.services.db.unit() as session:
            announced = upload.announce(
                session,
                self.services.settings,
                filename=path.name,
                size_bytes=len(content),
                sha256=digest,
                viewer=self.viewer,
            )
            upload.receive(session, self.services, announced, path, digest)
            made = upload.create_import(
                session,
                upload=announced,
                portfolio=session.get_one(Portfolio, portfolio.id),
                debtor_kind=kind,
                phone_country=country,
                viewer=self.viewer,
            )
            self.import_id = made.id
        self.settle()

    def confirm_mapping(self) -> None:
        """Accept the proposed columns where the import asks for it.

        Raises `FieldRequired` with the fields no column was found for.
        """
        with self.services.db.reading() as session:
            row = session.get_one(Import, self.import_id)
            if row.state != ImportState.MAPPING:
                return
            mapped = {c.field for c in self._columns(session) if c.field}
            missing = missing_required(mapped, row.debtor_kind, terms_of(row).required)
        if missing:
            labels = [translate(FIELDS[name].label, self.viewer.locale) for name in missing]
            raise FieldRequired(fields=labels, names=missing)
        self.act(
            lambda session: columns.map_columns(session, self.import_id, [], viewer=self.viewer)
        )

    def complete_review(self) -> None:
        """End the review and wait for matching and records."""
        self.act(lambda s: edits.complete_review(s, self.import_id, viewer=self.viewer))

    def link(self, bucket_id: int) -> None:
        """Link the import to a bucket."""
        self.act(lambda s: link.link_bucket(s, self.import_id, bucket_id, viewer=self.viewer))

    def launch(self) -> None:
        """Launch the workflows and let what is due run."""
        self.act(lambda s: launching.launch(s, self.import_id, viewer=self.viewer))

    def forget(self) -> None:
        """Delete the import without a trace: the end of a dry run or of a refused file."""
        with self.services.db.unit() as session:
            row = session.get(Import, self.import_id)
            if row is not None:
                revert.forget(session, self.services, row)

    def act(self, verb: Callable[[Session], object]) -> None:
        """Run one verb in a transaction of its own, then the work it ordered."""
        with self.services.db.unit() as session:
            verb(session)
        self.settle()

    def settle(self) -> None:
        """Run what is due until the import waits for a person.

        Another process may hold the job, or it failed once and waits for its next time: then this
        waits with it. Raises `Refused` when the import failed, `JobFailed` after its second failed
        try or ten minutes; the job itself is tried again.
        """
        began = time.monotonic()
        while True:
            drain(self.services, on_progress=self.on_progress)
            with self.services.db.reading() as session:
                row = session.get_one(Import, self.import_id)
                state, failure = row.state, row.failure
                job = session.get(Job, row.job_id)
                tries = job.runs if job is not None and job.state == State.SCHEDULED else 0
            if state == ImportState.FAILED:
                self.forget()
                raise Refused(failure or {"code": "JOB_FAILED"})
            if state not in BUSY:
                return
            if tries >= TRIES_MAX or time.monotonic() - began > PATIENCE_S:
                raise JobFailed("IMPORT_STUCK", state=state)
            time.sleep(PAUSE_S)

    def summary(self) -> dict[str, Any]:
        """Return the import as `--json` shows it."""
        with self.services.db.reading() as session:
            row = session.get_one(Import, self.import_id)
            sections = section_counts(session, [row.id])[row.id]
            outcomes = self._outcomes(session)
            cases = session.scalar(select(func.count(Case.id)).where(Case.import_id == row.id))
            customer = session.get_one(Customer, row.customer_id)
            return {
                "number": row.number,
                "state": row.state,
                "customer": customer.name,
                "portfolio": session.get_one(Portfolio, row.portfolio_id).name,
                "kind": row.debtor_kind,
                "rows": sum(sections.values()),
                "sections": {s.lower(): sections.get(s, 0) for s in Section},
                "matches": {o.lower(): outcomes.get(o, 0) for o in MatchOutcome},
                "cases": cases or 0,
                "issues": self._issue_counts(session),
                "columns": [
                    {"index": c.idx, "header": c.header, "field": c.field, "decided": c.decided_by}
                    for c in self._columns(session)
                ],
                "notices": [
                    {
                        "code": code,
                        "message": sentence(code, self.viewer.locale, params),
                        "params": params,
                    }
                    for code, params in row.notices
                ],
            }

    def rows(self) -> list[dict[str, Any]]:
        """Return every row with its section, issues, values and match, in file order."""
        with self.services.db.reading() as session:
            issues: dict[int, list[ImportIssue]] = {}
            for issue in session.scalars(
                select(ImportIssue)
                .where(ImportIssue.import_id == self.import_id)
                .order_by(ImportIssue.row_no, ImportIssue.seq)
            ):
                issues.setdefault(issue.row_no, []).append(issue)
            found = session.execute(
                select(ImportRow, Debtor.number, Case.number)
                .outerjoin(Debtor, Debtor.id == ImportRow.debtor_id)
                .outerjoin(Case, Case.id == ImportRow.case_id)
                .where(ImportRow.import_id == self.import_id)
                .order_by(ImportRow.row_no)
            )
            return [
                self._row(row, issues.get(row.row_no, []), debtor, case)
                for row, debtor, case in found
            ]

    def _row(
        self, row: ImportRow, issues: list[ImportIssue], debtor: str | None, case: str | None
    ) -> dict[str, Any]:
        match = {
            "outcome": row.match_state,
            "percent": row.percent,
            "decided_by": row.decided_by,
            "debtor": debtor,
        }
        return {
            "row": row.row_no,
            "section": row.section,
            "codes": sorted({i.code for i in issues if i.section != Section.READY}),
            "autofixes": sorted({i.code for i in issues if i.section == Section.READY}),
            "issues": [
                {
                    "code": i.code,
                    "field": i.field,
                    "section": i.section,
                    "message": message(i.code, self.viewer.locale, i.params, i.suggestion),
                    "suggestion": i.suggestion,
                }
                for i in issues
            ],
            "values": {name: _value(kept[0], row.currency) for name, kept in row.data.items()},
            "match": match if row.match_state else None,
            "case": case,
        }

    def _columns(self, session: Session) -> list[ImportColumn]:
        statement = select(ImportColumn).where(ImportColumn.import_id == self.import_id)
        return list(session.scalars(statement.order_by(ImportColumn.idx)))

    def _outcomes(self, session: Session) -> dict[str, int]:
        """Count the debtors of the file by outcome (rows of one debtor count once)."""
        statement = (
            select(ImportRow.match_state, func.count(ImportRow.party_no.distinct()))
            .where(ImportRow.import_id == self.import_id, ImportRow.match_state.is_not(None))
            .group_by(ImportRow.match_state)
        )
        return {str(outcome): n for outcome, n in session.execute(statement)}

    def _issue_counts(self, session: Session) -> dict[str, int]:
        statement = (
            select(ImportIssue.code, func.count(ImportIssue.row_no.distinct()).label("n"))
            .where(ImportIssue.import_id == self.import_id)
            .group_by(ImportIssue.code)
            .order_by(ImportIssue.code)
        )
        return {row.code: row.n for row in session.execute(statement)}


def told(failure: FinviewError, locale: str) -> dict[str, Any]:
    """Return a failure as `--json` shows it: coarse code, fine reason, sentence."""
    return {
        "code": failure.code,
        "reason": failure.reason,
        "message": describe(failure.as_dict(), locale),
        "params": failure.params,
    }


def _value(value: Any, currency: str) -> Any:
    """Return a stored value; amounts, kept in minor units, as decimal text."""
    if isinstance(value, int) and not isinstance(value, bool) and currency:
        return Money(value, currency).text
    return value
