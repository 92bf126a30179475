"""A column's format comes from all its rows; texts are safe to store after cleaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.imports.cells import ColumnEvidence, ColumnFormat, clean, settle, visible


def texts(*values: str) -> list[tuple[str, str]]:
    return [(value, "s") for value in values]


@pytest.mark.parametrize(
    ("values", "decimal", "ambiguous"),
    [
        (("12,5", "1.234"), "COMMA", False),
        (("1.234.567", "1.234"), "COMMA", False),
        (("12.50", "1,234"), "POINT", False),
        (("1'234", "12,345,678"), "POINT", False),
        (("1.234", "5.678"), None, True),
        (("1.234", "12,50", "12.50"), None, True),
        (("1.234", *["12,50"] * 40, "12.50"), "COMMA", False),
        (("12", "abc"), None, False),
    ],
)
def test_the_decimal_sign_of_a_column_needs_proof(values, decimal, ambiguous):
    found = settle("amount", texts(*values), "DE")

    assert (found.decimal, found.ambiguous) == (decimal, ambiguous)


@pytest.mark.parametrize(
    ("values", "order", "ambiguous"),
    [
        (("03/04/2024", "31/12/2024"), "DMY", False),
        (("03/04/2024", "12/31/2024"), "MDY", False),
        (("03/04/2024", "05/06/2024"), None, True),
        (("03/04/2024", "31/12/2024", "12/31/2024"), None, True),
        (("2024-12-31",), "YMD", False),
        (("03.04.2024",), None, False),
    ],
)
def test_the_order_of_a_date_column_needs_proof(values, order, ambiguous):
    found = settle("date", texts(*values), "GB")

    assert (found.date_order, found.ambiguous) == (order, ambiguous)


def test_number_cells_prove_nothing_about_text():
    assert settle("amount", [("12.5", "n"), ("1.234", "s")]).ambiguous


def test_a_persons_choice_wins_and_the_usual_one_is_only_offered():
    unclear = settle("amount", texts("1.234"), "DE")
    chosen = settle("amount", texts("1.234", "12.50"), "DE", {"decimal": "COMMA"})

    assert (unclear.decimal, unclear.likely) == (None, "COMMA")
    assert settle("amount", texts("1.234"), "GB").likely == "POINT"
    assert (chosen.decimal, chosen.ambiguous) == ("COMMA", False)
    assert settle("date", texts("03/04/2024"), "DE", {"dateOrder": "MDY"}).date_order == "MDY"


@given(
    st.lists(st.sampled_from(["12,5", "1.234", "12.5", "x", "1.234,00"]), max_size=30), st.data()
)
def test_evidence_adds_up_over_chunks_and_through_json(values, data):
    cut = data.draw(st.integers(0, len(values)))
    first = ColumnEvidence("amount")
    first.add(texts(*values[:cut]))
    second = ColumnEvidence.from_json(first.as_json())
    second.add(texts(*values[cut:]))
    found = second.settled(country="DE")

    assert found == settle("amount", texts(*values), "DE")
    assert ColumnFormat.from_json(found.as_json()) == found


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("\xa0 Barth  ", "Barth"),
        ("Hans \u200b Peter", "Hans Peter"),
        ("Mu\u0308ller", "Müller"),
        ("Dres\x00den\u202e", "Dresden"),
        ("a\nb\tc", "a b c"),
        ("plain text", "plain text"),
    ],
)
def test_texts_are_cleaned(text: str, tidy: str):
    assert clean(text).text == tidy


def test_cleaning_tells_what_it_did():
    assert clean(" x").blanks
    assert clean("x\u202e").controls
    assert not clean("x\u202e").blanks
    assert clean("x  y\nz", lines=True).text == "x y\nz"


@pytest.mark.parametrize(
    ("word", "doubled"),
    [
        ("Schäfner", "SchÃ¤fner"),
        ("Straße", "StraÃŸe"),
        ("Straße", "StraÃ\x9fe"),
        ("Köln", "KÃƒÂ¶ln"),
        ("10 € – “ja", "10 â‚¬ â€“ â€œja"),
        ("Łódź", "Å\x81Ã³dÅº"),
    ],
)
def test_double_encoded_text_is_recognised_and_repaired(word: str, doubled: str):
    assert clean(doubled).repair == word


@pytest.mark.parametrize("word", ["Müller", "São Tomé", "Ångström", "Ã", "Élysée", "CAFÉ"])
def test_honest_accents_are_left_alone(word: str):
    assert clean(word).repair is None


@given(st.text(max_size=60))
def test_control_and_bidi_characters_never_survive(text):
    for safe in (clean(text).text, clean(text, lines=True).text, visible(text)):
        assert not set(safe) & set("\x00\x1b\x7f\u202a\u202e\u2066\u2069\u200f\ufffe")
        safe.encode("utf-8")
    assert clean(clean(text).text).text == clean(text).text
