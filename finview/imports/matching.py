"""The job between review and records: rows become debtors of the file, matched, then committed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.models import Debtor
from finview.cases.numbers import normalised
from finview.customers.models import Customer
from finview.customers.preferences import chain, effective
from finview.db.failpoints import failpoint
from finview.db.jobs import CHUNKED, JobView, Step, job
from finview.imports.commit import Decided, commit
from finview.imports.errorbook import ErrorBook, error_book, keep_error_book
from finview.imports.models import Import, ImportRow, ImportState, MatchOutcome, Section
from finview.imports.read import import_died
from finview.imports.records import ReadyRow, raw_party
from finview.matching import index, match, within
from finview.matching.judge import Judgement, Work, judge
from finview.matching.names import shipped
from finview.matching.normalise import party
from finview.matching.search import Cache
from finview.plugins.bindings import Bound, resolve
from finview.plugins.contracts.matcher import MatchBatch, Party, Score
from finview.plugins.errors import Misconfigured
from finview.plugins.manager import Plugins

PARTIES_PER_CHUNK = 1000
PAIRS_PER_CALL = 1000
REFRESH_PER_CHUNK = 2000
AUTO = "auto"
CASE_NUMBER = "case_number"


@dataclass(frozen=True, slots=True)
class _Refresh:
    """Debtors changed since the index last read them."""


@dataclass(frozen=True, slots=True)
class _Judged:
    start: int
    work: Work
    judgements: list[Judgement]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What stays the same for the whole job."""

    rows: list[ReadyRow]
    groups: Sequence[within.Group]
    matcher: Bound
    auto: float
    review: float
    customer_id: int
    by_number: bool
    cache: Cache = field(default_factory=Cache)


@job("import.match", shape=CHUNKED, queue="bulk", on_dead=import_died)
class MatchRows:
    """Find the debtors of the file, decide each against the database, create what is decided.

    The same rows give the same parties in the same order, so a job that starts again after a crash
    goes on with the next party; debtors this import made itself are never candidates.
    """

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.import_id: int = view.args["import_id"]
        cursor = view.cursor or {}
        self.next: int = cursor.get("party", 0)
        self.done: int = cursor.get("done", 0)
        self.ended: bool = cursor.get("ended", False)
        self.plan: _Plan | None = None

    def prepare(self) -> _Refresh | _Judged | ErrorBook | None:
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
            self.plan = self._planned()
        if self.next >= len(self.plan.groups):
            with self.view.services.db.reading() as session:
                return error_book(session, session.get_one(Import, self.import_id))
        return self._judged(self.plan)

    def write(self, session: Session, work: _Refresh | _Judged | ErrorBook) -> Step:
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
        if isinstance(work, ErrorBook):
            keep_error_book(session, self.view.services, row, work)
            row.state = ImportState.CREATED
            self.ended = True
            return self._step()
        assert self.plan is not None
        if match.changed_since(session, work.work, ignore=self._own(session)):
            # Another import made a likely debtor meanwhile: this chunk is judged once more.
            return self._step()
        failpoint("import.match.chunk")
        decided = [self._decided(work.start, judgement) for judgement in work.judgements]
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

    def _planned(self) -> _Plan:
        """Read the READY rows and find the debtors among them."""
        services = self.view.services
        plugins = services.get(Plugins)
        with services.db.reading() as session:
            row = session.get_one(Import, self.import_id)
            customer = session.get_one(Customer, row.customer_id)
            scopes = chain(customer)
            settings = effective(session, scopes, "imports")
            matcher = resolve(session, plugins, scopes, "matcher")
            if matcher is None:
                raise Misconfigured("no matcher is bound")
            rows = ready_rows(session, self.import_id)
            parties = [party(raw_party(r, row.debtor_kind, row.phone_country)) for r in rows]
            counts, population = match.name_counts(session, parties)
        auto = float(settings["auto_match_percent"].value)
        review = float(settings["review_percent"].value)
        table = shipped().with_counts(counts, population)
        inside = within.start(parties, [r.client_number for r in rows], table)
        scores = scored(matcher, inside.parties, inside.parties, inside.pairs, population, counts)
        found = within.finish(inside, scores, table, auto=auto, review=review)
        return _Plan(
            rows=rows,
            groups=found.groups,
            matcher=matcher,
            auto=auto,
            review=review,
            customer_id=row.customer_id,
            by_number=bool(settings["match_on_customer_case_number"].value),
        )

    def _judged(self, plan: _Plan) -> _Judged:
        groups = plan.groups[self.next : self.next + PARTIES_PER_CHUNK]
        parties = [group.party for group in groups]
        extra = plan.matcher.call("keys", parties)
        version = getattr(plan.matcher.provider, "keys_version", 0)
        keys = match.all_keys(parties, extra, prefix=f"{plan.matcher.name}/{version}")
        numbers = [self._case_number(plan, group) for group in groups] if plan.by_number else []
        with self.view.services.db.reading() as session:
            work = match.gather(
                session,
                parties,
                keys=keys,
                cache=plan.cache,
                ignore=self._own(session),
                customer_id=plan.customer_id,
                case_numbers=numbers,
            )
        scores = scored(
            plan.matcher,
            work.parties,
            work.existing,
            work.pairs,
            work.population,
            work.frequencies,
        )
        judgements = judge(work, scores, auto=plan.auto, review=plan.review)
        return _Judged(self.next, work, judgements)

    def _own(self, session: Session) -> frozenset[int]:
        return frozenset(
            session.scalars(select(Debtor.id).where(Debtor.import_id == self.import_id))
        )

    def _case_number(self, plan: _Plan, group: within.Group) -> str | None:
        texts = (plan.rows[at].text("customer_case_number") for at in group.rows)
        return next((normalised(text) for text in texts if text), None)

    def _decided(self, start: int, judgement: Judgement) -> Decided:
        assert self.plan is not None
        group = self.plan.groups[start + judgement.party]
        by_number = any(e.field == "case_number" for c in judgement.candidates for e in c.evidence)
        return Decided(
            number=start + judgement.party,
            rows=[self.plan.rows[at] for at in group.rows],
            party=group.party,
            outcome=MatchOutcome(judgement.outcome.value),
            debtor_id=judgement.debtor_id,
            percent=judgement.percent,
            by=CASE_NUMBER if by_number else AUTO,
        )


def ready_rows(session: Session, import_id: int, party_no: int | None = None) -> list[ReadyRow]:
    """Return the READY rows of an import, or of one debtor of it, in file order."""
    statement = (
        select(ImportRow.row_no, ImportRow.data, ImportRow.client_number)
        .where(ImportRow.import_id == import_id, ImportRow.section == Section.READY)
        .order_by(ImportRow.row_no)
    )
    if party_no is not None:
        statement = statement.where(ImportRow.party_no == party_no)
    return [ReadyRow(no, data, number) for no, data, number in session.execute(statement)]


def scored(
    matcher: Bound,
    incoming: Sequence[Party],
    existing: Sequence[Party],
    pairs: Sequence[tuple[int, int]],
    population: int,
    frequencies: Any,
) -> list[Score]:
    """Ask the matcher about pairs, some at a time, each call with only the parties it needs."""
    scores: list[Score] = []
    for at in range(0, len(pairs), PAIRS_PER_CALL):
        part = pairs[at : at + PAIRS_PER_CALL]
        left = {number: n for n, number in enumerate(dict.fromkeys(p[0] for p in part))}
        right = {number: n for n, number in enumerate(dict.fromkeys(p[1] for p in part))}
        batch = MatchBatch(
            incoming=[incoming[number] for number in left],
            existing=[existing[number] for number in right],
            pairs=[(left[a], right[b]) for a, b in part],
            population=population,
            frequencies=frequencies,
        )
        scores += matcher.call("score", batch)
    return scores
