"""The contract every enricher keeps, and what is special about this one."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.request import urlopen

import pytest
from finview_trace_http import HttpTrace, TraceSettings
from finview_trace_http.sandbox import Sandbox, running

from finview.money import Money
from finview.plugins import guard
from finview.plugins.contracts.enricher import (
    Enricher,
    Found,
    NotFound,
    Pending,
    PostalAddress,
    Refused,
)
from finview.plugins.contracts.host import Host
from finview.plugins.errors import Misconfigured, ProviderFailed, RetryLater
from finview.testing.contracts import EnricherContract, trace_request


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def url(sandbox: Sandbox) -> Iterator[str]:
    with running(sandbox) as address:
        yield address


@pytest.fixture
def make(url: str) -> Iterator[Callable[..., HttpTrace]]:
    made: list[HttpTrace] = []

    def maker(**changes: Any) -> HttpTrace:
        given = {"url": f"{url}/", "api_key": "sandbox", "cost_per_attempt": "1.20", **changes}
        made.append(HttpTrace(TraceSettings(**given), Host("trace-http", loopback=True)))
        return made[-1]

    yield maker
    for one in made:
        one.host.http.close()


@pytest.fixture
def trace(make: Callable[..., HttpTrace]) -> HttpTrace:
    return make()


class TestContract(EnricherContract):
    @pytest.fixture
    def enricher(self, trace: HttpTrace) -> Enricher[Any]:
        return trace


def log(url: str) -> dict[str, Any]:
    with urlopen(f"{url}/log", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_what_was_found_comes_with_its_source_and_cost(
    sandbox: Sandbox, trace: HttpTrace, url: str
) -> None:
    sandbox.answer = "FOUND"
    (result,) = guard.call(trace, "trace", [trace_request("a")])
    assert isinstance(result, Found)
    assert result.cost == Money(120, "EUR")
    address = result.contacts[0]
    assert (address.kind, type(address.value)) == ("ADDRESS", PostalAddress)
    assert address.source == "sandbox register"
    assert log(url)["total"] == {"amount": "1.20", "currency": "EUR"}


def test_the_same_key_is_charged_once_even_when_the_answer_was_lost(
    sandbox: Sandbox, trace: HttpTrace, url: str
) -> None:
    sandbox.loses = 1
    with pytest.raises(ProviderFailed):
        guard.call(trace, "trace", [trace_request("a"), trace_request("b")])
    results = guard.call(trace, "trace", [trace_request("b"), trace_request("a")])
    assert len(results) == 2
    assert (log(url)["asked"], log(url)["charged"]) == (4, 2)


def test_a_later_answer_is_polled_and_costs_nothing_more(
    sandbox: Sandbox, trace: HttpTrace, url: str
) -> None:
    sandbox.answer = "PENDING"
    (pending,) = guard.call(trace, "trace", [trace_request("a")])
    assert isinstance(pending, Pending)
    (result,) = guard.call(trace, "poll", [pending.reference])
    assert isinstance(result, Found)
    assert log(url)["charged"] == 1


@pytest.mark.parametrize(
    ("status", "raises"),
    [(401, Misconfigured), (404, Misconfigured), (429, RetryLater), (500, ProviderFailed)],
)
def test_each_status_says_what_follows(
    sandbox: Sandbox, trace: HttpTrace, url: str, status: int, raises: type[Exception]
) -> None:
    sandbox.fails = [status]
    with pytest.raises(raises):
        guard.call(trace, "trace", [trace_request("a")])
    assert log(url)["charged"] == 0


def test_one_person_who_is_refused_takes_nobody_along(
    sandbox: Sandbox, trace: HttpTrace, url: str
) -> None:
    sandbox.answer = "NOT_FOUND"
    sandbox.fails = [422, 422]  # the whole request, and then its first half
    results = guard.call(trace, "trace", [trace_request("a"), trace_request("b")])
    assert [type(result) for result in results] == [Refused, NotFound]
    nameless = replace(trace_request("c"), first_name="", last_name="")
    assert isinstance(guard.call(trace, "trace", [nameless])[0], Refused)
    assert log(url)["charged"] == 1


def test_the_check_finds_a_wrong_key_and_a_service_that_is_not_there(
    make: Callable[..., HttpTrace],
) -> None:
    make().check()
    with pytest.raises(Misconfigured, match="API key"):
        make(api_key="wrong").check()
    with pytest.raises(Misconfigured, match="can't be reached"):
        make(url="http://127.0.0.1:9").check()


def test_in_production_the_own_network_is_refused(url: str) -> None:
    given = TraceSettings(url=url, api_key="sandbox", cost_per_attempt="1.20")
    closed = HttpTrace(given, Host("trace-http"))
    with closed.host.http, pytest.raises(Misconfigured, match="not a public address"):
        closed.check()


def test_the_sandbox_runs_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "finview_trace_http.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split("at ")[1].split(",")[0]
        assert log(address)["asked"] == 0
        process.terminate()
