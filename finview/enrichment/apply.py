"""What an attempt came to: new contact points, its cost, the timeline, the event, the next one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.debtors import Contacts, NewAddress, NewPhone, add_contact_points
from finview.cases.models import Address, Case, CaseStatus
from finview.cases.tasks import open_task
from finview.cases.timeline import note
from finview.customers.phones import e164
from finview.db.events import emit
from finview.enrichment.due import Terms, plan_next
from finview.enrichment.models import AttemptState, EnrichmentAttempt
from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.matching.places import address as comparable
from finview.money import Money
from finview.plugins.contracts.enricher import (
    Found,
    FoundContact,
    NotFound,
    PostalAddress,
    Refused,
)

sentences(
    {
        "TIMELINE_TRACE_HIT": N_("Enrichment {n} by {provider} found: {points}. Cost: {cost}."),
        "TIMELINE_TRACE_KNOWN": N_("Enrichment {n} by {provider} found nothing new. Cost: {cost}."),
        "TIMELINE_TRACE_NO_HIT": N_("Enrichment {n} by {provider} found nothing. Cost: {cost}."),
        "TIMELINE_TRACE_PENDING": N_("Enrichment {n} by {provider} will be answered later."),
        "TIMELINE_TRACE_REFUSED": N_("Enrichment {n} was refused by {provider}: {why}"),
        "TIMELINE_TRACE_REFUSED_PAID": N_(
            "Enrichment {n} was refused by {provider}: {why} Cost: {cost}."
        ),
        "TIMELINE_TRACE_FAILED": N_("Enrichment {n} failed; it cost nothing."),
        "TIMELINE_TRACE_UNKNOWN": N_(
            "Nobody can tell whether enrichment {n} by {provider} was done and charged."
        ),
        "TIMELINE_TRACE_SKIPPED": N_("Enrichment {n} was left out: {why}."),
        "TRACE_WITHOUT_PROVIDER": N_("no provider is bound"),
        "TRACE_CANCELLED": N_("it was called off"),
        "TASK_TRACE_UNKNOWN": N_("Ask the tracing service whether it has answered and charged."),
    }
)

S = AttemptState
HIT, NO_HIT, FAILED, SKIPPED, NOT_GRANTED = "HIT", "NO_HIT", "FAILED", "SKIPPED", "NOT_GRANTED"
NO_PROVIDER, CANCELLED = "NO_PROVIDER", "CANCELLED"
SOURCE_CHARS_MAX = 30
FIELD_CHARS_MAX = {"street": 200, "house_no": 30, "postcode": 20, "city": 120}
_WHY = {
    "ON_HOLD": "STATUS_ON_HOLD",
    "DISPUTED": "STATUS_DISPUTED",
    NO_PROVIDER: "TRACE_WITHOUT_PROVIDER",
    CANCELLED: "TRACE_CANCELLED",
}
"""What is worth a line of the timeline; a setting that is off is not."""


def settle(
    session: Session,
    attempt: EnrichmentAttempt,
    case: Case,
    result: Found | NotFound | Refused,
    terms: Terms,
) -> None:
    """Store a provider's final answer with its cost; the caller holds the case's row.

    Contact points of a case that was closed meanwhile are not kept: nobody needs them any more.
    """
    told: dict[str, Any] = {"n": attempt.n, "provider": attempt.provider}
    if result.cost is not None:
        attempt.cost_minor, attempt.currency = result.cost.minor, result.cost.currency
        told["cost"] = {"minor": result.cost.minor, "currency": result.cost.currency}
    if isinstance(result, Refused):
        attempt.reason = "PROVIDER"
        attempt.result = {"why": result.why}
        code = "TIMELINE_TRACE_REFUSED" if result.cost is None else "TIMELINE_TRACE_REFUSED_PAID"
        note(session, code, [case.id], by=None, params={**told, "why": result.why.strip()})
        end(session, attempt, case, S.REFUSED, FAILED, terms)
    elif isinstance(result, Found):
        added = _store(session, attempt, case, result.contacts, terms)
        code = "TIMELINE_TRACE_HIT" if added else "TIMELINE_TRACE_KNOWN"
        note(session, code, [case.id], by=None, params={**told, "points": added})
        end(session, attempt, case, S.FOUND, HIT if added else NO_HIT, terms)
    else:
        note(session, "TIMELINE_TRACE_NO_HIT", [case.id], by=None, params=told)
        end(session, attempt, case, S.NOT_FOUND, NO_HIT, terms)


def fail(session: Session, attempt: EnrichmentAttempt, case: Case, terms: Terms) -> None:
    """Give an attempt up that surely was not made and cost nothing."""
    note(session, "TIMELINE_TRACE_FAILED", [case.id], by=None, params={"n": attempt.n})
    end(session, attempt, case, S.FAILED, FAILED, terms)


def lose(session: Session, attempt: EnrichmentAttempt, case: Case, terms: Terms) -> None:
    """Leave an attempt to a person of which nobody can tell whether it was made and charged."""
    told = {"n": attempt.n, "provider": attempt.provider}
    note(session, "TIMELINE_TRACE_UNKNOWN", [case.id], by=None, params=told)
    open_task(session, case.id, title="TASK_TRACE_UNKNOWN", dedupe=f"trace:{attempt.id}")
    end(session, attempt, case, S.UNKNOWN, FAILED, terms)


def skip(session: Session, attempt: EnrichmentAttempt, case: Case, reason: str) -> None:
    """Leave an attempt out, without cost; a workflow that waits for it hears of it."""
    attempt.state, attempt.reason, attempt.at = S.SKIPPED, reason, clock.now()
    if reason in _WHY:
        told = {"n": attempt.n, "why": _WHY[reason]}
        note(session, "TIMELINE_TRACE_SKIPPED", [case.id], by=None, params=told)
    if attempt.requested:
        _tell(session, attempt, NOT_GRANTED if reason == NOT_GRANTED else SKIPPED)


def end(
    session: Session,
    attempt: EnrichmentAttempt,
    case: Case,
    state: AttemptState,
    outcome: str,
    terms: Terms,
) -> None:
    """Store the last state of an attempt, tell the case's workflows, and plan the next one."""
    attempt.state, attempt.at = state, clock.now()
    session.flush()
    plan_next(session, case, attempt, terms)
    _tell(session, attempt, outcome)


def _tell(session: Session, attempt: EnrichmentAttempt, outcome: str) -> None:
    emit(
        session,
        "ENRICHMENT",
        case_id=attempt.case_id,
        payload={"attempt_id": attempt.id, "n": attempt.n, "state": outcome},
        dedupe=f"enrichment:{attempt.id}:{outcome}",
    )


def _store(
    session: Session,
    attempt: EnrichmentAttempt,
    case: Case,
    contacts: Sequence[FoundContact],
    terms: Terms,
) -> list[str]:
    """Add what the debtor doesn't have yet; return the codes of the kinds that were added."""
    attempt.found = len(contacts)
    attempt.result = {
        "contacts": dict(Counter(contact.kind for contact in contacts)),
        "sources": sorted({contact.source for contact in contacts if contact.source})[:20],
    }
    if case.status == CaseStatus.CLOSED:
        return []
    country = _country(session, case, terms)
    have = [] if not contacts else _addresses(session, case.debtor_id)
    points = Contacts(
        addresses=tuple(_new_addresses(contacts, country, have, _source(attempt))),
        emails=tuple(filter(None, map(_email, _values(contacts, "EMAIL")))),
        phones=tuple(_phones(_values(contacts, "PHONE"), country)),
        source=_source(attempt),
    )
    # They are seen by whoever sees the import of the case, not by other customers of the debtor.
    added = add_contact_points(session, {case.debtor_id: points}, by=None, import_id=case.import_id)
    attempt.added = len(added)
    return [f"POINT_{one.entity.upper()}" for one in added]


def _source(attempt: EnrichmentAttempt) -> str:
    return f"enrichment:{attempt.provider}"[:SOURCE_CHARS_MAX]


def _values(contacts: Iterable[FoundContact], kind: str) -> list[str]:
    return [c.value.strip() for c in contacts if c.kind == kind and isinstance(c.value, str)]


def _email(text: str) -> str | None:
    try:
        return str(validate_email(text, check_deliverability=False).normalized)
    except EmailNotValidError:
        return None


def _phones(texts: Iterable[str], country: str) -> Iterable[NewPhone]:
    for text in texts:
        try:
            number = e164(text, country)
        except Invalid:
            continue
        if number is not None:
            yield NewPhone(raw=text[:80], e164=number)


def _new_addresses(
    contacts: Iterable[FoundContact], country: str, have: list[Any], source: str
) -> Iterable[NewAddress]:
    """Return addresses that are whole and spelt unlike every known one."""
    for contact in contacts:
        if not isinstance(contact.value, PostalAddress):
            continue
        parts: Mapping[str, str] = {
            name: " ".join(getattr(contact.value, name).split())[:most]
            for name, most in FIELD_CHARS_MAX.items()
        }
        code = contact.value.country.strip().upper()
        place = code if len(code) == 2 and code.isascii() and code.isalpha() else country
        same = _spelt(**parts, country=place)
        if not parts["street"] or not (parts["postcode"] or parts["city"]) or same in have:
            continue
        have.append(same)
        yield NewAddress(**parts, country=place, source=source)


def _addresses(session: Session, debtor_id: int) -> list[Any]:
    rows = session.scalars(select(Address).where(Address.debtor_id == debtor_id))
    return [
        _spelt(
            street=row.street or "",
            house_no=row.house_no or "",
            postcode=row.postcode or "",
            city=row.city or "",
            country=row.country or "",
        )
        for row in rows
    ]


def _spelt(*, street: str, house_no: str, postcode: str, city: str, country: str) -> Any:
    """Return an address as matching compares it; whether the country was written doesn't count."""
    found = comparable(street, house_no, postcode, city, country)
    return found.street, found.house_no, found.postcode, found.city


def _country(session: Session, case: Case, terms: Terms) -> str:
    wanted = select(Address.country).where(
        Address.debtor_id == case.debtor_id, Address.country.is_not(None), Address.country != ""
    )
    return session.scalar(wanted.order_by(Address.id.desc()).limit(1)) or terms.country


def priced(attempt: EnrichmentAttempt) -> Money | None:
    """Return what an attempt cost; None while nothing was charged."""
    if attempt.cost_minor is None or attempt.currency is None:
        return None
    return Money(attempt.cost_minor, attempt.currency)
