"""The enricher slot: find out how a debtor can be reached, for a price that is known before."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeVar

from pydantic import BaseModel

from finview.money import Money
from finview.plugins.contracts.delivery import LOOKUP, NEVER, SAME_KEY, Guarantee, Resend
from finview.plugins.contracts.provider import Provider

S = TypeVar("S", bound=BaseModel)

ContactKind = Literal["EMAIL", "PHONE", "ADDRESS"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress:
    """A postal address as far as it is known; `country` is ISO 3166-1 alpha-2."""

    street: str = ""
    house_no: str = ""
    postcode: str = ""
    city: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest:
    """Whom to look for, and nothing a provider doesn't need; `key` is the same on every retry.

    `addresses` are the last known ones, the newest first; `country` is where to look.
    """

    key: str
    case_number: str
    kind: Literal["CONSUMER", "BUSINESS"]
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    birth_date: date | None = None
    addresses: tuple[PostalAddress, ...] = ()
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundContact:
    """One way to reach the debtor: `value` is a text, for an ADDRESS a `PostalAddress`.

    `confidence` runs from 0 to 1; `source` is where the provider has it from, in its own words.
    finview checks and normalises values by itself.
    """

    kind: ContactKind
    value: str | PostalAddress
    confidence: float = 1.0
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found, and what it cost."""

    contacts: tuple[FoundContact, ...]
    cost: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The search was done and found nothing; it may cost all the same."""

    cost: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The answer comes later: `poll` it by `reference`, not before `ask_after` is over."""

    reference: str
    ask_after: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """This person will not be looked for, and `why`; `cost` only if that is charged."""

    why: str
    cost: Money | None = None


TraceResult = Found | NotFound | Pending | Refused


class Enricher(Provider[S]):
    """Looks for debtors in batches of at most 500; `resend` may be set by an instance, too.

    SAME_KEY promises that the same key is never charged twice, LOOKUP that it can be asked for.
    """

    resend: Resend = NEVER

    @abstractmethod
    def quote(self, requests: Sequence[TraceRequest]) -> Sequence[Money]:
        """Return what each would cost at most, in the same order; nothing may be spent by asking."""

    @abstractmethod
    def trace(self, requests: Sequence[TraceRequest]) -> Sequence[TraceResult]:
        """Look for them and return one result for each, in the same order.

        Return `Refused` for a single one; raise `RetryLater`, `Rejected` or `Misconfigured`
        (finview.plugins.errors) only when nothing was spent on any.
        """

    def poll(self, references: Sequence[str]) -> Sequence[TraceResult]:
        """Return what became of each `Pending` one; needed only by those who return it."""
        raise NotImplementedError

    def lookup(self, keys: Sequence[str]) -> Sequence[TraceResult | None]:
        """Return what became of each key, None when it is not known; needed only for LOOKUP."""
        raise NotImplementedError


__all__ = [
    "LOOKUP",
    "NEVER",
    "SAME_KEY",
    "ContactKind",
    "Enricher",
    "Found",
    "FoundContact",
    "Guarantee",
    "NotFound",
    "Pending",
    "PostalAddress",
    "Refused",
    "Resend",
    "TraceRequest",
    "TraceResult",
]
