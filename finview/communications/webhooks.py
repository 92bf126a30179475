"""Which slots hear from their providers by webhook, and who takes what is told."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import Session

from finview.communications.calls import take_outcomes
from finview.plugins.bindings import Bound

TAKERS: Mapping[str, Callable[[Session, Bound, Sequence[Any]], int]] = MappingProxyType(
    {"call_centre": take_outcomes}
)
"""Slot → `(session, bound, what parse_webhook returned) -> how many counted`."""


def take(session: Session, bound: Bound, told: Sequence[Any]) -> int:
    """Store what a provider told, checked and validated, in the caller's transaction."""
    return TAKERS[bound.slot](session, bound, told)
