"""Proposes a field for every column of a file: names, values and memory, one to one, with evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from types import MappingProxyType
from typing import Any, Final, Literal

from finview.imports.aliases import IGNORE, normalise_header
from finview.imports.assign import best_pairs
from finview.imports.evidence import NUMBERS, Fits, compare, fact_for, value_fits
from finview.imports.fields import FIELDS, fields_for, missing_required
from finview.imports.names import NameHit, header_score, name_hits
from finview.imports.profile import Cell, Profile, profile

__all__ = [
    "Cell",
    "ColumnProposal",
    "Remembered",
    "file_ready",
    "header_score",
    "normalise_header",
    "propose",
]

Decided = Literal["auto", "memory", "suggested", "ignored"]

SAMPLES: Final = 5
SAMPLE_LENGTH: Final = 80
SAMPLE_ROWS: Final = 200

THRESHOLD: Final = 0.56
"""What "no field" scores for a column of which nothing is known."""
CONTRARY: Final = 0.75
"""What "no field" scores at least when a word of the header says so."""
_ALONE: Final[Mapping[str, float]] = {
    "date": 0.6,
    "amount": 0.6,
    "number": 0.58,
    "text": 0.58,
    "name": 0.65,
}
"""How far values alone carry, by kind: an unknown date may be any date."""
ACCEPT_SCORE: Final = 0.8
ACCEPT_MARGIN: Final = 0.12
AMBIGUOUS_MARGIN: Final = 0.2
MEMORY_SCORE: Final = 0.99
FEW_VALUES: Final = 20
"""Fewer values than these can't speak against an exact header, unless they are of another kind."""
CONTRADICTION: Final = -0.8
"""Values that fit a field no better than this are of another kind."""
BETTER: Final = 0.2
"""By so much values must fit one of a header's fields better than another to choose between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What people decided for a header before: `field` None means "ignore"."""

    field: str | None
    hits: int = 1
    misses: int = 0
    options: Mapping[str, Any] = attribute(default_factory=dict)

    @property
    def trust(self) -> float:
        """0.99 when nobody ever disagreed, less with every miss."""
        return MEMORY_SCORE * (self.hits + 1) / (self.hits + self.misses + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProposal:
    """The proposal for one column: `confidence` and `margin` are 0…1, `evidence` is JSON."""

    index: int
    header: str
    samples: list[str]
    field: str | None
    confidence: float
    margin: float
    decided: Decided
    evidence: list[dict[str, Any]]
    options: Mapping[str, Any] = attribute(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether nobody needs to be asked about this column."""
        return self.decided != "suggested"


@dataclass(slots=True, kw_only=True)
class _Column:
    header: str
    values: Profile
    hits: dict[str, NameHit]
    fits: Fits
    facts: list[dict[str, Any]]
    memory: Remembered | None
    scores: dict[str, float]


def propose(
    headers: Sequence[str],
    sample: Sequence[Sequence[Cell]],
    *,
    debtor_kind: str,
    country: str,
    memory: Mapping[str, Remembered] | None = None,
) -> list[ColumnProposal]:
    """One proposal per column, in order.

    `sample` holds rows of cells (200 are enough, more are not looked at); rows may be shorter than
    `headers`. `memory` is keyed by `normalise_header`. `country` is the import's default country.
    """
    columns = _columns(headers, sample[:SAMPLE_ROWS], country, memory or {})
    allowed = [known.name for known in fields_for(debtor_kind)]
    for column in columns:
        column.scores = _scores(column, allowed, debtor_kind)
    _last_name_beside_first(columns)
    pairs = (
        best_pairs(
            [
                [column.scores[name] - column.scores[IGNORE] for column in columns]
                for name in allowed
            ]
        )
        if columns
        else []
    )
    chosen = {at: name for name, at in zip(allowed, pairs, strict=False) if at is not None}
    return [_proposal(at, columns, chosen) for at in range(len(columns))]


def file_ready(
    proposals: Sequence[ColumnProposal],
    kind: str,
    required: Mapping[str, bool] = MappingProxyType({}),
) -> bool:
    """Whether the import may go on by itself: every column accepted, no required field missing.

    `required` is what the customer's settings say of single fields.
    """
    mapped = {proposal.field for proposal in proposals if proposal.field is not None}
    missing = missing_required(mapped, kind, required)
    return all(proposal.accepted for proposal in proposals) and not missing


def _columns(
    headers: Sequence[str],
    sample: Sequence[Sequence[Cell]],
    country: str,
    memory: Mapping[str, Remembered],
) -> list[_Column]:
    blank: Cell = ("", "")
    profiles = [
        profile([row[at] if at < len(row) else blank for row in sample], country=country)
        for at in range(len(headers))
    ]
    fits = [value_fits(values) for values in profiles]
    facts = compare(profiles, fits)
    return [
        _Column(
            header=header,
            values=values,
            hits=name_hits(header),
            fits=fit,
            facts=list(fact),
            memory=memory.get(normalise_header(header)) if header.strip() else None,
            scores={},
        )
        for header, values, fit, fact in zip(headers, profiles, fits, facts, strict=True)
    ]


def _scores(column: _Column, allowed: Sequence[str], debtor_kind: str) -> dict[str, float]:
    """Score of every allowed field and of "ignore" for one column, 0…1."""
    scores = {name: _blend(column, name) for name in allowed}
    ignore = max(THRESHOLD, _blend(column, IGNORE))
    if IGNORE in column.hits and column.hits[IGNORE].score >= CONTRARY:
        ignore = max(ignore, CONTRARY)
    if not column.header.strip() and not column.values.filled:
        ignore = 1.0
    for name, hit in column.hits.items():
        if name not in scores and name != IGNORE:  # a field of the other debtor kind
            ignore = max(ignore, 0.9 * hit.score)
    scores[IGNORE] = ignore
    remembered = column.memory
    if remembered is not None:
        target = remembered.field or IGNORE
        if target in scores and column.fits.get(target, 0.0) > -0.8:
            scores[target] = max(scores[target], remembered.trust)
            for name in scores:
                if name != target:
                    scores[name] *= 0.5
    if debtor_kind == "BUSINESS":
        scores["full_name"] -= 0.02
    else:
        scores["company"] -= 0.02
    return scores


def _blend(column: _Column, name: str) -> float:
    """0.6 name + 0.4 values; an exact name weighs 0.8; without name hit the values alone count."""
    hit = column.hits.get(name)
    fit = column.fits.get(name)
    by_name = hit.score if hit else 0.0
    if fit is None:
        return 0.95 * by_name
    if hit is not None and hit.exact:
        score = 0.8 * by_name + 0.2 * max(-0.5, fit)  # a clear name outweighs odd values
        said = min(1.0, column.values.filled / FEW_VALUES)
        if said < 1.0 and not _contradicted(column, name, fit):
            score = max(score, (1.0 - said) * 0.95 * by_name + said * score)
        return score
    if by_name < 0.62:
        if name == IGNORE:
            return 0.7 * fit
        alone = 0.78 if not column.header.strip() else _ALONE.get(FIELDS[name].kind, 0.7)
        return max(0.0, alone * fit)
    weight = 0.6 + 0.2 * min(1.0, max(0.0, (by_name - 0.7) / 0.25))
    blended = weight * by_name + (1 - weight) * fit
    if fit < -0.8:
        blended *= 0.6
    return max(0.0, blended)


def _contradicted(column: _Column, name: str, fit: float) -> bool:
    """Tell whether even a few values speak against an exact header.

    They are clearly none of this field's (a number without a digit), or the header may mean another
    field that they fit better: "Kunde" above firms.
    """
    if name in NUMBERS and not any(map(str.isdecimal, "".join(column.values.texts))):
        return True
    return fit <= CONTRADICTION or any(
        column.fits.get(other, 0.0) > fit + BETTER for other in column.hits if other != name
    )


def _last_name_beside_first(columns: Sequence[_Column]) -> None:
    """A plain "Name" beside a first name is the last name."""
    first = any(column.scores["first_name"] > 0.75 for column in columns)
    last = any(
        "last_name" in column.hits
        and column.hits["last_name"].exact
        and column.hits["last_name"].score >= 1
        for column in columns
    )
    if not first or last:
        return
    for column in columns:
        hit = column.hits.get("last_name")
        if hit is not None and hit.exact and column.fits.get("last_name", 0.0) > -0.3:
            column.scores["last_name"] = max(column.scores["last_name"], 0.95)
            if column.values.filled:
                column.scores["full_name"] = min(column.scores["full_name"], 0.7)
            column.facts.append({"rule": "beside_first_name"})


def _proposal(at: int, columns: Sequence[_Column], chosen: Mapping[int, str]) -> ColumnProposal:
    column = columns[at]
    target = chosen.get(at, IGNORE)
    confidence = column.scores[target]
    margin = _margin(at, columns, chosen)
    decided: Decided = "suggested"
    if confidence >= ACCEPT_SCORE and margin >= ACCEPT_MARGIN and _founded(column, target, margin):
        decided = "ignored" if target == IGNORE else "auto"
        if column.memory is not None and (column.memory.field or IGNORE) == target:
            decided = "memory" if target != IGNORE else "ignored"
    return ColumnProposal(
        index=at,
        header=column.header,
        samples=_samples(column.values),
        field=None if target == IGNORE else target,
        confidence=round(min(1.0, confidence), 4),
        margin=round(max(0.0, min(1.0, margin)), 4),
        decided=decided,
        evidence=_evidence(column, target),
        options=dict(column.memory.options) if column.memory else {},
    )


def _founded(column: _Column, target: str, margin: float) -> bool:
    """Whether the proposal rests on more than resemblance: memory, an exact name, or values."""
    hit = column.hits.get(target)
    if column.memory is not None or not column.header.strip():
        return column.memory is not None or not column.values.filled
    if hit is None:
        return False
    if hit.exact:
        return True
    if target == IGNORE or column.fits.get(target, 0.0) <= 0.3:
        return False
    # the values of these look alike: one date is like another
    return margin >= AMBIGUOUS_MARGIN or FIELDS[target].kind not in _ALONE


def _margin(at: int, columns: Sequence[_Column], chosen: Mapping[int, str]) -> float:
    """Distance to the next best field of the column and to the next best column of the field."""
    column = columns[at]
    target = chosen.get(at, IGNORE)
    score = column.scores[target]
    taken = {name: other for other, name in chosen.items() if other != at}
    rival = 0.0
    for name, other_score in column.scores.items():
        if name == target:
            continue
        owner = taken.get(name)
        # a field another column fits better is hardly a rival
        lost = (
            0.3 if owner is not None and columns[owner].scores[name] > other_score + 0.05 else 0.0
        )
        rival = max(rival, other_score - lost)
    margin = score - rival
    if target == IGNORE:
        return margin
    for other, another in enumerate(columns):
        if other != at:
            own = another.scores[chosen.get(other, IGNORE)]
            if another.scores[target] > own:
                margin = min(margin, score - another.scores[target])
    return margin


def _samples(values: Profile) -> list[str]:
    distinct = dict.fromkeys(text for text in values.texts if text)
    return [text[:SAMPLE_LENGTH] for text in list(distinct)[:SAMPLES]]


def _evidence(column: _Column, target: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if column.memory is not None and (column.memory.field or IGNORE) == target:
        found.append({"rule": "memory", "hits": column.memory.hits, "misses": column.memory.misses})
    hit = column.hits.get(target)
    if hit is not None:
        rule = "name" if hit.exact else "similar_name"
        found.append({"rule": rule, "alias": hit.alias, "score": round(hit.score, 2)})
    fact = fact_for(target, column.values)
    if fact is not None:
        found.append(fact)
    return found + column.facts
