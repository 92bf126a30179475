"""The contract kit: what ships inside finview passes it, and it finds what is wrong elsewhere."""

import io
from typing import Any

import openpyxl
import pytest

from finview.communications.builtin import SystemSender
from finview.imports.builtin import finview_import_readers
from finview.matching.builtin import StandardMatcher
from finview.plugins.builtin_host import CoreHost
from finview.plugins.contracts.email import EmailSender
from finview.plugins.contracts.matcher import MatchBatch, Matcher, Score
from finview.plugins.contracts.node import CaseView, Do, Go, PostCharges, Step, WorkflowNode
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.contracts.reader import ImportReader
from finview.testing.contracts import (
    MatcherContract,
    NodeContract,
    ReaderContract,
    SenderContract,
)

READERS = {reader.name: reader for reader in finview_import_readers()}


class TestStandardMatcher(MatcherContract):
    @pytest.fixture
    def matcher(self) -> Matcher[Any]:
        return StandardMatcher(NoSettings())


class TestSystemSender(SenderContract):
    @pytest.fixture
    def sender(self, bare) -> EmailSender[Any]:
        return SystemSender(NoSettings(), CoreHost("system", bare))


class TestCsvReader(ReaderContract):
    @pytest.fixture
    def reader(self) -> ImportReader[Any]:
        return READERS["csv"](NoSettings())

    @pytest.fixture
    def sample(self) -> tuple[bytes, str]:
        return "Name;Betrag\nMüller;1.234,50\n".encode("cp1252"), "kunden.csv"


class TestOpenpyxlReader(ReaderContract):
    @pytest.fixture
    def reader(self) -> ImportReader[Any]:
        return READERS["openpyxl"](NoSettings())

    @pytest.fixture
    def sample(self) -> tuple[bytes, str]:
        book, file = openpyxl.Workbook(), io.BytesIO()
        book.active.append(["Name", "Betrag"])
        book.active.append(["Müller", 1234.5])
        book.save(file)
        return file.getvalue(), "kunden.xlsx"


class Charge(WorkflowNode[NoSettings]):
    """A node as an author would write it."""

    name = "charge"
    title = "Charge"
    ports = ("done", "nothing")

    def run(self, case: CaseView, config: NoSettings) -> Step:
        if case.open_minor == 0:
            return Go(port="nothing")
        return Do(effects=(PostCharges(),), then=Go(port="done"))


class TestNode(NodeContract):
    @pytest.fixture
    def node(self) -> WorkflowNode[Any]:
        return Charge()


class Junk(Matcher[NoSettings]):
    """Answers 0 to 1, and by the place of a pair in the batch."""

    name = "junk"
    title = "Junk"

    def score(self, batch: MatchBatch) -> list[Score]:
        return [Score(percent=i / len(batch.pairs)) for i, _ in enumerate(batch.pairs)]


@pytest.mark.parametrize(
    "contract",
    [
        MatcherContract.test_the_same_party_scores_at_least_80,
        MatcherContract.test_neighbours_and_order_do_not_matter,
    ],
)
def test_the_kit_finds_a_junk_matcher(contract):
    with pytest.raises(AssertionError):
        contract(MatcherContract(), Junk(NoSettings()))
