"""Known column headers: the dictionary in `aliases.tsv`, and how a header is normalised."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

IGNORE: Final = "ignore"
"""Stands for "no field" among the targets of the dictionary."""

HEADER_LENGTH_MAX: Final = 80
"""Longer cells are sentences, not headers."""

LESSONS_PER_PATTERN: Final = 24
"""More spellings of one pattern teach nothing new."""

_UMLAUTS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "SS"}
)
_SIGNS: Final = (("#", " no "), ("№", " no "), ("€", " eur "), ("%", " prozent "), ("&", " und "))
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PLURAL: Final = re.compile(r"\((?:s|n|en|e|es)\)")
_TORN: Final = re.compile(r"\b(mw|u) (st)\b")
_OTHER: Final = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=8192)
def normalise_header(text: str) -> str:
    """Lower-case words of a header: camelCase split, ä→ae ß→ss, other signs to blanks.

    The result is the key of the mapping memory.
    """
    plain = _PLURAL.sub("", _repaired(text))
    for sign, word in _SIGNS:
        plain = plain.replace(sign, word)
    plain = unicodedata.normalize("NFC", plain).translate(_UMLAUTS)
    plain = unicodedata.normalize("NFKD", plain)
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    plain = _CAMEL.sub(" ", plain).lower()
    return _TORN.sub(r"\1\2", _OTHER.sub(" ", plain).strip())


def _repaired(text: str) -> str:
    """Undo UTF-8 read as cp1252 ("StraÃŸe") when it can be undone without loss."""
    if "Ã" not in text:
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text


def squash(normalised: str) -> str:
    """The key of the dictionary: "rg nr", "rgnr" and "Rg.-Nr." are one."""
    return normalised.replace(" ", "")


_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_MACRO: Final = re.compile(r"<([A-Z]+)>")


def _expand(pattern: str) -> Iterator[str]:
    found = _BRACES.search(pattern)
    if found is None:
        yield " ".join(pattern.split())
        return
    for choice in found.group(1).split(","):
        yield from _expand(pattern[: found.start()] + choice + pattern[found.end() :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One spelling of one pattern; `lesson` is its weight as an example, 0 when it is none."""

    target: str
    weight: float
    alias: str
    lesson: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dictionary:
    """All aliases, indexed for every way of looking: see `finview.imports.names`."""

    exact: dict[str, dict[str, float]]
    """Weight per target by squashed key."""
    keys: list[str]
    spelled: list[str]
    in_word_order: list[str]
    """`spelled`, the words of each sorted."""
    by_word: dict[str, list[str]]
    lessons: list[tuple[str, float, str]]
    """(target, weight, alias) to learn letter groups from."""


def read_entries() -> Iterator[Entry]:
    """Every alias of `aliases.tsv`, patterns expanded."""
    macros: dict[str, str] = {}
    text = Path(__file__).with_name("aliases.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("@"):
            name, words = line[1:].split("\t")
            macros[name] = words
            continue
        target, weight, _source, patterns = line.split("\t")
        for raw in patterns.split("|"):
            whole = _MACRO.sub(lambda found: "{" + macros[found.group(1)] + "}", raw)
            several = list(_expand(whole))
            step = -(-len(several) // LESSONS_PER_PATTERN)
            lesson = float(weight) / (len(several) / step) ** 0.5
            for at, alias in enumerate(several):
                yield Entry(
                    target=target,
                    weight=float(weight),
                    alias=alias,
                    lesson=0.0 if at % step else lesson,
                )


def assemble(entries: Iterable[Entry]) -> Dictionary:
    """Index these aliases."""
    exact: dict[str, dict[str, float]] = {}
    spelled: dict[str, str] = {}
    lessons: list[tuple[str, float, str]] = []
    for entry in entries:
        key = squash(entry.alias)
        known = exact.setdefault(key, {})
        known[entry.target] = max(known.get(entry.target, 0.0), entry.weight)
        spelled.setdefault(key, entry.alias)
        if entry.lesson:
            lessons.append((entry.target, entry.lesson, entry.alias))
    by_word: dict[str, list[str]] = {}
    for alias in spelled.values():
        for word in set(alias.split()):
            by_word.setdefault(word, []).append(alias)
    return Dictionary(
        exact=exact,
        keys=list(exact),
        spelled=list(spelled.values()),
        in_word_order=[" ".join(sorted(alias.split())) for alias in spelled.values()],
        by_word=by_word,
        lessons=lessons,
    )


@cache
def dictionary() -> Dictionary:
    """The aliases of `aliases.tsv`; read once."""
    return assemble(read_entries())
