"""Measuring a matcher on labelled data: what `finview match pairs` and `finview match evaluate` do."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from time import perf_counter
from typing import Any

from finview.matching.decide import AUTO, REVIEW, Outcome, decide, verdict
from finview.matching.guards import Floor, Guard, weigh_against
from finview.matching.keys import CANDIDATES_MAX, KEY_CAP, KEY_WEIGHT_MIN, key_of, party_keys
from finview.matching.names import NameTable, shipped
from finview.matching.normalise import RawParty, party
from finview.plugins.contracts.matcher import MatchBatch, Matcher, Party, Score

PAIRS_POPULATION = 100_000
"""`pairs` judges each pair as if alone in a database of this size."""
BATCH = 2_000

AnyMatcher = Matcher[Any]
Row = Mapping[str, str | None]


def read_date(text: str) -> date | None:
    """Read 1984-03-11 or 19840311; anything else is not known."""
    digits = text.replace("-", "").strip()
    if len(digits) != 8 or not digits.isdigit():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def row_party(row: Row, prefix: str = "") -> Party:
    """Read one row of the evaluation layout; its `household` is never looked at."""

    def cell(name: str) -> str:
        return (row.get(prefix + name) or "").strip()

    email, phone = cell("email"), cell("phone")
    return party(
        RawParty(
            kind="company" if cell("kind") == "company" else "person",
            company=cell("company"),
            name=cell("name"),
            first_name=cell("first_name"),
            last_name=cell("last_name"),
            street=cell("street"),
            house_no=cell("house_no"),
            postcode=cell("postcode"),
            city=cell("city"),
            country=cell("country"),
            emails=(email,) if email else (),
            phones=(phone,) if phone else (),
            dob=read_date(cell("dob")),
            register_id=cell("ext_id"),
        )
    )


def _weighted_keys(parties: Sequence[Party], matcher: AnyMatcher) -> list[list[tuple[int, int]]]:
    """Return each party's keys: the core's and those the matcher adds under its own prefix."""
    extra = matcher.keys(parties)
    return [
        party_keys(p) + [(key_of(f"{matcher.name}:{k.value}"), k.weight) for k in more]
        for p, more in zip(parties, extra, strict=True)
    ]


def _outcome_word(outcome: Outcome) -> str:
    return {"MATCHED": "match", "REVIEW": "review", "NEW": "no"}[outcome.value]


def pairs(rows: Iterable[Row], matcher: AnyMatcher) -> dict[str, Any]:
    """Judge each pair (columns a_*, b_*) alone; a column `expected` is never read."""
    names = shipped().with_counts({}, PAIRS_POPULATION)
    out = []
    for row in rows:
        a, b = row_party(row, "a_"), row_party(row, "b_")
        batch = MatchBatch(
            incoming=[b], existing=[a], pairs=[(0, 0)], population=PAIRS_POPULATION, frequencies={}
        )
        score = matcher.score(batch)[0]
        capped, lifted = weigh_against(b, a, names)
        left, right = _weighted_keys([a, b], matcher)
        weights, found = dict(left), dict(right)
        meets = sum(w for k, w in found.items() if k in weights) >= KEY_WEIGHT_MIN
        percent = verdict(score.percent, capped, lifted) if meets else 0.0
        out.append(
            {
                "pair_id": row.get("pair_id") or "",
                "decision": _outcome_word(decide([percent])),
                "percent": percent,
                "guards": [*(g.code for g in capped), *(f.code for f in lifted)],
                "evidence": [
                    {
                        "field": e.field,
                        "level": e.level,
                        "points": e.points,
                        "incoming": e.incoming,
                        "existing": e.existing,
                    }
                    for e in score.evidence
                ],
            }
        )
    return {"pairs": out}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One candidate of one incoming row, judged."""

    left: int
    raw: float
    percent: float
    guards: tuple[Guard, ...]
    floors: tuple[Floor, ...]


class _Index:
    """The candidate index in memory, with the caps of the SQL."""

    def __init__(self, parties: Sequence[Party], matcher: AnyMatcher) -> None:
        self.matcher = matcher
        self.holders: dict[int, list[int]] = defaultdict(list)
        for start in range(0, len(parties), BATCH):
            part = parties[start : start + BATCH]
            for at, keys in enumerate(_weighted_keys(part, matcher), start):
                for key, _weight in keys:
                    self.holders[key].append(at)

    def sums(
        self, keys: Iterable[tuple[int, int]], skip: int | None, cap: int | None
    ) -> Counter[int]:
        found: Counter[int] = Counter()
        for key, weight in keys:
            holders = self.holders.get(key, ())
            if cap is None or len(holders) <= cap:
                for holder in holders:
                    found[holder] += weight
        if skip is not None:
            found.pop(skip, None)
        return found


def best(sums: Mapping[int, int]) -> list[int]:
    """Return the ten heaviest candidates, at least weight 2; ties go to the smaller number."""
    kept = sorted((-w, c) for c, w in sums.items() if w >= KEY_WEIGHT_MIN)
    return [c for _w, c in kept[:CANDIDATES_MAX]]


def frequencies(parties: Iterable[Party]) -> Counter[tuple[str, str]]:
    """Count given names, family names and towns, as the database's own table does."""
    counts: Counter[tuple[str, str]] = Counter()
    for p in parties:
        if p.given1:
            counts["given", p.given1] += 1
        if p.family:
            counts["family", p.family.replace(" ", "")] += 1
        if p.addresses and p.addresses[0].city:
            counts["town", p.addresses[0].city] += 1
    return counts


def _judge(
    matcher: AnyMatcher, incoming: Sequence[Party], existing: Sequence[Party],
    wanted: Sequence[tuple[int, int]], names: NameTable, counts: Mapping[tuple[str, str], int],
) -> Iterator[Judged]:  # fmt: skip
    batch = MatchBatch(
        incoming=incoming,
        existing=existing,
        pairs=wanted,
        population=len(existing),
        frequencies=counts,
    )
    scores: Sequence[Score] = matcher.score(batch)
    for (at, left), score in zip(wanted, scores, strict=True):
        capped, lifted = weigh_against(incoming[at], existing[left], names)
        yield Judged(
            left=left,
            raw=score.percent,
            percent=verdict(score.percent, capped, lifted),
            guards=capped,
            floors=lifted,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    judged: list[list[Judged]]
    candidates: int
    seconds: float


def _run(
    matcher: AnyMatcher, incoming: Sequence[Party], existing: Sequence[Party], *,
    same: bool, truth: frozenset[tuple[int, int]],
) -> _Run:  # fmt: skip
    started = perf_counter()
    index = _Index(existing, matcher)
    counts = frequencies(existing)
    names = shipped().with_counts(counts, len(existing))
    judged: list[list[Judged]] = [[] for _ in incoming]
    hits = 0
    for start in range(0, len(incoming), BATCH):
        part = incoming[start : start + BATCH]
        wanted: list[tuple[int, int]] = []
        for at, keys in enumerate(_weighted_keys(part, matcher)):
            row = start + at
            found = best(index.sums(keys, row if same else None, KEY_CAP))
            hits += sum((left, row) in truth for left in found)
            wanted += [(at, left) for left in found]
        for (at, _left), verdict_ in zip(
            wanted, _judge(matcher, part, existing, wanted, names, counts), strict=True
        ):
            judged[start + at].append(verdict_)
    return _Run(judged=judged, candidates=hits, seconds=perf_counter() - started)


def _best_f1(run: _Run, truth: frozenset[tuple[int, int]]) -> float:
    """Return the best F1 any threshold on the raw score of the best candidate could reach."""
    tops = [
        (max(row, key=lambda j: (j.raw, -j.left)), at) for at, row in enumerate(run.judged) if row
    ]
    right, best_f1 = 0, 0.0
    for n, (top, at) in enumerate(sorted(tops, key=lambda t: (-t[0].raw, t[1])), 1):
        right += (top.left, at) in truth
        best_f1 = max(best_f1, 2 * right / (n + len(truth)) if truth else 0.0)
    return best_f1


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def evaluate(
    left: Sequence[Row], right: Sequence[Row], truth: Iterable[tuple[str, str]], matcher: AnyMatcher,
    *, rss_mb: Callable[[], float] = lambda: 0.0,
) -> dict[str, Any]:  # fmt: skip
    """Match RIGHT (incoming) against LEFT (existing) and compare with the true pairs.

    The same rows on both sides means duplicates inside one file. `rss_mb` measures memory at the
    end; `household` is compared afterwards only, the matcher never sees it.
    """
    same = [r.get("id") for r in left] == [r.get("id") for r in right]
    places_l = {str(r.get("id")): at for at, r in enumerate(left)}
    places_r = {str(r.get("id")): at for at, r in enumerate(right)}
    true = {(places_l[a], places_r[b]) for a, b in truth if a in places_l and b in places_r}
    if same:
        true |= {(b, a) for a, b in true}
    pairs_true = frozenset(true)
    started = perf_counter()
    existing = [row_party(r) for r in left]
    incoming = existing if same else [row_party(r) for r in right]
    normalising = perf_counter() - started
    run = _run(matcher, incoming, existing, same=same, truth=pairs_true)
    report = _report(run, left, pairs_true)
    rows = len(existing) + (0 if same else len(incoming))
    return {
        "matcher": matcher.name,
        "left": len(left),
        "right": len(right),
        "true_pairs": len(pairs_true) // (2 if same else 1),
        **report,
        "rows_per_second": round(rows / max(run.seconds + normalising, 1e-9)),
        "rss_mb": round(rss_mb(), 1),
    }


def _report(run: _Run, left: Sequence[Row], truth: frozenset[tuple[int, int]]) -> dict[str, Any]:
    auto = wrong = household = review = review_true = reachable = 0
    codes: Counter[str] = Counter()
    homes: dict[int, str] = {right: left[at].get("household") or "" for at, right in truth}
    for at, row in enumerate(run.judged):
        row.sort(key=lambda j: (-j.percent, j.left))
        outcome = decide([j.percent for j in row], AUTO, REVIEW)
        for j in row:
            codes.update(g.code for g in j.guards)
            codes.update(f.code for f in j.floors)
        if outcome is Outcome.MATCHED:
            auto += 1
            if (row[0].left, at) not in truth:
                wrong += 1
                home = left[row[0].left].get("household") or ""
                household += bool(home) and homes.get(at) == home
            else:
                reachable += 1
        elif outcome is Outcome.REVIEW:
            review += 1
            seen = any((j.left, at) in truth for j in row if j.percent >= REVIEW)
            review_true += seen
            reachable += seen
    matchable = len({right for _left, right in truth})
    precision, recall = _share(auto - wrong, auto), _share(auto - wrong, matchable)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {
        "auto": {
            "precision": precision,
            "recall": recall,
            "f1": round(f1, 4),
            "wrong": wrong,
            "wrong_same_household": household,
        },
        "review_share": _share(review, len(run.judged)),
        "review_with_truth": _share(review_true, review),
        "reachable_recall": _share(reachable, matchable),
        "candidate_recall": _share(run.candidates, len(truth)),
        "raw_best_f1": round(_best_f1(run, truth), 4),
        "guards": dict(sorted(codes.items())),
    }
