"""The `standard` matcher: weights per field, tuned on names of people rather than trained."""

from collections.abc import Sequence
from typing import ClassVar

from finview.matching.names import shipped
from finview.matching.score import score_pairs
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
        names = shipped().with_counts(batch.frequencies, batch.population)
        return score_pairs(batch, names)


@hookimpl
def finview_matchers() -> list[type[Matcher[NoSettings]]]:
    """Offer the standard matcher."""
    return [StandardMatcher]
