"""The one resolver of everything that inherits: the nearest value in a chain of scopes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")

ScopeKind = Literal["SYSTEM", "BUSINESS_UNIT", "CUSTOMER", "BUCKET"]


@dataclass(frozen=True, slots=True)
class ScopeRef:
    """A place where a value can be set; the system has id 0."""

    kind: ScopeKind
    id: int


SYSTEM = ScopeRef("SYSTEM", 0)


def nearest(chain: Sequence[ScopeRef], values: Mapping[ScopeRef, T]) -> tuple[T, ScopeRef] | None:
    """Return the first value along `chain` (nearest scope first) and where it stands."""
    for scope in chain:
        if scope in values:
            return values[scope], scope
    return None
