"""An enricher for finview that speaks JSON over HTTP with a tracing service."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NoReturn

import httpx
from pydantic import Field, SecretStr, field_validator

from finview.money import Money
from finview.plugins.contracts.enricher import (
    SAME_KEY,
    Enricher,
    Found,
    FoundContact,
    NotFound,
    Pending,
    PostalAddress,
    Refused,
    TraceRequest,
    TraceResult,
)
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.errors import Misconfigured, Rejected, RetryLater
from finview.plugins.hookspecs import hookimpl

ANSWER_BYTES_MAX = 8 * 1024 * 1024
RETRY_S = 60
ASK_AFTER_S = 3600


class TraceSettings(NoSettings):
    """What an operator enters."""

    url: str = Field(
        title="Address",
        description="Where the service answers, such as https://trace.example/v1",
        pattern=r"^https?://[^\s?#]+$",
    )
    api_key: SecretStr = Field(title="API key", description="Sent as a bearer token.")
    cost_per_attempt: Decimal = Field(
        title="Cost per attempt",
        description="What one search costs at most; the service's own figure counts when it names one.",
        ge=0,
        max_digits=9,
        decimal_places=3,
    )
    currency: str = Field("EUR", title="Currency", description="ISO 4217.", pattern="^[A-Z]{3}$")

    @field_validator("url")
    @classmethod
    def _no_slash_at_the_end(cls, value: str) -> str:
        return value.rstrip("/")


class HttpTrace(Enricher[TraceSettings]):
    """Asks a service over HTTP; the same key is charged once, so a lost answer may be asked again."""

    name = "trace-http"
    title = "Tracing service over HTTP"
    Settings = TraceSettings
    resend = SAME_KEY
    deadline_s = 45

    def check(self) -> None:
        """Raise `Misconfigured` when the service can't be reached or doesn't know the key."""
        try:
            self._answer("GET", "/account")
        except RetryLater as error:
            raise Misconfigured(error.why) from None
        self._cost(None)

    def quote(self, requests: Sequence[TraceRequest]) -> Sequence[Money]:
        """Return the agreed price; the service isn't asked."""
        return [self._cost(None) for _ in requests]

    def trace(self, requests: Sequence[TraceRequest]) -> Sequence[TraceResult]:
        """Send all in one request and return what became of each.

        A request that is refused is cut in half until the person is found whom it is refused for.
        """
        if not requests:
            return []
        keys = [request.key for request in requests]
        body = {"items": [_item(request) for request in requests]}
        try:
            answer = self._answer("POST", "/traces", body, key=_key_of(keys))
        except Rejected as error:
            if len(requests) == 1:
                return [Refused(why=str(error.why))]
            middle = len(requests) // 2
            return [*self.trace(requests[:middle]), *self.trace(requests[middle:])]
        return self._results(answer, "key", keys)

    def poll(self, references: Sequence[str]) -> Sequence[TraceResult]:
        """Ask for answers that were to come later."""
        if not references:
            return []
        answer = self._answer("POST", "/traces/poll", {"references": list(references)})
        return self._results(answer, "reference", references)

    def _answer(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, key: str = ""
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.settings.api_key.get_secret_value()}"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            answer = self.host.http.request(
                method, self.settings.url + path, json=body, headers=headers
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RetryLater(f"the service can't be reached: {error}", RETRY_S) from None
        if answer.status_code != httpx.codes.OK:
            _complain(answer)
        if len(answer.content) > ANSWER_BYTES_MAX:
            raise ValueError("the answer is too large")
        return answer.json()

    def _results(self, answer: Any, name: str, wanted: Sequence[str]) -> list[TraceResult]:
        """Return the answers in the order of what was asked; one that is missing is a failure."""
        by_name = {item[name]: item for item in answer["results"]}
        return [self._result(by_name[one]) for one in wanted]

    def _result(self, item: Mapping[str, Any]) -> TraceResult:
        status = item["status"]
        if status == "FOUND":
            contacts = tuple(_contact(contact) for contact in item["contacts"])
            return Found(contacts=contacts, cost=self._cost(item.get("cost")))
        if status == "NOT_FOUND":
            return NotFound(cost=self._cost(item.get("cost")))
        if status == "PENDING":
            after_s = int(item.get("ask_after_s", ASK_AFTER_S))
            return Pending(reference=item["reference"], ask_after=timedelta(seconds=after_s))
        if status == "REFUSED":
            cost = item.get("cost")
            return Refused(why=str(item.get("why", "")), cost=self._cost(cost) if cost else None)
        raise ValueError(f"unknown status {status!r}")

    def _cost(self, told: Mapping[str, str] | None) -> Money:
        if told is not None:
            return Money.parse(told["amount"], told["currency"])
        return Money.floor(self.settings.cost_per_attempt, self.settings.currency)


def _complain(answer: httpx.Response) -> NoReturn:
    """Raise what a refused request means; after anything unclear nobody knows what was done."""
    status = answer.status_code
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.PAYMENT_REQUIRED):
        raise Misconfigured(f"the service answered {status}: is the API key valid?")
    if status == httpx.codes.TOO_MANY_REQUESTS:
        after = answer.headers.get("retry-after", "")
        raise RetryLater("the service is busy", int(after) if after.isdecimal() else RETRY_S)
    if status == httpx.codes.NOT_FOUND:
        raise Misconfigured("the service has no such address")
    if 400 <= status < 500:
        raise Rejected(f"the service answered {status}")
    raise RuntimeError(f"the service answered {status}")


def _key_of(keys: Sequence[str]) -> str:
    """Return the key of a request: that of its item, or one made of all its items' keys."""
    if len(keys) == 1:
        return keys[0]
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()


def _item(request: TraceRequest) -> dict[str, Any]:
    return {
        "key": request.key,
        "case_number": request.case_number,
        "kind": request.kind,
        "first_name": request.first_name,
        "last_name": request.last_name,
        "company": request.company,
        "birth_date": request.birth_date.isoformat() if request.birth_date else None,
        "addresses": [
            {name: getattr(address, name) for name in _ADDRESS} for address in request.addresses
        ],
        "country": request.country,
    }


_ADDRESS = ("street", "house_no", "postcode", "city", "country")


def _contact(given: Mapping[str, Any]) -> FoundContact:
    value = given["value"]
    if given["kind"] == "ADDRESS":
        value = PostalAddress(**{name: str(value.get(name, "")) for name in _ADDRESS})
    return FoundContact(
        kind=given["kind"],
        value=value,
        confidence=float(given.get("confidence", 1)),
        source=str(given.get("source", "")),
    )


@hookimpl
def finview_enrichers() -> list[type[Enricher[Any]]]:
    """Offer the enricher to finview."""
    return [HttpTrace]
