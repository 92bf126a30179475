"""The law pack of the United States: the call caps of Regulation F."""

from collections.abc import Sequence
from datetime import date, time
from typing import ClassVar

from finview.plugins.contracts.jurisdiction import ContactRules, Jurisdiction, Rule
from finview.plugins.contracts.provider import NoSettings

VERIFIED_ON = date(2026, 11, 22)
CALLS = Rule(
    id="us.reg_f.calls",
    citation="12 CFR § 1006.14(b)(2)",
    source="secondary sources, to be verified",
    verified_on=VERIFIED_ON,
)
INCONVENIENT = Rule(
    id="us.reg_f.hours",
    citation="12 CFR § 1006.6(b)(1)(i)",
    source="secondary sources, to be verified",
    verified_on=VERIFIED_ON,
)
DAYS, ATTEMPTS_MAX = 7, 7
_DAY = (time(8), time(21))
# The rule is about any communication, so about e-mails and text messages as well.
CONTACT = ContactRules(
    hours=dict.fromkeys(("CALL", "SMS", "EMAIL"), (_DAY,) * 7),
    holidays=False,
    max_calls=ATTEMPTS_MAX,
    per_days=DAYS,
    talk_gap_days=DAYS,
    rules=(INCONVENIENT, CALLS),
)


def call_refused(
    attempts: Sequence[int],
    conversations: Sequence[int],
    on: int,
    *,
    limits: ContactRules = CONTACT,
) -> str | None:
    """Return why one more call may not be made on a day, None when it may; days are numbers.

    Per person and debt: at most seven attempts within seven consecutive days, and none within
    seven days of a conversation, whose own day is the first of them.
    """
    if any(on - limits.talk_gap_days < day <= on for day in conversations):
        return "TALKED_WITHIN_7_DAYS"
    within = sum(1 for day in attempts if on - limits.per_days < day <= on)
    return "SEVEN_ATTEMPTS_IN_7_DAYS" if within >= limits.max_calls else None


class UnitedStates(Jurisdiction[NoSettings]):
    """Federal law of the United States as of `verified_on`; not legal advice."""

    name: ClassVar[str] = "us"
    title: ClassVar[str] = "United States"
    Settings: ClassVar[type[NoSettings]] = NoSettings
    code: ClassVar[str] = "us"
    version: ClassVar[str] = "2026.1"
    verified_on: ClassVar[date] = VERIFIED_ON
    countries: ClassVar[tuple[str, ...]] = ("US",)

    def contact_rules(self, debtor_kind: str) -> ContactRules:  # noqa: ARG002  # the same for both
        """Return hours and caps of Regulation F; businesses are treated as consumers are."""
        return CONTACT
