"""Random workbooks written by openpyxl, and random delimited files, come back equal."""

import csv
import io
import math
import re
from datetime import date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from finview.imports.reading.process import ReadPlan
from finview.imports.reading.values import ERRORS

characters = st.characters(
    exclude_categories=["Cs"],
    exclude_characters=[*map(chr, range(32)), "\ufffe", "\uffff"],
)
texts = st.text(characters, min_size=1, max_size=30).filter(
    lambda text: text.strip() and text.strip() not in ERRORS and not text.startswith("=")
    and not re.search("_x[0-9A-Fa-f]{4}_|x005F_", text)
)  # fmt: skip
moments = st.datetimes(datetime(1900, 3, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001  # no zones
    lambda moment: moment.replace(microsecond=0)
)
values = st.one_of(
    st.none(),
    texts,
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.floats(-1e12, 1e12).filter(lambda number: number == 0 or abs(number) > 1e-9),
    st.dates(date(1900, 3, 1), date(2200, 1, 1)),
    moments,
)
tables = st.lists(st.lists(values, min_size=1, max_size=8), min_size=1, max_size=25)


def same(cell: tuple[str, str], value: object) -> bool:
    text, kind = cell
    match value:
        case None:
            return kind == ""
        case bool():
            return cell == (str(value).lower(), "b")
        case int() | float():
            return kind == "n" and "e" not in text and math.isclose(float(text), value)
        case datetime():
            return abs(datetime.fromisoformat(text) - value) <= timedelta(milliseconds=1)
        case date():
            return cell == (value.isoformat(), "d")
        case _:
            return cell == (value, "s")


@settings(max_examples=12)
@given(table=tables)
def test_random_workbooks_come_back_equal(desk, make, table):
    lines = [["start", *line, "end"] for line in table]
    desk.put(make(*lines), "f.xlsx")
    plan = ReadPlan(sheet=None, header_row=0, columns=0, debtor_columns=(0,))
    found, notices = desk.rows("f.xlsx", plan)
    assert not notices
    assert [row.no for row in found] == list(range(1, len(table) + 1))
    for row, line in zip(found, lines, strict=True):
        assert len(row.cells) == len(line)
        assert all(map(same, row.cells, line))


@settings(max_examples=12)
@given(table=st.lists(st.lists(texts, min_size=3, max_size=3), min_size=1, max_size=25))
def test_random_delimited_files_come_back_equal(desk, table):
    target = io.StringIO()
    csv.writer(target, delimiter=";").writerows([["a", "b", "c"], *table])
    desk.put(target.getvalue().encode(), "f.csv")
    plan = ReadPlan(
        sheet=None,
        header_row=1,
        columns=3,
        encoding="utf-8",
        delimiter=";",
        debtor_columns=(0, 1, 2),
    )
    found, _ = desk.rows("f.csv", plan)
    assert [[text for text, _ in row.cells] for row in found] == table
    assert not any(row.marks for row in found)
