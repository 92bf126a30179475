"""From scores to decisions: the core's guards, floors, ambiguity and thresholds over a batch; pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from finview.i18n import N_, sentences
from finview.matching.compare import Comparison, compare
from finview.matching.decide import AUTO, REVIEW, Outcome, decide, verdict
from finview.matching.guards import Floor, Guard, floors_of, guards_of
from finview.matching.names import NameTable
from finview.matching.overlap import Key
from finview.matching.pairs import Pairs
from finview.plugins.contracts.matcher import Evidence, Party, Score

CANDIDATES_KEPT = 5
"""Candidates of a party that are kept, at most …"""
KEPT_PERCENT_MIN = 5.0
"""… and only from this percent on."""

FLOOR_SUM_MIN = 4
"""A floor needs two things in common (house and first name, town and name), so at least this sum of
key weights; weaker pairs to which the matcher gives nothing are not looked at again."""


REASONS = sentences(
    {
        "MATCH_AMBIGUOUS": N_("Several existing debtors match."),
        "MATCH_DEBTOR_CLOSED": N_("The matching debtor takes no new cases."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A batch with all that judging it needs; made by `gather`, holds no session.

    `asked` are its pairs of `parties` and `existing`; `sums` the key weight each of them shares.
    `numbered` are the parties whose customer case number is known already: index → existing ones.
    """

    parties: Sequence[Party]
    keys: Sequence[Sequence[Key]]
    existing_ids: Sequence[int]
    existing: Sequence[Party]
    asked: Pairs
    sums: Sequence[int]
    numbered: Mapping[int, Sequence[int]]
    population: int
    batch_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One debtor considered, and why: `percent` counts, `raw_percent` is the matcher's own."""

    debtor_id: int
    percent: float
    raw_percent: float
    evidence: tuple[Evidence, ...] = ()
    guards: tuple[Guard, ...] = ()
    floors: tuple[Floor, ...] = ()
    said: tuple[str, ...] = ()
    """Guards of the matcher itself; its percent obeys them already."""

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the codes of all guards and floors, lowest cap first."""
        own = (*(g.code for g in self.guards), *self.said, *(f.code for f in self.floors))
        return tuple(dict.fromkeys(own))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What becomes of one party; `debtor_id` is set when it is MATCHED."""

    party: int
    outcome: Outcome
    debtor_id: int | None = None
    percent: float | None = None
    reasons: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def judge(
    work: Work,
    scores: Sequence[Score],
    *,
    auto: float = AUTO,
    review: float = REVIEW,
    closed: Set[int] = frozenset(),
) -> list[Judgement]:
    """Decide each party of the batch, in its order; `scores` go with `work.asked`.

    MATCHED needs exactly one candidate at or above `auto`; it becomes REVIEW when that debtor is of
    the other kind or among `closed` (erased, or closed for new cases). Candidates come best first,
    at most five, from 5 % on.
    """
    names = work.asked.names
    found: dict[int, list[Candidate]] = {}
    for pair, (shared, score) in enumerate(zip(work.sums, scores, strict=True)):
        left, right = work.asked.at[pair]
        debtor_id = work.existing_ids[right]
        candidate = weigh(score, work.asked, pair, debtor_id=debtor_id, shared=shared)
        if candidate is not None:
            found.setdefault(left, []).append(candidate)
    kinds = {i: party.kind for i, party in zip(work.existing_ids, work.existing, strict=True)}
    result: list[Judgement] = []
    for number, party in enumerate(work.parties):
        if number in work.numbered:
            result.append(_by_number(work, number, names, closed))
            continue
        best = sorted(found.get(number, ()), key=_rank)
        outcome = decide([c.percent for c in best], auto, review)
        sure = [c for c in best if c.percent >= auto]
        reasons: tuple[str, ...] = ("MATCH_AMBIGUOUS",) if len(sure) > 1 else ()
        if outcome is Outcome.MATCHED:
            reasons = _against(sure[0].debtor_id, party, kinds, closed)
            outcome = Outcome.REVIEW if reasons else outcome
        result.append(
            Judgement(
                party=number,
                outcome=outcome,
                debtor_id=best[0].debtor_id if outcome is Outcome.MATCHED else None,
                percent=best[0].percent if best else None,
                reasons=reasons,
                candidates=tuple(best[:CANDIDATES_KEPT]),
            )
        )
    return result


def weigh(
    score: Score, asked: Pairs, pair: int, *, debtor_id: int, shared: int
) -> Candidate | None:
    """Return a pair with the core's caps and floors applied; None when nobody needs to see it."""
    low = score.percent < KEPT_PERCENT_MIN
    if low and shared < FLOOR_SUM_MIN:
        return None
    compared = asked.compared(pair)
    floors = floors_of(compared, asked.incoming[asked.at[pair][0]], asked.names)
    if low and not floors:
        return None
    guards = guards_of(compared)
    percent = verdict(score.percent, guards, floors)
    if percent < KEPT_PERCENT_MIN:
        return None
    return Candidate(
        debtor_id=debtor_id,
        percent=percent,
        raw_percent=score.percent,
        evidence=tuple(score.evidence),
        guards=guards,
        floors=floors,
        said=tuple(score.guards),
    )


def _rank(candidate: Candidate) -> tuple[float, float, int]:
    return (-candidate.percent, -candidate.raw_percent, candidate.debtor_id)


def _against(
    debtor_id: int, party: Party, kinds: Mapping[int, str], closed: Set[int]
) -> tuple[str, ...]:
    reasons = []
    if kinds[debtor_id] != party.kind:
        reasons.append("MATCH_PERSON_AND_COMPANY")
    if debtor_id in closed:
        reasons.append("MATCH_DEBTOR_CLOSED")
    return tuple(reasons)


def _by_number(work: Work, number: int, names: NameTable, closed: Set[int]) -> Judgement:
    """Decide a party whose customer case number is known."""
    party = work.parties[number]
    found: list[Candidate] = []
    clear = True
    for at in work.numbered[number]:
        existing = work.existing[at]
        compared = compare(party, existing, names)
        guards = tuple(g for g in guards_of(compared) if _is_another(g, compared))
        clear = clear and not guards and party.kind == existing.kind
        found.append(
            Candidate(
                debtor_id=work.existing_ids[at],
                percent=verdict(100.0, guards, ()),
                raw_percent=100.0,
                evidence=(Evidence(field="case_number", level="equal", points=0.0),),
                guards=guards,
            )
        )
    found.sort(key=_rank)
    best = found[0]
    reasons: tuple[str, ...] = ("MATCH_AMBIGUOUS",) if len(found) > 1 else ()
    if best.debtor_id in closed:
        reasons += ("MATCH_DEBTOR_CLOSED",)
    matched = clear and not reasons
    return Judgement(
        party=number,
        outcome=Outcome.MATCHED if matched else Outcome.REVIEW,
        debtor_id=best.debtor_id if matched else None,
        percent=best.percent,
        reasons=reasons,
        candidates=tuple(found[:CANDIDATES_KEPT]),
    )


ANOTHER = frozenset(
    {
        "MATCH_BOTH_NAMES_DIFFER",
        "MATCH_FIRST_NAME_AND_BIRTH_DATE_DIFFER",
        "MATCH_BIRTH_DATE_DIFFERS",
        "MATCH_REGISTER_DIFFERS",
        "MATCH_COMPANY_DIFFERS",
        "MATCH_COMPANY_NUMBER_DIFFERS",
        "MATCH_PERSON_AND_COMPANY",
    }
)
"""Guards that say "clearly another one" even under an equal number of the customer's."""


def _is_another(guard: Guard, compared: Comparison) -> bool:
    return guard.code in ANOTHER and not (
        guard.code == "MATCH_PERSON_AND_COMPANY" and compared.company == "owner"
    )
