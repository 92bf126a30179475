"""The call_centre slot: have debtors called up, once for each request, and hear what came of it."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel

from finview.plugins.contracts.delivery import (
    LOOKUP,
    NEVER,
    SAME_KEY,
    Accepted,
    Deferred,
    Guarantee,
    Refused,
    Resend,
    SendResult,
)
from finview.plugins.contracts.provider import Provider
from finview.plugins.contracts.webhook import WebhookRequest

__all__ = [
    "LOOKUP",
    "NEVER",
    "SAME_KEY",
    "Accepted",
    "CallCentre",
    "CallOutcome",
    "CallRequest",
    "CallResult",
    "CallWindow",
    "Deferred",
    "Guarantee",
    "Promise",
    "Refused",
    "Resend",
    "SendResult",
    "WebhookRequest",
]

S = TypeVar("S", bound=BaseModel)


class CallResult(StrEnum):
    """What a call came to; TECHNICAL means that it did not take place, so it counts as none."""

    REACHED = "REACHED"
    NOT_REACHED = "NOT_REACHED"
    WRONG_NUMBER = "WRONG_NUMBER"
    CALL_BACK = "CALL_BACK"
    PROMISE = "PROMISE"
    TECHNICAL = "TECHNICAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWindow:
    """Between which instants a call may be made; both carry a time zone."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """One call to be made; `key` is the same on every retry.

    `phone` is in E.164 (+4930123456). `attempt` of `max_attempts` is for the people who call.
    `locale` is the debtor's language. `script` is what to say, in the language of the agency.
    Outside `window` nobody may be called; None sets no limit.
    """

    key: str
    case_number: str
    phone: str
    attempt: int
    max_attempts: int
    locale: str = "en"
    script: str = ""
    window: CallWindow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the debtor promised to pay, and by which day; minor units, such as cents."""

    amount_minor: int
    currency: str
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """What a call came to.

    `key` is that of the request. `outcome_id` names this outcome: the same one told twice counts
    once. `at` carries a time zone, like `call_back_at`, which CALL_BACK needs as PROMISE needs
    `promise`. `note` is what the caller wrote down, for the people of the agency only. `discussed`
    are the numbers of further cases of the debtor that were talked about: no call about those may
    follow too soon either.
    """

    key: str
    outcome_id: str
    result: CallResult
    at: datetime
    call_back_at: datetime | None = None
    promise: Promise | None = None
    note: str = ""
    discussed: tuple[str, ...] = ()


class CallCentre(Provider[S]):
    """Takes calls in batches of at most 500 and tells later what came of each.

    After a TECHNICAL outcome the same key comes again and is to be called then; with any other
    outcome a key is done for good.
    """

    resend: Resend = NEVER

    @abstractmethod
    def push(self, calls: Sequence[CallRequest]) -> Sequence[SendResult]:
        """Take the calls and return one result for each, in the same order.

        Return `Refused` or `Deferred` for a single call; raise `RetryLater`, `Rejected` or
        `Misconfigured` (finview.plugins.errors) when none of them was taken.
        """

    @abstractmethod
    def withdraw(self, keys: Sequence[str]) -> None:
        """Make sure that none of these is called any more; one that is over or unknown is fine."""

    def parse_webhook(self, request: WebhookRequest) -> Iterable[CallOutcome]:
        """Return the outcomes a request tells; raise `BadSignature` unless it is the provider's.

        Overriding it gives each binding an address of its own, shown by `finview plugins list`.
        """
        raise NotImplementedError

    def collect(self, since: datetime) -> Iterable[CallOutcome]:  # noqa: ARG002  # authors use it
        """Return the outcomes since an instant, for providers that must be asked; default: none.

        Asked every few minutes, with an instant some days back: telling an outcome again is fine.
        """
        return ()

    def lookup(self, keys: Sequence[str]) -> Sequence[Accepted | Refused | None]:
        """Return what became of each key, None when it is not known; needed only for LOOKUP."""
        raise NotImplementedError
