"""Inputs of several nouns: an amount with its currency."""

from decimal import Decimal
from typing import Any

import strawberry

from finview.api.common import f
from finview.api.engine.scalars import CurrencyCode
from finview.errors import Invalid
from finview.money import Money


@strawberry.input(description="An amount with its currency.")
class MoneyInput:
    """An amount with its currency."""

    amount: Decimal = f(description="In major units, with at most the currency's decimals.")
    currency: CurrencyCode = f(description="The currency.")

    def money(self, *path: str) -> Money:
        """Return it in minor units; raises `Invalid` with the place in the input."""
        try:
            return Money.parse(self.amount, self.currency)
        except Invalid as failure:
            raise Invalid(failure.reason, path=path, **_facts(failure)) from None


def _facts(failure: Invalid) -> dict[str, Any]:
    return {name: value for name, value in failure.params.items() if name != "reason"}
