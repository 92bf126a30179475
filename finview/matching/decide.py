"""From a percent with its guards and floors to matched, review or new; pure."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from math import floor

from finview.matching.guards import Floor, Guard

AUTO = 80.0
REVIEW = 40.0


class Outcome(StrEnum):
    """What becomes of a debtor of the file."""

    MATCHED = "MATCHED"
    REVIEW = "REVIEW"
    NEW = "NEW"


def verdict(percent: float, guards: Iterable[Guard], floors: Iterable[Floor]) -> float:
    """Return the percent that counts: not above any cap, lifted to a floor, cut to one decimal.

    A floor never lifts above a cap below it. Cutting, not rounding: 79.96 is 79.9 and not automatic.
    """
    caps = [g.cap for g in guards]
    capped = min([max(percent, 0.0), 100.0, *caps])
    lifted = max([capped, *(min([f.percent, *caps]) for f in floors)])
    return floor(lifted * 10 + 1e-9) / 10


def decide(candidates: Sequence[float], auto: float = AUTO, review: float = REVIEW) -> Outcome:
    """Decide by the candidates' percents: one at or above `auto` is matched, two are ambiguous."""
    sure = sum(p >= auto for p in candidates)
    if sure == 1:
        return Outcome.MATCHED
    if sure or any(p >= review for p in candidates):
        return Outcome.REVIEW
    return Outcome.NEW
