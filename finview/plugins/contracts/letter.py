"""The letter slot: hand letters, rendered as PDF, to whoever prints and posts them, once each."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from finview.plugins.contracts.delivery import NEVER, Accepted, Refused, Resend, SendResult
from finview.plugins.contracts.provider import Provider

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter; `key` is the same on every retry.

    `address` are the lines of the address window, `country` its ISO 3166 code. The address is
    printed on the first page of `pdf` as well (DIN 5008, form B).
    """

    key: str
    address: tuple[str, ...]
    country: str
    pdf: bytes
    duplex: bool = True
    registered: bool = False
    locale: str = "en"


class LetterSender(Provider[S]):
    """Sends letters in batches of at most 500; `resend` may be set by an instance, too."""

    resend: Resend = NEVER

    @abstractmethod
    def send(self, letters: Sequence[Letter]) -> Sequence[SendResult]:
        """Hand them over and return one result for each, in the same order; errors as for e-mails."""

    def lookup(self, keys: Sequence[str]) -> Sequence[Accepted | Refused | None]:
        """Return what became of each key, None when it is not known; needed only for LOOKUP."""
        raise NotImplementedError
