"""The email slot: hand e-mails to whatever carries them, once each."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

__all__ = [
    "LOOKUP",
    "NEVER",
    "SAME_KEY",
    "Accepted",
    "Attachment",
    "Deferred",
    "Email",
    "EmailSender",
    "Guarantee",
    "Mailbox",
    "Refused",
    "Resend",
    "SendResult",
]

S = TypeVar("S", bound=BaseModel)


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
