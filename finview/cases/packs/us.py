"""The law pack of the United States: the call caps of Regulation F."""

from collections.abc import Sequence
from datetime import date
from typing import ClassVar

from finview.plugins.contracts.jurisdiction import Jurisdiction, Rule
from finview.plugins.contracts.provider import NoSettings

VERIFIED_ON = date(2026, 11, 22)
CALLS = Rule(
    id="us.reg_f.calls",
    citation="12 CFR § 1006.14(b)(2)",
    source="secondary sources, to be verified",
    verified_on=VERIFIED_ON,
)
DAYS, ATTEMPTS_MAX = 7, 7


def call_refused(attempts: Sequence[int], conversations: Sequence[int], on: int) -> str | None:
    """Return why one more call may not be made on a day, None when it may; days are numbers.

    Per person and debt: at most seven attempts within seven consecutive days, and none within
    seven days of a conversation, whose own day is the first of them.
    """
    first = on - DAYS + 1
    if any(first <= day <= on for day in conversations):
        return "TALKED_WITHIN_7_DAYS"
    if sum(1 for day in attempts if first <= day <= on) >= ATTEMPTS_MAX:
        return "SEVEN_ATTEMPTS_IN_7_DAYS"
    return None


class UnitedStates(Jurisdiction[NoSettings]):
    """Federal law of the United States as of `verified_on`; not legal advice."""

    name: ClassVar[str] = "us"
    title: ClassVar[str] = "United States"
    Settings: ClassVar[type[NoSettings]] = NoSettings
    code: ClassVar[str] = "us"
    version: ClassVar[str] = "2026.1"
    verified_on: ClassVar[date] = VERIFIED_ON
    countries: ClassVar[tuple[str, ...]] = ("US",)
