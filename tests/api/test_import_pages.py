"""A page of an import costs the same few statements whatever its size."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from finview.testing.factories import Agency, consumer, table
from finview.testing.fixtures import At
from finview.testing.story import Story

ROWS = """query($id: ID!, $first: Int!) { import(id: $id) { rows(first: $first) { nodes {
  rowNumber section values { field raw value } issues { code message }
  match { outcome candidates { percent debtor { name } } } } } } }"""
IMPORTS = """query($first: Int!) { imports(first: $first) { nodes { number
  file { filename } columns { index header } matchCounts { new matched review } } } }"""
SELECTED = ("SELECT", "WITH")


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Yield the statements over an engine, but for what begins a request."""
    found: list[str] = []

    def count(*given: Any) -> None:
        if given[2].startswith(SELECTED) and "clock_offset" not in given[2]:
            found.append(given[2])

    event.listen(engine, "before_cursor_execute", count)
    yield found
    event.remove(engine, "before_cursor_execute", count)


def statements(agency: Agency, query: str, **given: Any) -> int:
    agency.client.ask(query, **given)
    with counted(agency.services.db.reader) as found:
        agency.client.ask(query, **given)
    return len(found)


def test_a_page_of_rows_takes_four_statements_whatever_its_size(at: At, tmp_path: Path) -> None:
    story = at("CREATED")
    rows = [consumer(n) for n in range(3)] + [consumer(n, amount="viel") for n in range(4, 9)]
    again = Story.reviewed(story.agency, table(tmp_path, rows))
    for first in (1, 8):
        assert statements(story.agency, ROWS, id=again.id, first=first) <= 4


def test_a_page_of_imports_takes_four_statements_whatever_its_size(at: At, tmp_path: Path) -> None:
    story = at("CREATED")
    for n in range(3):
        Story.begin(story.agency, table(tmp_path, [consumer(10 + n)], name=f"{n}.csv"))
    for first in (1, 4):
        assert statements(story.agency, IMPORTS, first=first) <= 4
