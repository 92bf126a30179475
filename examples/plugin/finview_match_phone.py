"""A matcher for finview in one file: the same phone and the same family name are the same debtor."""

from collections.abc import Sequence
from typing import Any

from finview.plugins.contracts.matcher import Evidence, MatchBatch, Matcher, Party, Score
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.hookspecs import hookimpl


class PhoneMatcher(Matcher[NoSettings]):
    """Scores a pair by phone and family name alone."""

    name = "phone"
    title = "Phone and family name"

    def score(self, batch: MatchBatch) -> Sequence[Score]:
        """Return one score for each pair, in the same order."""
        return [_score(batch.incoming[left], batch.existing[right]) for left, right in batch.pairs]


def _score(incoming: Party, existing: Party) -> Score:
    shared = set(incoming.phones) & set(existing.phones)
    if not shared or incoming.family != existing.family:
        return Score(percent=0.0)
    number = min(shared)
    evidence = Evidence(
        field="phones", level="exact", points=10.0, incoming=number, existing=number
    )
    return Score(percent=90.0, evidence=(evidence,))


@hookimpl
def finview_matchers() -> list[type[Matcher[Any]]]:
    """Offer the matcher to finview."""
    return [PhoneMatcher]
