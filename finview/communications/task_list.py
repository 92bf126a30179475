"""The call centre `task-list`: people of the agency make the calls and enter what came of them."""

from collections.abc import Sequence
from typing import Any

from finview.i18n import N_
from finview.plugins.contracts.call_centre import (
    SAME_KEY,
    Accepted,
    CallCentre,
    CallRequest,
    SendResult,
)
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.hookspecs import hookimpl


class TaskList(CallCentre[NoSettings]):
    """Takes every call: the planned contact itself is the task, so there is nothing to hand over.

    The outcome comes from `callOutcomeRecord`. A call taken back is no task any more.
    """

    name = "task-list"
    title = N_("Tasks for the agency's own people")
    # Nothing leaves, so nothing can leave twice.
    resend = SAME_KEY

    def push(self, calls: Sequence[CallRequest]) -> Sequence[SendResult]:
        """Accept each."""
        return [Accepted(reference=call.key) for call in calls]

    def withdraw(self, keys: Sequence[str]) -> None:
        """Do nothing: the row that is taken back is the task."""


@hookimpl
def finview_call_centres() -> list[type[CallCentre[Any]]]:
    """Return the call centre every installation has."""
    return [TaskList]
