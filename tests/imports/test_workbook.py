"""The error workbook keeps every text a text and finds its rows again."""

from io import BytesIO
from pathlib import Path

import openpyxl
import pytest

from finview.imports.reading.process import Limits, ReadPlan, rows
from finview.imports.workbook import ErrorRow, Problem, write_error_workbook

RISKY = ["=1+1", "+49 30 1", "-5", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"]


def written(cells: list[list[tuple[str, str]]], **options: object) -> BytesIO:
    target = BytesIO()
    found = [
        ErrorRow(
            no=at + 7,
            cells=row,
            problems=[Problem(message="Betrag fehlt.", column=1), Problem(message="Doppelt.")],
        )
        for at, row in enumerate(cells)
    ]
    write_error_workbook(
        target, headers=["Name", "=Betrag"], rows=found, import_number="I-12", locale="de"
    )
    target.seek(0)
    return target


@pytest.mark.parametrize("text", RISKY)
def test_risky_text_is_stored_as_quoted_text(text: str) -> None:
    sheet = openpyxl.load_workbook(written([[(text, "s"), ("", "")]])).worksheets[0]
    cell = sheet["A2"]
    assert cell.data_type == "s"
    assert cell.quotePrefix
    assert sheet["B1"].data_type == "s"


def test_problems_are_told_marked_and_explained() -> None:
    sheet = openpyxl.load_workbook(written([[("Müller", "s"), ("1.5", "n")]])).worksheets[0]
    assert [cell.value for cell in sheet[2]] == [
        "Müller", 1.5, "Betrag fehlt.\nDoppelt.", 7, "I-12",
    ]  # fmt: skip
    assert sheet["B2"].comment.text == "Betrag fehlt."
    assert sheet["B2"].fill.fill_type == "solid"
    assert sheet["A2"].fill.fill_type is None
    assert sheet["C1"].value == "Probleme"


def test_keys_are_hidden() -> None:
    sheet = openpyxl.load_workbook(written([[("a", "s")]])).worksheets[0]
    assert [cell.value for cell in sheet[1]][3:] == ["_finview_row", "_finview_import"]
    hidden = {name for name, size in sheet.column_dimensions.items() if size.hidden}
    assert hidden & {"D", "E"}
    assert not hidden & {"A", "B", "C"}


def test_the_reader_gives_back_what_was_written(tmp_path: Path) -> None:
    cells = [
        [("a\x00b\u202e", "s"), ("2024-12-31", "d")],
        [("_x0041_", "s"), ("2024-12-31T10:30:00", "d")],
        [("#DIV/0!", "e"), ("12.5", "n")],
        [("x" * 40_000, "s"), ("true", "b")],
    ]
    path = tmp_path / "errors.xlsx"
    path.write_bytes(written(cells).getvalue())
    plan = ReadPlan(sheet=None, header_row=1, columns=2)
    with rows(path, path.name, plan, Limits()) as stream:
        back = [row.cells[:2] for chunk in stream for row in chunk.rows]
    cells[3][0] = ("x" * 32_767, "s")
    assert back == cells
