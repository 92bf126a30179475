"""The agency's share of money collected, VAT on it, and what the customer is paid (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass

from finview.money import RATE_SCALE, percent_of, round_half_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Minor units of one position: each rounded once, half up."""

    commission: int
    vat: int
    payout: int


def share(collected: int, percent: int, *, vat: int, surcharge: int = 0) -> Share:
    """Return commission, VAT on it and payout of a sum; rates in 1/10,000 percent.

    `surcharge` are points added for the age of the claim.
    """
    return share_of([(collected, percent + surcharge)], vat=vat)


def share_of(parts: Iterable[tuple[int, int]], *, vat: int) -> Share:
    """Return the share of one position that has parts with rates of their own.

    The parts are (minor units, rate); commission is rounded once for all of them, VAT once on it.
    """
    kept = list(parts)
    exact = sum(minor * rate for minor, rate in kept)
    commission = round_half_up(exact, 100 * RATE_SCALE)
    tax = percent_of(commission, vat)
    collected = sum(minor for minor, _ in kept)
    return Share(commission=commission, vat=tax, payout=collected - commission - tax)
