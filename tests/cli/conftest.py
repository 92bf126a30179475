"""A terminal in front of a small agency: 300 debtors, a customer, a portfolio, a bucket."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from finview.app import open_services
from finview.cli import main
from finview.cli.demo import Report, set_up
from finview.cli.opening import acting, opened
from finview.db.runtime import Services
from finview.settings import Settings

HEADER = (
    *("Kundennummer", "Vorname", "Nachname", "Straße", "Hausnr.", "PLZ", "Ort", "E-Mail"),
    *("Rechnungsnummer", "Rechnungsdatum", "Fällig am", "Betrag"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command left: its status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agency")
    with opened(Settings(data_dir=folder)) as services:
        set_up(services, acting(services), Report(as_json=True))
    return folder


@pytest.fixture
def data(agency: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the agency's data folder, named by the environment."""
    folder = tmp_path / "data"
    shutil.copytree(agency, folder)
    monkeypatch.setenv("FINVIEW_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that isn't there yet, named by the environment."""
    folder = tmp_path / "fresh"
    monkeypatch.setenv("FINVIEW_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def opened_again(data: Path) -> Iterator[Services]:
    services = open_services(Settings(data_dir=data))
    yield services
    services.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FINVIEW_LOCALE", "en")

    def command(*words: str | Path) -> Answer:
        capsys.readouterr()
        status = main([str(word) for word in words])
        printed = capsys.readouterr()
        return Answer(status, printed.out, printed.err)

    return command


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    """Three invoices of two debtors, and one row without an amount."""
    book = Workbook()
    sheet = book.active
    sheet.append(HEADER)
    ada = ("A-1", "Adele", "Tannhauser", "Ringweg", "4", "50667", "Köln", "adele@example.org")
    ben = ("A-2", "Benno", "Wüstling", "Seeweg", "9", "10115", "Berlin", "benno@example.org")
    sheet.append((*ada, "2025-00017", "03.02.2025", "17.02.2025", "1.200,50"))
    sheet.append((*ada, "2025-00031", "03.03.2025", "17.03.2025", "80,25"))
    sheet.append((*ben, "2025-00044", "14.03.2025", "28.03.2025", "99,90"))
    sheet.append((*ben, "2025-00059", "24.03.2025", "07.04.2025", None))
    path = tmp_path / "invoices.xlsx"
    book.save(path)
    return path
