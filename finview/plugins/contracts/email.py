"""The email slot: hand e-mails to whatever carries them, once each."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel

from finview.plugins.contracts.provider import Provider

S = TypeVar("S", bound=BaseModel)


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
class Mailbox:
    """An address and the name that stands before it; the name may be empty."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One attached file, already rendered."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """One e-mail, rendered and addressed; `key` is the same on every retry.

    `sender` is None when the provider's own default is to be used. `headers` are further headers
    (such as List-Unsubscribe), never one of the standard ones above.
    """

    key: str
    to: Mailbox
    subject: str
    text: str
    html: str = ""
    sender: Mailbox | None = None
    reply_to: Mailbox | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    locale: str = "en"


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


class EmailSender(Provider[S]):
    """Sends e-mails in batches of at most 500; `resend` may be set by an instance, too."""

    resend: Resend = NEVER

    @abstractmethod
    def send(self, emails: Sequence[Email]) -> Sequence[SendResult]:
        """Send them and return one result for each, in the same order.

        Return `Refused` or `Deferred` for a single message; raise `RetryLater`, `Rejected` or
        `Misconfigured` (finview.plugins.errors) when none of them was sent.
        """

    def lookup(self, keys: Sequence[str]) -> Sequence[Accepted | Refused | None]:
        """Return what became of each key, None when it is not known; needed only for LOOKUP."""
        raise NotImplementedError
