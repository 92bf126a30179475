"""What a provider is told about a debtor, and nothing more than it needs."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview.cases.models import Address, Case, Debtor, DebtorKind
from finview.db.lists import one_of
from finview.enrichment.due import Terms
from finview.enrichment.models import EnrichmentAttempt
from finview.plugins.contracts.enricher import PostalAddress, TraceRequest

ADDRESSES_MAX = 3

Pair = tuple[EnrichmentAttempt, Case]
"""An attempt and its case."""


def requests_of(session: Session, pairs: Sequence[Pair], terms: Terms) -> list[TraceRequest]:
    """Return the requests of attempts in their order, by two statements whatever their number."""
    debtor_ids = sorted({case.debtor_id for _, case in pairs})
    debtors = {
        row.id: row for row in session.scalars(select(Debtor).where(one_of(Debtor.id, debtor_ids)))
    }
    lived: dict[int, list[PostalAddress]] = {}
    newest_first = select(Address).where(one_of(Address.debtor_id, debtor_ids))
    for row in session.scalars(newest_first.order_by(Address.id.desc())):
        lived.setdefault(row.debtor_id, []).append(_address(row))
    return [
        _request(attempt, case, debtors[case.debtor_id], lived.get(case.debtor_id, []), terms)
        for attempt, case in pairs
    ]


def _request(
    attempt: EnrichmentAttempt,
    case: Case,
    debtor: Debtor,
    addresses: Sequence[PostalAddress],
    terms: Terms,
) -> TraceRequest:
    is_business = debtor.kind == DebtorKind.BUSINESS
    named = debtor.first_name or debtor.last_name
    return TraceRequest(
        key=attempt.key,
        case_number=case.number,
        kind="BUSINESS" if is_business else "CONSUMER",
        first_name=debtor.first_name or "",
        last_name=debtor.last_name or ("" if named or is_business else debtor.name),
        company=(debtor.company_name or debtor.name) if is_business else "",
        birth_date=None if is_business else debtor.date_of_birth,
        addresses=tuple(addresses[:ADDRESSES_MAX]),
        country=next((a.country for a in addresses if a.country), terms.country),
    )


def _address(row: Address) -> PostalAddress:
    return PostalAddress(
        street=row.street or "",
        house_no=row.house_no or "",
        postcode=row.postcode or "",
        city=row.city or "",
        country=row.country or "",
    )
