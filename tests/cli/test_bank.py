"""`finview bank import`: a statement from a terminal, in both languages, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

HEADER = "Buchungstag;Auftraggeber;Verwendungszweck;Betrag\n"


@pytest.fixture
def statement(tmp_path: Path) -> Path:
    path = tmp_path / "umsaetze.csv"
    path.write_text(f"{HEADER}02.11.2026;Eva;Danke;5,00\n02.11.2026;Werke;Strom;-9,00\n")
    return path


def test_a_statement_is_booked_once(data: Path, run: Any, statement: Path) -> None:
    unit = ("--unit", "bu_1", "--json")
    first = run("bank", "import", str(statement), *unit)
    counts = {"booked": 0, "suspense": 1, "ignored": 1, "duplicates": 0}
    assert first.json["statement"] == {"file": "umsaetze.csv", "unit": "bu_1", **counts}
    again = run("bank", "import", str(statement), *unit)
    assert (again.status, again.json["statement"]["duplicates"]) == (0, 2)
    shown = run("bank", "import", str(statement), "--unit", "hanse inkasso")
    assert "Known before" in shown.out
    assert run("ledger", "verify").status == 0


def test_a_bad_file_and_an_unknown_unit_are_refused(
    data: Path, run: Any, statement: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINVIEW_LOCALE", "de")
    statement.write_text(f"{HEADER}02.11.2026;Eva;Danke;fünf\n")
    bad = run("bank", "import", str(statement), "--unit", "bu_1")
    assert (bad.status, bad.err.strip()) == (1, "Buchung oder Zeile 2: „fünf“ ist kein Betrag.")
    unknown = run("bank", "import", str(statement), "--unit", "Nirgendwo", "--json")
    assert (unknown.status, unknown.json["error"]["reason"]) == (1, "UNIT_NOT_FOUND")
