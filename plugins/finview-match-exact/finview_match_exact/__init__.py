"""A matcher for finview that trusts identifiers only: the simplest example of a plugin."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from finview.plugins.contracts.matcher import Evidence, MatchBatch, Matcher, Party, Score
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.hookspecs import hookimpl

SURE = 100.0
LIKELY = 90.0
PERHAPS = 60.0
NO = 0.0


class ExactSettings(NoSettings):
    """What an operator may choose."""

    shared_contacts: bool = Field(
        default=True,
        title="Trust e-mail and phone",
        description="An e-mail address or phone number is enough when the names agree, too.",
    )


class ExactMatcher(Matcher[ExactSettings]):
    """Says yes when an identifier agrees and no other one contradicts it; else no."""

    name = "exact"
    title = "Identifiers only"
    Settings = ExactSettings

    def score(self, batch: MatchBatch) -> Sequence[Score]:
        """Return 100, 90, 60 or 0 for each pair, with the identifiers that agree as evidence."""
        return [
            self._score(batch.incoming[left], batch.existing[right]) for left, right in batch.pairs
        ]

    def _score(self, incoming: Party, existing: Party) -> Score:
        if incoming.kind != existing.kind or _contradict(incoming, existing):
            return Score(percent=NO)
        same_name = _agree(_name(incoming), _name(existing))
        evidence = tuple(self._agreeing(incoming, existing, same_name=same_name))
        fields = {piece.field for piece in evidence}
        if "register_id" in fields or ("external_id" in fields and same_name):
            return Score(percent=SURE, evidence=evidence)
        # Two clients may count their debtors alike, so a number without the name proves little.
        percent = PERHAPS if fields == {"external_id"} else LIKELY if fields else NO
        return Score(percent=percent, evidence=evidence)

    def _agreeing(self, incoming: Party, existing: Party, *, same_name: bool) -> Iterator[Evidence]:
        for field in ("register_id", "external_id"):
            value = getattr(incoming, field)
            if _agree(value, getattr(existing, field)):
                yield _exact(field, value)
        if not same_name:
            return
        if incoming.birth_date is not None and incoming.birth_date == existing.birth_date:
            yield _exact("birth_date", incoming.birth_date.isoformat())
        if self.settings.shared_contacts:
            for field in ("emails", "phones"):
                common = set(getattr(incoming, field)) & set(getattr(existing, field))
                if common:
                    yield _exact(field, min(common))


def _exact(field: str, value: str) -> Evidence:
    return Evidence(field=field, level="exact", points=10.0, incoming=value, existing=value)


def _contradict(incoming: Party, existing: Party) -> bool:
    pairs = (
        (incoming.birth_date, existing.birth_date),
        (incoming.register_id, existing.register_id),
    )
    return any(ours and theirs and ours != theirs for ours, theirs in pairs)


def _name(party: Party) -> str:
    """Return what two people must share to be the same name: first and family name, or the firm."""
    if party.kind == "company":
        return party.company_core
    return f"{party.given} {party.family}" if party.given and party.family else ""


def _agree(ours: str, theirs: str) -> bool:
    return bool(ours) and ours == theirs


@hookimpl
def finview_matchers() -> list[type[Matcher[Any]]]:
    """Offer the matcher to finview."""
    return [ExactMatcher]
