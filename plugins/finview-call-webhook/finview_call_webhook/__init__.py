"""A call centre for finview: calls go out as JSON over HTTP, signed outcomes come in by webhook."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
from pydantic import Field, SecretStr

from finview.plugins.contracts.call_centre import (
    SAME_KEY,
    Accepted,
    CallCentre,
    CallOutcome,
    CallRequest,
    Deferred,
    Refused,
    SendResult,
    WebhookRequest,
)
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.errors import BadSignature, Misconfigured, Rejected, RetryLater
from finview.plugins.hookspecs import hookimpl
from finview_call_webhook import signing, wire

_BUSY = {408, 425, 429, 503}


class WebhookSettings(NoSettings):
    """Where the call centre is, and what both sides know."""

    url: str = Field(
        pattern=r"^https?://",
        title="Address",
        description="The call centre's address, such as https://calls.example.com/finview.",
    )
    api_key: SecretStr = Field(title="API key", description="Sent with every request.")
    signing_secret: SecretStr = Field(
        min_length=16,
        title="Signing secret",
        description="The call centre signs what it tells with it.",
    )


class WebhookCentre(CallCentre[WebhookSettings]):
    """Pushes calls in one request, and reads the outcomes that the call centre posts.

    The call centre keeps keys, so a request whose answer was lost is simply sent again.
    """

    name = "webhook"
    title = "Call centre over HTTP"
    Settings = WebhookSettings
    resend = SAME_KEY

    def check(self) -> None:
        """Raise `Misconfigured` when the call centre can't be reached or refuses the key."""
        try:
            self._ask("GET", "ping")
        except RetryLater as error:
            raise Misconfigured(error.why) from None

    def push(self, calls: Sequence[CallRequest]) -> Sequence[SendResult]:
        """Hand the calls over; raise when the answer can't be understood: then nobody knows."""
        if not calls:
            return []
        at = self.host.clock.now()
        answer = self._ask("POST", "calls", {"calls": [wire.call_as_json(c, at) for c in calls]})
        results = {one["key"]: _result(one) for one in answer["results"]}
        return [results[call.key] for call in calls]

    def withdraw(self, keys: Sequence[str]) -> None:
        """Take calls back; those that are over or unknown are passed over by the call centre."""
        if keys:
            self._ask("POST", "withdrawals", {"keys": list(keys)})

    def parse_webhook(self, request: WebhookRequest) -> Iterable[CallOutcome]:
        """Return the outcomes of a request that is signed, and not older than five minutes.

        The instant is the call centre's, so it is held against real time, not the test clock.
        """
        secret = self.settings.signing_secret.get_secret_value()
        if not signing.is_genuine(secret, request.headers, request.body, now=time.time()):
            raise BadSignature
        try:
            return wire.outcomes_of(request.body)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Rejected(f"a signed request can't be read ({type(error).__name__})") from None

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the call centre's answer; raise what the guard understands."""
        url = f"{self.settings.url.rstrip('/')}/{path}"
        key = self.settings.api_key.get_secret_value()
        headers = {"authorization": f"Bearer {key}"}
        try:
            answer = self.host.http.request(method, url, json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            # Nothing was handed over yet, so another try is safe.
            raise RetryLater(f"it can't be reached ({type(error).__name__})") from None
        if answer.status_code in (401, 403):
            raise Misconfigured("it refuses the API key")
        if answer.status_code in _BUSY:
            raise RetryLater(f"it is busy ({answer.status_code})", _after_s(answer))
        if 400 <= answer.status_code < 500:
            raise Rejected(f"it refuses the request ({answer.status_code})")
        answer.raise_for_status()
        return answer.json()


def _result(one: Mapping[str, Any]) -> SendResult:
    if one["status"] == "accepted":
        return Accepted(reference=str(one.get("reference") or ""))
    if one["status"] == "refused":
        return Refused(why=str(one.get("why") or "refused"))
    if one["status"] == "deferred":
        return Deferred(why=str(one.get("why") or "later"), after_s=int(one.get("afterS") or 60))
    raise ValueError("an unknown status")


def _after_s(answer: httpx.Response) -> float:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isdecimal() else 60


@hookimpl
def finview_call_centres() -> list[type[CallCentre[Any]]]:
    """Offer the call centre to finview."""
    return [WebhookCentre]
