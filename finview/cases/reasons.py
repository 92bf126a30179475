"""The reason a person gives for what they do to a claim account by hand."""

from collections.abc import Sequence

from finview.errors import Invalid, Required
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "REASON_REQUIRED": N_("Please give a reason."),
        "REASON_TOO_LONG": N_("A reason has at most {max} characters."),
    }
)

REASON_CHARS_MAX = 500


def given_reason(reason: str, path: Sequence[str]) -> str:
    """Return a reason without blanks around it; raises `Required` and `Invalid` with the place."""
    kept = reason.strip()
    if not kept:
        raise Required("REASON_REQUIRED", path=path)
    if len(kept) > REASON_CHARS_MAX:
        raise Invalid("REASON_TOO_LONG", path=path, max=REASON_CHARS_MAX)
    return kept
