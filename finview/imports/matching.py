"""The job between review and records: rows become debtors of the file, matched, then committed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.models import Debtor
from finview.cases.numbers import normalised
from finview.db.failpoints import failpoint
from finview.db.jobs import CHUNKED, JobView, Step, job
from finview.imports.commit import Decided, commit
from finview.imports.errorbook import ask_for_error_book
from finview.imports.models import Import, ImportState, MatchOutcome
from finview.imports.parties import Plan, number_rows, own_debtors, plan_of, rows_of, scored
from finview.imports.read import import_died
from finview.imports.records import ReadyRow
from finview.matching import index, match
from finview.matching.judge import Judgement, Work, judge

PARTIES_PER_CHUNK = 500
REFRESH_PER_CHUNK = 2000
AUTO = "auto"
CASE_NUMBER = "case_number"


@dataclass(frozen=True, slots=True)
class _Refresh:
    """Debtors changed since the index last read them."""


@dataclass(frozen=True, slots=True)
class _Numbered:
    """The debtors of the file are known: every row gets the number of its party."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class _Created:
    """Every party is decided."""


@dataclass(frozen=True, slots=True)
class _Judged:
    start: int
    rows: Mapping[int, list[ReadyRow]]
    work: Work
    judgements: list[Judgement]


@job("import.match", shape=CHUNKED, queue="bulk", on_dead=import_died)
class MatchRows:
    """Find the debtors of the file, decide each against the database, create what is decided.

    The parties are numbered in the rows before the first one is decided, so a job that starts again
    after a crash goes on with the very same parties, whatever other imports did meanwhile. Debtors
    this import made itself are never candidates.
    """

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.import_id: int = view.args["import_id"]
        cursor = view.cursor or {}
        self.next: int = cursor.get("party", 0)
        self.done: int = cursor.get("done", 0)
        self.ended: bool = cursor.get("ended", False)
        self.plan: Plan | None = None

    def prepare(self) -> _Refresh | _Numbered | _Judged | _Created | None:
        """Read and score the next parties, with no writing session open."""
        if self.ended:
            return None
        with self.view.services.db.reading() as session:
            row = session.get(Import, self.import_id)
            if row is None or row.state != ImportState.MATCHING:
                return None
            if self.plan is None and session.scalar(
                select(Debtor.id).where(Debtor.match_stale).limit(1)
            ):
                return _Refresh()
        if self.plan is None:
            self.plan = plan_of(self.view.services, self.import_id)
            if not self.plan.numbered:
                return _Numbered(self.plan)
        if self.next >= len(self.plan.groups):
            return _Created()
        return self._judged(self.plan)

    def write(self, session: Session, work: _Refresh | _Numbered | _Judged | _Created) -> Step:
        """Write one chunk: debtors, cases, effects and where each row went."""
        if isinstance(work, _Refresh):
            index.refresh(session, limit=REFRESH_PER_CHUNK)
            return self._step()
        row = session.scalars(
            select(Import).where(Import.id == self.import_id).with_for_update()
        ).one()
        if row.state != ImportState.MATCHING:
            self.ended = True
            return self._step()
        if isinstance(work, _Numbered):
            number_rows(session, self.import_id, work.plan)
            return self._step()
        if isinstance(work, _Created):
            row.state = ImportState.CREATED
            ask_for_error_book(session, row)
            self.ended = True
            return self._step()
        assert self.plan is not None
        if match.changed_since(session, work.work, ignore=own_debtors(session, self.import_id)):
            # Another import made a likely debtor meanwhile: this chunk is judged once more.
            return self._step()
        failpoint("import.match.chunk")
        decided = [self._decided(work, judgement) for judgement in work.judgements]
        commit(session, row, decided, by=row.created_by)
        match.store(
            session,
            self.import_id,
            {work.start + j.party: j for j in work.judgements if j.candidates},
            work.work,
            matcher=self.plan.matcher.name,
            matcher_version=str(getattr(self.plan.matcher.provider, "version", "")),
            auto=self.plan.auto,
            review=self.plan.review,
        )
        self.next = work.start + len(work.judgements)
        self.done += sum(len(one.rows) for one in decided)
        return self._step()

    def finish(self, session: Session) -> None:
        """Nothing is left to do: the last piece has moved the import on."""

    def close(self) -> None:
        """Nothing is held open."""

    def _step(self) -> Step:
        return Step(
            cursor={"party": self.next, "done": self.done, "ended": self.ended},
            done=self.done,
            total=len(self.plan.rows) if self.plan is not None else None,
            phase="IMPORT_MATCHING",
        )

    def _judged(self, plan: Plan) -> _Judged:
        groups = plan.groups[self.next : self.next + PARTIES_PER_CHUNK]
        parties = [group.party for group in groups]
        extra = plan.matcher.call("keys", parties)
        version = getattr(plan.matcher.provider, "keys_version", 0)
        keys = match.all_keys(parties, extra, prefix=f"{plan.matcher.name}/{version}")
        with self.view.services.db.reading() as session:
            rows = rows_of(session, self.import_id, range(self.next, self.next + len(groups)))
            case_numbers = [_case_number(own) for own in rows.values()] if plan.by_number else []
            work = match.gather(
                session,
                parties,
                keys=keys,
                cache=plan.cache,
                ignore=own_debtors(session, self.import_id),
                customer_id=plan.customer_id,
                case_numbers=case_numbers,
            )
        scores = scored(plan.matcher, work.asked)
        judgements = judge(work, scores, auto=plan.auto, review=plan.review)
        return _Judged(self.next, rows, work, judgements)

    def _decided(self, done: _Judged, judgement: Judgement) -> Decided:
        number = done.start + judgement.party
        by_number = any(e.field == "case_number" for c in judgement.candidates for e in c.evidence)
        return Decided(
            number=number,
            rows=done.rows[number],
            party=done.work.parties[judgement.party],
            outcome=MatchOutcome(judgement.outcome.value),
            debtor_id=judgement.debtor_id,
            percent=judgement.percent,
            keys=done.work.keys[judgement.party],
            by=CASE_NUMBER if by_number else AUTO,
        )


def _case_number(rows: Sequence[ReadyRow]) -> str | None:
    texts = (row.text("customer_case_number") for row in rows)
    return next((normalised(text) for text in texts if text), None)
