"""Who shares most: candidates ranked by the weight of the keys they have in common; pure."""

from collections.abc import Mapping
from heapq import nsmallest

from finview.matching.keys import KEY_WEIGHT_MIN

Key = tuple[int, int]
"""A hashed key and its weight."""

POPULATION_LARGE = 20_000
SHARE_MIN = 0.25
"""A candidate with a smaller part of the best one's key weight is noise: on the FEBRL and
pseudopeople files up to 0.4 loses no true pair."""
SUM_KEPT = 6
"""… but two strong facts in common are never noise: whatever could be matched besides the best one
makes the case ambiguous, and a person must see it."""


def sum_min(population: int) -> int:
    """Return the least sum of key weights worth a look in a database of this size.

    One key of weight 2 (a street's first letters and a name's sound, say) finds a badly spelled
    person among thousands, but ten strangers among hundreds of thousands, and there it can't reach
    a review any more, for the prior grows with the database. Measured with 100,000 debtors and
    6,000 rows: half the pairs, not one candidate of 40 % or more lost.
    """
    return KEY_WEIGHT_MIN if population < POPULATION_LARGE else KEY_WEIGHT_MIN + 1


def best_sums(
    sums: Mapping[int, int], *, min_sum: int, top: int, share_min: float
) -> list[tuple[int, int]]:
    """Return the best (id, sum), best first, the smaller id first where sums are equal."""
    if not sums:
        return []
    least = max(min_sum, min(share_min * max(sums.values()), SUM_KEPT))
    ranked = [(-total, found) for found, total in sums.items() if total >= least]
    best = sorted(ranked) if len(ranked) <= top else nsmallest(top, ranked)
    return [(found, -total) for total, found in best]
