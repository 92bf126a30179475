"""What the guard lets through from an enricher: aligned results, sound money, known kinds."""

from datetime import timedelta
from typing import Any

import pytest

from finview.money import Money
from finview.plugins import guard
from finview.plugins.contracts.enricher import (
    Enricher,
    Found,
    FoundContact,
    NotFound,
    Pending,
    PostalAddress,
    Refused,
)
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.errors import ProviderFailed
from finview.testing.contracts import trace_request

COST = Money(120, "EUR")
PHONE = FoundContact(kind="PHONE", value="+493023125123")


class Fixed(Enricher[NoSettings]):
    """Answers what it was made with."""

    name = "fixed"
    title = "Fixed"
    answer: Any = ()

    def quote(self, requests: Any) -> Any:
        return self.answer

    def trace(self, requests: Any) -> Any:
        return self.answer


def asked(method: str, *answer: Any) -> Any:
    provider = Fixed(NoSettings())
    provider.answer = answer
    return guard.call(provider, method, [trace_request("a")])


@pytest.mark.parametrize(
    "result",
    [
        Found(contacts=(PHONE,), cost=COST),
        Found(contacts=(FoundContact(kind="ADDRESS", value=PostalAddress()),), cost=COST),
        NotFound(cost=Money(0, "EUR")),
        Pending(reference="r"),
        Refused(why="no"),
        Refused(why="no", cost=COST),
    ],
)
def test_what_the_contract_allows_comes_through(result):
    assert asked("trace", result) == [result]


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (NotFound(cost=Money(-1, "EUR")), "from 0 to"),
        (NotFound(cost=Money(1.5, "EUR")), "whole minor units"),  # type: ignore[arg-type]
        (NotFound(cost=Money(1, "XXQ")), "no currency"),
        (NotFound(cost=120), "not Money"),  # type: ignore[arg-type]
        (Found(contacts=[PHONE], cost=COST), "tuple"),  # type: ignore[arg-type]
        (Found(contacts=(PHONE,) * 51, cost=COST), "at most 50"),
        (Found(contacts=(FoundContact(kind="FAX", value="1"),), cost=COST), "one of"),  # type: ignore[arg-type]
        (Found(contacts=(FoundContact(kind="ADDRESS", value="x"),), cost=COST), "PostalAddress"),
        (Found(contacts=(FoundContact(kind="PHONE", value="1" * 301),), cost=COST), "characters"),
        (
            Found(contacts=(FoundContact(kind="PHONE", value="1", confidence=2),), cost=COST),
            "from 0 to 1",
        ),
        (Pending(reference=""), "empty"),
        (Pending(reference="r", ask_after=timedelta(days=31)), "between"),
        (Refused(why="no", cost=Money(-1, "EUR")), "from 0 to"),
        (None, "where a result is due"),
    ],
)
def test_what_breaks_the_contract_is_the_providers_failure(result, why):
    with pytest.raises(ProviderFailed) as failed:
        asked("trace", result)
    assert why in failed.value.why


def test_a_price_is_money_and_there_is_one_for_each():
    assert asked("quote", COST) == [COST]
    for wrong in ((COST, COST), (), (Money(-1, "EUR"),), (1.2,)):
        with pytest.raises(ProviderFailed):
            asked("quote", *wrong)
