"""What the name of a column says: exact, in part, by resemblance and by groups of letters."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA, JaroWinkler

from finview.imports.aliases import (
    HEADER_LENGTH_MAX,
    IGNORE,
    dictionary,
    normalise_header,
    squash,
)
from finview.imports.vocabulary import words_of

_FUZZY_FLOOR: Final = 60.0
_CLOSEST: Final = 200
_COMMON_WORD: Final = 600
"""A word of more aliases than these tells nothing by itself."""
_PART_WEIGHT: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class NameHit:
    """What a header says for one target: score 0…1, the alias it resembles, and how it was found."""

    score: float
    alias: str
    exact: bool


def name_hits(header: str) -> dict[str, NameHit]:
    """What the name alone says: the best hit per target, exact ones only where there are any."""
    return _name_hits(normalise_header(header))


@lru_cache(maxsize=4096)
def _name_hits(normalised: str) -> dict[str, NameHit]:
    if not normalised or len(normalised) > HEADER_LENGTH_MAX:
        return {}
    known = dictionary().exact
    key = squash(normalised)
    if key in known:
        return {
            target: NameHit(score=weight, alias=normalised, exact=True)
            for target, weight in known[key].items()
        }
    contrary = _contrary(normalised)
    hits = _typo_hits(key)
    if contrary:
        hits = {target: hit for target, hit in hits.items() if target == IGNORE}
    if not contrary:
        _keep_best(hits, _part_hits(normalised))
    letters = letter_scores(normalised)
    similar: dict[str, NameHit] = {}
    for target, hit in _fuzzy_hits(normalised).items():
        score = min(0.97, 0.9 * hit.score + 0.4 * letters.get(target, 0.0))
        if contrary and target != IGNORE:
            score *= 0.6
        elif _of_invoice(key) and target.startswith("customer_"):
            score *= 0.8
        elif hits and target not in hits:
            score *= 0.8  # a slip of the finger explains the header already
        similar[target] = NameHit(score=score, alias=hit.alias, exact=False)
    _keep_best(hits, similar)
    if contrary and (IGNORE not in hits or hits[IGNORE].score < 0.75):
        hits[IGNORE] = NameHit(score=0.75, alias=contrary, exact=False)
    return hits


def _keep_best(hits: dict[str, NameHit], more: dict[str, NameHit]) -> None:
    for target, hit in more.items():
        if target not in hits or hit.score > hits[target].score:
            hits[target] = hit


_HARMLESS: Final = {
    "last": frozenset({"name", "nm"}),
    "bank": frozenset({"iban", "account", "acct", "konto"}),
    "net": frozenset({"due"}),
}
"""Contrary words that are none beside these: "Last nm", "Bank Account (IBAN)"."""


def _contrary(normalised: str) -> str | None:
    """The word that says the fact is none of ours, if there is one."""
    found = set(normalised.split())
    for word in normalised.split():
        stems = {word, word[:-1], word[:-2]} if len(word) > 6 else {word}  # des Gläubigers
        if stems & words_of("header_contrary") and not found & _HARMLESS.get(word, frozenset()):
            return word
    taxes = sorted(found & words_of("header_tax"))
    return taxes[0] if taxes and found & words_of("header_tax_facts") else None


def _typo_hits(key: str) -> dict[str, NameHit]:
    """Aliases one slip away (two in long words): a letter too many, missing, wrong or swapped."""
    if len(key) < 4:
        return {}
    slips = 1 if len(key) < 12 else 2
    known = dictionary().exact
    hits: dict[str, NameHit] = {}
    for alias, distance, _at in process.extract(
        key, dictionary().keys, scorer=OSA.distance, score_cutoff=slips, limit=None
    ):
        if len(alias) < 3:
            continue
        closeness = (0.96 if len(key) > 4 else 0.86) - 0.05 * (distance - 1)
        for target, weight in known[alias].items():
            score = closeness * weight
            if target not in hits or score > hits[target].score:
                hits[target] = NameHit(score=score, alias=alias, exact=False)
    return hits


def _of_invoice(key: str) -> bool:
    return any(word in key for word in ("rechnung", "invoice", "bill"))


def _part_hits(normalised: str) -> dict[str, NameHit]:
    """Exact hits once the words or prefixes that only say whose fact it is are gone."""
    known = dictionary().exact
    words = normalised.split()
    bare = [word for word in words if word not in words_of("header_neutral")]
    keys = ["".join(bare)] if bare and len(bare) < len(words) else []
    key = squash(normalised)
    keys += [
        key.removeprefix(prefix)
        for prefix in sorted(words_of("header_prefixes"))
        if key.startswith(prefix) and len(key) > len(prefix) + 2
    ]
    hits: dict[str, NameHit] = {}
    for part in keys:
        for target, weight in known.get(part, {}).items():
            if _of_invoice(key) and target.startswith("customer_"):
                continue  # a reference of the invoice is none of the customer
            score = weight * _PART_WEIGHT
            if target not in hits or score > hits[target].score:
                hits[target] = NameHit(score=score, alias=part, exact=False)
    return hits


def _fuzzy_hits(normalised: str) -> dict[str, NameHit]:
    """The best resemblance per target: ratio, token sort, 0.85 token set, 0.88 Jaro-Winkler."""
    words = dictionary()
    sorted_words = " ".join(sorted(normalised.split()))
    sharing = [
        alias
        for word in set(normalised.split())
        if len(word) > 2 and len(words.by_word.get(word, ())) <= _COMMON_WORD
        for alias in words.by_word.get(word, ())
    ]
    # (text, choices, scorer, factor, floor, aliases of the choices)
    searches: list[tuple[str, list[str], Callable[..., float], float, float, list[str]]] = [
        (normalised, words.spelled, fuzz.ratio, 0.01, _FUZZY_FLOOR, words.spelled),
        (sorted_words, words.in_word_order, fuzz.ratio, 0.01, _FUZZY_FLOOR, words.spelled),
    ]
    if len(normalised) >= 4:
        searches += [
            (normalised, sharing, fuzz.token_set_ratio, 0.0085, 80.0, sharing),
            (normalised, words.spelled, JaroWinkler.similarity, 0.88, 0.8, words.spelled),
        ]
    best: dict[str, NameHit] = {}
    for text, choices, scorer, factor, floor, aliases in searches:
        found = process.extract(text, choices, scorer=scorer, score_cutoff=floor, limit=_CLOSEST)
        for _choice, raw, at in found:
            alias = aliases[at]
            if len(alias) < 3:
                continue
            for target, weight in words.exact[squash(alias)].items():
                score = raw * factor * weight
                if target not in best or score > best[target].score:
                    best[target] = NameHit(score=min(score, 0.97), alias=alias, exact=False)
    return best


def _groups(normalised: str) -> set[str]:
    """Words with their borders, and their groups of three and four letters."""
    found: set[str] = set()
    for word in normalised.split():
        bordered = f"^{word}$"
        found.add(bordered)
        for size in (3, 4):
            found.update(bordered[at : at + size] for at in range(len(bordered) - size + 1))
    return found


@cache
def letter_shares() -> dict[str, tuple[float, dict[str, float]]]:
    """For every group of letters: how telling it is, and the share of each target in it."""
    counts: dict[str, dict[str, float]] = {}
    totals: dict[str, float] = {}
    for target, weight, alias in dictionary().lessons:
        totals[target] = totals.get(target, 0.0) + weight
        for group in _groups(alias):
            of = counts.setdefault(group, {})
            of[target] = of.get(target, 0.0) + weight
    shares: dict[str, tuple[float, dict[str, float]]] = {}
    for group, of in counts.items():
        fair = {target: count / (totals[target] ** 0.5 + 3) for target, count in of.items()}
        whole = sum(fair.values())
        share = {target: part / whole for target, part in fair.items()}
        entropy = -sum(part * math.log(part) for part in share.values())
        shares[group] = len(group) * math.exp(-entropy), share
    return shares


def letter_scores(normalised: str) -> dict[str, float]:
    """Share of each target over the letter groups of a header, telling groups weighing more.

    This is what recognises parts of long German compounds that no alias holds as a whole.
    """
    shares = letter_shares()
    scores: dict[str, float] = {}
    whole = 0.0
    for group in _groups(normalised):
        weight, share = shares.get(group, (0.3 * len(group), {}))
        whole += weight
        for target, part in share.items():
            scores[target] = scores.get(target, 0.0) + weight * part
    return {target: score / whole for target, score in scores.items()} if whole else {}


_DATA: Final = re.compile(r"^[\s\d.,:/+()€$£%-]*$|@|\d{5,}")


@lru_cache(maxsize=8192)
def header_score(text: str) -> float:
    """How much a cell looks like a column header, 0…1: 1 for a known one, 0 for data."""
    stripped = text.strip()
    if not stripped or len(stripped) > HEADER_LENGTH_MAX or _DATA.search(stripped):
        return 0.0
    normalised = normalise_header(stripped)
    if squash(normalised) in dictionary().exact:
        return 1.0
    if len(normalised) < 4 or len(normalised.split()) > 6:
        return 0.0
    best = max((hit.score for hit in _fuzzy_hits(normalised).values()), default=0.0)
    return best if best >= 0.8 else 0.0
