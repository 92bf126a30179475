"""`finview bank import`: a bank statement read and booked from a terminal."""

from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.api.engine.ids import split
from finview.cli import show
from finview.cli.opening import acting, existing, opened
from finview.cli.steps import Refused
from finview.customers.models import BusinessUnit
from finview.db.jobs import Job, State
from finview.errors import JobFailed, NotFound
from finview.i18n import N_, sentences
from finview.imports import upload
from finview.imports.bank import import_statement
from finview.jobs.runner import drain

sentences({"UNIT_NOT_FOUND": N_("There is no business unit with the name or id {text}.")})

_FINAL = (State.DONE, State.DEAD, State.CANCELLED)


def run_import(file: Path, unit: str) -> dict[str, Any]:
    """Import a bank statement of a unit's account and return what its lines became.

    Raises what is wrong with the file; then nothing was booked.
    """
    path = existing(file)
    with opened() as services, show.progress() as on_progress:
        viewer = acting(services)
        with services.db.unit() as session:
            named = the_unit(session, unit)
            made = upload.announce(
                session,
                services.settings,
                filename=path.name,
                size_bytes=path.stat().st_size,
                sha256=None,
                viewer=viewer,
            )
            upload.receive(session, services, made, path, "")
            job_id = import_statement(session, upload=made, unit=named, viewer=viewer)
        drain(services, on_progress=on_progress)
        with services.db.reading() as session:
            job = session.get_one(Job, job_id)
            if job.state == State.DEAD:
                raise Refused({"code": job.error_code, "params": job.error_params})
            if job.state not in _FINAL:
                raise JobFailed("IMPORT_STUCK", state=job.state)
            return {"statement": {"file": path.name, "unit": unit, **(job.result or {})}}


def show_statement(found: dict[str, Any]) -> None:
    """Print what the lines of a statement became."""
    counts = found["statement"]
    rows = [
        (show.say(N_("Booked on cases")), counts["booked"]),
        (show.say(N_("Waiting in suspense")), counts["suspense"]),
        (show.say(N_("Nothing to book")), counts["ignored"]),
        (show.say(N_("Known before")), counts["duplicates"]),
    ]
    show.table(["", show.say(N_("Number"))], rows)


def the_unit(session: Session, text: str) -> BusinessUnit:
    """Return the business unit with this name or id; raise `NotFound` (UNIT_NOT_FOUND)."""
    tag, key = split(text)
    if tag == "bu" and len(key) == 1:
        found = session.get(BusinessUnit, key[0])
    else:
        same = select(BusinessUnit).where(func.lower(BusinessUnit.name) == text.lower())
        found = session.scalars(same.order_by(BusinessUnit.id).limit(1)).first()
    if found is None:
        raise NotFound("UNIT_NOT_FOUND", text=text)
    return found
