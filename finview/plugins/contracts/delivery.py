"""What handing something over comes to, and what may follow when nobody knows; for every channel."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Guarantee(StrEnum):
    """What may follow when nobody knows whether a message left."""

    SAME_KEY = "SAME_KEY"
    LOOKUP = "LOOKUP"
    NEVER = "NEVER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """A provider's promise about sending the same key again.

    SAME_KEY: the provider drops a second message with the same key, for `window` (24 hours if it
    doesn't say). LOOKUP: it can be asked by key. NEVER: neither, so finview never sends again.
    """

    guarantee: Guarantee
    window: timedelta = timedelta(hours=24)


SAME_KEY = Resend(guarantee=Guarantee.SAME_KEY)
LOOKUP = Resend(guarantee=Guarantee.LOOKUP)
NEVER = Resend(guarantee=Guarantee.NEVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The provider has taken the message; `reference` is its own id for it."""

    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """This message will never be sent, and `why`; the rest of the batch stands."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """This message surely was not sent; try again after `after_s` seconds."""

    why: str
    after_s: int = 60


SendResult = Accepted | Refused | Deferred
