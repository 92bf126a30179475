"""Who is traced and when: attempts are planned, dated anew, asked for, and taken when due."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import literal_column, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.lifecycle import HELD
from finview.cases.models import Case, CaseStatus
from finview.cases.timeline import chunks
from finview.customers.models import BusinessUnit, Customer
from finview.customers.preferences import Effective, chain, effective_many
from finview.customers.units import zone_of
from finview.db.bulk import bulk_insert
from finview.db.cascade import ScopeRef
from finview.db.jobs import Subject, enqueue, on_tick
from finview.db.lists import one_of
from finview.enrichment.models import AttemptState, EnrichmentAttempt

S = AttemptState
TICK = 500
BATCH = 50
"""Debtors of one call to a provider."""

OPEN = (S.PLANNED, S.QUEUED, S.SENDING, S.PENDING)
CLOSED, NOT_GRANTED, OFF, EXHAUSTED = "CLOSED", "NOT_GRANTED", "OFF", "EXHAUSTED"
REARMED = (*HELD, CLOSED)
"""Reasons for which an attempt was left out that may pass: released or reopened, it is due again."""

_KEYS = uuid.UUID("2f5c9a1e-9c1b-4a35-8d0e-6a1f5b7f3c52")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The settings that count for a case now, where they come from, and its chain of scopes."""

    scopes: tuple[ScopeRef, ...]
    zone: str
    country: str
    granted: bool
    enabled: Effective
    interval_days: Effective
    attempts: Effective

    def kept(self) -> dict[str, Any]:
        """Return values and sources as an attempt keeps them."""
        named = {n: getattr(self, n) for n in ("enabled", "interval_days", "attempts")}
        shown = {n: {"value": e.value, "source": e.source} for n, e in named.items()}
        return {"granted": self.granted, **shown}

    def due(self, since: datetime) -> datetime:
        """Return one interval after an instant: the beginning of that day in the unit's zone."""
        days: int = self.interval_days.value
        if days == 0:
            return since
        day = clock.day_in(since, self.zone) + timedelta(days=days)
        return clock.start_of(day, self.zone)

    def against(self, status: str, n: int) -> str | None:
        """Return why attempt `n` of a case must not be made now; None when it may."""
        if status == CaseStatus.CLOSED:
            return CLOSED
        if not self.granted:
            return NOT_GRANTED
        if not self.enabled.value:
            return OFF
        if n > self.attempts.value:
            return EXHAUSTED
        return status if status in HELD else None


Place = tuple[int, int | None]
"""A customer and a bucket of it: cases of one place share their terms."""


def terms_of(session: Session, places: Iterable[Place]) -> dict[Place, Terms]:
    """Return the terms that count now, by two statements whatever the number of places."""
    wanted = sorted(set(places), key=lambda p: (p[0], p[1] or 0))
    if not wanted:
        return {}
    found = session.execute(
        select(Customer, BusinessUnit)
        .join(BusinessUnit, BusinessUnit.id == Customer.business_unit_id)
        .where(one_of(Customer.id, sorted({customer_id for customer_id, _ in wanted})))
    )
    known = {customer.id: (customer, unit) for customer, unit in found}
    chains = [
        ([ScopeRef("BUCKET", bucket_id)] if bucket_id else []) + chain(known[customer_id][0])
        for customer_id, bucket_id in wanted
    ]
    values = effective_many(session, chains, "enrichment")
    return {
        place: Terms(
            scopes=tuple(scopes),
            zone=zone_of(known[place[0]][1]),
            country=str(known[place[0]][1].company.get("country") or "DE"),
            granted=known[place[0]][0].enrichment_granted,
            **value,
        )
        for place, scopes, value in zip(wanted, chains, values, strict=True)
    }


def terms_for(session: Session, case: Case) -> Terms:
    """Return the terms of one case."""
    place = (case.customer_id, case.bucket_id)
    return terms_of(session, [place])[place]


def plan_first(session: Session, case_ids: Sequence[int]) -> int:
    """Plan attempt 1 of cases that have none, in bulk; return how many.

    One interval after the case was opened, whether enrichment is on or not: that is decided on the
    day. Called where cases are launched.
    """
    planned = 0
    for chunk in chunks(case_ids):
        rows = session.execute(
            select(Case.id, Case.customer_id, Case.portfolio_id, Case.bucket_id, Case.opened_at)
            .where(
                one_of(Case.id, chunk),
                ~select(EnrichmentAttempt.id).where(EnrichmentAttempt.case_id == Case.id).exists(),
            )
            .order_by(Case.id)
        ).all()
        terms = terms_of(session, {(r.customer_id, r.bucket_id) for r in rows})
        # The cases of an import were opened at few instants, and days of a zone are not cheap.
        due = {
            alike: terms[alike[:2]].due(alike[2])
            for alike in {(r.customer_id, r.bucket_id, r.opened_at) for r in rows}
        }
        bulk_insert(
            session,
            EnrichmentAttempt,
            [_row(r, 1, due[r.customer_id, r.bucket_id, r.opened_at]) for r in rows],
        )
        planned += len(rows)
    return planned


def plan_next(session: Session, case: Case, after: EnrichmentAttempt, terms: Terms) -> None:
    """Plan the attempt one interval after another that has ended, if there is to be one more."""
    if after.n >= terms.attempts.value or case.status == CaseStatus.CLOSED:
        return
    bulk_insert(
        session, EnrichmentAttempt, [_row(case, after.n + 1, terms.due(after.at or clock.now()))]
    )


def request_attempt(session: Session, case: Case) -> str:
    """Let a workflow ask for the next attempt; it comes when the settings say, at once if that is past.

    Returns PLANNED (an event ENRICHMENT tells how it ends), NOT_GRANTED, OFF, or EXHAUSTED when all
    attempts are used. The caller holds the case's row.
    """
    terms = terms_for(session, case)
    newest = newest_of(session, case.id)
    again = newest is not None and newest.state == S.SKIPPED
    n = 1 if newest is None else newest.n + (0 if again or newest.state in OPEN else 1)
    against = terms.against(case.status, n)
    if against is not None and against not in HELD:
        return OFF if against == CLOSED else against
    if newest is not None and (again or newest.state in OPEN):
        newest.requested = True
        if again:
            _arm(newest, _due(session, case, newest, terms))
        session.flush()
        return S.PLANNED.value
    since = case.opened_at if newest is None else newest.at or clock.now()
    bulk_insert(
        session, EnrichmentAttempt, [{**_row(case, n, terms.due(since)), "requested": True}]
    )
    return S.PLANNED.value


def newest_of(session: Session, case_id: int) -> EnrichmentAttempt | None:
    """Return the newest attempt of a case."""
    wanted = select(EnrichmentAttempt).where(EnrichmentAttempt.case_id == case_id)
    return session.scalars(wanted.order_by(EnrichmentAttempt.n.desc()).limit(1)).one_or_none()


def rearm(session: Session, case: Case) -> bool:
    """Plan anew what was left out while the case was held or closed; return whether there was any."""
    newest = newest_of(session, case.id)
    if newest is None or newest.state != S.SKIPPED or newest.reason not in REARMED:
        return False
    _arm(newest, _due(session, case, newest, terms_for(session, case)))
    session.flush()
    return True


def _arm(row: EnrichmentAttempt, due_at: datetime) -> None:
    row.state, row.reason, row.at = S.PLANNED, None, None
    row.due_at = max(due_at, clock.now())


def _due(session: Session, case: Case, row: EnrichmentAttempt, terms: Terms) -> datetime:
    if row.n == 1:
        return terms.due(case.opened_at)
    before = session.scalar(
        select(EnrichmentAttempt.at).where(
            EnrichmentAttempt.case_id == case.id, EnrichmentAttempt.n == row.n - 1
        )
    )
    return terms.due(before or clock.now())


def _row(case: Any, n: int, due_at: datetime) -> dict[str, Any]:
    # The instant keeps keys of two databases apart that one account of a provider may serve.
    name = f"{case.id}/{n}/{clock.to_ms(case.opened_at)}"
    return {
        "case_id": case.id,
        "customer_id": case.customer_id,
        "portfolio_id": case.portfolio_id,
        "n": n,
        "state": S.PLANNED,
        "due_at": due_at,
        "key": str(uuid.uuid5(_KEYS, name)),
    }


@on_tick("enrichment.due")
def take_due(session: Session) -> int:
    """Take attempts whose time has come and enqueue their work in batches; return how many."""
    due = session.execute(
        select(EnrichmentAttempt.id, EnrichmentAttempt.customer_id, Case.bucket_id)
        .add_columns(EnrichmentAttempt.n)
        .join(Case, Case.id == EnrichmentAttempt.case_id)
        .where(
            # Written out: a bound value would hide the partial index from the planner.
            EnrichmentAttempt.state == literal_column("'PLANNED'"),
            EnrichmentAttempt.due_at <= clock.now(),
        )
        .order_by(EnrichmentAttempt.due_at, EnrichmentAttempt.id)
        .limit(TICK)
        .with_for_update(skip_locked=True, of=EnrichmentAttempt)
    ).all()
    session.execute(
        update(EnrichmentAttempt)
        .where(one_of(EnrichmentAttempt.id, [row.id for row in due]))
        .values(state=S.QUEUED)
        .execution_options(synchronize_session=False)
    )
    for (customer_id, _, _), group in groupby(sorted(due, key=_alike), key=_alike):
        for batch in chunks([row.id for row in group], BATCH):
            enqueue_batch(session, "enrichment.quote", batch, customer_id=customer_id)
    return len(due)


def _alike(row: Any) -> tuple[int, int, int]:
    """Return what attempts share that one provider makes under the same terms."""
    return row.customer_id, row.bucket_id or 0, row.n


def enqueue_batch(
    session: Session,
    kind: str,
    ids: Sequence[int],
    *,
    customer_id: int,
    at: datetime | None = None,
) -> None:
    """Enqueue one of the steps of some attempts of a customer."""
    about = Subject(kind="customer", id=customer_id, customer_id=customer_id)
    enqueue(session, kind, {"ids": list(ids)}, run_at=at, subject=about)
