"""The nodes that write to the debtor: e-mail, letter, SMS."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from pydantic import Field

from finview.communications.wording import MESSAGES
from finview.plugins.contracts.node import CaseView, Do, Go, PlanOutreach, Step, Wait, WorkflowNode
from finview.workflows.events import OUTREACH, PAYMENT, RESUMED, TIMER
from finview.workflows.forms import DAYS_MAX, HOURS_MAX, Form

PAUSE = timedelta(days=1)
"""A message that a payment took back goes this much later, with what is open then."""

UNDER_WAY = Wait(events=(OUTREACH, PAYMENT, RESUMED))

F = TypeVar("F", bound="MessageSettings")


class MessageSettings(Form):
    """Which message a node sends."""

    template: str = Field(json_schema_extra={"enum": [*sorted(MESSAGES)]})


class MessageNode(WorkflowNode[F]):
    """Plans one message and waits until it was handed over; what it does follows from its outreach."""

    channel: Literal["EMAIL", "LETTER", "SMS"]
    nowhere = "no_address"
    back = "failed"

    @abstractmethod
    def reachable(self, case: CaseView) -> bool:
        """Tell whether the debtor has a contact point of the channel."""

    def params(self, config: F) -> Mapping[str, Any]:  # noqa: ARG002  # a letter reads it
        """Return what the channel needs to know beside the template."""
        return {}

    def patience(self, config: F) -> timedelta:  # noqa: ARG002  # some channels read it
        """Return how long a message that was handed over may still come back."""
        return timedelta()

    def messages(self, config: F) -> tuple[PlanOutreach, ...]:
        """Return the one message."""
        return (PlanOutreach(channel=self.channel, template=config.template),)

    def run(self, case: CaseView, config: F) -> Step:
        """Plan on entering; leave by what became of the message."""
        last = case.outreach[-1] if case.outreach else None
        if last is None:
            return self._plan(case, config)
        if last.state in ("ACCEPTED", "DELIVERED"):
            until = last.at + self.patience(config)
            if last.state == "DELIVERED" or case.now >= until:
                return Go(port="sent")
            return Wait(until=until, events=(OUTREACH, RESUMED))
        if last.state == "CANCELLED":
            # A payment, a hold or an agreement took it back.
            woken = case.event.type if case.event is not None else None
            if woken in (TIMER, RESUMED):
                return self._plan(case, config)
            return Wait(until=_later(case), events=(RESUMED,))
        if last.state == "REJECTED":
            return Go(port=self.nowhere if last.reason == "NO_ADDRESS" else "failed")
        left = {"BLOCKED": "not_allowed", "RETURNED": self.back, "UNKNOWN": "failed"}
        return Go(port=left[last.state]) if last.state in left else UNDER_WAY

    def _plan(self, case: CaseView, config: F) -> Step:
        if not self.reachable(case):
            return Go(port=self.nowhere)
        plan = PlanOutreach(
            channel=self.channel, template=config.template, params=self.params(config)
        )
        return Do(effects=(plan,), then=UNDER_WAY)


def _later(case: CaseView) -> datetime:
    return case.now + PAUSE


class EmailSettings(MessageSettings):
    """Which message the node sends, and how many hours it waits for a bounce."""

    bounce_hours: int = Field(
        0, ge=0, le=HOURS_MAX, description="Leave by `bounced` when it comes back within so long."
    )


class EmailNode(MessageNode[EmailSettings]):
    """Plans one e-mail and waits until it was handed over."""

    name = "email"
    title = "E-mail"
    Settings = EmailSettings
    ports = ("sent", "bounced", "no_address", "not_allowed", "failed")
    channel = "EMAIL"
    back = "bounced"

    def reachable(self, case: CaseView) -> bool:
        """Tell whether the debtor has an e-mail address."""
        return case.has_email

    def patience(self, config: EmailSettings) -> timedelta:
        """Return the hours within which a bounce counts."""
        return timedelta(hours=config.bounce_hours)


class LetterSettings(MessageSettings):
    """Which letter the node sends, and how."""

    registered: bool = Field(default=False, description="Sent as a registered letter.")
    duplex: bool = Field(default=True, description="Printed on both sides.")
    return_days: int = Field(
        0, ge=0, le=DAYS_MAX, description="Leave by `returned` when it comes back within so long."
    )


class LetterNode(MessageNode[LetterSettings]):
    """Plans one letter and waits until it was handed over."""

    name = "letter"
    title = "Letter"
    Settings = LetterSettings
    ports = ("sent", "returned", "no_address", "not_allowed", "failed")
    channel = "LETTER"
    back = "returned"

    def reachable(self, case: CaseView) -> bool:
        """Tell whether the debtor has a postal address."""
        return case.has_address

    def params(self, config: LetterSettings) -> Mapping[str, Any]:
        """Return how it is printed and posted."""
        return {"registered": config.registered, "duplex": config.duplex}

    def patience(self, config: LetterSettings) -> timedelta:
        """Return the days within which a returned letter counts."""
        return timedelta(days=config.return_days)


class SmsSettings(MessageSettings):
    """Which message the node sends; only those that have a text of their own for SMS."""

    template: str = Field(
        json_schema_extra={"enum": [name for name in sorted(MESSAGES) if MESSAGES[name].sms]}
    )


class SmsNode(MessageNode[SmsSettings]):
    """Plans one text message and waits until it was handed over."""

    name = "sms"
    title = "SMS"
    Settings = SmsSettings
    ports = ("sent", "no_number", "not_allowed", "failed")
    channel = "SMS"
    nowhere = "no_number"

    def reachable(self, case: CaseView) -> bool:
        """Tell whether the debtor has a phone number."""
        return case.has_phone
