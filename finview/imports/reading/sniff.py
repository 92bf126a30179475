"""What a file is by its content: a spreadsheet we read, a legacy one, or something to refuse."""

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO

from finview.imports.reading.limits import Limits, Refused

HEAD_BYTES = 64 * 1024
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP_MAGIC = b"PK\x03\x04"
LEGACY = frozenset({".xls", ".xlsb", ".ods", ".slk", ".xlt", ".xla"})
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BIFF_HEADS = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00", b"\x09\x08")
_FOREIGN_HEADS = (
    b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"{\\rtf", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!",
    b"\x7fELF", b"MZ", b"BZh", b"\xfd7zXZ", b"SQLite format", b"II*\x00", b"MM\x00*",
)  # fmt: skip
_SYLK = re.compile(rb"\AID;P[^\r\n]*\r?\n(?:P|F|C|B|O|NN|NU|NE|W);")
_HTML = re.compile(rb"\A\s*(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<html|<table|<head|<body|<meta)",
                   re.IGNORECASE | re.DOTALL)  # fmt: skip
_OLE_STREAMS = tuple(name.encode("utf-16-le") for name in ("Workbook", "Book"))
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_XLSX_TYPE = re.compile(rb"spreadsheetml\.(?:sheet|template)|ms-excel\.(?:sheet|template)\.macro")
_TABLE_SIGNS = b";,\t|"
_CONTROLS = bytes([*range(9), 11, *range(14, 27), *range(28, 32)])


@dataclass(frozen=True, slots=True)
class Kind:
    """The format (xlsx, xlsm, csv, or a legacy one) and whether macros lie inside."""

    format: str
    macros: bool = False


def classify(file: BinaryIO, filename: str, limits: Limits) -> Kind:
    """Return what the file is; raise Refused for everything that is no spreadsheet at all."""
    size = file.seek(0, io.SEEK_END)
    if size == 0:
        raise Refused("FILE_EMPTY")
    if size > limits.upload_bytes_max:
        raise Refused("FILE_TOO_LARGE", bytes=size, limit=limits.upload_bytes_max)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head.startswith(OLE_MAGIC):
        return _ole(file)
    if head.startswith(ZIP_MAGIC):
        return _zipped(file, limits)
    if head.startswith((b"PK\x05\x06", b"PK\x07\x08")):
        raise Refused("NOT_A_WORKBOOK")
    if head.startswith(_BIFF_HEADS):
        return Kind("xls")
    if head.startswith(_FOREIGN_HEADS):
        raise Refused("UNSUPPORTED_FILE_TYPE")
    return _text(head, PurePath(filename).suffix.lower())


def looks_like_text(head: bytes) -> bool:
    """Return whether the bytes may be text: a control character here and there is one of ours."""
    if head.startswith(_BOMS):
        return True
    if utf16_without_bom(head):
        return True
    strange = sum(head.count(sign) for sign in _CONTROLS)
    return strange * 20 <= len(head)


def utf16_without_bom(head: bytes) -> str | None:
    """Return utf-16-le or utf-16-be when every second byte is mostly zero, else None."""
    half = len(head) // 2
    if half < 4:
        return None
    even, odd = head[0 : half * 2 : 2].count(0), head[1 : half * 2 : 2].count(0)
    if odd * 10 >= half * 6 and even * 10 < half:
        return "utf-16-le"
    return "utf-16-be" if even * 10 >= half * 6 and odd * 10 < half else None


def _ole(file: BinaryIO) -> Kind:
    file.seek(0)
    content = file.read()
    if _OLE_ENCRYPTED in content:
        raise Refused("PASSWORD_PROTECTED")
    if any(name in content for name in _OLE_STREAMS):
        return Kind("xls")
    raise Refused("UNSUPPORTED_FILE_TYPE")


def _zipped(file: BinaryIO, limits: Limits) -> Kind:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            if len(infos) > limits.zip_entries_max:
                raise Refused("TOO_MANY_PARTS", limit=limits.zip_entries_max)
            if any(info.flag_bits & 1 for info in infos):
                raise Refused("PASSWORD_PROTECTED")
            names = {info.filename for info in infos}
            if "mimetype" in names and b"opendocument.spreadsheet" in _start(archive, "mimetype"):
                manifest = _start(archive, "META-INF/manifest.xml", names)
                if b"encryption-data" in manifest:
                    raise Refused("PASSWORD_PROTECTED")
                return Kind("ods")
            if any(name.lower() == "xl/workbook.bin" for name in names):
                return Kind("xlsb")
            macros = any(name.lower().endswith("vbaproject.bin") for name in names)
            types = _start(archive, "[Content_Types].xml", names).replace(b"\0", b"")
            if _XLSX_TYPE.search(types):
                named = b"macroEnabled" in types or macros
                return Kind("xlsm" if named else "xlsx", macros)
            raise Refused("NOT_A_WORKBOOK")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise Refused("FILE_CORRUPT") from error


def _start(archive: zipfile.ZipFile, name: str, names: set[str] | None = None) -> bytes:
    if names is not None and name not in names:
        return b""
    with archive.open(name) as part:
        return part.read(1024 * 1024)


def _text(head: bytes, suffix: str) -> Kind:
    plain = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe").lstrip()
    if _HTML.match(plain):
        raise Refused("UNSUPPORTED_HTML_AS_XLS")
    if plain.startswith((b"<?xml", b"<?mso")):
        if b"urn:schemas-microsoft-com:office:spreadsheet" in plain:
            return Kind("xls")
        reason = "UNSUPPORTED_HTML_AS_XLS" if b"<html" in plain.lower() else "UNSUPPORTED_FILE_TYPE"
        raise Refused(reason)
    if _SYLK.match(plain) or suffix == ".slk":
        return Kind("slk")
    if not looks_like_text(head):
        raise Refused("UNSUPPORTED_FILE_TYPE")
    if suffix in LEGACY | {".xlsx", ".xlsm"} and not _looks_like_table(plain):
        if suffix in LEGACY:
            return Kind(suffix[1:])
        raise Refused("UNSUPPORTED_FILE_TYPE")
    return Kind("csv")


def _looks_like_table(plain: bytes) -> bool:
    lines = [line for line in plain.splitlines()[:20] if line.strip()]
    return len(lines) >= 2 and any(
        all(sign in line for line in lines[:2]) for sign in (bytes([s]) for s in _TABLE_SIGNS)
    )
