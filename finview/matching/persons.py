"""Reading a person's name: titles, particles, suffixes, maiden names, two people in one row."""

import re
from dataclasses import dataclass
from functools import lru_cache

from finview.matching.names import shipped
from finview.text import CACHE, fold, skeleton, word_set, words

_TITLES = word_set(
    "dr drs dres prof professor professorin doktor dipl diplom dipling mag magister ing herr herrn "
    "frau hr hrn frl fraulein mr mrs ms miss mx mister madame monsieur sir dame rev reverend "
    "mba phd msc bsc llm esq obe mbe cbe"
)
# Read as titles only beside one of the above: Phil, Pol and Dent are names too.
_AFTER_TITLE = word_set(
    "med dent vet jur iur phil rer nat pol oec theol hc habil univ kfm kffr inf math psych soc "
    "ba ma md ra h c fh"
)
_NO_NAMES = word_set("unbekannt unknown none null nn xxx anonym anonymous ungenannt")
_PARTICLES = word_set(
    "von vom van vander vanden de der den zu zum zur la le les l di da del della delle dello dos "
    "das do du d ter ten te el al bin ibn ben abu af av y e i freiherr freifrau freiin graf grafin "
    "baron baronin ritter edler prinz prinzessin furst"
)
_JOINED = frozenset({"mac", "mc", "o"})
_SUFFIX = {
    "jr": "jr",
    "jnr": "jr",
    "jun": "jr",
    "junior": "jr",
    "sr": "sr",
    "snr": "sr",
    "sen": "sr",
    "senior": "sr",
    "ii": "2",
    "iii": "3",
    "iv": "4",
}
_SURE_SUFFIX = re.compile(
    r"\b(?:jun|sen|jr|sr)\b\.|\((?:jun|sen|jr|sr|junior|senior)\b|\b(?:jun|sen)$"
)
_ELDER = re.compile(r"\bd(?:er|ie)?\.?\s?(a|alter|j|junger)e?(?:\.|\b)(?=\s*$)")
_BORN = re.compile(
    r"(?<=\w)[\s,(]+(?:geb|geborene[rn]?|gebor|nee|born|formerly|fka|vormals|fruher|verw)\b[.:]?\s*([^)]+)\)?"
)
_PAIR_WORD = re.compile(
    r"\b(?:eheleute|ehel|ehepaar|familie|family|fam|mr\.? (?:and|&) mrs|mr\.?\s?/\s?mrs|"
    r"herr(?:n)? (?:und|u\.|&) frau|frau (?:und|u\.|&) herr(?:n)?)\b\.?"
)
_AND = re.compile(r"\s+(?:und|u\.|u|and|et)\s+|\s*[&+/]\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonName:
    """A parsed personal name; every part is a skeleton, words separated by one blank."""

    given: str = ""
    family: str = ""
    alt_family: str = ""
    suffix: str = ""
    people: int = 1


def _without_titles(tokens: list[str]) -> list[str]:
    if any(t.isdigit() or t in _NO_NAMES for t in tokens):
        tokens = [t for t in tokens if not t.isdigit() and t not in _NO_NAMES]
    if not any(t in _TITLES for t in tokens):
        return tokens
    left = [t for t in tokens if t not in _TITLES]
    if len(left) == len(tokens):
        return tokens
    bare = [t for t in left if t not in _AFTER_TITLE]
    return bare or left or tokens


def _family(tokens: list[str]) -> list[str]:
    """Drop particles, glue Mac Donald and O Neill."""
    out: list[str] = []
    glue = ""
    for at, token in enumerate(tokens):
        last = at == len(tokens) - 1
        if token in _JOINED and not last:
            glue += token
        elif token in _PARTICLES and not last:
            continue
        else:
            out.append(glue + token)
            glue = ""
    return out


def _pop_suffix(tokens: list[str], text: str, keep: int) -> tuple[list[str], str]:
    """Take jun./sen./Jr/II off the end; `keep` words must stay, unless the dot makes it sure."""
    if len(tokens) > 1 and tokens[-1] in _SUFFIX:
        least = 1 if tokens[-1] not in {"sen", "jun"} or _SURE_SUFFIX.search(text) else keep
        if len(tokens) > least:
            return tokens[:-1], _SUFFIX[tokens[-1]]
    return tokens, ""


def _elder(text: str) -> tuple[str, str]:
    found = _ELDER.search(text)
    if found and found.start():
        return text[: found.start()], "sr" if found[1].startswith("a") else "jr"
    return text, ""


@lru_cache(CACHE)
def _given_part(text: str) -> tuple[tuple[str, ...], str, int]:
    low = fold(text)
    people = 2 if _PAIR_WORD.search(low) or _AND.search(low.strip(" &+/")) else 1
    if people == 2:
        low = _AND.sub(" ", _PAIR_WORD.sub(" ", low))
    tokens = _without_titles(list(words(low)))
    tokens, suffix = _pop_suffix(tokens, low, 2)
    # "Friedrich von" | "Heide"; a single letter is a second name's initial
    while len(tokens) > 1 and len(tokens[-1]) > 1 and tokens[-1] in _PARTICLES:
        tokens.pop()
    return tuple(tokens), suffix, people


@lru_cache(CACHE)
def _family_part(text: str) -> tuple[tuple[str, ...], str, str, int]:
    low, suffix = _elder(skeleton(text))
    alt = ""
    born = _BORN.search(low)
    if born:
        alt = " ".join(_family(_without_titles(list(words(born[1])))))
        low = low[: born.start()]
    people = 1
    if _PAIR_WORD.search(low):
        people, low = 2, _PAIR_WORD.sub(" ", low)
    halves = [h for h in _AND.split(low) if h.strip()]
    if len(halves) == 2:
        people = 2
        alt = alt or " ".join(_family(list(words(halves[1]))))
        low = halves[0]
    tokens = _without_titles(list(words(low)))
    tokens, found = _pop_suffix(tokens, low, 2)
    return tuple(_family(tokens)), alt, suffix or found, people


def _split_point(tokens: list[str]) -> int:
    """Return where the family name begins in "given … family": before its particles."""
    at = len(tokens) - 1
    while at > 1 and tokens[at - 1] in _PARTICLES | _JOINED:
        at -= 1
    return at


def _couple(low: str) -> PersonName | None:
    """Read "Jens und Ute Baumann", "Jens Baumann und Ute Krause", "Baumann, Jens und Ute"."""
    before, comma, after = low.partition(",")
    if comma:
        given, _suffix, _people = _given_part(after)
        family, alt, suffix, _n = _family_part(before)
        return PersonName(
            given=" ".join(given), family=" ".join(family), alt_family=alt, suffix=suffix, people=2
        )
    halves = [list(words(h)) for h in _AND.split(low) if h.strip()]
    halves = [h for h in (_without_titles(h) for h in halves) if h]
    if not halves:
        return None
    last = halves[-1]
    cut = _split_point(last)
    family = tuple(_family(last[cut:]))
    givens, alt = [], ""
    for half in halves[:-1]:
        if len(half) > 1:
            own = _split_point(half)
            givens += half[:own]
            alt = " ".join(_family(half[own:]))
        else:
            givens += half
    return PersonName(
        given=" ".join([*givens, *last[:cut]]),
        family=" ".join(family),
        alt_family="" if alt == " ".join(family) else alt,
        people=2,
    )


@lru_cache(CACHE)
def whole_name(text: str) -> PersonName:
    """Read a name that stands in one field: "Hofmann, Sabine", "Friedrich von der Heide"."""
    low, elder = _elder(skeleton(text))
    alt = ""
    born = _BORN.search(low)
    if born:
        alt = " ".join(_family(_without_titles(list(words(born[1])))))
        low = (low[: born.start()] + " " + low[born.end() :]).strip()
    pair_word = _PAIR_WORD.search(low)
    if pair_word or _AND.search(low.strip(" &+/")):
        couple = _couple(_PAIR_WORD.sub(" ", low))
        if couple:
            return couple
    before, comma, after = low.partition(",")
    after_words = _without_titles(list(words(after)))
    if comma and after_words and after_words[0] not in _SUFFIX:
        family, fam_alt, suffix, _people = _family_part(before)
        given, given_suffix, people = _given_part(after)
        return PersonName(
            given=" ".join(given),
            family=" ".join(family),
            alt_family=alt or fam_alt,
            suffix=elder or suffix or given_suffix,
            people=people,
        )
    tokens, suffix = _pop_suffix(_without_titles(list(words(low))), low, 3)
    cut = _split_point(tokens)
    if len(tokens) < 2:
        return PersonName(family=" ".join(tokens), alt_family=alt, suffix=elder or suffix)
    given_tokens, family_tokens = tokens[:cut], _family(tokens[cut:])
    names = shipped()
    first, last = tokens[0], tokens[-1]
    if names.is_given(last) and not names.is_given(first) and len(tokens) == 2:
        given_tokens, family_tokens = [last], [first]  # "Hofmann Sabine"
    return PersonName(
        given=" ".join(given_tokens),
        family=" ".join(family_tokens),
        alt_family=alt,
        suffix=elder or suffix,
    )


@lru_cache(CACHE)
def person_name(first: str, last: str, name: str) -> PersonName:
    """Read a personal name from whichever of the three fields are filled."""
    if not first and not last:
        return whole_name(name) if name else PersonName()
    if not first or not last:
        text = first or last
        if "," in text:
            return whole_name(text)
        tokens = _without_titles(list(words(text)))
        if last and len(tokens) > 1 and (shipped().is_given(tokens[0]) or _AND.search(fold(text))):
            return whole_name(text)
        if first and len(tokens) > 1 and shipped().is_family(tokens[-1]):
            return whole_name(text)
    given, given_suffix, people = _given_part(first)
    family, alt, suffix, family_people = _family_part(last)
    return PersonName(
        given=" ".join(given),
        family=" ".join(family),
        alt_family=alt,
        suffix=suffix or given_suffix,
        people=max(people, family_people),
    )
