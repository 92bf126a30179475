"""The agency's share of money collected, VAT on it, and what the customer is paid (pure)."""

from dataclasses import dataclass

from finview.money import percent_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Minor units of one position: each rounded once, half up."""

    commission: int
    vat: int
    payout: int


def share(collected: int, percent: int, *, vat: int, surcharge: int = 0) -> Share:
    """Return commission, VAT on it and payout of a sum; rates in 1/10,000 percent.

    `surcharge` are points added for the age of the claim (money.md 11).
    """
    commission = percent_of(collected, percent + surcharge)
    tax = percent_of(commission, vat)
    return Share(commission=commission, vat=tax, payout=collected - commission - tax)
