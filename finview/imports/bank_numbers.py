"""Finds our case and debtor numbers in what a payer wrote, however it was typed or torn; pure."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from finview.cases.numbers import valid_number

_DASHES: Final = str.maketrans(dict.fromkeys("‐‑‒–—−_", "-"))
_DIGITS_MIN, _DIGITS_MAX = 7, 12
_MENTION: Final = re.compile(
    r"(?P<before>RF ?\d ?\d ?(?=[CD])|[A-Z0-9])?(?P<letter>[CD])[\s\-./:#]{0,3}"
    r"(?P<digits>\d(?:[\s\-]{0,2}\d){5,15})(?!\d)"
)
_RUN: Final = re.compile(r"(?<!\d)\d{7,12}(?!\d)")
_FOUND_MAX = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Numbers named in a text, check digits right: `sure` with their letter, `maybe` without it.

    A letter that is glued to another word proves little, and neither do digits alone: these need
    a second sign, such as the amount.
    """

    sure: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()

    def cases(self) -> frozenset[str]:
        """Return the case numbers that stand there for sure."""
        return frozenset(number for number in self.sure if number.startswith("C"))

    def debtors(self) -> frozenset[str]:
        """Return the debtor numbers that stand there for sure."""
        return frozenset(number for number in self.sure if number.startswith("D"))


def named_in(text: str) -> Named:
    """Return the numbers in a text: "c 1000017", "C1000017", "C-100 0017" are all C-1000017.

    Banks break texts anywhere, so digits may be apart; a number never ends inside a run of digits.
    """
    plain = unicodedata.normalize("NFKC", text).upper().translate(_DASHES)
    sure: set[str] = set()
    maybe: set[str] = set()
    for found in _MENTION.finditer(plain):
        before = found["before"] or ""
        into = maybe if before and not before.startswith("RF") else sure
        into |= _numbers(found["letter"], found["digits"])
    spoken_for = {number[2:] for number in sure | maybe}
    for run in set(_RUN.findall(plain)) - spoken_for:
        maybe |= {n for letter in "CD" if valid_number(n := f"{letter}-{run}")}
    kept = sorted(maybe - sure)[:_FOUND_MAX]
    return Named(sure=frozenset(sorted(sure)[:_FOUND_MAX]), maybe=frozenset(kept))


def _numbers(letter: str, spelled: str) -> set[str]:
    """Return the numbers a run of digits may begin with, cut where the digits are apart."""
    digits, found = "", set()
    for part in re.split(r"[\s\-]+", spelled):
        digits += part
        if _DIGITS_MIN <= len(digits) <= _DIGITS_MAX and valid_number(f"{letter}-{digits}"):
            found.add(f"{letter}-{digits}")
    return found
