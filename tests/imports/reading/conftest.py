"""Makes the awkward files the reader must live with, and reads them through the public door."""

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from finview.imports.reading.process import Limits, Probe, ReadPlan, Row, probe, rows

HEADERS = ["Kundennummer", "Nachname", "Betrag"]


def workbook(*lines: Sequence[Any], edit: Callable[[Any], None] | None = None) -> bytes:
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(list(line))
    if edit:
        edit(book)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def patched(content: bytes, part: str, pattern: str, replacement: str) -> bytes:
    """Return the workbook with the XML of one part changed, as other programs write it."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            text = old.read(name)
            if name == part:
                text = re.sub(
                    pattern, lambda _: replacement, text.decode(), flags=re.DOTALL
                ).encode()
            new.writestr(name, text)
    return target.getvalue()


def shared_strings(content: bytes) -> bytes:
    """Return the workbook with its texts in a table of strings, as Excel writes them."""
    strings: list[str] = []

    def share(match: re.Match[str]) -> str:
        strings.append(match.group(1))
        return f't="s"><v>{len(strings) - 1}</v></c>'

    with zipfile.ZipFile(io.BytesIO(content)) as old:
        sheet = old.read("xl/worksheets/sheet1.xml").decode()
    sheet = re.sub(r't="inlineStr"><is>(.*?)</is></c>', share, sheet, flags=re.DOTALL)
    content = patched(content, "xl/worksheets/sheet1.xml", r"\A.*\Z", sheet)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    target = io.BytesIO(patched(content, "[Content_Types].xml", "</Types>", override))
    items = "".join(f"<si>{text}</si>" for text in strings)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{main}">{items}</sst>')
    return target.getvalue()


@dataclass(frozen=True)
class Reading:
    probe: Probe
    rows: list[Row]
    notices: list[tuple[str, Any]]

    @property
    def texts(self) -> list[list[str]]:
        return [[text for text, _ in row.cells] for row in self.rows]

    @property
    def codes(self) -> set[str]:
        return {code for code, _ in self.notices}


class Desk:
    """Puts bytes into a file and reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes, name: str) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def probe(self, content: bytes, name: str = "f.xlsx", **options: Any) -> Probe:
        limits = options.pop("limits", Limits())
        return probe(self.put(content, name), name, limits, **options)

    def read(self, content: bytes, name: str = "f.xlsx", **options: Any) -> Reading:
        limits = options.get("limits", Limits())
        found = self.probe(content, name, **options)
        seen, notices = self.rows(name, found.plan, limits)
        return Reading(found, seen, [*found.notices, *notices])

    def rows(
        self, name: str, plan: ReadPlan, limits: Limits | None = None, **options: Any
    ) -> tuple[list[Row], list[Any]]:
        seen, notices = [], []
        with rows(self.folder / name, name, plan, limits or Limits(), **options) as stream:
            for chunk in stream:
                seen += chunk.rows
                notices += chunk.notices
        return seen, notices


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def make() -> Callable[..., bytes]:
    return workbook


@pytest.fixture
def patch() -> Callable[..., bytes]:
    return patched


@pytest.fixture(params=["inline", "shared"])
def stored(request: pytest.FixtureRequest) -> Callable[[bytes], bytes]:
    """Return the two ways to store texts in a workbook."""
    return shared_strings if request.param == "shared" else bytes
