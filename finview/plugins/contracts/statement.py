"""The statement_reader slot: turns one kind of bank statement into its booked lines."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, TypeVar

from pydantic import BaseModel

from finview.money import known_currency
from finview.plugins.contracts.provider import Provider

S = TypeVar("S", bound=BaseModel)

NAME_CHARS_MAX = 300
IBAN_CHARS_MAX = 34
REFERENCE_CHARS_MAX = 2_000
KEY_CHARS_MAX = 300
AMOUNT_MAX = 10**15
"""No line moves more minor units than this."""

_FIRST_YEAR = 1950
_TEXTS = {
    "currency": 3,
    "name": NAME_CHARS_MAX,
    "iban": IBAN_CHARS_MAX,
    "reference": REFERENCE_CHARS_MAX,
    "key": KEY_CHARS_MAX,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLine:
    """One booked line of a bank account; `amount_minor` is positive where money came in.

    `value_on` is the day the bank credits it: the day of receipt. An empty `currency` is that of
    the account, with two decimals. `name` and `iban` are the other side's, `reference` is all the
    payer wrote. `key` is what the bank calls the line, the same whenever it is exported again and
    never given to another one; without it, lines are told apart by what they say. `returned` says
    that earlier money goes back: a returned direct debit, a reversal.
    """

    booked_on: date
    value_on: date
    amount_minor: int
    currency: str = ""
    name: str = ""
    iban: str = ""
    reference: str = ""
    key: str = ""
    returned: bool = False


def fault_of(line: object) -> str | None:
    """Return how a line breaks the contract, None when it is right; personal data isn't quoted."""
    if type(line) is not BankLine:
        return f"{type(line).__name__} where a BankLine is due"
    days: tuple[object, object] = (line.booked_on, line.value_on)
    if any(type(day) is not date for day in days):
        return "booked_on and value_on must be dates"
    if min(line.booked_on, line.value_on).year < _FIRST_YEAR:
        return f"a day before {_FIRST_YEAR}"
    minor: object = line.amount_minor
    if type(minor) is not int or abs(minor) > AMOUNT_MAX:
        return f"amount_minor must be a whole number up to {AMOUNT_MAX}"
    if line.returned not in (True, False):
        return "returned must be true or false"
    for name, most in _TEXTS.items():
        text = getattr(line, name)
        if type(text) is not str or len(text) > most or "\0" in text:
            return f"{name} must be a text of at most {most} characters"
    if line.currency and not known_currency(line.currency):
        return "currency must be a code of ISO 4217"
    return None


class StatementReader(Provider[S]):
    """Reads one kind of bank statement; runs in the reading child process, without network.

    What is not booked yet is left out. Whatever it raises refuses the whole file: of a statement
    that can't be understood to its end nothing is booked. Memory, CPU time and silence are limited
    from outside. DTDs and entities of XML must be refused.
    """

    @abstractmethod
    def sniff(self, head: bytes, filename: str) -> float:
        """Return how surely this reader reads the file, 0 to 1, from its first 64 KiB."""

    @abstractmethod
    def lines(self, file: BinaryIO) -> Iterator[BankLine]:
        """Yield every booked line in order of the file, once; no amount is lost or made up."""
