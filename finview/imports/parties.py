"""The debtors of one file: found once, numbered in the rows, found again the same after a crash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from finview.cases.models import Debtor
from finview.customers.models import Customer
from finview.customers.preferences import chain, effective
from finview.db.base import table_of
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

_ROW = table_of(ImportRow)
_NUMBER = (
    update(_ROW)
    .where(_ROW.c.import_id == bindparam("b_import"), _ROW.c.row_no == bindparam("b_row"))
    .values(party_no=bindparam("b_party"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What stays the same for a whole matching; `numbered` once the rows carry their party."""

    rows: list[ReadyRow]
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
    with services.db.reading() as session:
        row = session.get_one(Import, import_id)
        customer = session.get_one(Customer, row.customer_id)
        scopes = chain(customer)
        settings = effective(session, scopes, "imports")
        matcher = resolve(session, services.get(Plugins), scopes, "matcher")
        if matcher is None:
            raise Misconfigured("no matcher is bound")
        rows = ready_rows(session, import_id)
        parties = [party(raw_party(r, row.debtor_kind, row.phone_country)) for r in rows]
        numbers = _numbers(session, import_id)
        counts, population = match.name_counts(
            session, parties, cache=cache, ignore=own_debtors(session, import_id)
        )
    auto = float(settings["auto_match_percent"].value)
    review = float(settings["review_percent"].value)
    groups: Sequence[within.Group]
    if numbers:
        groups = within.regroup(parties, [numbers[r.no] for r in rows])
    else:
        table = shipped().with_counts(counts, population)
        inside = within.start(parties, [r.client_number for r in rows], table)
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
    session.connection().execute(
        _NUMBER,
        [
            {"b_import": import_id, "b_row": plan.rows[at].no, "b_party": number}
            for number, group in enumerate(plan.groups)
            for at in group.rows
        ],
    )


def own_debtors(session: Session, import_id: int) -> frozenset[int]:
    """Return the debtors an import has created so far."""
    return frozenset(session.scalars(select(Debtor.id).where(Debtor.import_id == import_id)))


def _numbers(session: Session, import_id: int) -> dict[int, int]:
    found = session.execute(
        select(ImportRow.row_no, ImportRow.party_no).where(
            ImportRow.import_id == import_id, ImportRow.party_no.is_not(None)
        )
    )
    return {no: number for no, number in found if number is not None}


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
