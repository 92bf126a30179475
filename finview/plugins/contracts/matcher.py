"""The matcher slot: how alike two debtors are, in bulk, with evidence a person can read."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel

from finview.plugins.contracts.provider import Provider

S = TypeVar("S", bound=BaseModel)

PartyKind = Literal["person", "company"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyAddress:
    """One postal address, normalised: lower case, umlauts folded, street words shortened."""

    street: str = ""
    house_no: str = ""
    postcode: str = ""
    city: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A debtor as matchers see it: normalised once, never a database object.

    Texts are normalised by `finview.matching.normalise` (lower case, accents and umlauts folded to a
    skeleton, titles and particles off); an empty text or an empty tuple means "not known" and
    counts neither for nor against. `people` is 2 when one row names two people (Eheleute A und B).
    """

    kind: PartyKind
    display: str = ""
    given: str = ""
    given1: str = ""
    family: str = ""
    alt_family: str = ""
    suffix: str = ""
    company_core: str = ""
    legal_form: str = ""
    people: int = 1
    addresses: tuple[PartyAddress, ...] = ()
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    birth_date: date | None = None
    register_id: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchKey:
    """An extra candidate key of a matcher: equal values meet; weight 1 (weak) to 6 (strong)."""

    value: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One compared field: its level (a stable word), the bits it adds, and both values."""

    field: str
    level: str
    points: float
    incoming: str = ""
    existing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How alike a pair is: percent 0 to 100, why, and the guards that cap it."""

    percent: float
    evidence: tuple[Evidence, ...] = ()
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchBatch:
    """Pairs to score: indexes into `incoming` and `existing`.

    `population` is the number of debtors in the database; `frequencies` counts bearers of
    ("given" | "family", name) for the names that occur in the batch.
    """

    incoming: Sequence[Party]
    existing: Sequence[Party]
    pairs: Sequence[tuple[int, int]]
    population: int
    frequencies: Mapping[tuple[str, str], int]


class Matcher(Provider[S]):
    """Scores pairs of debtors; the core finds the pairs and decides what a score means."""

    keys_version: ClassVar[int] = 0

    def keys(self, parties: Sequence[Party]) -> Sequence[Sequence[MatchKey]]:
        """Return extra candidate keys for each party, in the same order; none by default."""
        return [() for _ in parties]

    @abstractmethod
    def score(self, batch: MatchBatch) -> Sequence[Score]:
        """Return one score for each of `batch.pairs`, in the same order.

        Must be pure: a pair's score may depend neither on its neighbours nor on the order.
        """
