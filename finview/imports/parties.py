"""The debtors of one file: found once, numbered in the rows, found again the same after a crash."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from finview.cases.models import Debtor
from finview.customers.models import Customer
from finview.customers.preferences import chain
from finview.db.bulk import bulk_update
from finview.db.runtime import Services
from finview.imports.models import Import, ImportRow, Section
from finview.imports.records import ReadyRow, raw_party
from finview.imports.terms import terms_of
from finview.matching import match, within
from finview.matching.names import shipped
from finview.matching.normalise import party
from finview.matching.pairs import Pairs
from finview.matching.search import Cache
from finview.plugins.bindings import Bound, resolve
from finview.plugins.contracts.matcher import Party, Score
from finview.plugins.errors import Misconfigured
from finview.plugins.manager import Plugins

ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What stays the same for a whole matching; `numbered` once the rows carry their party.

    `rows` are the READY rows' numbers, to which the groups refer by position: what the rows say is
    read again chunk by chunk, so that memory doesn't hold the whole file.
    """

    rows: Sequence[int]
    groups: Sequence[within.Group]
    numbered: bool
    matcher: Bound
    auto: float
    review: float
    customer_id: int
    by_number: bool
    cache: Cache = field(default_factory=Cache)


def plan_of(services: Services, import_id: int) -> Plan:
    """Read the READY rows and find the debtors among them, with no session open while scoring."""
    cache = Cache()
    rows: list[int] = []
    client_numbers: list[str] = []
    parties: list[Party] = []
    numbers: list[int] = []
    with services.db.reading() as session:
        row = session.get_one(Import, import_id)
        customer = session.get_one(Customer, row.customer_id)
        scopes = chain(customer)
        terms = terms_of(row)
        matcher = resolve(session, services.get(Plugins), scopes, "matcher")
        if matcher is None:
            raise Misconfigured("no matcher is bound")
        for number, ready in _ready_rows(session, import_id):
            rows.append(ready.no)
            client_numbers.append(ready.client_number)
            parties.append(party(raw_party(ready, row.debtor_kind, row.phone_country)))
            if number is not None:
                numbers.append(number)
        counts, population = match.name_counts(
            session, parties, cache=cache, ignore=own_debtors(session, import_id)
        )
    auto, review = float(terms.auto_match_percent), float(terms.review_percent)
    groups: Sequence[within.Group]
    if numbers:
        groups = within.regroup(parties, numbers)
    else:
        table = shipped().with_counts(counts, population)
        inside = within.start(parties, client_numbers, table)
        scores = scored(matcher, inside.asked)
        groups = within.finish(inside, scores, auto=auto, review=review).groups
    return Plan(
        rows=rows,
        groups=groups,
        numbered=bool(numbers),
        matcher=matcher,
        auto=auto,
        review=review,
        customer_id=row.customer_id,
        by_number=terms.match_on_customer_case_number,
        cache=cache,
    )


def number_rows(session: Session, import_id: int, plan: Plan) -> None:
    """Write the number of its party into every READY row."""
    numbers = [
        {"import_id": import_id, "row_no": plan.rows[at], "party_no": number}
        for number, group in enumerate(plan.groups)
        for at in group.rows
    ]
    bulk_update(session, ImportRow, numbers, key=("import_id", "row_no"))


def own_debtors(session: Session, import_id: int) -> frozenset[int]:
    """Return the debtors an import has created so far."""
    return frozenset(session.scalars(select(Debtor.id).where(Debtor.import_id == import_id)))


def rows_of(session: Session, import_id: int, parties: Sequence[int]) -> dict[int, list[ReadyRow]]:
    """Return the READY rows of parties by the party's number, in file order."""
    found: dict[int, list[ReadyRow]] = {number: [] for number in parties}
    wanted = ImportRow.party_no.between(min(parties), max(parties))
    for number, ready in _ready_rows(session, import_id, wanted):
        if number in found:
            found[number].append(ready)
    return found


def _ready_rows(
    session: Session, import_id: int, *which: ColumnElement[bool]
) -> Iterator[tuple[int | None, ReadyRow]]:
    """Yield the READY rows with the number of their party, by it where there is one, in file order."""
    statement = (
        select(ImportRow.party_no, ImportRow.row_no, ImportRow.data, ImportRow.client_number)
        .where(ImportRow.import_id == import_id, ImportRow.section == Section.READY, *which)
        .order_by(ImportRow.party_no, ImportRow.row_no)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    for number, no, data, client_number in session.execute(statement):
        yield number, ReadyRow(no, data, client_number)


def scored(matcher: Bound, asked: Pairs) -> list[Score]:
    """Ask the matcher about pairs, some at a time."""
    return [score for batch in asked.batches() for score in matcher.call("score", batch)]
