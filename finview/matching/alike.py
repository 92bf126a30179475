"""Comparing two names: the same one, a form of it, a typing error, or somebody else's."""

import re
from functools import lru_cache
from itertools import product

from rapidfuzz.distance import OSA, JaroWinkler

from finview.matching.names import NameTable
from finview.text import CACHE, cologne

SAME_GIVEN = frozenset({"equal", "spelling", "nickname", "subset", "typo"})


def alike(a: str, b: str) -> float:
    """Return Jaro-Winkler; callers pass the texts in order, so it is symmetric."""
    return float(JaroWinkler.similarity(a, b))


def edits(a: str, b: str) -> int:
    """Return the Damerau-Levenshtein distance in its optimal-string-alignment form."""
    return int(OSA.distance(a, b))


def ordered(a: str, b: str) -> tuple[str, str]:
    """Return two texts in order: comparing them so makes every comparison symmetric."""
    return (a, b) if a <= b else (b, a)


_SPELLINGS = (
    (re.compile("ph|v"), "f"),
    (re.compile("ck|ch|c|q"), "k"),
    (re.compile("dt|th"), "t"),
    (re.compile("[yj]"), "i"),
    (re.compile("z"), "s"),
    (re.compile("(?<=[aeiou])h"), ""),
    (re.compile(r"(.)\1+"), r"\1"),
)


@lru_cache(CACHE)
def spelling(name: str) -> str:
    """Return what spellings of one name share: Stephan = Stefan, Sarah = Sara; not Anna = Anne."""
    for pattern, put in _SPELLINGS:
        name = pattern.sub(put, name)
    return name


_FEMININE = ("a", "e", "ia", "in", "ina", "ine", "ette", "elle", "i", "y", "ie", "lyn", "ne")


def _gendered(a: str, b: str) -> bool:
    """Tell whether one name looks like the other's feminine: Christian and Christiane."""
    short, long = (a, b) if len(a) < len(b) else (b, a)
    return len(short) >= 4 and (
        (long.startswith(short) and long[len(short) :] in _FEMININE)
        or (
            len(a) == len(b)
            and a[:-1] == b[:-1]
            and {a[-1], b[-1]} in ({"o", "a"}, {"e", "a"}, {"y", "a"})
        )
    )


def _man_first(a: str, b: str, names: NameTable) -> bool:
    """Tell whether the shorter of two such names may be a man's: Daniel, not Lorrain."""
    short, long = sorted((a, b), key=len)
    return names.gender(short) == "m" or names.gender(long) != "f"


def given_word(a: str, b: str, names: NameTable) -> tuple[str, bool]:
    """Compare two given names; the flag says that one is a man's and the other a woman's."""
    if a == b:
        return "equal", False
    if len(a) == 1 or len(b) == 1:
        return ("initial" if a[0] == b[0] else "other_initial"), False
    if names.related(a, b):
        return ("spelling" if spelling(a) == spelling(b) else "nickname"), False
    a, b = ordered(a, b)
    known_a, known_b = names.known("given", a), names.known("given", b)
    gender_a, gender_b = names.gender(a), names.gender(b)
    crossed = bool(gender_a and gender_b and gender_a != gender_b)
    likeness = alike(a, b)
    both = known_a and known_b
    crossed = crossed or (not both and _gendered(a, b) and _man_first(a, b, names))
    if not both and not crossed:
        off = edits(a, b)
        longer = max(len(a), len(b))
        if off == 1 and longer >= 4 and (known_a or known_b):
            return "typo", False
        shorter = min(len(a), len(b))
        close = (shorter >= 5 and likeness >= 0.87) or (shorter >= 6 and off == 2)
        if (close and (known_a or known_b) and a[0] == b[0]) or (off == 1 and longer >= 6):
            return "slips", False
    if likeness >= 0.92:
        return "near", crossed
    if likeness >= 0.87:
        return "similar", crossed
    if likeness >= 0.80:
        return "weak", crossed
    return "other", crossed


_RANK = {
    level: rank
    for rank, level in enumerate(
        (
            "equal",
            "spelling",
            "nickname",
            "typo",
            "slips",
            "near",
            "similar",
            "initial",
            "weak",
            "other",
            "other_initial",
        )
    )
}


def _shorter(a: str, b: str) -> str:
    return min((len(a), a), (len(b), b))[1]


def given_names(a: str, b: str, names: NameTable) -> tuple[str, str, str, bool]:
    """Return (level, the shared name, second names agree/contradict, man/woman)."""
    if not a or not b:
        return "missing" if a or b else "", "", "", False
    tokens_a, tokens_b = a.split(), b.split()
    if a == b:
        second = "agree" if len(tokens_a) > 1 else ""
        return ("initial" if len(a) == 1 else "equal"), tokens_a[0], second, False
    if "".join(tokens_a) == "".join(tokens_b):
        return "equal", min(tokens_a[0], tokens_b[0]), "", False
    level, crossed = given_word(tokens_a[0], tokens_b[0], names)
    second = ""
    if level in {"equal", "spelling", "nickname", "typo", "initial"}:
        if len(tokens_a) > 1 and len(tokens_b) > 1:
            rest = {given_word(x, y, names)[0] for x, y in product(tokens_a[1:], tokens_b[1:])}
            agree = rest & {"equal", "spelling", "nickname", "typo", "initial", "near"}
            second = "agree" if agree else "contradict"
        elif level == "equal":
            return "subset", tokens_a[0], "", False
        return level, _shorter(tokens_a[0], tokens_b[0]), second, crossed
    longer = set(tokens_a[1:]) & {tokens_b[0]} | set(tokens_b[1:]) & {tokens_a[0]}
    if any(len(t) > 2 for t in longer):
        return "second", min(longer), "", False
    if level in {"slips", "near", "similar"}:
        agrees = len(tokens_a) > 1 and tokens_a[1:] == tokens_b[1:]
        return level, _shorter(tokens_a[0], tokens_b[0]), "agree" if agrees else "", crossed
    if len(tokens_a) == len(tokens_b) == 1 or level != "other":
        return level, _shorter(tokens_a[0], tokens_b[0]), second, crossed
    joined, crossed_joined = given_word("".join(tokens_a), "".join(tokens_b), names)
    if joined in {"typo", "near"}:
        return joined, min(tokens_a[0], tokens_b[0]), "", crossed_joined
    return level, "", second, crossed


def couple_given(a: str, b: str, names: NameTable) -> tuple[str, str, str, bool]:
    """Compare as `given_names` when one side names two people: the best of all their names."""
    if not a or not b:
        return "missing", "", "", False
    best = min(
        (
            (_RANK[given_word(x, y, names)[0]], min(x, y), given_word(x, y, names)[0])
            for x, y in product(a.split(), b.split())
        ),
    )
    return ("subset" if best[2] == "equal" else best[2]), best[1], "", False


_GLUED = ("al", "el", "de", "van", "von", "mac", "mc", "la", "di")


def family_word(a: str, b: str, names: NameTable) -> str:
    """Compare two family names; both spellings being known names means two families."""
    one, two = a.replace(" ", ""), b.replace(" ", "")
    if one == two:
        return "equal"
    short, long = sorted((one, two), key=len)
    if len(short) >= 4 and long in {particle + short for particle in _GLUED}:
        return "near"
    if len(one) == 1 or len(two) == 1:
        return "initial" if one[0] == two[0] else "other"
    parts_a, parts_b = set(a.split()), set(b.split())
    if (len(parts_a) > 1 or len(parts_b) > 1) and any(len(p) > 2 for p in parts_a & parts_b):
        return "part"
    one, two = ordered(one, two)
    both = names.known("family", one) and names.known("family", two)
    likeness = alike(one, two)
    if not both:
        near = edits(one, two) == 1 and min(len(one), len(two)) >= 4
        if near or (likeness >= 0.93 and min(len(one), len(two)) >= 5):
            return "near"
        if likeness >= 0.75 and cologne(one) == cologne(two) and len(cologne(one)) > 1:
            return "phonetic"
        if edits(one, two) == 2 and min(len(one), len(two)) >= 6 and likeness >= 0.8:
            return "slips"
    elif likeness >= 0.75 and cologne(one) == cologne(two):
        return "variant"
    if likeness >= 0.88:
        return "similar"
    return "weak" if likeness >= 0.82 else "other"
