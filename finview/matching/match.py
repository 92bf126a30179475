"""Matching a batch of parties against the database: what is read before, what is stored after."""

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from finview.cases.models import Case
from finview.db.base import table_of
from finview.db.bulk import bulk_insert
from finview.db.lists import one_of
from finview.matching import index, search
from finview.matching.judge import Judgement, Work
from finview.matching.keys import key_of, party_keys
from finview.matching.models import MatchCandidate
from finview.matching.names import shipped
from finview.matching.overlap import Key, sum_min
from finview.matching.pairs import Pairs
from finview.matching.search import Cache, Name, chunks
from finview.plugins.contracts.matcher import MatchKey, Party

RECHECK_WEIGHT_MIN = 3
"""Keys of this weight (identifier, e-mail, phone, birth date, both names, …) are looked up again
before a chunk is written; weaker ones can't make a match alone."""

_CASE = table_of(Case)
_CANDIDATE = table_of(MatchCandidate)


def all_keys(
    parties: Sequence[Party],
    extra: Sequence[Sequence[MatchKey]] | None = None,
    *,
    prefix: str = "",
) -> list[list[Key]]:
    """Return the keys of each party, a matcher's `extra` ones included.

    `prefix` names the matcher and its `keys_version`; it is hashed in, so that the keys of two
    matchers never meet.
    """
    found = [party_keys(party) for party in parties]
    for keys, more in zip(found, extra or (), strict=False):
        known = {key for key, _ in keys}
        for one in more:
            hashed = key_of(f"+{prefix}:{one.value}")
            if hashed not in known:
                known.add(hashed)
                keys.append((hashed, min(max(one.weight, 1), 6)))
    return found


def gather(
    session: Session,
    parties: Sequence[Party],
    *,
    keys: Sequence[Sequence[Key]] | None = None,
    cache: Cache | None = None,
    ignore: Set[int] = frozenset(),
    customer_id: int | None = None,
    case_numbers: Sequence[str | None] = (),
) -> Work:
    """Read candidates, debtors and name counts for a batch; the session may be closed afterwards.

    `ignore` are the debtors this import created itself: inside one file `within` decides, so they are
    not proposed, and count neither as population nor as bearers of a name. With `case_numbers` (normalised as `Case.customer_case_number_norm`, one a
    party) and their customer, parties whose number is known are decided by it and ask no matcher.
    """
    cache = cache or Cache()
    found_keys = keys if keys is not None else all_keys(parties)
    batch = search.batch_no(session)
    _, population = cache.counts(session, frozenset(), ignore=ignore)
    numbers = {n for n in case_numbers if n}
    owners = by_case_number(session, customer_id, numbers) if customer_id and numbers else {}
    by_number = {
        at: owners[number] for at, number in enumerate(case_numbers) if number and number in owners
    }
    searched = [(at, keys) for at, keys in enumerate(found_keys) if at not in by_number]
    found = search.candidates(session, searched, min_sum=sum_min(population), ignore=ignore)
    wanted = {debtor_id for best in found.values() for debtor_id, _ in best}
    wanted |= {debtor_id for ids in by_number.values() for debtor_id in ids}
    loaded = cache.load(session, sorted(wanted))
    ids = sorted(loaded)
    place = {debtor_id: at for at, debtor_id in enumerate(ids)}
    triples = [
        (at, place[debtor_id], shared)
        for at, best in found.items()
        for debtor_id, shared in best
        if debtor_id in place
    ]
    existing = [loaded[debtor_id] for debtor_id in ids]
    names = {name for group in (parties, existing) for p in group for name in search.asked_names(p)}
    frequencies, _ = cache.counts(session, names, ignore=ignore)
    table = shipped().with_counts(frequencies, population)
    return Work(
        parties=parties,
        keys=found_keys,
        existing_ids=ids,
        existing=existing,
        asked=Pairs(parties, existing, [(left, right) for left, right, _ in triples], table),
        sums=[shared for _, _, shared in triples],
        numbered={
            at: [place[debtor_id] for debtor_id in debtors if debtor_id in place]
            for at, debtors in by_number.items()
            if any(debtor_id in place for debtor_id in debtors)
        },
        population=population,
        batch_no=batch,
    )


def name_counts(
    session: Session,
    parties: Sequence[Party],
    *,
    cache: Cache | None = None,
    ignore: Set[int] = frozenset(),
) -> tuple[dict[Name, int], int]:
    """Return the frequencies and the population that `within` and its matcher calls need.

    `ignore` as in `gather`: without it a file read again after a crash would be grouped anew.
    """
    names = {name for party in parties for name in search.asked_names(party)}
    return (cache or Cache()).counts(session, names, ignore=ignore)


def by_case_number(
    session: Session, customer_id: int, numbers: Collection[str]
) -> dict[str, list[int]]:
    """Return the debtors of this customer's cases by the customer's case number, oldest first."""
    found: dict[str, list[int]] = {}
    for part in chunks(sorted(numbers)):
        statement = (
            select(_CASE.c.customer_case_number_norm, _CASE.c.debtor_id)
            .where(
                _CASE.c.customer_id == customer_id, one_of(_CASE.c.customer_case_number_norm, part)
            )
            .distinct()
            .order_by(_CASE.c.debtor_id)
        )
        for number, debtor_id in session.execute(statement):
            found.setdefault(number, []).append(debtor_id)
    return found


def changed_since(session: Session, work: Work, *, ignore: Set[int] = frozenset()) -> list[int]:
    """Return the parties of `work` for which another import has written a likely debtor since.

    Call it in the writing transaction, before debtors are created; it keeps other writers of the
    index waiting until the commit. Those parties must be gathered and judged
    again. `ignore` are the debtors this import created.
    """
    if index.lock(session) == work.batch_no + 1:
        return []
    strong = [[key for key, weight in keys if weight >= RECHECK_WEIGHT_MIN] for keys in work.keys]
    wanted = {key for keys in strong for key in keys}
    new = search.keys_added_since(session, work.batch_no, sorted(wanted), ignore=ignore)
    return [at for at, keys in enumerate(strong) if not new.isdisjoint(keys)]


def store(
    session: Session,
    import_id: int,
    judgements: Mapping[int, Judgement],
    work: Work,
    *,
    matcher: str,
    matcher_version: str,
    auto: float,
    review: float,
) -> None:
    """Keep the candidates of each judgement, by the party's number in the import.

    What was stored for these parties before is replaced, so a chunk may be run again.
    """
    forget(session, import_id, list(judgements))
    common = {
        "import_id": import_id,
        "population": work.population,
        "matcher": matcher,
        "matcher_version": matcher_version,
        "auto_percent": auto,
        "review_percent": review,
    }
    rows: list[dict[str, Any]] = [
        {
            **common,
            "party_no": party_no,
            "debtor_id": candidate.debtor_id,
            "rank": rank,
            "percent": candidate.percent,
            "raw_percent": candidate.raw_percent,
            "evidence": candidate.evidence,  # orjson writes dataclasses itself
            "guards": [
                *({"code": guard.code, "cap": guard.cap} for guard in candidate.guards),
                *({"code": code, "cap": None} for code in candidate.said),
            ],
            "floors": [
                {"code": floor.code, "percent": floor.percent} for floor in candidate.floors
            ],
        }
        for party_no, judgement in judgements.items()
        for rank, candidate in enumerate(judgement.candidates)
    ]
    for part in chunks(rows):
        bulk_insert(session, _CANDIDATE, part)


def forget(session: Session, import_id: int, party_numbers: Sequence[int] | None = None) -> None:
    """Delete the stored candidates of an import: of these parties, or all (its revert)."""
    mine = delete(_CANDIDATE).where(_CANDIDATE.c.import_id == import_id)
    if party_numbers is None:
        session.execute(mine)
        return
    for part in chunks(party_numbers):
        session.execute(mine.where(_CANDIDATE.c.party_no.in_(part)))


def forget_debtors(session: Session, debtor_ids: Sequence[int]) -> None:
    """Delete what is stored about debtors as candidates."""
    for part in chunks(debtor_ids):
        session.execute(delete(_CANDIDATE).where(_CANDIDATE.c.debtor_id.in_(part)))
