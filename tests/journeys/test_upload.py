"""The article "upload": from an Excel file to launched workflows."""

from pathlib import Path

import openpyxl

from tests.journeys.conftest import Agency

HEADERS = ["Aktenzeichen", "Vorname", "Nachname", "Straße", "Hausnummer", "PLZ", "Ort", "E-Mail", "Rechnungsnummer", "Rechnungsdatum", "Fällig am", "Hauptforderung"]


def workbook(folder: Path, rows: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(HEADERS)
    for row in rows:
        sheet.append(row)
    path = folder / "cases.xlsx"
    book.save(path)
    return path


def test_a_file_becomes_launched_workflows(agency: Agency, tmp_path: Path) -> None:
    path = workbook(
        tmp_path,
        [
            ["A-1", "Anna", "Schmidt", "Hauptstraße", "1", "10115", "Berlin", "anna.schmidt@example.org", "R-1", "01.03.2026", "15.03.2026", "120,50"],
            ["A-2", "Bernd", "Lange", "Ringweg", "7", "20095", "Hamburg", "bernd.lange@example.org", "R-2", "02.03.2026", "16.03.2026", "99,00"],
        ],
    )
    client = agency.client
    made = client.do("importCreate", "import { id state }", uploadId=client.upload(path), portfolioId=agency.portfolio, debtorKind="CONSUMER", phoneCountry="DE")
    client.drain()
    q = "query($id: ID!) { import(id: $id) { state failure { message params } columns { header field decidedBy } sectionCounts { total ready } matchCounts { new } rows { nodes { section issues { code message } } } } }"
    seen = client.ask(q, id=made["id"])["import"]
    assert seen["state"] == "MAPPING"
    client.do("importMap", "import { id }", importId=made["id"], columns=[])
    client.drain()
    seen = client.ask(q, id=made["id"])["import"]
    print(seen)
    assert seen["state"] == "REVIEW"
    client.do("importReviewComplete", "import { id }", importId=made["id"])
    client.drain()
    seen = client.ask(q, id=made["id"])["import"]
    assert seen["state"] == "CREATED" and seen["matchCounts"]["new"] == 2
    client.do("importLinkBucket", "import { id state }", importId=made["id"], bucketId=agency.bucket)
    client.do("importLaunch", "import { id state }", importId=made["id"])
    client.drain()
    assert len(list(agency.services.settings.outbox_dir.glob("*.eml"))) == 2
