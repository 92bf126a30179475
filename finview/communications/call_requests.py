"""What a call centre is asked to do: one call, with the words for the people who make it."""

from finview.communications.models import Outreach
from finview.i18n import N_, translate
from finview.plugins.contracts.call_centre import CallRequest

TASK = N_(
    "Call attempt {attempt} of {max_attempts} · {case} · {phone}. Verify identity (name and year of "
    "birth) before stating the reason. Outcome: reached / not reached / wrong number / call back "
    "on … / promise of … by …"
)


def request_of(
    row: Outreach, *, case_number: str, phone: str, locale: str, agency_locale: str
) -> CallRequest:
    """Return the request for a planned call.

    Its node may have asked for `attempt`, `max_attempts` and a `script`, which follows the task that
    every agent reads.
    """
    params = row.params or {}
    attempt = int(params.get("attempt") or row.attempt)
    most = max(int(params.get("max_attempts") or attempt), attempt)
    values = {"attempt": attempt, "max_attempts": most, "case": case_number, "phone": phone}
    task = translate(TASK, agency_locale, **values)
    script = str(params.get("script") or "").strip()
    return CallRequest(
        key=row.idem_key,
        case_number=case_number,
        phone=phone,
        attempt=attempt,
        max_attempts=most,
        locale=locale,
        script=f"{task}\n\n{script}" if script else task,
    )
