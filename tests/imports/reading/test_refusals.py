"""Files that are no spreadsheet, or a hostile one, are refused with the reason people need."""

import io
import zipfile

import pytest

from finview.errors import FinviewError
from finview.imports.reading.messages import NOTICES, REASONS
from finview.imports.reading.process import Limits

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
SHEET = "xl/worksheets/sheet1.xml"


def zipped(parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


ODS = {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}
LOCKED = {**ODS, "META-INF/manifest.xml": b"<m:encryption-data/>"}
FILES = {
    "empty.xlsx": (b"", "FILE_EMPTY"),
    "locked.xlsx": (OLE + "EncryptedPackage".encode("utf-16-le"), "PASSWORD_PROTECTED"),
    "locked.xlsb": (OLE + "EncryptedPackage".encode("utf-16-le"), "PASSWORD_PROTECTED"),
    "locked.ods": (zipped(LOCKED), "PASSWORD_PROTECTED"),
    "old.xls": (OLE + "Workbook".encode("utf-16-le"), "UNSUPPORTED_LEGACY_FORMAT"),
    "open.ods": (zipped(ODS), "UNSUPPORTED_LEGACY_FORMAT"),
    "binary.xlsb": (zipped({"xl/workbook.bin": b"x"}), "UNSUPPORTED_LEGACY_FORMAT"),
    "old.slk": (b"ID;PWXL;N;E\r\nP;PGeneral\r\nC;X1;Y1;K1\r\nE\r\n", "UNSUPPORTED_LEGACY_FORMAT"),
    "note.xls": (b"Attachment not found!", "UNSUPPORTED_LEGACY_FORMAT"),
    "letter.xls": (OLE + "WordDocument".encode("utf-16-le"), "UNSUPPORTED_FILE_TYPE"),
    "page.xls": (b"<html><table><tr><td>1</td></tr></table>", "UNSUPPORTED_HTML_AS_XLS"),
    "bom.xls": (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML><html>", "UNSUPPORTED_HTML_AS_XLS"),
    "paper.xlsx": (b"%PDF-1.7\n1 0 obj", "UNSUPPORTED_FILE_TYPE"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n" + bytes(64), "UNSUPPORTED_FILE_TYPE"),
    "noise.csv": (bytes(range(256)) * 8, "UNSUPPORTED_FILE_TYPE"),
    "plain.xlsx": (zipped({"a.txt": b"hello"}), "NOT_A_WORKBOOK"),
    "word.xlsx": (zipped({"[Content_Types].xml": b"wordprocessingml"}), "NOT_A_WORKBOOK"),
    "nothing.zip": (zipped({}), "NOT_A_WORKBOOK"),
    "blank.csv": (b"\n \n;;\n", "NO_DATA_ROWS"),
    "header.csv": (b"Kundennummer;Betrag\n", "NO_DATA_ROWS"),
}


def reason(desk, content, name="f.xlsx", **options):
    with pytest.raises(FinviewError) as refused:
        desk.probe(content, name, **options)
    return refused.value.reason


@pytest.mark.parametrize("name", FILES)
def test_foreign_files_are_refused_by_content(desk, name):
    content, expected = FILES[name]
    assert reason(desk, content, name) == expected


def test_a_cut_off_workbook_is_corrupt(desk, make):
    content = make(["Name"], ["Müller"])
    assert reason(desk, content[: len(content) * 2 // 3]) == "FILE_CORRUPT"


def test_a_wrong_checksum_is_corrupt(desk, make):
    content = bytearray(make(["Name"], *[["Müller"]] * 200))
    at = content.find(b"xl/worksheets/sheet1.xml")
    content[at + 120] ^= 0xFF
    assert reason(desk, bytes(content)) == "FILE_CORRUPT"


def test_a_bomb_is_refused_before_it_is_unpacked(desk, make):
    content = io.BytesIO(make(["Name"], ["Müller"]))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/bomb.xml", bytes(4_000_000))
    limits = Limits(part_bytes_suspicious=1_000_000)
    assert reason(desk, content.getvalue(), limits=limits) == "FILE_TOO_LARGE_UNCOMPRESSED"


def test_the_sum_of_all_parts_is_limited(desk, make):
    limits = Limits(inflated_bytes_max=5_000)
    content = make(["Name"], ["Müller"])
    assert reason(desk, content, limits=limits) == "FILE_TOO_LARGE_UNCOMPRESSED"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_forbidden_in_any_encoding(desk, make, encoding):
    content = io.BytesIO(make(["Name"], ["Müller"]))
    evil = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>'
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("xl/more.xml", evil.encode(encoding))
    assert reason(desk, content.getvalue()) == "XML_DTD_FORBIDDEN"


def test_exotic_encodings_could_hide_a_document_type(desk, make, patch):
    content = patch(
        make(["Name"], ["Müller"]), SHEET, r"\A", '<?xml version="1.0" encoding="cp037"?>'
    )
    assert reason(desk, content) == "WORKBOOK_UNREADABLE"


def test_too_many_parts_bytes_rows_and_columns(desk, make):
    content = make([f"Feld {n}" for n in range(8)], *[range(8)] * 30)
    assert reason(desk, content, limits=Limits(zip_entries_max=3)) == "TOO_MANY_PARTS"
    assert reason(desk, content, limits=Limits(upload_bytes_max=99)) == "FILE_TOO_LARGE"
    assert reason(desk, content, limits=Limits(columns_max=5)) == "COLUMN_LIMIT"
    plan = desk.probe(content).plan
    with pytest.raises(FinviewError, match="ROW_LIMIT"):
        desk.rows("f.xlsx", plan, Limits(rows_max=20))


def test_a_workbook_openpyxl_cannot_follow_asks_to_be_saved_again(desk, make, patch):
    content = make(["Name"], ["Müller"])
    strict = patch(content, SHEET, "schemas.openxmlformats.org/spreadsheetml/2006", "purl.oclc.org")
    assert reason(desk, strict) == "WORKBOOK_UNREADABLE"
    lost = patch(content, "[Content_Types].xml", "/xl/styles.xml", "/xl/nowhere.xml")
    assert reason(desk, patch(lost, "xl/_rels/workbook.xml.rels", "worksheets/", "sheets/")) in {
        "WORKBOOK_UNREADABLE", "FILE_CORRUPT",
    }  # fmt: skip


def test_every_reason_and_notice_has_a_sentence_in_both_languages():
    for code in (*REASONS, *NOTICES):
        english = FinviewError(code).message("en")
        german = FinviewError(code).message("de")
        assert english not in ("", code)
        assert german not in ("", code, english)
