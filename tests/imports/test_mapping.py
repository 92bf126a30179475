"""Proposing a mapping for whole files: names, values, memory, one column per field."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.imports.mapping import ColumnProposal, Remembered, file_ready, propose

Cell = tuple[str, str]

COLUMNS: dict[str, list[str]] = {
    "Kundennr.": ["K100", "K100", "K101", "K102", "K102", "K103", "K104", "K104"],
    "Nachname": ["Sontag", "Sontag", "Kühn", "Yilmaz", "Yilmaz", "Brandt", "Noll", "Noll"],
    "Vorname": ["Peter", "Peter", "Anna", "Ayse", "Ayse", "Uwe", "Heike", "Heike"],
    "Straße": ["Am Ring 3", "Am Ring 3", "Lindenweg 7", "Hofgasse 1"] * 2,
    "PLZ": ["01067", "01067", "50667", "80331"] * 2,
    "Ort": ["Dresden", "Dresden", "Köln", "München"] * 2,
    "E-Mail": ["p.sontag@example.de", "", "a@example.de", "ayse@example.de"] * 2,
    "Rechnungsnr.": [f"RE-2025-{number:04}" for number in range(8)],
    "Rechnungsdatum": [f"{day:02}.03.2025" for day in range(1, 9)],
    "Fällig am": [f"{day:02}.04.2025" for day in range(1, 9)],
    "Betrag": ["120,50", "1.310,00", "88,20", "640,00", "12,90", "99,00", "450,75", "77,10"],
    "Mahnkosten": ["2,50", "5,00", "0,00", "2,50", "5,00", "0,00", "2,50", "5,00"],
}


def table(columns: dict[str, list[str]]) -> tuple[list[str], list[list[Cell]]]:
    rows = [
        [(text, "s" if text else "") for text in row] for row in zip(*columns.values(), strict=True)
    ]
    return list(columns), rows


def proposed(
    columns: dict[str, list[str]], memory: dict[str, Remembered] | None = None
) -> dict[str, ColumnProposal]:
    headers, rows = table(columns)
    found = propose(headers, rows, debtor_kind="CONSUMER", country="DE", memory=memory or {})
    return {proposal.header: proposal for proposal in found}


def renamed(names: dict[str, str]) -> dict[str, list[str]]:
    return {names.get(header, header): values for header, values in COLUMNS.items()}


def test_a_clear_file_is_mapped_and_ready() -> None:
    found = proposed(COLUMNS)
    assert [proposal.field for proposal in found.values()] == [
        "customer_client_number",
        "last_name",
        "first_name",
        "street",
        "postcode",
        "city",
        "email",
        "invoice_number",
        "invoice_date",
        "due_date",
        "amount",
        "costs",
    ]
    assert file_ready(list(found.values()), "CONSUMER")


SMALL = {
    "Kundennummer": ["1"],
    "Vorname": ["Xaverl"],
    "Nachname": ["Sontag"],
    "Rechnungsnummer": ["R 1"],
    "Rechnungsdatum": ["01.03.2025"],
    "Betrag": ["100"],
}


@pytest.mark.parametrize("rows", [1, 3, 9])
def test_exact_headers_are_enough_for_a_small_file(rows: int) -> None:
    columns = {header: values * rows for header, values in SMALL.items()}
    found = proposed({**columns, "Rechnungsnummer": [f"R {n}" for n in range(rows)]})
    assert file_ready(list(found.values()), "CONSUMER")
    assert found["Rechnungsnummer"].field == "invoice_number"


@pytest.mark.parametrize("value", ["anna@example.de", "Anna", "02.03.2025"])
def test_even_one_value_of_another_kind_speaks_against_an_exact_header(value: str) -> None:
    found = proposed({**SMALL, "Rechnungsnummer": [value]})
    assert found["Rechnungsnummer"].decided == "suggested"


def test_many_odd_values_speak_against_an_exact_header() -> None:
    found = proposed({header: values * 30 for header, values in SMALL.items()})
    assert found["Rechnungsnummer"].decided == "suggested"


def test_samples_are_distinct_filled_values() -> None:
    assert proposed(COLUMNS)["PLZ"].samples == ["01067", "50667", "80331"]


def test_a_file_without_amount_is_not_ready() -> None:
    columns = {header: values for header, values in COLUMNS.items() if header != "Betrag"}
    assert not file_ready(list(proposed(columns).values()), "CONSUMER")


def test_an_unknown_column_is_asked_about() -> None:
    found = proposed({**COLUMNS, "Zwurbel": ["q", "w", "e", "r", "t", "z", "u", "i"]})
    assert (found["Zwurbel"].field, found["Zwurbel"].decided) == (None, "suggested")
    assert not file_ready(list(found.values()), "CONSUMER")


def test_a_known_non_field_is_ignored_without_asking() -> None:
    found = proposed({**COLUMNS, "Anrede": ["Herr", "Herr", "Frau", "Frau"] * 2})
    assert (found["Anrede"].field, found["Anrede"].decided) == (None, "ignored")
    assert file_ready(list(found.values()), "CONSUMER")


def test_a_column_without_header_is_mapped_by_its_values_but_asked_about() -> None:
    found = proposed(renamed({"E-Mail": ""}))
    assert (found[""].field, found[""].decided) == ("email", "suggested")


def test_an_empty_column_without_header_is_ignored() -> None:
    found = proposed({**COLUMNS, " ": [""] * 8})
    assert (found[" "].field, found[" "].decided) == (None, "ignored")


def test_two_columns_of_one_name_are_both_asked_about() -> None:
    headers, rows = table(COLUMNS)
    at = headers.index("Betrag")
    twice = [[*row, row[at]] for row in rows]
    found = propose([*headers, "Betrag"], twice, debtor_kind="CONSUMER", country="DE")
    assert {found[at].decided, found[-1].decided} == {"suggested"}
    assert sorted([found[at].field or "", found[-1].field or ""]) == ["", "amount"]


def test_a_field_is_never_proposed_twice() -> None:
    names = ["Telefon", "Tel.", "Phone", "Festnetz", "Telefon privat", "Rufnummer"]
    found = propose(names, [], debtor_kind="CONSUMER", country="DE")
    assert [proposal.field for proposal in found].count("phone") == 1


def test_the_later_of_two_dates_is_the_due_date() -> None:
    found = proposed(renamed({"Rechnungsdatum": "Datum A", "Fällig am": "Datum B"}))
    assert (found["Datum A"].field, found["Datum B"].field) == ("invoice_date", "due_date")


def test_a_plain_name_beside_a_first_name_is_the_last_name() -> None:
    assert proposed(renamed({"Nachname": "Name"}))["Name"].field == "last_name"


def test_legal_forms_make_a_customer_column_a_company() -> None:
    firms = ["Noll GmbH", "Bau Kühn AG", "Yilmaz KG", "Brandt & Co. KG"] * 2
    assert proposed({"Kunde": firms, "Betrag": COLUMNS["Betrag"]})["Kunde"].field == "company"


def test_values_that_contradict_a_similar_name_win() -> None:
    found = proposed({**COLUMNS, "Amount Code": ["a@x.de", "b@x.de", "c@x.de", "d@x.de"] * 2})
    assert found["Amount Code"].field != "amount"


def test_evidence_names_alias_and_values() -> None:
    rules = {fact["rule"]: fact for fact in proposed(COLUMNS)["E-Mail"].evidence}
    assert rules["name"]["alias"] == "e mail"
    assert rules["values"] == {"rule": "values", "fact": "email", "share": 1.0}


def test_what_a_person_decided_before_is_used() -> None:
    memory = {
        "zwurbel": Remembered(field="notes", options={"note": 1}),
        "mahnkosten": Remembered(field=None),
    }
    found = proposed({**COLUMNS, "Zwurbel": ["q", "w", "e", "r", "t", "z", "u", "i"]}, memory)
    assert (found["Zwurbel"].field, found["Zwurbel"].decided) == ("notes", "memory")
    assert found["Zwurbel"].options == {"note": 1}
    assert (found["Mahnkosten"].field, found["Mahnkosten"].decided) == (None, "ignored")
    assert file_ready(list(found.values()), "CONSUMER")


def test_a_memory_often_overruled_is_asked_about() -> None:
    memory = {"zwurbel": Remembered(field="notes", hits=1, misses=5)}
    found = proposed({**COLUMNS, "Zwurbel": ["q", "w", "e", "r", "t", "z", "u", "i"]}, memory)
    assert found["Zwurbel"].decided == "suggested"


def test_memory_gives_way_to_values_that_cannot_be_that_field() -> None:
    found = proposed(COLUMNS, {"e mail": Remembered(field="invoice_date")})
    assert found["E-Mail"].field == "email"


def test_a_field_of_the_other_debtor_kind_is_left_out() -> None:
    sector = {**COLUMNS, "Branche": ["Bau", "Handel"] * 4}
    assert proposed(sector)["Branche"].field is None
    headers, rows = table(sector)
    business = propose(headers, rows, debtor_kind="BUSINESS", country="DE")
    assert business[-1].field == "industry"


def test_short_rows_and_error_cells_do_no_harm() -> None:
    headers, rows = table(COLUMNS)
    ragged = [row[: 3 + at] for at, row in enumerate(rows)]
    ragged[0][0] = ("#N/A", "e")
    found = propose(headers, ragged, debtor_kind="CONSUMER", country="DE")
    assert found[0].field == "customer_client_number"


@pytest.mark.parametrize("headers", [[], [""], ["", ""]])
def test_files_with_hardly_a_column_are_no_problem(headers: list[str]) -> None:
    assert len(propose(headers, [], debtor_kind="BUSINESS", country="GB")) == len(headers)


def test_the_order_of_the_columns_changes_nothing() -> None:
    usual = {header: proposal.field for header, proposal in proposed(COLUMNS).items()}
    headers = list(COLUMNS)
    random.Random(3).shuffle(headers)
    shuffled = proposed({header: COLUMNS[header] for header in headers})
    assert {header: shuffled[header].field for header in usual} == usual


@given(st.lists(st.tuples(st.text(max_size=30), st.sampled_from(["", "s", "n", "d", "e", "f"]))))
def test_no_cell_breaks_the_proposal(cells: list[Cell]) -> None:
    found = propose(["Betrag"], [[cell] for cell in cells], debtor_kind="CONSUMER", country="DE")
    assert 0 <= found[0].margin <= 1
    assert 0 <= found[0].confidence <= 1


def test_endless_cells_are_looked_at_quickly() -> None:
    cells = ["a" * 32_000, "1" * 32_000, "a@" + ".a" * 16_000, "1 " * 16_000]
    found = propose(["?"], [[(text, "s")] for text in cells], debtor_kind="CONSUMER", country="DE")
    assert max(len(text) for text in found[0].samples) <= 80
