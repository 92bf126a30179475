"""Open amounts stay as they are, invoiced ones lose what was paid: by the header, or as told."""

import pytest

from finview.imports.meanings import amount_is

OPEN = (
    "Offener Betrag",
    "Restforderung",
    "Saldo",
    "Kontosaldo EUR",
    "noch zu zahlen",
    "OP-Betrag",
    "Mietrückstand",
    "Amount Due",
    "InvoiceAmountDue",
    "Outstanding Balance",
    "amount_residual",
    "O/S Amount (open)",
)
INVOICED = (
    "Betrag",
    "Rechnungsbetrag",
    "Forderung",
    "Hauptforderung",
    "Amount",
    "Invoice Amount",
    "Original Balance",
    "Gesamtbetrag brutto",
    "",
)


@pytest.mark.parametrize("header", OPEN)
def test_a_header_says_that_an_amount_is_open(header: str) -> None:
    assert amount_is(header, {}) == "OPEN"


@pytest.mark.parametrize("header", INVOICED)
def test_other_headers_are_of_the_invoice(header: str) -> None:
    assert amount_is(header, {}) == "INVOICED"


def test_a_person_knows_better() -> None:
    assert amount_is("Saldo", {"amountIs": "INVOICED"}) == "INVOICED"
    assert amount_is("Betrag", {"amountIs": "OPEN"}) == "OPEN"
