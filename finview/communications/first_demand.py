"""What a first demand to a private person would lack, by the case's law pack."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from finview.cases import law
from finview.cases.models import Case, Debtor, DebtorKind
from finview.communications.facts import client_address
from finview.customers.models import BusinessUnit, Customer
from finview.i18n import N_, sentences

sentences(
    {
        "FIRST_DEMAND_DATA": N_("data of a first demand is missing"),
        "LACKS_CLIENT": N_("the client's address"),
        "LACKS_GROUND": N_("subject and date of the contract"),
        "LACKS_AUTHORITY": N_("the supervisory authority"),
    }
)

WAITS = "FIRST_DEMAND_DATA"


def lacks(session: Session, case: Case, debtor: Debtor, unit: BusinessUnit) -> tuple[str, ...]:
    """Return the parts a first demand can't have yet; nothing for a business.

    In Germany those of § 13a(1) RDG. What is claimed as interest and costs is known to the
    ledger, so those parts never lack anything.
    """
    code = str((case.financials or {}).get("law") or "")
    pack = law.packs_of(session).get(code)
    if pack is None or debtor.kind != DebtorKind.CONSUMER:
        return ()
    data = _data(case, session.get_one(Customer, case.customer_id), unit)
    return law.ask(pack, "first_letter_lacks", lambda: pack.first_letter_lacks(data))


def reasons(lacking: Sequence[str]) -> list[str]:
    """Return the reason codes of what is missing; nothing when nothing is."""
    return [WAITS, *(f"LACKS_{part}" for part in lacking)] if lacking else []


def _data(case: Case, customer: Customer, unit: BusinessUnit) -> dict[str, Any]:
    """Return what the messages say, by the names of the pack's parts.

    The subject of the contract may stand with the customer; the authority is one text with its
    name, address and how to reach it.
    """
    authority = {**unit.company, **unit.bank}.get("authority")
    return {
        "client_name": customer.company.get("name") or customer.name,
        "client_address": client_address(customer),
        "contract_subject": case.contract_subject or customer.company.get("contractSubject"),
        "contract_date": case.contract_date,
        "authority_name": authority,
        "authority_address": authority,
        "authority_contact": authority,
    }
