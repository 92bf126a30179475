"""The article "revert", R1 to R6: the exact way back, shown by comparing every row of every table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finview.testing.client import client_for
from finview.testing.factories import Agency, Row, consumer, new_bucket, table
from finview.testing.fixtures import At
from finview.testing.story import Story
from finview.testing.tables import Contents, contents, differences, refreshed

PREVIEW = """revertible revertPreview { debtorsDeleted debtorsRestored debtorsKept casesDeleted
             invoicesDeleted filesDeleted blockedBy { code message params } }"""

KNOWN = consumer(0, customer_case_number="N-0", invoice_number="N-0") | {
    "phone": "030 23125001",
    "date_of_birth": "1980-05-17",
}
MAYBE = consumer(1, customer_case_number="N-1", invoice_number="N-1") | {
    "street": "Torweg",
    "house_no": "99",
    "postcode": "20097",
    "email": "b.lange@example.net",
}
ROWS: list[Row] = [KNOWN, MAYBE, consumer(4), consumer(5, amount=None)]


def state_of(agency: Agency) -> Contents:
    """Return what the database and the file store hold, with the index of matching up to date."""
    found = contents(refreshed(agency.services.db))
    stored = agency.services.files.root.rglob("*")
    return found | {"files on disk": type(found["debtor"])(p.name for p in stored if p.is_file())}


def anna(story: Story) -> str:
    """Return the id of the debtor the doubtful row may be."""
    candidates = story.rows()[3]["match"]["candidates"]
    return str(candidates[0]["debtor"]["id"])


def edited(story: Story) -> Story:
    return (
        story.amend(5, amount="12,50")
        .fix("REPLACE", field="city", **{"from": "Berlin", "to": "Potsdam"})
        .fix("SKIP", where={"issueCode": ["AMOUNT_MISSING"]})
    )


STEPS: dict[str, Callable[[Story], Any]] = {
    "created": lambda s: s,
    "read": lambda s: s.client.drain(),
    "reviewed": lambda s: s.read(),
    "edited": lambda s: edited(s.read()),
    "records": lambda s: s.read().complete(),
    "decided new": lambda s: s.read().complete().decide(3, "CREATE_NEW"),
    "decided existing": lambda s: s.read().complete().decide(3, "UPDATE_EXISTING", anna(s)),
    "linked": lambda s: s.read().complete().link(),
    "linked twice": lambda s: (
        s.read().complete().link().link(new_bucket(s.client, s.agency.portfolio, "Zwei"))
    ),
    "decided after the link": lambda s: s.read().complete().link().decide(3, "CREATE_NEW"),
}


@pytest.mark.parametrize("step", STEPS)
def test_r4_reverting_after_any_step_leaves_everything_as_before(
    at: At, tmp_path: Path, step: str
) -> None:
    agency = at("CREATED").agency
    path = table(tmp_path, ROWS)
    if step == "linked twice":
        new_bucket(agency.client, agency.portfolio, "Two")
    before = state_of(agency)
    story = Story.begin(agency, path)
    STEPS[step](story)
    story.revert()
    found = differences(before, state_of(agency))
    assert {name: rows for name, rows in found.items() if name != "bucket"} == {}
    assert story.state == "REVERTED"


def test_r4_a_file_that_was_refused_can_be_reverted(at: At, tmp_path: Path) -> None:
    agency = at("CREATED").agency
    before = state_of(agency)
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"%PDF-1.7")
    story = Story.begin(agency, broken).read()
    assert (story.state, story.see("revertible")) == ("FAILED", {"revertible": True})
    assert differences(before, state_of(agency)).keys() == {
        "stored_file",
        "upload",
        "files on disk",
    }
    story.revert()
    assert differences(before, state_of(agency)) == {}


def test_r3_the_preview_says_what_a_revert_would_do(at: At, tmp_path: Path) -> None:
    agency = at("CREATED").agency
    story = Story.linked(agency, table(tmp_path, ROWS))
    seen = story.see(PREVIEW)
    assert seen["revertible"] is True
    assert seen["revertPreview"] == {
        "debtorsDeleted": 1,
        "debtorsRestored": 1,
        "debtorsKept": 0,
        "casesDeleted": 2,
        "invoicesDeleted": 2,
        "filesDeleted": 2,
        "blockedBy": None,
    }


@pytest.mark.parametrize("language", ["de", "en"])
def test_r3_without_confirmation_nothing_happens(at: At, language: str) -> None:
    story = at("LINKED")
    before = state_of(story.agency)
    client = client_for(story.agency.services, language=language)
    (error,) = story.speaking(client).errors("importRevert", confirm=False)
    assert (error["code"], error["path"]) == ("CONFIRMATION_REQUIRED", ["input", "confirm"])
    assert ("Bitte" in error["message"]) == (language == "de")
    assert differences(before, state_of(story.agency)) == {}
    assert story.state == "LINKED"


def test_r4_what_an_import_added_to_a_known_debtor_goes_again(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    story = Story.created(first.agency, table(tmp_path, [KNOWN]))
    debtor = story.rows()[2]["match"]["debtor"]["id"]
    query = "query($i: ID!) { debtor(id: $i) { phones { number } cases { totalCount } } }"
    assert story.client.ask(query, i=debtor)["debtor"] == {
        "phones": [{"number": "+493023125001"}],
        "cases": {"totalCount": 2},
    }
    story.revert()
    assert story.client.ask(query, i=debtor)["debtor"] == {
        "phones": [],
        "cases": {"totalCount": 1},
    }


def test_r4_a_debtor_that_a_later_import_uses_stays(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    later = Story.created(first.agency, table(tmp_path, [KNOWN]))
    preview = first.see(PREVIEW)["revertPreview"]
    assert (preview["debtorsDeleted"], preview["debtorsKept"]) == (1, 1)
    first.revert()
    match = later.rows()[2]["match"]
    assert (match["debtor"]["name"], first.state) == ("Anna Schmidt", "REVERTED")
    assert len(later.cases()) == 1
    later.link().launch()
    assert len(first.agency.outbox()) == 1


def test_r4_both_imports_reverted_leave_nothing_of_the_debtor(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    later = Story.created(first.agency, table(tmp_path, [KNOWN]))
    first.revert()
    later.revert()
    debtors = first.client.ask("{ debtors { totalCount } cases { totalCount } }")
    assert debtors == {"debtors": {"totalCount": 0}, "cases": {"totalCount": 0}}


def test_r2_the_files_can_be_downloaded_until_the_revert(agency: Agency, tmp_path: Path) -> None:
    invoice = tmp_path / "R-0.pdf"
    invoice.write_bytes(b"%PDF-1.7 invoice")
    story = Story.created(agency, table(tmp_path, ROWS), invoices=[invoice])
    seen = story.see("file { url } invoiceFiles { url } errorWorkbook { url }")
    urls = [seen["file"]["url"], seen["invoiceFiles"][0]["url"], seen["errorWorkbook"]["url"]]
    assert [agency.client.http.get(url).status_code for url in urls] == [200, 200, 200]
    story.revert()
    assert [agency.client.http.get(url).status_code for url in urls] == [404, 404, 404]
    after = story.see("file { sizeBytes } invoiceFiles { url } errorWorkbook { url }")
    assert after == {"file": {"sizeBytes": 0}, "invoiceFiles": [], "errorWorkbook": None}


def test_r5_the_payload_is_fresh_and_the_overview_shows_it(at: At) -> None:
    story = at("LINKED")
    fields = """import { state revertible sectionCounts { total } matchCounts { new }
                cases { totalCount } rows { totalCount } columns { index } notices { code } }"""
    payload = story.client.attempt("importRevert", fields, importId=story.id, confirm=True)
    assert payload == {
        "import": {
            "state": "REVERTED",
            "revertible": False,
            "sectionCounts": {"total": 0},
            "matchCounts": {"new": 0},
            "cases": {"totalCount": 0},
            "rows": {"totalCount": 0},
            "columns": [],
            "notices": [],
        },
        "errors": [],
    }
    listed = story.client.ask("{ imports(where: {state: [REVERTED]}) { nodes { id } } }")
    assert listed["imports"]["nodes"] == [{"id": story.id}]


@pytest.mark.parametrize("language", ["de", "en"])
def test_r5_a_second_revert_is_a_typed_error(at: At, language: str) -> None:
    story = at("LINKED").revert()
    client = client_for(story.agency.services, language=language)
    (error,) = story.speaking(client).errors("importRevert", confirm=True)
    assert (error["code"], error["params"]["reason"]) == ("STATE", "IMPORT_ALREADY_REVERTED")
    assert ("bereits" in error["message"]) == (language == "de")
    assert story.see(PREVIEW)["revertPreview"]["blockedBy"]["code"] == "STATE"


def test_r4_the_tombstone_holds_numbers_but_no_personal_data(at: At) -> None:
    story = at("LINKED").revert()
    everything = contents(story.agency.services.db, without=())
    left = " ".join(row for rows in everything.values() for row in rows)
    assert [word for word in ("Anna", "Schmidt", "Hauptstr", "R-0", "A-0") if word in left] == []
    (tombstone,) = everything["import"]
    assert '"cases":2' in tombstone
    assert '"debtors":2' in tombstone


def test_r4_numbers_are_never_used_again(at: At, tmp_path: Path) -> None:
    story = at("LINKED")
    numbers = {case["number"] for case in story.cases()}
    story.revert()
    again = Story.created(story.agency, table(tmp_path, [consumer(0), consumer(1)]))
    assert again.sections["ready"] == 2
    assert numbers.isdisjoint(case["number"] for case in again.cases())


@pytest.mark.parametrize("language", ["de", "en"])
def test_r1_r6_after_the_launch_nothing_can_be_reverted(at: At, language: str) -> None:
    story = at("LAUNCHED")
    before = state_of(story.agency)
    client = client_for(story.agency.services, language=language)
    (error,) = story.speaking(client).errors("importRevert", confirm=True)
    assert (error["code"], error["params"]["cases"]) == ("IMPORT_LAUNCHED", 2)
    words = "2 Fällen" if language == "de" else "2 cases"
    assert words in error["message"]
    assert differences(before, state_of(story.agency)) == {}
    seen = story.see(PREVIEW)
    assert (seen["revertible"], seen["revertPreview"]["blockedBy"]["code"]) == (
        False,
        "IMPORT_LAUNCHED",
    )


def test_r1_the_launch_alone_closes_the_way_back_before_any_workflow_has_run(at: At) -> None:
    story = at("LINKED")
    story.client.do("importLaunch", "import { id }", importId=story.id)
    (error,) = story.errors("importRevert", confirm=True)
    assert (error["code"], error["params"]["cases"]) == ("IMPORT_LAUNCHED", 2)
    assert len(story.launch().cases("runs { kind }")) == 2
