"""The contract of call centres: the one that ships keeps it, and it finds what is wrong elsewhere."""

from typing import Any

import pytest

from finview.communications.task_list import TaskList
from finview.plugins import guard
from finview.plugins.contracts.call_centre import (
    Accepted,
    CallCentre,
    CallOutcome,
    CallResult,
    Promise,
    WebhookRequest,
)
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.errors import BadSignature, ProviderFailed, ProviderPaused
from finview.testing.call_centre import outcome
from finview.testing.call_contracts import CallCentreContract, a_call


class TestTaskList(CallCentreContract):
    @pytest.fixture
    def centre(self) -> CallCentre[Any]:
        return TaskList(NoSettings())


class Gullible(CallCentre[NoSettings]):
    """Believes whoever writes, and reads what the test wants it to read."""

    name = "gullible"
    title = "Gullible"
    told: Any = ()
    failing: BaseException | None = None

    def push(self, calls: Any) -> Any:
        if self.failing is not None:
            raise self.failing
        return [Accepted() for _ in calls]

    def withdraw(self, keys: Any) -> None:
        return self.told or None

    def parse_webhook(self, request: WebhookRequest) -> Any:
        if self.failing is not None:
            raise self.failing
        return self.told


ASKED = WebhookRequest(body=b"{}", headers={"x-signature": "abc"})


@pytest.fixture
def gullible() -> Gullible:
    found = Gullible(NoSettings())
    found.told = [outcome("k")]
    return found


@pytest.mark.parametrize(
    "contract",
    [
        CallCentreContract.test_a_forged_request_is_not_believed,
        CallCentreContract.test_a_changed_header_is_believed_never_or_does_not_matter,
    ],
    ids=["forged", "changed"],
)
def test_the_kit_finds_who_believes_everybody(contract: Any, gullible: Gullible) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        contract(CallCentreContract(), gullible, ASKED)


def test_the_kit_wants_a_genuine_request_of_who_reads_webhooks(gullible: Gullible) -> None:
    with pytest.raises(AssertionError):
        CallCentreContract().test_a_genuine_request_is_read_and_reads_the_same_again(gullible, None)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (["REACHED"], "str where a CallOutcome"),
        ("REACHED", "str where a sequence"),
        (None, "NoneType where a sequence"),
        (7, "int where a sequence"),
        ([outcome("")], "a key is empty"),
        ([outcome("k", outcome_id="")], "outcome_id is empty"),
        ([outcome("k" * 101)], "101 characters"),
        ([outcome("k", note="x" * 2001)], "2001 characters"),
        ([outcome("k", at=None)], "NoneType, not datetime"),
        ([outcome("k", at=outcome("k").at.replace(tzinfo=None))], "no time zone"),
        ([outcome("k", "CALL_BACK", call_back_at=None)], "call_back_at"),
        ([outcome("k", "PROMISE", promise=None)], "not Promise"),
        ([outcome("k", "PROMISE", promise={"amount": 1})], "dict, not Promise"),
    ],
    ids=range(13),
)
def test_an_outcome_that_breaks_the_contract_is_not_taken(
    gullible: Gullible, told: Any, why: str
) -> None:
    gullible.told = told
    with pytest.raises(ProviderFailed) as caught:
        guard.call(gullible, "parse_webhook", ASKED)
    assert why in caught.value.why


@pytest.mark.parametrize(
    "promise",
    [{"amount_minor": 0}, {"amount_minor": 1.5}, {"currency": "EURO"}, {"on": "tomorrow"}],
    ids=["nothing", "float", "currency", "day"],
)
def test_a_promise_says_how_much_and_by_when(gullible: Gullible, promise: dict[str, Any]) -> None:
    day = outcome("k", "PROMISE").promise
    assert day is not None
    whole = {"amount_minor": 1, "currency": "EUR", "on": day.on, **promise}
    gullible.told = [outcome("k", "PROMISE", promise=Promise(**whole))]
    with pytest.raises(ProviderFailed):
        guard.call(gullible, "parse_webhook", ASKED)


def test_a_word_is_no_result(gullible: Gullible) -> None:
    told: Any = {"key": "k", "outcome_id": "o", "result": "REACHED", "at": outcome("k").at}
    gullible.told = [CallOutcome(**told)]
    with pytest.raises(ProviderFailed) as caught:
        guard.call(gullible, "parse_webhook", ASKED)
    assert "not CallResult" in caught.value.why
    gullible.told = [CallOutcome(**{**told, "result": CallResult.REACHED})]
    assert guard.call(gullible, "parse_webhook", ASKED) == gullible.told


def test_an_endless_answer_is_read_up_to_a_limit(gullible: Gullible) -> None:
    gullible.told = (outcome(f"k{n}") for n in range(10**9))
    with pytest.raises(ProviderFailed) as caught:
        guard.call(gullible, "parse_webhook", ASKED)
    assert "more than 1000" in caught.value.why


def test_withdrawing_answers_nothing(gullible: Gullible) -> None:
    with pytest.raises(ProviderFailed) as caught:
        guard.call(gullible, "withdraw", ["k"])
    assert "nothing is due" in caught.value.why


def test_webhooks_neither_open_the_breaker_nor_mind_it(gullible: Gullible) -> None:
    for error in (BadSignature(), ValueError("junk")):
        gullible.failing = error
        for _ in range(7):
            with pytest.raises((BadSignature, ProviderFailed)):
                guard.call(gullible, "parse_webhook", ASKED)
    assert guard.line_of(gullible).breaker.state == "CLOSED"
    for _ in range(5):
        with pytest.raises(ProviderFailed):
            guard.call(gullible, "push", [a_call("k")])
    gullible.failing = None
    with pytest.raises(ProviderPaused):
        guard.call(gullible, "push", [a_call("k")])
    assert guard.call(gullible, "parse_webhook", ASKED)


def test_a_bad_signature_carries_no_secret_along(gullible: Gullible) -> None:
    gullible.failing = BadSignature("the secret is 4711")
    with pytest.raises(BadSignature) as caught:
        guard.call(gullible, "parse_webhook", ASKED)
    assert "4711" not in str(caught.value)
    assert caught.value.__context__ is None
