"""What stands in an .xlsx comes out as people see it, including what Excel hides."""

import io
import zipfile
from datetime import date, datetime, time

import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils.datetime import CALENDAR_MAC_1904

HEAD = ["Kundennummer", "Nachname", "Betrag"]
SHEET = "xl/worksheets/sheet1.xml"


def second(desk, content):
    """Return the cells of the first data row."""
    return desk.read(content).rows[0].cells


def test_values_keep_their_type(desk, make):
    line = ["K1", 12.5, 3, 1e21, True, date(2024, 12, 31), datetime(2024, 1, 2, 3, 4, 5)]  # noqa: DTZ001  # sheets know no zones
    content = make(["Name", *"abcdef"], line)
    assert second(desk, content) == [
        ("K1", "s"), ("12.5", "n"), ("3", "n"), ("1" + "0" * 21, "n"), ("true", "b"),
        ("2024-12-31", "d"), ("2024-01-02T03:04:05", "d"),
    ]  # fmt: skip


def test_a_format_of_zeros_gives_the_leading_zeros_back(desk, make):
    def edit(book):
        for cell, code in {
            "B2": "00000",
            "C2": '"K-"000\\-00',
            "D2": "0.00",
            "E2": "#,##0",
        }.items():
            book.active[cell].number_format = code

    content = make(["Name", "PLZ", "Nr", "Betrag", "Zahl"], ["a", 1067, 1234, 5, 1067], edit=edit)
    assert second(desk, content)[1:] == [
        ("01067", "s"), ("K-012-34", "s"), ("5", "n"), ("1067", "n"),
    ]  # fmt: skip


def test_serial_60_is_a_day_that_never_was(desk, make):
    def edit(book):
        for cell in book.active["B"]:
            cell.number_format = "dd.mm.yyyy"

    content = make(["Name", "Datum"], *[["a", n] for n in (59, 60, 61, -969, 0.5)], edit=edit)
    assert [row[1] for row in desk.read(content).texts] == [
        "1900-02-28", "1900-02-29", "1900-03-01", "1897-05-05", "12:00:00",
    ]  # fmt: skip
    assert desk.read(content).rows[1].cells[1] == ("1900-02-29", "s")


def test_the_date_system_of_1904(desk, make):
    def edit(book):
        book.epoch = CALENDAR_MAC_1904

    found = desk.read(make(["Name", "Datum"], ["a", date(2024, 12, 31)], edit=edit))
    assert found.probe.date_1904
    assert found.texts == [["a", "2024-12-31"]]


def test_times_and_elapsed_times_are_text(desk, make):
    def edit(book):
        book.active["C2"].number_format = "[h]:mm"

    content = make(["Name", "Zeit", "Dauer"], ["a", time(16, 17), 1.5], edit=edit)
    assert second(desk, content)[1:] == [("16:17:00", "s"), ("36:00:00", "s")]


def test_formulas_errors_and_empty_results_are_told_apart(desk, make, patch):
    content = make(HEAD, ["K1", "Müller", "=1+1"], ["K2", "Meier", "=1/0"], ["K3", "X", "=T(1)"])
    content = patch(
        content, SHEET, r'<c r="C3">.*?</c>', '<c r="C3" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
    )
    content = patch(
        content, SHEET, r'<c r="C4">.*?</c>', '<c r="C4" t="str"><f>T(1)</f><v></v></c>'
    )
    assert [row.cells[2] for row in desk.read(content).rows] == [
        ("", "f"), ("#DIV/0!", "e"), ("", ""),
    ]  # fmt: skip


def test_typed_error_words_count_as_errors(desk, make, patch):
    content = make(["Name", "Ort"], ["a", "XX"], ["#NV", "b"])
    content = patch(content, SHEET, "XX", "#DIV/0!")
    assert [row.cells for row in desk.read(content).rows] == [
        [("a", "s"), ("#DIV/0!", "e")], [("#NV", "e"), ("b", "s")],
    ]  # fmt: skip


def test_escapes_are_decoded_once(desk, make, patch, stored):
    content = make(["Name", "Ort"], ["A1A1", "B1B1"])
    content = patch(content, SHEET, "A1A1", "a_x0000_b_xD800_c")
    content = patch(content, SHEET, "B1B1", "_x005F_x0041_")
    assert second(desk, stored(content)) == [("a\x00b\ufffdc", "s"), ("_x0041_", "s")]


def test_rich_text_is_joined_without_phonetic_guides(desk, make, patch, stored):
    rich = CellRichText("Mü", TextBlock(InlineFont(b=True), "ller"), " GmbH")
    content = make(["Name", "Ort"], [rich, "XX"])
    phonetic = "<r><t>東</t></r><rPh><t>zz</t></rPh>"
    content = patch(content, SHEET, "<t>XX</t>", phonetic)
    assert second(desk, stored(content)) == [("Müller GmbH", "s"), ("東", "s")]


def test_a_stray_cell_far_away_is_cut_with_a_notice(desk, make):
    def edit(book):
        book.active["XFD1048576"] = "x"

    found = desk.read(make(HEAD, ["K1", "Müller", 1], edit=edit))
    assert len(found.rows) == 1
    assert found.codes == {"COLUMN_LIMIT"}


@pytest.mark.parametrize("dimension", ["A1:A1", "A1:XFD1048576", ""])
def test_the_dimension_tag_is_not_believed(desk, make, patch, dimension):
    content = make(HEAD, ["K1", "Müller", 1], ["K2", "Meier", 2])
    tag = f'<dimension ref="{dimension}"/>' if dimension else ""
    content = patch(content, SHEET, "<dimension[^>]*>", tag)
    assert desk.read(content).texts == [["K1", "Müller", "1"], ["K2", "Meier", "2"]]


def test_empty_styled_rows_below_the_data_are_not_read(desk, make, patch):
    styled = "".join(f'<row r="{n}" ht="15"><c r="A{n}" s="0"/></row>' for n in range(3, 60_000))
    content = patch(make(HEAD, ["K1", "Müller", 1]), SHEET, "</sheetData>", styled + "</sheetData>")
    found = desk.read(content)
    assert len(found.rows) == 1
    assert found.probe.row_estimate == 1


def test_hidden_and_filtered_rows_are_read_and_told(desk, make):
    def edit(book):
        book.active.row_dimensions[3].hidden = True
        book.active.auto_filter.ref = "A1:C4"
        book.active.auto_filter.add_filter_column(0, ["K1"])

    found = desk.read(make(HEAD, *[[f"K{n}", "Müller", n] for n in (1, 2, 3)], edit=edit))
    assert len(found.rows) == 3
    assert found.notices == [("NOTICE_HIDDEN_ROWS", {"count": 1, "filtered": True})]
    assert [row.marks for row in found.rows] == [[], ["ROW_HIDDEN"], []]


def test_merged_debtors_are_filled_down_but_never_amounts(desk, make):
    def edit(book):
        for merged in ("A2:A3", "B2:B3", "C2:C3", "A4:B4"):
            book.active.merge_cells(merged)

    lines = [["K1", "Müller", 12.5, "R1"], [None, None, None, "R2"], ["K2", None, 3, "R3"]]
    found = desk.read(make([*HEAD, "Rechnungsnummer"], *lines, edit=edit))
    assert found.texts == [
        ["K1", "Müller", "12.5", "R1"], ["K1", "Müller", "", "R2"], ["K2", "", "3", "R3"],
    ]  # fmt: skip
    assert [row.marks for row in found.rows] == [[], ["AUTOFIX_MERGED_FILL"], []]
    assert found.probe.fill_columns == (0, 1, 2)


def test_a_mapping_decides_what_is_filled_down(desk, make):
    def edit(book):
        book.active.merge_cells("A2:A3")
        book.active.merge_cells("B2:B3")

    content = make(HEAD, ["K1", "Müller", 1], [None, None, 2], edit=edit)
    plan = desk.probe(content).plan.for_debtor([0])
    assert [row.cells[:2] for row in desk.rows("f.xlsx", plan)[0]][1] == [("K1", "s"), ("", "")]


def test_macros_are_told_and_left_alone(desk, make, patch):
    content = make(HEAD, ["K1", "Müller", 1])
    kind = "application/vnd.ms-excel.sheet.macroEnabled.main+xml"
    plain = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main.xml"
    content = patch(content, "[Content_Types].xml", plain.replace("main.xml", r"main\+xml"), kind)
    target = io.BytesIO(content)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"x")
    found = desk.probe(target.getvalue(), "f.xlsm")
    assert (found.format, found.notices) == ("xlsm", [("NOTICE_MACROS_IGNORED", {})])


def test_namespace_prefixes_and_cells_without_references(desk, make, patch):
    content = make(HEAD, ["K1", "Müller", 1])
    body = (
        '<x:sheetData><x:row><x:c t="inlineStr"><x:is><x:t>Nachname</x:t></x:is></x:c></x:row>'
        '<x:row><x:c t="inlineStr"><x:is><x:t>Müller</x:t></x:is></x:c><x:c><x:v>5</x:v></x:c>'
        "</x:row></x:sheetData>"
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<x:worksheet xmlns:x="{main}">{body}</x:worksheet>'
    assert desk.read(patch(content, SHEET, r"\A.*\Z", sheet)).texts == [["Müller", "5"]]


def test_an_endless_cell_is_cut(desk, make, patch):
    content = make(HEAD, ["K1", "XX", 1])
    content = patch(content, SHEET, "XX", "x" * 40_000)
    row = desk.read(content).rows[0]
    assert len(row.cells[1][0]) == 32_767
    assert row.marks == ["TEXT_TOO_LONG"]
