"""VAT on the agency's commission, by where the agency and its customer are (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.money import parse_rate

CODES = sentences(
    {
        "VAT_RATE_MISSING": N_(
            "No VAT rate is known for {country}: please set the one of the business unit's invoices."
        ),
        "VAT_DOMESTIC": N_("VAT at the rate of {country}"),
        "VAT_REVERSE_CHARGE": N_("Reverse charge: the customer owes the VAT"),
        "VAT_ABROAD": N_("Not taxable here: the place of supply is abroad"),
    }
)

HOME = "DE"
"""Where an agency is whose business unit names no country."""

EU = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)

# From a day on, in percent; newest first. § 12(1), § 28 UStG; § 10(1) UStG (AT); art. 9 Wet OB (NL);
# VATA 1994 s. 2 (GB). The United States know no VAT.
_STANDARD: Mapping[str, tuple[tuple[date, str], ...]] = {
    "DE": (
        (date(2021, 1, 1), "19"),
        (date(2020, 7, 1), "16"),
        (date(2007, 1, 1), "19"),
    ),
    "AT": ((date(1984, 1, 1), "20"),),
    "NL": ((date(2012, 10, 1), "21"),),
    "GB": ((date(2011, 1, 4), "20"),),
    "US": ((date.min, "0"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vat:
    """A rate in 1/10,000 percent, the code of the sentence that says why, and whose rate it is."""

    rate: int
    rule: str
    country: str


def vat_on_commission(
    unit: Mapping[str, Any], invoices: Mapping[str, Any], customer: Mapping[str, Any], on: date
) -> Vat:
    """Return the VAT of a service to a customer that is complete on a day.

    `unit` and `customer` are company data with `country` and `vatId`, `invoices` the settings of the
    unit's invoices, whose `vatPercent` goes before the standard rate. At home the agency's rate
    holds; a customer with a VAT number elsewhere in the EU owes the VAT itself (art. 44, 196
    Directive 2006/112/EC, § 13b UStG), one without is charged as at home; anywhere else the service
    is not taxable here. Raises `Invalid` (VAT_RATE_MISSING).
    """
    seller = str(unit.get("country") or HOME).upper()
    buyer = str(customer.get("country") or seller).upper()
    both_in_union = seller in EU and buyer in EU
    if buyer != seller and not both_in_union:
        return Vat(rate=0, rule="VAT_ABROAD", country=buyer)
    if buyer != seller and customer.get("vatId"):
        return Vat(rate=0, rule="VAT_REVERSE_CHARGE", country=buyer)
    return Vat(rate=_rate(seller, invoices, on), rule="VAT_DOMESTIC", country=seller)


def _rate(country: str, invoices: Mapping[str, Any], on: date) -> int:
    own = invoices.get("vatPercent")
    if own not in (None, ""):
        return parse_rate(str(own))
    for since, percent in _STANDARD.get(country, ()):
        if on >= since:
            return parse_rate(percent)
    raise Invalid("VAT_RATE_MISSING", path=("customerId",), country=country)
