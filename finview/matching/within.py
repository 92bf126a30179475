"""The debtors of one file: rows that are one person or company become one party; pure.

Three steps, for the matcher is asked in the middle and only through the plugin guard: `start` joins
rows by client number and by equal data, `Inside.batches` is what to score, `finish` joins what
scored as matched. The result depends on the rows, not on their order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from finview.i18n import N_, sentences
from finview.matching.decide import AUTO, REVIEW
from finview.matching.guards import guards
from finview.matching.judge import weigh
from finview.matching.keys import CANDIDATES_MAX, KEY_CAP, party_keys
from finview.matching.names import NameTable
from finview.matching.overlap import SHARE_MIN, Key, best_sums
from finview.matching.pairs import Pairs
from finview.plugins.contracts.matcher import Party, PartyAddress, Score

SUM_MIN = 4
"""Least key weight two parties of a file share to be compared: a match needs two facts in common,
and a lone equal name (weight 3) among the rows of one file says nothing."""

SAFE = 80.0
"""Two rows with a guard below this are never joined, whatever the customer's own threshold."""


REASONS = sentences(
    {
        "MATCH_CHAIN": N_("These rows match, but other rows joined with them contradict."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows taken for one debtor: their positions, the different parties they name, and all as one."""

    rows: tuple[int, ...]
    members: tuple[Party, ...]
    party: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """The groups of a file after the first step, with the pairs the matcher is asked about.

    `sums` go with `asked`, the pairs of groups: the key weight a pair shares.
    """

    groups: Sequence[Group]
    asked: Pairs
    sums: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """Two groups (by number) that a person may look at: alike, but not sure."""

    one: int
    two: int
    percent: float
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The debtors of a file, in the order of their first rows, and pairs that may be one."""

    groups: Sequence[Group]
    possible: Sequence[Possible]


def start(parties: Sequence[Party], client_numbers: Sequence[str], names: NameTable) -> Inside:
    """Join the rows by equal data and by client number, and list the pairs to score.

    `client_numbers` is the customer's own number of each row's debtor, "" where there is none. Rows
    with equal numbers that clearly name different people stay apart.
    """
    groups = _by_number(_equal_rows(parties, client_numbers, names), client_numbers, names)
    groups.sort(key=lambda group: group.rows[0])
    keys = [party_keys(group.party) for group in groups]
    triples = pairs_of(keys)
    own = [group.party for group in groups]
    return Inside(
        groups=groups,
        asked=Pairs(own, own, [(one, two) for one, two, _ in triples], names),
        sums=[shared for _, _, shared in triples],
    )


def regroup(parties: Sequence[Party], numbers: Sequence[int]) -> list[Group]:
    """Return the groups of rows that were numbered before, in the order of the numbers."""
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(numbers):
        rows.setdefault(number, []).append(row)
    return [_group(own, [parties[row] for row in own]) for _, own in sorted(rows.items())]


def _equal_rows(
    parties: Sequence[Party], client_numbers: Sequence[str], names: NameTable
) -> list[Group]:
    """Join rows with the very same data, if it is more than a name.

    Under different client numbers equal data is enough only if nothing about it is doubtful: two
    `J. Müller` in one house with two numbers may be Jan and Julia.
    """
    alike: dict[object, list[int]] = {}
    for row, party in enumerate(parties):
        alike.setdefault(_fingerprint(party) or row, []).append(row)
    groups: list[Group] = []
    for rows in alike.values():
        party = parties[rows[0]]
        numbers = {client_numbers[row] for row in rows}
        if len(numbers - {""}) < 2 or not _apart(party, party, names):
            groups.append(_group(rows, [party]))
            continue
        for number in sorted(numbers):
            same = [row for row in rows if client_numbers[row] == number]
            groups.append(_group(same, [party]))
    return groups


def _fingerprint(party: Party) -> object:
    """Return what equal rows share; None when the row tells no more than a name."""
    settled = any(place.street and (place.postcode or place.city) for place in party.addresses)
    if not (
        settled
        or party.emails
        or party.phones
        or party.birth_date
        or party.register_id
        or party.external_id
    ):
        return None
    return (
        party.kind,
        party.given,
        party.family,
        party.alt_family,
        party.suffix,
        party.company_core,
        party.legal_form,
        party.people,
        party.addresses,
        party.emails,
        party.phones,
        party.birth_date,
        party.register_id,
        party.external_id,
    )


def _by_number(
    groups: Sequence[Group], client_numbers: Sequence[str], names: NameTable
) -> list[Group]:
    numbered: dict[str, list[Group]] = {}
    result: list[Group] = []
    for group in groups:
        numbers = {client_numbers[row] for row in group.rows} - {""}
        if numbers:
            # Equal data under several numbers is one debtor already; it goes by the first of them.
            numbered.setdefault(min(numbers), []).append(group)
        else:
            result.append(group)
    for number, same in numbered.items():
        if len(same) == 1:
            result += same
            continue
        clusters: list[list[Group]] = []
        for group in sorted(same, key=lambda g: _order(g.party)):
            for cluster in clusters:
                if not any(_apart(g.party, group.party, names, number=number) for g in cluster):
                    cluster.append(group)
                    break
            else:
                clusters.append([group])
        result += [_join(cluster) for cluster in clusters]
    return result


def _apart(a: Party, b: Party, names: NameTable, *, number: str = "") -> bool:
    """Tell whether a guard forbids taking the two for one.

    An equal client number counts as an identifier that agrees, so that a row with little data is
    joined but a row that names somebody else is not.
    """
    if number and not (a.register_id and b.register_id):
        known = a.register_id or b.register_id or f"CLIENT {number}"
        a, b = replace(a, register_id=known), replace(b, register_id=known)
    return any(guard.cap < SAFE for guard in guards(a, b, names))


def _group(rows: Sequence[int], members: Sequence[Party]) -> Group:
    distinct = tuple(sorted(dict.fromkeys(members), key=_order))
    return Group(rows=tuple(sorted(rows)), members=distinct, party=merged(distinct))


def _join(groups: Sequence[Group]) -> Group:
    if len(groups) == 1:
        return groups[0]
    rows = [row for group in groups for row in group.rows]
    return _group(rows, [member for group in groups for member in group.members])


def _order(party: Party) -> tuple[int, str]:
    """Sort the party that tells most first; equal ones by content, never by place in the file."""
    told = sum(
        bool(value)
        for value in (
            party.family,
            len(party.given) > 1,
            party.company_core,
            party.legal_form,
            party.addresses,
            party.emails,
            party.phones,
            party.birth_date,
            party.register_id,
            party.external_id,
        )
    )
    return -told, repr(party)


def merged(parties: Sequence[Party]) -> Party:
    """Return one party with the fullest name and all contact data of several, the fullest first."""
    first = parties[0]
    if len(parties) == 1:
        return first
    given = max((p for p in parties), key=lambda p: len(p.given))
    others = sorted({p.family for p in parties if p.family} - {first.family})
    former = first.alt_family or next((p.alt_family for p in parties if p.alt_family), "")
    if not former and not first.company_core and others:
        former = others[0]
    return replace(
        first,
        given=given.given,
        given1=given.given1,
        family=first.family or (others[0] if others else ""),
        alt_family=former,
        suffix=_first(p.suffix for p in parties),
        legal_form=_first(p.legal_form for p in parties),
        people=max(p.people for p in parties),
        addresses=_addresses(parties),
        emails=tuple(dict.fromkeys(mail for p in parties for mail in p.emails)),
        phones=tuple(dict.fromkeys(phone for p in parties for phone in p.phones)),
        birth_date=next((p.birth_date for p in parties if p.birth_date), None),
        register_id=_first(p.register_id for p in parties),
        external_id=_first(p.external_id for p in parties),
    )


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")


def _addresses(parties: Sequence[Party]) -> tuple[PartyAddress, ...]:
    return tuple(dict.fromkeys(place for party in parties for place in party.addresses))


def pairs_of(
    keys: Sequence[Sequence[Key]],
    *,
    cap: int = KEY_CAP,
    min_sum: int = SUM_MIN,
    top: int = CANDIDATES_MAX,
) -> list[tuple[int, int, int]]:
    """Return (one, two, shared key weight) of the parties that share keys, one < two.

    Keys of more than `cap` parties are dropped, each party brings its best `top`.
    """
    bearers: dict[int, list[int]] = {}
    for number, own in enumerate(keys):
        for key, _ in own:
            bearers.setdefault(key, []).append(number)
    found: dict[tuple[int, int], int] = {}
    for number, own in enumerate(keys):
        sums: dict[int, int] = {}
        for key, weight in own:
            same = bearers[key]
            if 1 < len(same) <= cap:
                for other in same:
                    sums[other] = sums.get(other, 0) + weight
        sums.pop(number, None)
        for other, shared in best_sums(sums, min_sum=min_sum, top=top, share_min=SHARE_MIN):
            found[min(number, other), max(number, other)] = shared
    return [(one, two, shared) for (one, two), shared in sorted(found.items())]


def finish(
    inside: Inside,
    scores: Sequence[Score],
    *,
    auto: float = AUTO,
    review: float = REVIEW,
) -> Found:
    """Join the groups that scored as matched; `scores` go with `inside.asked`.

    The surest pair is joined first. A join is refused when any two of the rows behind it are
    guarded: father and mother, mother and son never become one by way of each other.
    """
    matched: list[tuple[float, str, str, int, int]] = []
    possible: list[Possible] = []
    groups = inside.groups
    for pair, (shared, score) in enumerate(zip(inside.sums, scores, strict=True)):
        one, two = inside.asked.at[pair]
        seen = weigh(score, inside.asked, pair, debtor_id=two, shared=shared)
        if seen is None or seen.percent < review:
            continue
        a, b = groups[one].party, groups[two].party
        if seen.percent >= auto and a.kind == b.kind:
            low, high = sorted((repr(a), repr(b)))
            matched.append((-seen.percent, low, high, one, two))
        else:
            possible.append(Possible(one=one, two=two, percent=seen.percent, codes=seen.codes))
    return _united(groups, sorted(matched), possible, inside.asked.names)


def _united(
    groups: Sequence[Group],
    matched: Sequence[tuple[float, str, str, int, int]],
    possible: list[Possible],
    names: NameTable,
) -> Found:
    root = list(range(len(groups)))
    within: dict[int, list[Group]] = {}

    def find(number: int) -> int:
        while root[number] != number:
            root[number] = root[root[number]]
            number = root[number]
        return number

    for percent, _, _, one, two in matched:
        a, b = find(one), find(two)
        if a == b:
            continue
        left, right = within.get(a, [groups[a]]), within.get(b, [groups[b]])
        if _guarded(left, right, names):
            possible.append(Possible(one=one, two=two, percent=-percent, codes=("MATCH_CHAIN",)))
            continue
        root[max(a, b)] = min(a, b)
        within[min(a, b)] = left + right
        within.pop(max(a, b), None)
    tops = [number for number in range(len(groups)) if find(number) == number]
    joined = sorted(
        ((_join(within.get(top, [groups[top]])), top) for top in tops), key=lambda g: g[0].rows[0]
    )
    place = {top: number for number, (_, top) in enumerate(joined)}
    left_over: dict[tuple[int, int], Possible] = {}
    for pair in possible:
        ends = sorted((place[find(pair.one)], place[find(pair.two)]))
        at = (ends[0], ends[1])
        known = left_over.get(at)
        if at[0] != at[1] and (known is None or known.percent < pair.percent):
            left_over[at] = replace(pair, one=at[0], two=at[1])
    return Found(
        groups=[group for group, _ in joined],
        possible=[left_over[at] for at in sorted(left_over)],
    )


def _guarded(left: Sequence[Group], right: Sequence[Group], names: NameTable) -> bool:
    ours = [member for group in left for member in group.members]
    theirs = [member for group in right for member in group.members]
    return any(_apart(a, b, names) for a, b in product(ours, theirs))
