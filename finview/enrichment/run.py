"""The jobs of an attempt: the price first, then SENDING committed, then the search, never twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import false, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.lifecycle import locked_all
from finview.cases.models import Case, CaseStatus
from finview.cases.timeline import note
from finview.db.failpoints import failpoint
from finview.db.jobs import EXTERNAL, JobError, JobView, job
from finview.db.lists import one_of
from finview.enrichment.apply import CANCELLED, NO_PROVIDER, fail, lose, settle, skip
from finview.enrichment.due import Terms, enqueue_batch, terms_of
from finview.enrichment.models import AttemptState, EnrichmentAttempt
from finview.enrichment.prices import SLOT, remember
from finview.enrichment.whom import Pair, requests_of
from finview.money import Money
from finview.plugins.bindings import Bound, bound_by, resolve_place
from finview.plugins.contracts.enricher import (
    Guarantee,
    Pending,
    Resend,
    TraceRequest,
    TraceResult,
)
from finview.plugins.errors import SURELY_NOT_DONE
from finview.plugins.manager import Plugins
from finview.plugins.models import PluginBinding

S = AttemptState
MAX_RUNS = 12
"""With the usual pauses a provider may be away for about half a day."""
ASK_AGAIN = timedelta(minutes=10)
"""A provider that doesn't know a key is asked twice, this far apart, before it is sent again."""
PENDING_MAX = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class _Call:
    """What is asked of a provider: ids of attempts, and an item for each."""

    bound: Bound
    method: str
    ids: list[int]
    items: Sequence[TraceRequest | str]


@dataclass(slots=True)
class _Held:
    """Attempts with their cases, which are locked, and the terms of each."""

    pairs: list[Pair]
    terms: dict[int, Terms] = field(default_factory=dict)


def _hold(session: Session, ids: Sequence[int], *states: AttemptState) -> _Held:
    """Lock the cases of attempts, in the order of their ids, and read both as they are now."""
    wanted = select(EnrichmentAttempt).where(
        one_of(EnrichmentAttempt.id, list(ids)), EnrichmentAttempt.state.in_(states)
    )
    case_ids = session.scalars(wanted.with_only_columns(EnrichmentAttempt.case_id)).all()
    cases = locked_all(session, set(case_ids))
    found = session.scalars(
        wanted.order_by(EnrichmentAttempt.case_id, EnrichmentAttempt.id).execution_options(
            populate_existing=True
        )
    )
    held = _Held([(a, cases[a.case_id]) for a in found if a.case_id in cases])
    by_place = terms_of(session, {(c.customer_id, c.bucket_id) for _, c in held.pairs})
    held.terms = {a.id: by_place[c.customer_id, c.bucket_id] for a, c in held.pairs}
    return held


def _admitted(session: Session, held: _Held, pairs: Iterable[Pair]) -> list[Pair]:
    """Return those that may be made now; the others are left out, without cost."""
    admitted: list[Pair] = []
    for attempt, case in pairs:
        terms = held.terms[attempt.id]
        against = terms.against(case.status, attempt.n)
        attempt.settings = terms.kept()
        if against is None:
            admitted.append((attempt, case))
        else:
            skip(session, attempt, case, against)
    return admitted


def _leave_out(session: Session, ids: Sequence[int]) -> None:
    """Leave out by one statement what the settings don't allow and no workflow waits for.

    That is every case of an agency that doesn't trace. A batch shares its terms.
    """
    shared = session.execute(
        select(Case.customer_id, Case.bucket_id, EnrichmentAttempt.n)
        .join(Case, Case.id == EnrichmentAttempt.case_id)
        .where(EnrichmentAttempt.id == ids[0])
    ).one()
    place = (shared.customer_id, shared.bucket_id)
    terms = terms_of(session, [place])[place]
    against = terms.against(CaseStatus.ACTIVE, shared.n)
    if against is not None:
        session.execute(
            update(EnrichmentAttempt)
            .where(
                one_of(EnrichmentAttempt.id, list(ids)),
                EnrichmentAttempt.state == S.QUEUED,
                EnrichmentAttempt.requested == false(),
            )
            .values(state=S.SKIPPED, reason=against, at=clock.now(), settings=terms.kept())
            .execution_options(synchronize_session=False)
        )


def _given_up(session: Session, view: JobView, error: JobError) -> None:  # noqa: ARG001  # the hook
    held = _hold(session, view.args["ids"], S.QUEUED, S.SENDING, S.PENDING)
    for attempt, case in held.pairs:
        give_up = fail if attempt.state == S.QUEUED else lose
        give_up(session, attempt, case, held.terms[attempt.id])


def _called_off(session: Session, view: JobView) -> None:
    held = _hold(session, view.args["ids"], S.QUEUED, S.SENDING, S.PENDING)
    for attempt, case in held.pairs:
        if attempt.state == S.QUEUED:
            skip(session, attempt, case, CANCELLED)
        else:
            lose(session, attempt, case, held.terms[attempt.id])


class _Step:
    """What the steps have in common: their attempts, and the installed plugins."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.ids: list[int] = view.args["ids"]
        self.plugins = view.services.get(Plugins)

    def call(self, request: _Call) -> list[tuple[int, object]]:
        """Ask the provider, with no session open."""
        answers = request.bound.call(request.method, request.items)
        return list(zip(request.ids, answers, strict=True))

    def resolved(self, session: Session, attempt: EnrichmentAttempt, terms: Terms) -> Bound | None:
        """Return the provider that serves this attempt now."""
        return resolve_place(session, self.plugins, terms.scopes, SLOT, attempt.n - 1)

    def enqueue(
        self,
        session: Session,
        kind: str,
        attempts: Sequence[EnrichmentAttempt],
        after: timedelta = timedelta(),
    ) -> None:
        """Enqueue the next step of some of the attempts."""
        if attempts:
            ids = [attempt.id for attempt in attempts]
            customer_id, at = attempts[0].customer_id, clock.now() + after
            enqueue_batch(session, kind, ids, customer_id=customer_id, at=at)


@job(
    "enrichment.quote",
    shape=EXTERNAL,
    queue="trace",
    max_runs=MAX_RUNS,
    on_dead=_given_up,
    on_cancel=_called_off,
)
class Quote(_Step):
    """Decide about attempts that are due, and ask what they will cost before anything is spent."""

    def before(self, session: Session) -> _Call | None:
        """Leave out what must not be made now, and find the provider for the rest."""
        _leave_out(session, self.ids)
        held = _hold(session, self.ids, S.QUEUED)
        pairs = _admitted(session, held, held.pairs)
        if not pairs:
            return None
        terms = held.terms[pairs[0][0].id]
        bound = self.resolved(session, pairs[0][0], terms)
        if bound is None:
            for attempt, case in pairs:
                skip(session, attempt, case, NO_PROVIDER)
            return None
        for attempt, _ in pairs:
            attempt.provider, attempt.binding_id = bound.name, bound.binding_id
        items = requests_of(session, pairs, terms)
        return _Call(bound, "quote", [attempt.id for attempt, _ in pairs], items)

    def after(self, session: Session, outcome: list[tuple[int, Money]]) -> None:
        """Keep the prices and go on to the search."""
        quoted = dict(outcome)
        held = _hold(session, list(quoted), S.QUEUED)
        for attempt, _ in held.pairs:
            price = quoted[attempt.id]
            attempt.quoted = {"minor": price.minor, "currency": price.currency}
        attempts = [attempt for attempt, _ in held.pairs]
        self.enqueue(session, "enrichment.trace", attempts)
        first = next((a for a in attempts if a.n == 1 and a.binding_id is not None), None)
        row = session.get(PluginBinding, first.binding_id) if first is not None else None
        if first is not None and row is not None and row.provider == first.provider:
            remember(session, row.id, row.version, quoted[first.id])


@job(
    "enrichment.trace",
    shape=EXTERNAL,
    queue="trace",
    max_runs=MAX_RUNS,
    on_dead=_given_up,
    on_cancel=_called_off,
)
class Trace(_Step):
    """Hand attempts over; one that may have been handed over goes again only with a promise."""

    def __init__(self, view: JobView) -> None:
        super().__init__(view)
        self.fresh: list[int] = []
        self.asking = False

    def before(self, session: Session) -> _Call | None:
        """Decide once more and store SENDING; settle first what an earlier run left open."""
        held = _hold(session, self.ids, S.QUEUED, S.SENDING)
        begun = [pair for pair in held.pairs if pair[0].state == S.SENDING]
        bound, again, unsure = self._begun(session, held, begun)
        self.asking = bound is not None and bool(unsure)
        if bound is not None and unsure:
            keys = [attempt.key for attempt in unsure]
            return _Call(bound, "lookup", [attempt.id for attempt in unsure], keys)
        waiting = [pair for pair in held.pairs if pair[0].state == S.QUEUED]
        now = _admitted(session, held, waiting)
        same = self._the_same(session, held, now) if now else None
        if same is None:
            now = []
        bound = same or bound
        self.fresh = [attempt.id for attempt, _ in now]
        for attempt, _ in now:
            attempt.state, attempt.sending_at = S.SENDING, clock.now()
        pairs = [*again, *now]
        if bound is None or not pairs:
            return None
        items = requests_of(session, pairs, held.terms[pairs[0][0].id])
        return _Call(bound, "trace", [attempt.id for attempt, _ in pairs], items)

    def _begun(
        self, session: Session, held: _Held, pairs: Sequence[Pair]
    ) -> tuple[Bound | None, list[Pair], list[EnrichmentAttempt]]:
        """Return what may be sent again and what must be asked about first, with their provider.

        The provider's own guarantee decides; without one a person has to look.
        """
        again: list[Pair] = []
        unsure: list[EnrichmentAttempt] = []
        bound: Bound | None = None
        for attempt, case in pairs:
            bound = bound or self._by_binding(session, attempt)
            promise: Resend | None = getattr(bound.provider, "resend", None) if bound else None
            if promise is None or not _may_repeat(promise, attempt):
                lose(session, attempt, case, held.terms[attempt.id])
            elif promise.guarantee == Guarantee.LOOKUP:
                unsure.append(attempt)
            else:
                again.append((attempt, case))
        return bound, again, unsure

    def _by_binding(self, session: Session, attempt: EnrichmentAttempt) -> Bound | None:
        if attempt.binding_id is None or attempt.provider is None:
            return None
        return bound_by(session, self.plugins, attempt.binding_id, attempt.provider)

    def _the_same(self, session: Session, held: _Held, pairs: Sequence[Pair]) -> Bound | None:
        """Return the provider whose price is known; if another one was bound meanwhile, ask it."""
        first, _ = pairs[0]
        bound = self.resolved(session, first, held.terms[first.id])
        if bound is not None and (bound.binding_id, bound.name) == (
            first.binding_id,
            first.provider,
        ):
            return bound
        self.enqueue(session, "enrichment.quote", [attempt for attempt, _ in pairs])
        return None

    def call(self, request: _Call) -> list[tuple[int, object]]:
        """Hand them over, with no session open."""
        failpoint("enrichment.trace.call")
        answers = super().call(request)
        failpoint("enrichment.trace.sent")
        return answers

    def failed(self, session: Session, error: Exception) -> None:
        """Take SENDING back where surely nothing was done: else that would read as "unknown"."""
        if isinstance(error, SURELY_NOT_DONE) and self.fresh:
            for attempt, _ in _hold(session, self.fresh, S.SENDING).pairs:
                attempt.state, attempt.sending_at = S.QUEUED, None

    def after(self, session: Session, outcome: list[tuple[int, TraceResult | None]]) -> None:
        """Store the answers; what a provider doesn't know twice may be sent again."""
        answers = dict(outcome)
        held = _hold(session, list(answers), S.SENDING)
        later: list[EnrichmentAttempt] = []
        for attempt, case in held.pairs:
            answer = answers[attempt.id]
            if answer is not None:
                store(session, attempt, case, answer, held.terms[attempt.id])
            elif attempt.asked_at is None or clock.now() - attempt.asked_at < ASK_AGAIN:
                attempt.asked_at = attempt.asked_at or clock.now()
                later.append(attempt)
            else:
                attempt.state, attempt.asked_at, attempt.sending_at = S.QUEUED, None, None
        ask_again(session, [attempt for attempt, _ in held.pairs])
        self.enqueue(session, "enrichment.trace", later, ASK_AGAIN)
        if self.asking:
            # The others of the batch stood behind the question.
            left = _hold(session, self.ids, S.QUEUED, S.SENDING).pairs
            waiting = [a for a, _ in left if a.state == S.QUEUED or a.id not in answers]
            self.enqueue(session, "enrichment.trace", waiting)


@job(
    "enrichment.poll",
    shape=EXTERNAL,
    queue="trace",
    max_runs=MAX_RUNS,
    on_dead=_given_up,
    on_cancel=_called_off,
)
class Poll(_Step):
    """Ask for answers that were to come later: no new attempt, no new cost."""

    def before(self, session: Session) -> _Call | None:
        """Find the provider that has them; one that is gone leaves them to a person."""
        held = _hold(session, self.ids, S.PENDING)
        bound: Bound | None = None
        pairs: list[Pair] = []
        for attempt, case in held.pairs:
            if bound is None and attempt.binding_id is not None and attempt.provider is not None:
                bound = bound_by(session, self.plugins, attempt.binding_id, attempt.provider)
            if bound is None or clock.now() - (attempt.sending_at or clock.now()) > PENDING_MAX:
                lose(session, attempt, case, held.terms[attempt.id])
            else:
                pairs.append((attempt, case))
        if bound is None or not pairs:
            return None
        references = [attempt.reference or "" for attempt, _ in pairs]
        return _Call(bound, "poll", [attempt.id for attempt, _ in pairs], references)

    def after(self, session: Session, outcome: list[tuple[int, TraceResult]]) -> None:
        """Store the answers, and ask again for those that are still to come."""
        answers = dict(outcome)
        held = _hold(session, list(answers), S.PENDING)
        for attempt, case in held.pairs:
            store(session, attempt, case, answers[attempt.id], held.terms[attempt.id])
        ask_again(session, [attempt for attempt, _ in held.pairs])


def store(
    session: Session, attempt: EnrichmentAttempt, case: Case, answer: TraceResult, terms: Terms
) -> None:
    """Store one answer: final ones end the attempt, a pending one only keeps its reference."""
    if not isinstance(answer, Pending):
        settle(session, attempt, case, answer, terms)
        return
    if attempt.state != S.PENDING:
        told = {"n": attempt.n, "provider": attempt.provider}
        note(session, "TIMELINE_TRACE_PENDING", [case.id], by=None, params=told)
    attempt.state, attempt.reference = S.PENDING, answer.reference
    attempt.result = {"ask_after_s": int(answer.ask_after.total_seconds())}
    session.flush()


def ask_again(session: Session, attempts: Iterable[EnrichmentAttempt]) -> None:
    """Enqueue the polls of attempts that are answered later, together where they wait alike."""
    waiting: dict[tuple[int | None, int], list[EnrichmentAttempt]] = {}
    for attempt in attempts:
        if attempt.state == S.PENDING:
            after_s = int((attempt.result or {}).get("ask_after_s", 0))
            waiting.setdefault((attempt.binding_id, after_s), []).append(attempt)
    for (_, after_s), alike in waiting.items():
        enqueue_batch(
            session,
            "enrichment.poll",
            [attempt.id for attempt in alike],
            customer_id=alike[0].customer_id,
            at=clock.now() + timedelta(seconds=after_s),
        )


def _may_repeat(promise: Resend, attempt: EnrichmentAttempt) -> bool:
    """Tell whether the promise covers this attempt still; LOOKUP always may be asked."""
    if promise.guarantee == Guarantee.LOOKUP:
        return True
    since = attempt.sending_at or clock.now()
    return promise.guarantee == Guarantee.SAME_KEY and clock.now() - since <= promise.window
