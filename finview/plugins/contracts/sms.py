"""The sms slot: hand text messages to whatever carries them, once each."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from finview.plugins.contracts.delivery import NEVER, Accepted, Refused, Resend, SendResult
from finview.plugins.contracts.provider import Provider

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """One text message; `phone` is in E.164, `key` is the same on every retry.

    `sender` is the name or number it comes from, empty for the provider's own.
    """

    key: str
    phone: str
    text: str
    sender: str = ""
    locale: str = "en"


class SmsSender(Provider[S]):
    """Sends text messages in batches of at most 500; `resend` may be set by an instance, too."""

    resend: Resend = NEVER

    @abstractmethod
    def send(self, messages: Sequence[Sms]) -> Sequence[SendResult]:
        """Send them and return one result for each, in the same order; errors as for e-mails."""

    def lookup(self, keys: Sequence[str]) -> Sequence[Accepted | Refused | None]:
        """Return what became of each key, None when it is not known; needed only for LOOKUP."""
        raise NotImplementedError
