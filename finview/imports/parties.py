"""The debtors of one file: found once, numbered in the rows, found again the same after a crash."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from finview.cases.models import Debtor
from finview.customers.models import Customer
from finview.customers.preferences import chain, effective
from finview.db.bulk import bulk_update
from finview.db.runtime import Services
from finview.imports.models import Import, ImportRow, Section
from finview.imports.records import ReadyRow, raw_party
from finview.matching import match, within
from finview.matching.names import shipped
from finview.matching.normalise import party
from finview.matching.search import Cache
from finview.plugins.bindings import Bound, resolve
from finview.plugins.contracts.matcher import MatchBatch, Party, Score
from finview.plugins.errors import Misconfigured
from finview.plugins.manager import Plugins

PAIRS_PER_CALL = 1000
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
        settings = effective(session, scopes, "imports")
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
    auto = float(settings["auto_match_percent"].value)
    review = float(settings["review_percent"].value)
    groups: Sequence[within.Group]
    if numbers:
        groups = within.regroup(parties, numbers)
    else:
        table = shipped().with_counts(counts, population)
        inside = within.start(parties, client_numbers, table)
        scores = scored(matcher, inside.parties, inside.parties, inside.pairs, population, counts)
        groups = within.finish(inside, scores, table, auto=auto, review=review).groups
    return Plan(
        rows=rows,
        groups=groups,
        numbered=bool(numbers),
        matcher=matcher,
        auto=auto,
        review=review,
        customer_id=row.customer_id,
        by_number=bool(settings["match_on_customer_case_number"].value),
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


def scored(
    matcher: Bound,
    incoming: Sequence[Party],
    existing: Sequence[Party],
    pairs: Sequence[tuple[int, int]],
    population: int,
    frequencies: Mapping[tuple[str, str], int],
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
