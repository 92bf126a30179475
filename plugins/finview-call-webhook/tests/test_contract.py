"""The contract every call centre keeps, and this one against the real simulator over HTTP."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from finview_call_webhook import WebhookCentre, WebhookSettings, signing
from finview_call_webhook.simulator import Simulator, main, running

from finview.plugins import guard
from finview.plugins.contracts.call_centre import (
    Accepted,
    CallCentre,
    CallResult,
    Refused,
    WebhookRequest,
)
from finview.plugins.contracts.host import Host
from finview.plugins.errors import (
    BadSignature,
    Misconfigured,
    ProviderFailed,
    Rejected,
    RetryLater,
)
from finview.testing.call_contracts import CallCentreContract, a_call

SECRET = "a-secret-of-16-signs"
TOLD = {"key": "k", "id": "k/1", "result": "REACHED", "at": "2026-11-02T10:00:00+00:00"}


def a_centre(url: str, **changes: Any) -> WebhookCentre:
    given = {"url": url, "api_key": "sandbox", "signing_secret": SECRET, **changes}
    return WebhookCentre(WebhookSettings(**given), Host("webhook", loopback=True))


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(secret=SECRET, callback="http://finview.test/", script=["reached"])


@pytest.fixture
def url(simulator: Simulator) -> Iterator[str]:
    with running(simulator, delivers=False) as address:
        yield address


@pytest.fixture
def posted(simulator: Simulator) -> list[WebhookRequest]:
    """What the simulator tells, as finview would get it; taken at once."""
    found: list[WebhookRequest] = []

    def post(_url: str, body: bytes, headers: dict[str, str]) -> int:
        found.append(WebhookRequest(body=body, headers=headers))
        return 200

    simulator._post = post  # noqa: SLF001  # in the place of the network
    return found


@pytest.fixture
def centre(url: str) -> Iterator[WebhookCentre]:
    found = a_centre(url)
    yield found
    found.host.http.close()


def signed(told: Any, secret: str = SECRET, *, age_s: int = 0) -> WebhookRequest:
    body = told if isinstance(told, bytes) else orjson.dumps(told)
    return WebhookRequest(body=body, headers=signing.headers(secret, body, now=time.time() - age_s))


class TestContract(CallCentreContract):
    @pytest.fixture
    def centre(self, url: str) -> Iterator[CallCentre[Any]]:
        found = a_centre(url)
        yield found
        found.host.http.close()

    @pytest.fixture
    def genuine(self) -> WebhookRequest:
        return signed({"outcomes": [TOLD]})


def test_a_key_is_called_once_however_often_it_comes(
    centre: WebhookCentre, simulator: Simulator, posted: list[WebhookRequest]
) -> None:
    for _ in range(3):
        (result,) = guard.call(centre, "push", [a_call("k")])
        assert isinstance(result, Accepted)
        simulator.deliver()
    assert simulator.calls["k"].times == 1
    assert len(posted) == 1


def test_what_the_simulator_tells_is_read(
    centre: WebhookCentre, simulator: Simulator, posted: list[WebhookRequest]
) -> None:
    simulator._script = list(CallResult)  # noqa: SLF001  # one of each, by the key
    guard.call(centre, "push", [a_call(f"key-{n}") for n in range(40)])
    assert simulator.deliver() == 40
    told = [one for request in posted for one in guard.call(centre, "parse_webhook", request)]
    assert {one.key for one in told} == {f"key-{n}" for n in range(40)}
    assert {one.result for one in told} == set(CallResult)


def test_what_a_call_comes_to_follows_from_its_key(url: str, simulator: Simulator) -> None:
    other = Simulator(secret=SECRET, script=["reached", "not_reached", "promise"])
    again = Simulator(secret=SECRET, script=["reached", "not_reached", "promise"])
    body = {"calls": [{**as_json(f"key-{n}")} for n in range(9)]}
    for one in (other, again):
        assert one.handle("POST", "/calls", "Bearer sandbox", orjson.dumps(body))[0] == 200
    assert {k: c.state for k, c in other.calls.items()} == {
        k: c.state for k, c in again.calls.items()
    }
    assert len({call.state for call in other.calls.values()}) == 3


def as_json(key: str) -> dict[str, Any]:
    at = "2026-11-02T09:00:00+00:00"
    return {"key": key, "phone": "+493023125000", "attempt": 1, "requestedAt": at}


def test_after_a_technical_outcome_the_same_key_is_called_again(
    centre: WebhookCentre, simulator: Simulator, posted: list[WebhookRequest]
) -> None:
    simulator._script = [CallResult.TECHNICAL]  # noqa: SLF001
    for _ in range(2):
        guard.call(centre, "push", [a_call("k")])
        simulator.deliver()
    told = [guard.call(centre, "parse_webhook", request)[0].outcome_id for request in posted]
    assert told == ["k/1", "k/2"]


def test_a_call_that_is_taken_back_is_not_told_of(
    centre: WebhookCentre, simulator: Simulator, posted: list[WebhookRequest]
) -> None:
    guard.call(centre, "push", [a_call("k"), a_call("other")])
    guard.call(centre, "withdraw", ["k", "unknown"])
    guard.call(centre, "push", [a_call("k")])
    assert simulator.deliver() == 1
    assert simulator.calls["k"].state == "WITHDRAWN"


def test_outcomes_wait_for_the_address_and_are_repeated_until_they_are_taken(
    centre: WebhookCentre, simulator: Simulator, posted: list[WebhookRequest]
) -> None:
    simulator.callback = ""
    guard.call(centre, "push", [a_call("k")])
    assert simulator.deliver() == 0
    simulator.handle("PUT", "/callback", "Bearer sandbox", b'{"url": "http://finview.test/"}')
    taking, simulator._post = simulator._post, lambda *_: 503  # noqa: SLF001
    assert simulator.deliver() == 0
    simulator._post = taking  # noqa: SLF001
    simulator._told[0].due = 0  # noqa: SLF001  # the pause is over
    assert simulator.deliver() == 1
    assert len(posted) == 1


def test_outcomes_are_posted_over_http() -> None:
    """One simulator tells another, which answers like a finview that knows nobody."""
    listener = Simulator(secret=SECRET, api_key="other")
    with running(listener, delivers=False) as callback:
        told = Simulator(secret=SECRET, callback=f"{callback}/hooks")
        told.handle("POST", "/calls", "Bearer sandbox", orjson.dumps({"calls": [as_json("k")]}))
        assert told.deliver() == 0
        told.close()
        assert told._told[0].tries == 1  # noqa: SLF001


def test_all_calls_can_be_seen_with_the_key_only(
    centre: WebhookCentre, url: str, simulator: Simulator
) -> None:
    guard.call(centre, "push", [a_call("k")])
    seen = httpx.get(f"{url}/calls", headers={"authorization": "Bearer sandbox"}).json()
    assert [(call["key"], call["times"]) for call in seen["calls"]] == [("k", 1)]
    assert httpx.get(f"{url}/calls").status_code == 401
    for path, body in (("calls", b"{"), ("calls", b"[]"), ("nothing", b"")):
        answer = httpx.post(
            f"{url}/{path}", content=body, headers={"authorization": "Bearer sandbox"}
        )
        assert answer.status_code in (400, 404)


def test_a_number_that_is_none_is_refused(centre: WebhookCentre) -> None:
    found = guard.call(centre, "push", [a_call("bad", phone="030 1"), a_call("good")])
    assert [type(one) for one in found] == [Refused, Accepted]


@pytest.mark.parametrize("age_s", [301, -301])
def test_an_old_request_is_not_believed(centre: WebhookCentre, age_s: int) -> None:
    with pytest.raises(BadSignature):
        guard.call(centre, "parse_webhook", signed({"outcomes": [TOLD]}, age_s=age_s))
    assert guard.call(centre, "parse_webhook", signed({"outcomes": [TOLD]}, age_s=280))


def test_another_secret_is_not_believed(centre: WebhookCentre) -> None:
    with pytest.raises(BadSignature):
        guard.call(centre, "parse_webhook", signed({"outcomes": [TOLD]}, "another-secret-of-16"))


@pytest.mark.parametrize(
    "told",
    [
        *(b"", b"[]", b"{}", b'{"outcomes": 1}', b'{"outcomes": [1]}'),
        {"outcomes": [{**TOLD, "result": "ASLEEP"}]},
        {"outcomes": [{**TOLD, "at": "yesterday"}]},
        {"outcomes": [{**TOLD, "promise": {"amountMinor": 1}}]},
    ],
)
def test_what_is_signed_but_nonsense_is_rejected(centre: WebhookCentre, told: Any) -> None:
    with pytest.raises(Rejected):
        guard.call(centre, "parse_webhook", signed(told))


@pytest.mark.parametrize(
    "told", [{**TOLD, "result": "CALL_BACK"}, {**TOLD, "result": "PROMISE"}, {**TOLD, "key": ""}]
)
def test_an_outcome_that_lacks_something_breaks_the_contract(
    centre: WebhookCentre, told: Any
) -> None:
    with pytest.raises(ProviderFailed):
        guard.call(centre, "parse_webhook", signed({"outcomes": [told]}))


def test_what_can_go_wrong_on_the_way_says_whether_a_call_was_handed_over(
    url: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = {401: Misconfigured, 403: Misconfigured, 429: RetryLater, 503: RetryLater}
    statuses |= {400: Rejected, 404: Rejected, 500: ProviderFailed, 200: ProviderFailed}
    for status, expected in statuses.items():
        centre = a_centre(url)
        answered = (status, {"results": [{"key": "other", "status": "accepted"}]})
        monkeypatch.setattr(simulator, "handle", lambda *_, said=answered: said)
        with centre.host.http, pytest.raises(expected):
            guard.call(centre, "push", [a_call("k")])


def test_settings_are_tried_before_they_are_saved(url: str) -> None:
    for changes in ({"api_key": "wrong"}, {"url": "http://127.0.0.1:9"}):
        centre = a_centre(**{"url": url, **changes})
        with centre.host.http, pytest.raises(Misconfigured):
            guard.call(centre, "check")
    good = a_centre(url)
    with good.host.http:
        guard.call(good, "check")


def test_nothing_leads_inside_without_leave(url: str) -> None:
    centre = WebhookCentre(WebhookSettings(url=url, api_key="k", signing_secret=SECRET))
    with centre.host.http, pytest.raises(RetryLater):
        guard.call(centre, "push", [a_call("k")])


def test_the_script_of_the_simulator_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--secret", SECRET, "--script", "asleep"])
    assert "ASLEEP" in capsys.readouterr().err
