"""Folding and phonetic primitives for names, companies and addresses; pure and cached."""

import re
import unicodedata
from functools import lru_cache

CACHE = 16_384
"""Entries a cached primitive keeps: enough for the names of an import's chunk, about 3 MB each."""

_LETTERS = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ß": "ss",
        "ø": "oe",
        "æ": "ae",
        "œ": "oe",
        "å": "a",
        "ł": "l",
        "ı": "i",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ħ": "h",
        "ə": "e",
        "’": "'",
        "‘": "'",
        "ʼ": "'",
        "`": "'",
        "´": "'",
        "‐": "-",
        "‑": "-",
        "–": "-",
        "—": "-",
        "\u00a0": " ",
    }
)
_TRANSCRIBED = re.compile(r"([aou])e+")
_WORD = re.compile(r"[^\W_]+")
_SLIPS = re.compile(r"(?<=\w)[':;*?!#$%^|~<>=\"](?=\w)")


def fold(text: str) -> str:
    """Lower case without accents: ä→ae, ß→ss, ø→oe, ł→l, ı→i; punctuation stays."""
    low = text.lower()
    if low.isascii():
        return low
    # Once more, for some letters have no lower case but what they are composed of has (ᴬ, ϒ).
    low = unicodedata.normalize("NFKC", low).lower().translate(_LETTERS)
    if low.isascii():
        return low
    parts = unicodedata.normalize("NFKD", low)
    return "".join(c for c in parts if not unicodedata.combining(c)).translate(_LETTERS)


def skeleton(text: str) -> str:
    """Fold, then ae→a, oe→o, ue→u, so that Müller, Mueller and Muller are one spelling."""
    return _TRANSCRIBED.sub(r"\1", fold(text))


@lru_cache(CACHE)
def words(text: str) -> tuple[str, ...]:
    """Return the skeleton's words; an apostrophe and slips of the key join (O'Neill, Patric:a)."""
    return tuple(_WORD.findall(_TRANSCRIBED.sub(r"\1", _SLIPS.sub("", fold(text)))))


def word_set(text: str) -> frozenset[str]:
    """Return the words of a list written as one text."""
    return frozenset(text.split())


_COLOGNE = {
    "a": "0",
    "e": "0",
    "i": "0",
    "j": "0",
    "o": "0",
    "u": "0",
    "y": "0",
    "b": "1",
    "p": "1",
    "d": "2",
    "t": "2",
    "f": "3",
    "v": "3",
    "w": "3",
    "g": "4",
    "k": "4",
    "q": "4",
    "l": "5",
    "m": "6",
    "n": "6",
    "r": "7",
    "s": "8",
    "z": "8",
}
_HARD_FIRST = frozenset("ahkloqrux")
_HARD_LATER = frozenset("ahkoqux")


def _cologne_letter(text: str, at: int) -> str:
    letter = text[at]
    before = text[at - 1] if at else ""
    after = text[at + 1] if at + 1 < len(text) else ""
    if letter == "c":
        if at == 0:
            return "4" if after in _HARD_FIRST else "8"
        return "4" if after in _HARD_LATER and before not in "sz" else "8"
    if letter == "x":
        return "8" if before and before in "ckq" else "48"
    if letter in "dt" and after and after in "csz":
        return "8"
    if letter == "p" and after == "h":
        return "3"
    return _COLOGNE.get(letter, "")


@lru_cache(CACHE)
def cologne(text: str) -> str:
    """Return the Cologne phonetics of folded letters (H. J. Postel, 1969): Meyer = Maier = 67.

    Letters outside a–z are skipped; a text with none of them is its own code, so that names in
    other scripts still meet their equals.
    """
    letters = "".join(c for c in text if "a" <= c <= "z")
    if not letters:
        return text
    digits = "".join(_cologne_letter(letters, at) for at in range(len(letters)))
    runs = [d for at, d in enumerate(digits) if at == 0 or digits[at - 1] != d]
    return (runs[0] + "".join(d for d in runs[1:] if d != "0")) if runs else letters
