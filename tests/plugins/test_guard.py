"""The guard: nothing a plugin raises, returns or delays reaches anyone else."""

import threading
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from finview import clock
from finview.db import jobs
from finview.plugins import guard
from finview.plugins.contracts.email import Accepted, Deferred, EmailSender
from finview.plugins.contracts.matcher import Evidence, MatchBatch, Matcher, MatchKey, Party, Score
from finview.plugins.contracts.node import CaseView, Do, Go, Record, Wait, WorkflowNode
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.errors import (
    Misconfigured,
    ProviderBusy,
    ProviderFailed,
    ProviderPaused,
    ProviderTimeout,
    Rejected,
    RetryLater,
)
from finview.testing.contracts import case, email

ANNA = Party(kind="person", given="anna")
PAIR = MatchBatch(incoming=[ANNA], existing=[ANNA], pairs=[(0, 0)], population=1, frequencies={})


def matcher(score: Any) -> Matcher[Any]:
    """Return a matcher whose `score` is the given function of the batch."""

    class Hostile(Matcher[NoSettings]):
        name = "hostile"
        title = "Hostile"

        def score(self, batch: MatchBatch) -> Any:
            return score(batch)

        def keys(self, parties: Any) -> Any:
            return score(parties)

    return Hostile(NoSettings())


def raising(error: BaseException) -> Any:
    def run(_batch: Any) -> Any:
        raise error

    return run


def endless(_batch: Any) -> Any:
    while True:
        yield Score(percent=1)


@pytest.mark.parametrize(
    ("score", "why"),
    [
        (raising(ValueError("oops")), "ValueError: oops"),
        (raising(SystemExit(1)), "SystemExit"),
        (raising(TimeoutError("theirs")), "TimeoutError: theirs"),
        (lambda _: [Score(percent=180)], "percent"),
        (lambda _: [Score(percent=float("nan"))], "percent"),
        (lambda _: [Score(percent=True)], "percent"),
        (lambda _: [Score(percent="80")], "percent"),  # type: ignore[arg-type] # hostile
        (lambda _: [80], "int where a Score"),
        (lambda _: [], "0 results for 1"),
        (lambda _: [Score(percent=1)] * 2, "more results for 1"),
        (lambda _: None, "NoneType"),
        (lambda _: "x", "str"),
        (endless, "more results for 1"),
        (lambda _: [Score(percent=1, guards=["x"])], "tuples"),  # type: ignore[arg-type] # hostile
        (lambda _: [Score(percent=1, evidence=(1,) * 31)], "30"),  # type: ignore[arg-type] # hostile
        (
            lambda _: [
                Score(
                    percent=1,
                    evidence=(Evidence(field="x" * 70_000, level="", points=0),),
                )
            ],
            "characters",
        ),
    ],
    ids=[
        "raises",
        "exits",
        "times out",
        "180",
        "nan",
        "true",
        "text",
        "number",
        "too few",
        "too many",
        "none",
        "string",
        "endless",
        "lists",
        "31 pieces",
        "long text",
    ],
)
def test_whatever_breaks_the_contract_is_provider_failed(score, why):
    with pytest.raises(ProviderFailed) as caught:
        guard.call(matcher(score), "score", PAIR)
    assert why in caught.value.why
    assert "hostile" in caught.value.message("de")


def test_keys_are_checked_too():
    good = matcher(lambda parties: [[MatchKey(value="k", weight=6)] for _ in parties])
    assert len(guard.call(good, "keys", [ANNA, ANNA])) == 2
    with pytest.raises(ProviderFailed, match="PROVIDER_ERROR"):
        guard.call(matcher(lambda _: [[MatchKey(value="k", weight=7)]]), "keys", [ANNA])


def test_a_generator_is_a_fine_result():
    assert guard.call(matcher(lambda b: (Score(percent=5) for _ in b.pairs)), "score", PAIR)


def test_nothing_in_is_no_call():
    empty = MatchBatch(incoming=[], existing=[], pairs=[], population=0, frequencies={})
    assert guard.call(matcher(raising(AssertionError())), "score", empty) == []


def test_keyboard_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        guard.call(matcher(raising(KeyboardInterrupt())), "score", PAIR)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (RetryLater("closed today", after_s=5), jobs.RetryLater),
        (Rejected("no such account"), jobs.Rejected),
        (Misconfigured("wrong key"), jobs.Misconfigured),
    ],
)
def test_what_an_author_asks_for_reaches_the_job_runner(raised, kind):
    with pytest.raises(kind) as caught:
        guard.call(matcher(raising(raised)), "score", PAIR)
    assert raised.why in caught.value.why.message("de")
    assert "hostile" in caught.value.why.message("en")


class Hanging(Matcher[NoSettings]):
    """Hangs until it is released."""

    name = "hanging"
    title = "Hanging"

    def __init__(self) -> None:
        super().__init__(NoSettings())
        self.release = threading.Event()

    def score(self, batch: MatchBatch) -> Any:
        self.release.wait(20)
        return [Score(percent=1) for _ in batch.pairs]


def test_a_hung_provider_holds_its_own_four_threads_and_nobody_else():
    hanging = Hanging()
    try:
        for _ in range(4):
            with pytest.raises(ProviderTimeout):
                guard.call(hanging, "score", PAIR, 0.02)
        with pytest.raises(ProviderBusy) as caught:
            guard.call(hanging, "score", PAIR, 0.02)
        assert "busy" in caught.value.message("en")
        assert guard.call(matcher(lambda _: [Score(percent=1)]), "score", PAIR)
    finally:
        hanging.release.set()


def test_a_thread_that_comes_back_serves_again():
    hanging = Hanging()
    with pytest.raises(ProviderTimeout):
        guard.call(hanging, "score", PAIR, 0.02)
    hanging.release.set()
    assert guard.call(hanging, "score", PAIR)[0].percent == 1


def test_a_full_batch_is_the_limit():
    party = [ANNA] * 2001
    with pytest.raises(ValueError, match="2000"):
        guard.call(matcher(lambda _: []), "keys", party)


def test_the_breaker_opens_after_five_failures_and_tries_once_after_the_pause():
    instant = [0.0]
    breaker = guard.Breaker(now=lambda: instant[0])
    for _ in range(5):
        assert breaker.pause_left_s() == 0
        breaker.failed()
    assert breaker.state == "OPEN"
    assert breaker.pause_left_s() == 30
    instant[0] = 31
    assert breaker.state == "TRIAL"
    assert breaker.pause_left_s() == 0
    assert breaker.pause_left_s() > 0, "one trial call at a time"
    breaker.failed()
    assert breaker.pause_left_s() == 60
    instant[0] = 100
    assert breaker.pause_left_s() == 0
    breaker.succeeded()
    assert breaker.state == "CLOSED"


def test_the_pause_never_exceeds_a_quarter_of_an_hour():
    instant = [0.0]
    breaker = guard.Breaker(now=lambda: instant[0])
    for _ in range(20):
        breaker.pause_left_s()
        breaker.failed()
        instant[0] += 10_000
    breaker.pause_left_s()
    breaker.failed()
    assert breaker.pause_left_s() == 900


def test_an_open_breaker_calls_nobody():
    calls: list[int] = []

    def fail(_batch: Any) -> Any:
        calls.append(1)
        raise ValueError

    hostile = matcher(fail)
    for _ in range(5):
        with pytest.raises(ProviderFailed):
            guard.call(hostile, "score", PAIR)
    with pytest.raises(ProviderPaused) as caught:
        guard.call(hostile, "score", PAIR)
    assert len(calls) == 5
    assert "30" in caught.value.message("en")


class Keyed(NoSettings):
    """Settings with a secret."""

    key: SecretStr


class Leaky(EmailSender[Keyed]):
    """Puts its secret into everything it says."""

    name = "leaky"
    title = "Leaky"
    Settings = Keyed
    raises: ClassVar[Any] = ValueError

    def send(self, emails: Any) -> Any:
        raise self.raises(f"401 for {self.settings.key.get_secret_value()}")


@pytest.mark.parametrize("raises", [ValueError, RetryLater, Rejected, Misconfigured])
def test_secrets_are_scrubbed_from_what_a_provider_says(monkeypatch, raises, caplog):
    monkeypatch.setattr(Leaky, "raises", raises)
    with pytest.raises(Exception) as caught:  # four kinds of error
        guard.call(Leaky(Keyed(key=SecretStr("planted-token"))), "send", [email("a")])
    error: Any = caught.value
    told = getattr(error, "why", "")
    said = [str(error), str(getattr(told, "params", told)), *getattr(error, "__notes__", ())]
    assert "planted-token" not in " ".join([*said, caplog.text])
    assert error.__context__ is None
    assert error.__cause__ is None


def test_results_of_sending_are_checked():
    class Wrong(Leaky):
        name = "wrong"

        def send(self, emails: Any) -> Any:
            return [Deferred(why="later", after_s=-1) for _ in emails]

        def lookup(self, keys: Any) -> Any:
            return [Accepted(reference="r"), None]

    wrong = Wrong(Keyed(key=SecretStr("planted-token")))
    with pytest.raises(ProviderFailed):
        guard.call(wrong, "send", [email("a")])
    assert guard.call(wrong, "lookup", ["a", "b"]) == [Accepted(reference="r"), None]


def node(step: Any) -> WorkflowNode[Any]:
    class Node(WorkflowNode[NoSettings]):
        name = "odd"
        title = "Odd"
        ports = ("done",)

        def run(self, case: CaseView, config: NoSettings) -> Any:
            return step() if callable(step) else step

    return Node()


@pytest.mark.parametrize(
    "step",
    [Go(port="elsewhere"), Wait(), None, Do(effects=("pay",), then=Go(port="done")), lambda: 1 / 0],
    ids=["port", "for ever", "nothing", "effect", "raises"],
)
def test_a_node_that_breaks_the_contract_is_provider_failed(step):
    with pytest.raises(ProviderFailed):
        guard.call(node(step), "run", (case(), NoSettings()))


def test_a_node_runs_in_the_thread_of_the_caller():
    threads: list[str] = []

    def step() -> Any:
        threads.append(threading.current_thread().name)
        return Do(effects=(Record(code="SEEN"),), then=Go(port="done"))

    assert guard.call(node(step), "run", (case(), NoSettings())).then == Go(port="done")
    assert threads == [threading.current_thread().name]


def test_a_call_goes_by_the_test_clock():
    class Clocked(Matcher[NoSettings]):
        name = "clocked"
        title = "Clocked"

        def score(self, batch: MatchBatch) -> Any:
            return [Score(percent=self.host.clock.today().day)]

    with clock.standing_at(datetime(2026, 11, 2, tzinfo=UTC)):
        assert guard.call(Clocked(NoSettings()), "score", PAIR)[0].percent == 2
