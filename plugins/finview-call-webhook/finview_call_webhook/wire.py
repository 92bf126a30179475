"""What goes over the wire: calls as JSON, outcomes from JSON."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import orjson

from finview.plugins.contracts.call_centre import CallOutcome, CallRequest, CallResult, Promise


def call_as_json(call: CallRequest, at: datetime) -> dict[str, Any]:
    """Return one call for the body of a request; `at` is when finview asks for it."""
    window = call.window
    return {
        "key": call.key,
        "requestedAt": at.isoformat(),
        "caseNumber": call.case_number,
        "phone": call.phone,
        "attempt": call.attempt,
        "maxAttempts": call.max_attempts,
        "locale": call.locale,
        "script": call.script,
        "notBefore": window.opens.isoformat() if window else None,
        "notAfter": window.closes.isoformat() if window else None,
    }


def outcomes_of(body: bytes) -> list[CallOutcome]:
    """Return the outcomes in a body; raise ValueError, KeyError or TypeError for anything else."""
    return [_outcome(one) for one in orjson.loads(body)["outcomes"]]


def _outcome(one: Mapping[str, Any]) -> CallOutcome:
    promise, back = one.get("promise"), one.get("callBackAt")
    return CallOutcome(
        key=one["key"],
        outcome_id=one["id"],
        result=CallResult(one["result"]),
        at=datetime.fromisoformat(one["at"]),
        call_back_at=datetime.fromisoformat(back) if back else None,
        promise=Promise(
            amount_minor=promise["amountMinor"],
            currency=promise["currency"],
            on=date.fromisoformat(promise["on"]),
        )
        if promise
        else None,
        note=one.get("note") or "",
    )
