"""Why financial components are refused: from what pydantic says to our own codes with a path."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from finview.errors import Invalid
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "FINANCIALS_INVALID": N_("The financial components are not valid at {field}."),
        "FINANCIALS_REQUIRED": N_("{field}: {kind} needs {needed}."),
        "FINANCIALS_RANGE": N_("{field} must lie between {min} and {max}."),
        "FINANCIALS_UNKNOWN": N_("There is no financial component “{field}”."),
        "FINANCIALS_CHOICE": N_("{field} must be one of: {choices}."),
        "FINANCIALS_TIER_EMPTY": N_("{field}: a tier needs an amount or a percentage."),
        "FINANCIALS_TIERS_ORDER": N_(
            "{field}: the upper ends of the tiers must rise, and only the last may be open."
        ),
        "FINANCIALS_TIERS_GAP": N_(
            "{field}: nothing is set above {above}; the last tier must have no end."
        ),
        "FINANCIALS_MIN_MAX": N_("{field}: the least of {min} is above the most of {max}."),
    }
)

_BOUNDS = {"greater_than_equal": "ge", "less_than_equal": "le"}
_LEAST, _MOST = 0, 100


def refusal(reason: str, **params: Any) -> PydanticCustomError:
    """Return the error a validator raises for one of our reasons."""
    return PydanticCustomError("finview", "refused", {"reason": reason, **params})


def refused(error: ValidationError, at: Sequence[str]) -> Invalid:
    """Return the first problem as our own error; `field` and the path name the place."""
    first = error.errors(include_url=False)[0]
    place = [part if isinstance(part, int) else to_camel(str(part)) for part in first["loc"]]
    field = ".".join(str(part) for part in place) or "financials"
    path = (*at, *(str(part) for part in place))
    params = dict(first.get("ctx") or {})
    kind = first["type"]
    if kind == "finview":
        return Invalid(params.pop("reason"), path=path, field=field, **params)
    if kind in _BOUNDS:
        # Amounts have no upper end of their own; the sentence names the one of percentages.
        most = params.get("le", _MOST if "ercent" in field or "points" in field else "…")
        return Invalid("FINANCIALS_RANGE", path=path, field=field, min=_LEAST, max=most)
    if kind == "extra_forbidden":
        return Invalid("FINANCIALS_UNKNOWN", path=path, field=field)
    if kind == "enum":
        choices = str(params.get("expected", "")).replace("'", "").replace(" or ", ", ")
        return Invalid("FINANCIALS_CHOICE", path=path, field=field, choices=choices)
    return Invalid("FINANCIALS_INVALID", path=path, field=field)
