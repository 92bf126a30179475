"""`finview ledger verify`: does every booking stand as it was posted?"""

from typing import Any

from sqlalchemy import select

from finview.cases.models import Case
from finview.cases.verify import verify
from finview.cli import cases as _cases  # noqa: F401  # its sentence of a missing case
from finview.cli import show
from finview.cli.opening import opened
from finview.errors import NotFound
from finview.i18n import N_, sentence, sentences

sentences(
    {
        "LEDGER_UNSEALED": N_("Booking {id} was never sealed."),
        "LEDGER_LINES": N_("Booking {id} lacks a line or has one too many."),
        "LEDGER_UNBALANCED": N_("Booking {id} doesn't add up to zero."),
        "LEDGER_CHANGED": N_("Booking {id} was changed after it was posted."),
        "LEDGER_REVERSAL": N_("Booking {id} doesn't mirror what it reverses."),
    }
)


def run_verify(number: str | None) -> dict[str, Any]:
    """Check the whole ledger, or that of one case by its number."""
    with opened() as services, services.db.reading() as session:
        case_ids = None
        if number is not None:
            case_ids = session.scalars(select(Case.id).where(Case.number == number)).all()
            if not case_ids:
                raise NotFound("CASE_NOT_FOUND", number=number)
        found = verify(session, case_ids)
        named = [fault.case_id for fault in found.faults if fault.case_id]
        numbers = {
            row.id: row.number
            for row in session.execute(select(Case.id, Case.number).where(Case.id.in_(named)))
        }
    return {
        "ok": not found.faults,
        "bookings": found.txns,
        "lines": found.lines,
        "faults": [
            {"booking": fault.txn_id, "case": numbers.get(fault.case_id or 0), "fault": fault.what}
            for fault in found.faults
        ],
    }


def show_verdict(found: dict[str, Any]) -> None:
    """Print what was found."""
    for fault in found["faults"]:
        show.line(sentence(f"LEDGER_{fault['fault']}", show.locale(), {"id": fault["booking"]}))
    if found["ok"]:
        whole = N_("The ledger is whole: {bookings} bookings with {lines} lines.")
        show.line(show.say(whole, bookings=found["bookings"], lines=found["lines"]))
