"""Collection costs of a claim from its components: fixed, percent, tiers (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

from finview.money import RATE_SCALE, round_half_up

_WHOLE = 100 * RATE_SCALE


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One tier up to and including an amount (None: no end): a fixed amount or a percentage."""

    up_to: int | None
    amount: int | None = None
    rate: int | None = None


def percent_costs(principal: int, rate: int, *, least: int | None, most: int | None) -> int:
    """Return a percentage of the principal within its limits; one rounding, half up."""
    return _within(round_half_up(principal * rate, _WHOLE), least, most)


def bracket_costs(
    principal: int, tiers: Sequence[Tier], *, least: int | None, most: int | None
) -> int:
    """Return the costs when the whole claim takes its bracket; the upper bound is included."""
    for tier in tiers:
        if tier.up_to is None or principal <= tier.up_to:
            exact = (tier.amount or 0) * _WHOLE + principal * (tier.rate or 0)
            return _within(round_half_up(exact, _WHOLE), least, most)
    return _within(0, least, most)


def slice_costs(
    principal: int, tiers: Sequence[Tier], *, least: int | None, most: int | None
) -> int:
    """Return the costs when each slice takes its own amount and percentage; one rounding."""
    exact = below = 0
    for tier in tiers:
        if principal <= below:
            break
        top = principal if tier.up_to is None else min(principal, tier.up_to)
        exact += (tier.amount or 0) * _WHOLE + (top - below) * (tier.rate or 0)
        below = top
    return _within(round_half_up(exact, _WHOLE), least, most)


def _within(amount: int, least: int | None, most: int | None) -> int:
    if least is not None and amount < least:
        amount = least
    return most if most is not None and amount > most else amount
