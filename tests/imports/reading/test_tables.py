"""The right sheet, the right header row, and only rows that are cases."""

import pytest

from finview.errors import FinviewError

HEAD = ["Kundennummer", "Nachname", "Betrag", "Rechnungsdatum"]
LINE = ["K1", "Müller", 12.5, "31.12.2024"]


def test_a_title_block_above_the_header(desk, make):
    content = make(["Nordlicht GmbH"], [], ["Offene Posten", None, "Stand 2024"], [], HEAD, LINE)
    found = desk.probe(content)
    assert found.header_row == 5
    assert found.titles == [["Nordlicht GmbH"], ["Offene Posten", "Stand 2024"]]


def test_blank_and_total_rows_are_left_out(desk, make):
    total = ["Summe", None, 25, None]
    found = desk.read(make(HEAD, LINE, [], [" ", None, "", None], LINE, total))
    assert [row.no for row in found.rows] == [2, 5]
    assert found.notices == [("NOTICE_TOTAL_ROW", {"row": 6})]


@pytest.mark.parametrize(
    "total",
    [["Gesamtsumme:", None, "1.234,56 €"], [None, "Grand Total", 5], ["Summe (EUR)", None, 1]],
)
def test_words_for_total(desk, make, total):
    assert len(desk.read(make(HEAD, LINE, total)).rows) == 1


@pytest.mark.parametrize("name", ["Total GmbH", "Summe Bau AG", "Gesamt"])
def test_a_debtor_with_such_a_name_stays(desk, make, name):
    assert len(desk.read(make(HEAD, LINE, [name, "Berlin", 5])).rows) == 2


def test_mapped_debtor_columns_settle_what_a_total_line_is(desk, make):
    content = make(HEAD, LINE, ["Summe", None, 25, "per 31.12."], ["Total", "Meier", 5, None])
    plan = desk.probe(content).plan.for_debtor([0, 1])
    assert [row.no for row in desk.rows("f.xlsx", plan)[0]] == [2, 4]


def test_the_sheet_with_the_data_is_chosen(desk, make):
    def edit(book):
        book.active.title = "Anleitung"
        for name, state in (("Daten", "visible"), ("Alt", "hidden"), ("Leer", "visible")):
            sheet = book.create_sheet(name)
            sheet.sheet_state = state
            for line in [] if name == "Leer" else [HEAD, LINE]:
                sheet.append(line)

    content = make(["Bitte füllen Sie das Blatt Daten aus."], ["Danke."], edit=edit)
    found = desk.probe(content)
    assert found.sheet == "Daten"
    assert [(s.name, s.visible) for s in found.sheets] == [
        ("Anleitung", True), ("Daten", True), ("Alt", False),
    ]  # fmt: skip
    assert desk.probe(content, sheet="Alt").sheet == "Alt"


def test_a_sheet_that_is_not_there(desk, make):
    with pytest.raises(FinviewError, match="SHEET_UNKNOWN"):
        desk.probe(make(HEAD, LINE), sheet="Nirgends")


def test_duplicate_and_blank_headers_are_addressed_by_position(desk, make):
    found = desk.read(make(["Name", "Name ", None, "Betrag"], ["a", "b", "c", 1]))
    assert found.probe.headers == ["Name", "Name", "", "Betrag"]
    assert found.texts == [["a", "b", "c", "1"]]


def test_a_group_above_the_header_is_put_before_the_names(desk, make):
    def edit(book):
        for merged in ("B1:C1", "A1:A2"):
            book.active.merge_cells(merged)

    lines = [["Kundennummer", "Adresse", None], [None, "Straße", "Ort"], ["K1", "Weg 1", "Ulm"]]
    found = desk.probe(make(*lines, edit=edit), header_row=2)
    assert found.headers == ["Kundennummer", "Adresse / Straße", "Adresse / Ort"]


def test_unknown_header_names_are_found_by_their_build(desk, make):
    lines = [["Qwert", "Asdfg", "Yxcvb"], *[[f"X{n}", n, n * 1.5] for n in range(9)]]
    assert desk.probe(make(["Bericht"], [], *lines)).header_row == 3


def test_a_file_without_header_keeps_its_first_row(desk, make):
    found = desk.read(make(*[[1.5 * n, "a@example.org", n, "2024-12-31"] for n in range(1, 9)]))
    assert found.probe.header_row == 0
    assert found.probe.headers == [""] * 4
    assert len(found.rows) == 8


def test_a_person_may_choose_the_header_row(desk, make):
    found = desk.read(make(HEAD, HEAD, LINE), header_row=2)
    assert (found.probe.header_row, len(found.rows)) == (2, 1)
