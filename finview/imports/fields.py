"""The fields a column of an import file can be mapped to: names, kinds, labels, where a value goes."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from finview.i18n import N_

Kind = Literal[
    "text",
    "name",
    "email",
    "phone",
    "street",
    "postcode",
    "city",
    "country",
    "amount",
    "date",
    "currency",
    "number",
    "vat",
    "iban",
    "language",
]
"""What the values of a field are: decides the parser, the rules and the value profile."""

Target = Literal["debtor", "address", "email", "phone", "case", "invoice"]
"""The record a value is written to."""

CONSUMER: Final = "CONSUMER"
BUSINESS: Final = "BUSINESS"
BOTH: Final = frozenset({CONSUMER, BUSINESS})
NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: `label` is the English sentence, translated where it is shown."""

    name: str
    kind: Kind
    label: str
    target: Target
    max_length: int
    required_for: frozenset[str] = NOBODY
    used_by: frozenset[str] = BOTH
    debtor_name: bool = False
    """One of the fields of which every file needs at least one."""
    meaning: str | None = None
    """What its values mean, where the label alone doesn't tell: an English sentence."""


def _field(
    name: str,
    kind: Kind,
    label: str,
    target: Target,
    max_length: int,
    *,
    debtor_name: bool = False,
    meaning: str | None = None,
) -> Field:
    return Field(
        name=name,
        kind=kind,
        label=label,
        target=target,
        max_length=max_length,
        debtor_name=debtor_name,
        meaning=meaning,
    )


_ONLY_BUSINESS: Final = frozenset({BUSINESS})
_ONLY_CONSUMER: Final = frozenset({CONSUMER})

_ALL: Final = (
    _field("company", "name", N_("Company"), "debtor", 200, debtor_name=True),
    _field("full_name", "name", N_("Full name"), "debtor", 200, debtor_name=True),
    _field("first_name", "name", N_("First name"), "debtor", 100),
    _field("last_name", "name", N_("Last name"), "debtor", 100, debtor_name=True),
    _field("email", "email", N_("E-mail"), "email", 254),
    _field("phone", "phone", N_("Phone"), "phone", 60),
    _field("mobile", "phone", N_("Mobile phone"), "phone", 60),
    _field("street", "street", N_("Street"), "address", 200),
    _field("house_no", "text", N_("House number"), "address", 20),
    _field("postcode", "postcode", N_("Postcode"), "address", 12),
    _field("city", "city", N_("City"), "address", 100),
    _field("country", "country", N_("Country"), "address", 60),
    _field("customer_case_number", "number", N_("Case number of the customer"), "case", 60),
    _field("customer_client_number", "number", N_("Client number of the customer"), "debtor", 60),
    _field("invoice_number", "number", N_("Invoice number"), "invoice", 60),
    Field(
        name="invoice_date",
        kind="date",
        label=N_("Invoice date"),
        target="invoice",
        max_length=30,
        required_for=BOTH,
    ),
    _field("due_date", "date", N_("Due date"), "invoice", 30),
    Field(
        name="amount",
        kind="amount",
        label=N_("Amount"),
        target="invoice",
        max_length=40,
        required_for=BOTH,
        meaning=N_(
            "The amount of the invoice, or what is left of it to pay when the header says so "
            "(open amount, rest, balance, amount due)."
        ),
    ),
    _field("currency", "currency", N_("Currency"), "invoice", 20),
    _field("vat_id", "vat", N_("VAT number"), "debtor", 30),
    Field(
        name="register_no",
        kind="number",
        label=N_("Company register number"),
        target="debtor",
        max_length=60,
        used_by=_ONLY_BUSINESS,
    ),
    _field("date_of_birth", "date", N_("Date of birth"), "debtor", 30),
    _field("iban", "iban", N_("IBAN"), "debtor", 42),
    _field("language", "language", N_("Language"), "debtor", 40),
    _field("costs", "amount", N_("Costs"), "invoice", 40),
    _field("interest", "amount", N_("Interest"), "invoice", 40),
    _field(
        "paid_amount",
        "amount",
        N_("Amount paid"),
        "invoice",
        40,
        meaning=N_(
            "What was paid before: it is taken off the amount of the invoice, but never off an "
            "amount that is open already."
        ),
    ),
    _field("contract_date", "date", N_("Contract date"), "case", 30),
    _field("contract_subject", "text", N_("Subject of the contract"), "case", 300),
    _field("origin", "text", N_("Origin of the claim"), "case", 200),
    Field(
        name="industry",
        kind="text",
        label=N_("Industry"),
        target="debtor",
        max_length=100,
        used_by=_ONLY_BUSINESS,
    ),
    Field(
        name="employment",
        kind="text",
        label=N_("Employment"),
        target="debtor",
        max_length=200,
        used_by=_ONLY_CONSUMER,
    ),
    Field(
        name="identity_no",
        kind="number",
        label=N_("Identity document number"),
        target="debtor",
        max_length=60,
        used_by=_ONLY_CONSUMER,
    ),
    _field("notes", "text", N_("Notes"), "case", 2000),
)

FIELDS: Final[Mapping[str, Field]] = MappingProxyType({field.name: field for field in _ALL})
"""Every built-in field by name, in the order forms and templates show them."""


def fields_for(kind: str) -> tuple[Field, ...]:
    """The fields a file of this debtor kind (CONSUMER or BUSINESS) can fill, in order."""
    return tuple(field for field in _ALL if kind in field.used_by)


def missing_required(
    mapped: Set[str], kind: str, required: Mapping[str, bool] = MappingProxyType({})
) -> list[str]:
    """Names of the required fields no column is mapped to.

    A debtor needs one of company, full name and last name; when all are missing, the one usual
    for the debtor kind is named. `required` is what a customer's settings say of single fields.
    """
    missing: list[str] = []
    if not any(field.debtor_name and field.name in mapped for field in _ALL):
        missing.append("company" if kind == BUSINESS else "full_name")
    missing += [
        field.name
        for field in _ALL
        if required.get(field.name, kind in field.required_for) and field.name not in mapped
    ]
    return missing
