"""The article "upload": from an Excel file to launched workflows."""

from pathlib import Path

import pytest

from finview.testing.client import client_for
from finview.testing.factories import ENGLISH, GERMAN, Agency, business, consumer, workbook
from finview.testing.fixtures import At
from finview.testing.story import Story


@pytest.mark.parametrize(("language", "headers"), [("de", GERMAN), ("en", ENGLISH)])
@pytest.mark.parametrize(("kind", "make"), [("CONSUMER", consumer), ("BUSINESS", business)])
def test_u1_to_u14_a_file_becomes_launched_workflows(
    agency, tmp_path: Path, language: str, headers, kind: str, make
) -> None:
    client = client_for(agency.services, language=language)
    path = workbook(tmp_path, [make(0), make(1)], headers=headers)
    story = Story.linked(agency, path, kind=kind, client=client)
    print(story.cases())
    assert story.launch().state == "LAUNCHED"
    print(story.cases())
    print(agency.outbox())
    assert len(agency.outbox()) == 2

def test_copy(at: At) -> None:
    story = at("LINKED")
    print(story.see("state sectionCounts { total ready } "), story.rows())
    story.launch()
    print(story.agency.outbox())
    assert 0
