"""Rules over many rows: the same invoice twice, two currencies, one number for two debtors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.imports.filechecks import RowKeys, file_issues
from finview.imports.identity import Identity, conflict, who_key

ANNA = {
    "first_name": "Anna",
    "last_name": "Müller",
    "street": "Hauptstr.",
    "house_no": "1",
    "postcode": "01067",
    "city": "Dresden",
}


def keys(row_no, debtor="n:1", invoice="", currency="EUR", who=""):
    return RowKeys(
        row_no=row_no, debtor_key=debtor, invoice_key=invoice, currency=currency, who_key=who
    )


def found(rows, **more):
    return sorted((row_no, i.code, dict(i.params)) for row_no, i in file_issues(rows, **more))


def test_only_the_later_one_of_two_equal_invoices_is_a_duplicate():
    rows = [keys(2, invoice="R1"), keys(3, invoice="R2"), keys(4, invoice="R1"), keys(5)]

    assert found(rows) == [(4, "DUPLICATE_INVOICE", {"row": 2})]


def test_other_debtors_may_have_the_same_invoice_number():
    rows = [keys(2, "n:1", "R1"), keys(3, "n:2", "R1"), keys(4, "", "R1"), keys(5, "", "R1")]

    assert found(rows) == []


def test_every_row_of_a_debtor_with_two_currencies_is_held():
    rows = [keys(2), keys(3, currency="CHF"), keys(4, currency=""), keys(5, "n:2")]
    mixed = {"currencies": ["CHF", "EUR"]}

    assert found(rows) == [(row_no, "CURRENCY_MIXED", mixed) for row_no in (2, 3, 4)]
    assert found([keys(2, currency=""), keys(3)]) == []


def test_invoices_of_live_imports_are_named():
    rows = [keys(2, invoice="R1"), keys(3, invoice="R2"), keys(4)]

    assert found(rows, earlier={"R2": "I-7"}) == [(3, "ALREADY_IMPORTED", {"number": "I-7"})]


def test_one_number_with_another_name_points_at_the_first_row():
    data = {2: ANNA, 3: {**ANNA, "last_name": "Mueller"}, 4: {**ANNA, "last_name": "Schulze"}}
    data = {no: {**who, "customer_client_number": "1"} for no, who in data.items()}
    rows = [keys(no, who=who_key(who)) for no, who in data.items()]
    stored = {no: {k: [v, "FILE", v] for k, v in who.items()} for no, who in data.items()}
    asked = []

    def data_of(numbers):
        asked.extend(numbers)
        return {no: stored[no] for no in numbers}

    assert found(rows, data_of=data_of) == [(4, "DEBTOR_CONFLICT", {"value": "1", "row": 2})]
    assert sorted(asked) == [2, 3, 4]


def test_nothing_is_looked_up_when_all_rows_of_a_number_are_equal():
    rows = [keys(2, who="a"), keys(3, who="a"), keys(4, "p:x", who="b"), keys(5, "p:x", who="c")]

    assert found(rows, data_of=lambda numbers: pytest.fail(f"asked for {numbers}")) == []


def anna(**changes: str) -> Identity:
    kept = {"first": "Anna", "last": "Müller", "street": "Hauptstr. 1", "postcode": "01067"}
    return Identity(**{**kept, "city": "Dresden", **changes})


@pytest.mark.parametrize(
    "other",
    [
        anna(last="Mueller"),
        anna(last="MÜLLER"),
        anna(first="A."),
        anna(first=""),
        anna(first="Anna Maria"),
        anna(first="Müller", last="Anna"),
        anna(street="Hauptstraße 1"),
        anna(street="Haupt-Straße 1"),
        anna(street="", postcode="", city=""),
        anna(postcode="01068"),
        Identity(company="Müller GmbH"),
    ],
)
def test_spelling_and_gaps_are_no_conflict(other: Identity):
    assert conflict(anna(), other) is None
    assert conflict(other, anna()) is None


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (anna(last="Schulze"), "last_name"),
        (anna(first="Peter"), "last_name"),
        (anna(street="Hauptstr. 7"), "street"),
        (anna(street="Bergweg 1"), "street"),
        (anna(postcode="10115", city="Berlin"), "street"),
        (anna(street="", postcode="10115", city="Berlin"), "street"),
    ],
)
def test_another_name_or_address_is_a_conflict(other: Identity, field: str):
    assert conflict(anna(), other) == field
    assert conflict(other, anna()) == field


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Müller GmbH", "Mueller GmbH & Co. KG", True),
        ("Kranzfelder Bau GmbH", "Kranzfelder", True),
        ("Oakham Furniture PLC", "Oakham Furniture Limited", True),
        ("Oakham Furniture PLC", "Ravenwood Instruments Ltd", False),
        ("GmbH", "AG", False),
    ],
)
def test_companies_are_compared_without_their_legal_form(one, other, same):
    assert (conflict(Identity(company=one), Identity(company=other)) is None) == same


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["", "n:1", "n:2"]),
        st.sampled_from(["", "R1", "R2"]),
        st.sampled_from(["EUR", "CHF", ""]),
    ),
    max_size=12,
)


@given(ROWS)
def test_the_one_pass_agrees_with_comparing_all_pairs(drawn):
    rows = [keys(no, *values) for no, values in enumerate(drawn, start=2)]
    doubled, mixed = set(), set()
    for b in rows:
        same = [a for a in rows if a.debtor_key and a.debtor_key == b.debtor_key]
        if b.invoice_key and any(
            a.invoice_key == b.invoice_key and a.row_no < b.row_no for a in same
        ):
            doubled.add(b.row_no)
        if len({a.currency for a in same} - {""}) > 1:
            mixed.add(b.row_no)
    issues = list(file_issues(rows))

    assert {no for no, i in issues if i.code == "DUPLICATE_INVOICE"} == doubled
    assert {no for no, i in issues if i.code == "CURRENCY_MIXED"} == mixed
