"""Delimited text in the encodings and shapes German software writes."""

import pytest

TEXT = 'Kundennr;Name;Straße;Betrag\r\nK1;Müller;Königsweg 5;1.234,56\r\nK2;"Weiß; Söhne";Öl 3;5,00\r\n'
ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1252",
    "cp850",
    "mac_roman",
]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_german_encodings_are_found_without_asking(desk, encoding):
    found = desk.probe(TEXT.encode(encoding), "f.csv")
    assert [text for text, _ in found.sample[1]] == ["K2", "Weiß; Söhne", "Öl 3", "5,00"]
    assert found.headers[0] == "Kundennr"
    assert not found.notices


def test_an_unsure_encoding_is_asked_with_a_preview_of_each(desk):
    found = desk.read("id;name\n1;Νίκος\n".encode("iso-8859-7"), "f.csv")
    code, params = found.notices[0]
    assert code == "ENCODING_UNCERTAIN"
    assert {"cp1252", "cp850", "mac_roman"} <= {p["encoding"] for p in params["previews"]}
    again = desk.read("id;name\n1;Νίκος\n".encode("iso-8859-7"), "f.csv", encoding="iso-8859-7")
    assert again.texts == [["1", "Νίκος"]]
    assert not again.codes


def test_one_broken_byte_in_utf8_is_asked_not_turned_into_mojibake(desk):
    found = desk.read("Name;Ort\nMüller;Köln\nWeiß;Gör\n".encode() + b"\xff;x\n", "f.csv")
    assert found.probe.encoding == "utf-8"
    assert "ENCODING_UNCERTAIN" in found.codes


@pytest.mark.parametrize("sign", [";", ",", "\t", "|"])
def test_the_delimiter_is_found(desk, sign):
    lines = [["Kundennr", "Name", "Betrag"], ["K1", "a", '"1,50"'], ["K2", "b", '"2;3|4"']]
    content = "\n".join(sign.join(line) for line in lines)
    found = desk.read(content.encode(), "f.csv")
    assert found.probe.dialect == {"delimiter": sign}
    assert found.texts == [["K1", "a", "1,50"], ["K2", "b", "2;3|4"]]


def test_decimal_commas_do_not_split(desk):
    assert desk.read(b"Betrag\n1,50\n2,50\n", "f.csv").texts == [["1,50"], ["2,50"]]
    assert desk.read(b"Name;Betrag\na;1,50\nb;2,50\n", "f.csv").texts[0] == ["a", "1,50"]
    assert desk.read(b"id,age\n1,30\n2,26\n", "f.csv").texts == [["1", "30"], ["2", "26"]]


def test_a_sep_line_is_obeyed_and_not_read(desk):
    found = desk.read(b"sep=|\r\nKundennr|Betrag;x\r\nK1|1;50\r\n", "f.csv")
    assert (found.probe.header_row, found.texts) == (2, [["K1", "1;50"]])


def test_line_breaks_and_quotes_inside_a_field(desk):
    content = 'Kundennr;Text;Betrag\r\nK1;"Zeile 1\nZeile ""2""";5\r\nK2;ok;6\r\n'
    found = desk.read(content.encode(), "f.csv")
    assert found.texts == [["K1", 'Zeile 1\nZeile "2"', "5"], ["K2", "ok", "6"]]
    assert [row.no for row in found.rows] == [2, 4]


def test_wrong_shapes_are_marked_with_their_line(desk):
    content = 'Kundennr;Name;Betrag\nK1;a;5\nK2;b;6;EXTRA\nK3\n\nK5;c;7;\nK4;"offen;7\n'
    found = desk.read(content.encode(), "f.csv")
    assert {row.no: row.marks for row in found.rows} == {
        2: [], 3: ["ROW_SHAPE"], 4: ["ROW_SHAPE"], 6: [], 7: ["ROW_SHAPE"],
    }  # fmt: skip


def test_an_unclosed_quote_does_not_swallow_the_rows_below(desk):
    lines = [f"K{n};Name {n};{n}" for n in range(50)]
    lines[3] = 'K3;"Name 3;3'
    lines[20] = 'K20;"Name; 20";20'
    found = desk.read(("Kundennr;Name;Betrag\n" + "\n".join(lines)).encode(), "f.csv")
    assert [row.no for row in found.rows] == list(range(2, 52))
    assert [row.no for row in found.rows if row.marks] == [5]


def test_comment_lines_above_the_header(desk):
    found = desk.read(b"# made by ERP\nKundennr,Name\nK1,a\n", "f.csv")
    assert (found.probe.header_row, found.probe.titles) == (2, [["# made by ERP"]])


def test_a_name_that_lies_is_noticed(desk):
    found = desk.read(b"Kundennummer;Betrag\nK1;12,50\n", "f.xlsx")
    assert found.notices == [("NOTICE_EXTENSION_MISMATCH", {"extension": ".xlsx", "format": "csv"})]
    assert found.texts == [["K1", "12,50"]]


def test_zeros_controls_and_old_line_ends_survive(desk):
    found = desk.read(b"Kundennummer;Nachname;Ort\rK1;M\x00ller;K\x1fln\rK2;x;y\r", "f.csv")
    assert found.texts == [["K1", "M\x00ller", "K\x1fln"], ["K2", "x", "y"]]
