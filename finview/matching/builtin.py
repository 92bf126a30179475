"""The `standard` matcher: weights per field, tuned on names of people rather than trained."""

from collections.abc import Sequence
from typing import ClassVar

from finview.matching.compare import compare
from finview.matching.names import shipped
from finview.matching.pairs import ComparedBatch
from finview.matching.score import score_of
from finview.plugins.contracts.matcher import MatchBatch, Matcher, Score
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.hookspecs import hookimpl


class StandardMatcher(Matcher[NoSettings]):
    """Compares names, birth date, identifiers, contacts and address, and adds up their bits."""

    name: ClassVar[str] = "standard"
    title: ClassVar[str] = "Standard"
    Settings: ClassVar[type[NoSettings]] = NoSettings

    def score(self, batch: MatchBatch) -> Sequence[Score]:
        """Score the pairs; the database's name counts are added to the shipped list's."""
        incoming, existing = batch.incoming, batch.existing
        if isinstance(batch, ComparedBatch):
            names = batch.of.names
            return [
                score_of(batch.compared(n), incoming[left], existing[right], names)
                for n, (left, right) in enumerate(batch.pairs)
            ]
        names = shipped().with_counts(batch.frequencies, batch.population)
        return [
            score_of(compare(a, b, names), a, b, names)
            for a, b in ((incoming[left], existing[right]) for left, right in batch.pairs)
        ]


@hookimpl
def finview_matchers() -> list[type[Matcher[NoSettings]]]:
    """Offer the standard matcher."""
    return [StandardMatcher]
