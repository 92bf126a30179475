"""What a checked row is made of: its values with their origin, its issues, its keys; and what for."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from finview.imports.cells import ColumnFormat
from finview.imports.rulebook import RULES, Section

Source = Literal["FILE", "AUTO_FIX", "USER"]
Scalar = str | int | None

FILE: Final = "FILE"
AUTO_FIX: Final = "AUTO_FIX"
USER: Final = "USER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One reason why a row stands where it stands, or (section READY) what was repaired."""

    code: str
    field: str | None = None
    section: Section = "READY"
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    suggestion: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value: as written, as it will be stored (dates ISO, amounts minor units), and whose it is.

    `raw` is None when the file says nothing; `codes` are the auto-fixes that made `value`.
    """

    raw: str | None = None
    value: Scalar = None
    source: Source = "FILE"
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKeys:
    """What the rules over many rows compare; an empty text is "none".

    `who_key` is the same for rows with the same name and address, letter by letter.
    """

    debtor_key: str = ""
    client_number: str = ""
    invoice_key: str = ""
    currency: str = ""
    amount_minor: int | None = None
    who_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """A row after its own rules; those over many rows may still move it down."""

    row_no: int
    values: dict[str, Value]
    issues: list[Issue]
    section: Section
    keys: RowKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is the same for all rows of an import.

    `fields` by column index, None = ignored. `currency` and `language` are the customer's.
    `typed` False (CSV): numbers and dates can't be but text, so reading them is no repair.
    `mac_dates`: serial numbers count from 1904. Keep one Context per mapping: it remembers cells.
    """

    debtor_kind: str
    phone_country: str
    currency: str
    today: date
    fields: Sequence[str | None]
    payment_term_days: int = 30
    formats: Mapping[str, ColumnFormat] = dataclasses.field(default_factory=dict)
    invoice_number_required: bool = False
    invoice_date_required: bool = True
    language: str = "de"
    typed: bool = True
    mac_dates: bool = False
    memo: dict[Any, Any] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def required(self, name: str) -> bool:
        """Tell whether a row without this field's value is worth nothing."""
        return name == "amount" or (name == "invoice_date" and self.invoice_date_required)


def issue(
    code: str,
    name: str | None = None,
    *,
    required: bool = False,
    suggestion: str | None = None,
    **params: Any,
) -> Issue:
    """Return an issue in the section its rule names, in a required field perhaps a worse one."""
    rule = RULES[code]
    return Issue(
        code=code,
        field=name,
        section=rule.required if required else rule.section,
        params=params,
        suggestion=suggestion,
    )
