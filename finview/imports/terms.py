"""A customer's import settings as they stood when an import began: later changes leave it alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy.orm import Session

from finview.customers.models import Customer
from finview.customers.preferences import chain, effective
from finview.imports.models import Import


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an import goes by; a change counts for later ones."""

    case_per_invoice: bool = False
    match_on_customer_case_number: bool = False
    auto_match_percent: int = 80
    review_percent: int = 40
    payment_term_days: int = 30
    invoice_number_required: bool = False
    invoice_date_required: bool = True

    @property
    def required(self) -> Mapping[str, bool]:
        """The fields about which the customer decides whether a file must have them."""
        return {
            "invoice_number": self.invoice_number_required,
            "invoice_date": self.invoice_date_required,
        }

    def as_json(self) -> dict[str, Any]:
        """Return the terms as they are kept with an import."""
        return asdict(self)


def terms_now(session: Session, customer: Customer) -> Terms:
    """Return the terms of an import of this customer that begins now."""
    found = effective(session, chain(customer), "imports")
    return Terms(**{field.name: found[field.name].value for field in fields(Terms)})


def terms_of(row: Import) -> Terms:
    """Return the terms an import began with."""
    return Terms(**row.terms)
