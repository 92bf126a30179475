"""The built-in readers keep the contract every reader of a plugin has to keep."""

import pytest

from finview.imports.builtin import finview_import_readers
from finview.imports.reading.readers import CsvReader, OpenpyxlReader
from finview.plugins.contracts.provider import NoSettings
from finview.testing.contracts import ReaderContract


class TestCsv(ReaderContract):
    @pytest.fixture
    def reader(self):
        return CsvReader(NoSettings())

    @pytest.fixture
    def sample(self):
        return "Kundennr;Name\nK1;Müller\n".encode(), "f.csv"


class TestOpenpyxl(ReaderContract):
    @pytest.fixture
    def reader(self):
        return OpenpyxlReader(NoSettings())

    @pytest.fixture
    def sample(self, make):
        return make(["Kundennr", "Name"], [], ["K1", "Müller"]), "f.xlsx"


def test_both_are_offered_through_the_hook():
    assert [reader.name for reader in finview_import_readers()] == ["csv", "openpyxl"]
