"""Pairs of parties to judge: each is compared once, for the standard matcher and for the guards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finview.matching.compare import Comparison, compare
from finview.matching.names import NameTable
from finview.plugins.contracts.matcher import MatchBatch, Party

PAIRS_PER_CALL = 1_000
"""Pairs a matcher is asked about at once: bounds how long one call takes."""


class Pairs:
    """(incoming, existing) indexes of parties, with each pair's comparison as soon as it is needed.

    The comparison is the core's own: whatever a matcher does with its batch, the guards see this one.
    """

    __slots__ = ("_compared", "at", "existing", "incoming", "names")

    def __init__(
        self,
        incoming: Sequence[Party],
        existing: Sequence[Party],
        at: Sequence[tuple[int, int]],
        names: NameTable,
    ) -> None:
        self.incoming = incoming
        self.existing = existing
        self.at = at
        self.names = names
        self._compared: list[Comparison | None] = [None] * len(at)

    def __len__(self) -> int:
        """Return how many pairs there are."""
        return len(self.at)

    def compared(self, number: int) -> Comparison:
        """Return the comparison of a pair, made when first asked for."""
        found = self._compared[number]
        if found is None:
            left, right = self.at[number]
            found = compare(self.incoming[left], self.existing[right], self.names)
            self._compared[number] = found
        return found

    def batches(self, size: int = PAIRS_PER_CALL) -> Iterator["ComparedBatch"]:
        """Yield what a matcher is asked, `size` pairs a call, each with only the parties it needs."""
        for first in range(0, len(self.at), size):
            part = self.at[first : first + size]
            left = {number: n for n, number in enumerate(dict.fromkeys(p[0] for p in part))}
            right = {number: n for n, number in enumerate(dict.fromkeys(p[1] for p in part))}
            yield ComparedBatch(
                incoming=[self.incoming[number] for number in left],
                existing=[self.existing[number] for number in right],
                pairs=[(left[a], right[b]) for a, b in part],
                population=self.names.population,
                frequencies=self.names.frequencies,
                of=self,
                first=first,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedBatch(MatchBatch):
    """A batch like any other, for whose pairs the standard matcher need not compare again."""

    of: Pairs
    first: int

    def compared(self, number: int) -> Comparison:
        """Return the comparison of the batch's pair."""
        return self.of.compared(self.first + number)
