"""What can happen to a case, by the names nodes wait for."""

from collections.abc import Mapping

from finview.i18n import N_

TIMER = "TIMER"
RESUMED = "RESUMED"
PAYMENT = "PAYMENT"
OUTREACH = "OUTREACH"
CALL_OUTCOME = "CALL_OUTCOME"
ENRICHMENT = "ENRICHMENT"
TASK = "TASK"
HOLD = "HOLD"
RELEASED = "RELEASED"
SETTINGS = "SETTINGS"

EVENTS: Mapping[str, str] = {
    PAYMENT: N_("Money was received."),
    "PAYMENT_REVERSED": N_("Money that had been received went back."),
    "REPLY": N_("The debtor wrote."),
    "DISPUTE": N_("The debtor disputes the claim."),
    "DELIVERY_FAILED": N_("A message came back."),
    CALL_OUTCOME: N_("A call centre told what a call came to."),
    ENRICHMENT: N_("A search for the debtor has ended."),
    TASK: N_("A task was completed."),
    HOLD: N_("The case was put on hold."),
    RELEASED: N_("A hold of the case has ended."),
    "ADDRESS_FOUND": N_("The debtor has a new contact point."),
}
"""The events a node `wait_event` may name and a simulation may assume, each with its meaning."""
