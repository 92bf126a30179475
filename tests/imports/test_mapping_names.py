"""What the header of a column says by itself: exact names, abbreviations, slips, non-fields."""

import pytest

from finview.imports.aliases import normalise_header
from finview.imports.mapping import header_score, propose
from finview.imports.names import name_hits


def best(header: str) -> str | None:
    return propose([header], [], debtor_kind="CONSUMER", country="DE")[0].field


@pytest.mark.parametrize(
    ("header", "normalised"),
    [
        ("Fällig am", "faellig am"),
        ("KdNr.", "kd nr"),
        ("InvoiceDueDate", "invoice due date"),
        ("Straße/Nr.", "strasse nr"),
        ("partner_id/name", "partner id name"),
        ("Invoice #", "invoice no"),
        ("First name(s)", "first name"),
        ("StraÃŸe", "strasse"),
        ("MwSt.-Betrag", "mwst betrag"),
        ("  \n ", ""),
    ],
)
def test_headers_are_normalised(header: str, normalised: str) -> None:
    assert normalise_header(header) == normalised


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("FKDAT", "invoice_date"),
        ("PSTLZ", "postcode"),
        ("BSID-WRBTR", "amount"),
        ("Belegfeld 1", "invoice_number"),
        ("EU-USt-IdNr.", "vat_id"),
        ("InvoiceAmountDue", "amount"),
        ("POPostalCode", "postcode"),
        ("invoice_date_due", "due_date"),
        ("Open balance", "amount"),
        ("Acct. No.", "customer_client_number"),
        ("Aktenzeichen", "customer_case_number"),
        ("Rg.-Dat.", "invoice_date"),
        ("Schuldner: PLZ", "postcode"),
        ("Debtor / E-Mail", "email"),
    ],
)
def test_product_names_and_abbreviations_are_known(header: str, field: str) -> None:
    assert best(header) == field


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("Rechnugnsnummer", "invoice_number"),
        ("Hauptfoderung", "amount"),
        ("Geburtsdtaum", "date_of_birth"),
        ("Adress Line 1", "street"),
        ("Currrency", "currency"),
        ("Telephone Nubmer", "phone"),
    ],
)
def test_a_slip_of_the_finger_is_forgiven(header: str, field: str) -> None:
    assert best(header) == field


NO_FIELD = """Faxnummer, Buchungsdatum, Tax Amount, Skontobetrag, Cost Centre, Sachbearbeiter, BUKRS,
Letzte Zahlung am, Ort des Gläubigers, Shipping Street, Mahnstufe neu"""


@pytest.mark.parametrize("header", [header.strip() for header in NO_FIELD.split(",")])
def test_columns_that_are_no_field_stay_unmapped(header: str) -> None:
    assert best(header) is None


def test_only_exact_names_are_given_when_there_are_any() -> None:
    assert {hit.exact for hit in name_hits("Rechnungsdatum").values()} == {True}


def test_a_header_cell_scores_and_data_does_not() -> None:
    assert header_score("Rechnungsnummer") == 1.0
    assert header_score("Rechnungsnumer") >= 0.8
    data = ["", "4711", "12,50 €", "a@b.example", "31.12.2024", "Müller", "x" * 200]
    assert [header_score(text) for text in data] == [0.0] * len(data)
