"""The API of imports beyond the story: lists, filters, facts about a match, jobs, progress."""

from pathlib import Path

import pytest

from finview.testing.factories import Agency, consumer, table, workbook
from finview.testing.fixtures import At
from finview.testing.story import Story


def test_imports_are_listed_newest_first_and_filtered(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    second = Story.begin(first.agency, table(tmp_path, [consumer(5)]))
    query = "query($w: ImportWhere) { imports(where: $w) { nodes { id } totalCount } }"

    def found(**where: object) -> list[str]:
        return [n["id"] for n in first.client.ask(query, w=where)["imports"]["nodes"]]

    assert found() == [second.id, first.id]
    assert found(state=["CREATED"]) == [first.id]
    assert found(portfolioId=first.agency.portfolio) == [second.id, first.id]
    assert found(portfolioId="pf_999") == found(portfolioId="nonsense") == []


def test_i12_the_sections_always_add_up_to_the_rows(agency: Agency, tmp_path: Path) -> None:
    rows = [
        consumer(0),
        consumer(1, amount="viel"),
        consumer(2, email="keine"),
        consumer(3, invoice_date="morgen"),
        consumer(4),
        consumer(4),
    ]
    story = Story.reviewed(agency, table(tmp_path, rows))

    def add_up() -> bool:
        counts = story.sections
        facets = [
            len(story.rows(section=[s])) for s in ("READY", "NEEDS_CLEANSING", "FAULTY", "SKIPPED")
        ]
        total = counts.pop("total")
        return total == sum(counts.values()) == sum(facets) and list(counts.values()) == facets

    assert add_up()
    assert add_up() == (story.amend(4, email="gut@example.org").sections["ready"] == 3)
    story.fix("SKIP", where={"section": ["FAULTY"]})
    assert add_up()
    assert story.complete().sections["skipped"] == 3


def test_an_invoice_that_was_imported_before_is_faulty_until_the_revert(
    at: At, tmp_path: Path
) -> None:
    first = at("CREATED")
    again = Story.reviewed(first.agency, table(tmp_path, [consumer(0), consumer(5)]))
    assert (again.issues(2), again.sections["ready"]) == ({"ALREADY_IMPORTED"}, 1)
    first.revert()
    later = Story.reviewed(first.agency, table(tmp_path, [consumer(0)], name="again.csv"))
    assert later.issues(2) == set()


def test_the_same_invoice_twice_in_a_file_is_faulty_the_second_time(
    agency: Agency, tmp_path: Path
) -> None:
    story = Story.reviewed(agency, table(tmp_path, [consumer(0), consumer(0), consumer(1)]))
    assert (story.issues(2), story.issues(3)) == (set(), {"DUPLICATE_INVOICE"})
    story.fix("SKIP", where={"issueCode": ["DUPLICATE_INVOICE"]})
    assert story.sections["ready"] == 2


def test_skipping_the_first_of_two_frees_the_second(agency: Agency, tmp_path: Path) -> None:
    rows = [consumer(0, email="keine"), consumer(0)]
    story = Story.reviewed(agency, table(tmp_path, rows))
    assert "DUPLICATE_INVOICE" in story.issues(3)
    story.fix("SKIP", where={"section": ["NEEDS_CLEANSING"]})
    assert story.issues(3) == set()


def test_a_match_shows_its_evidence_field_by_field(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    row = consumer(0, customer_case_number="N", invoice_number="N")
    match = Story.created(first.agency, table(tmp_path, [row])).rows()[2]["match"]
    evidence = {e["field"]: e["points"] for e in match["candidates"][0]["evidence"]}
    assert evidence
    assert sum(evidence.values()) > 0


def test_the_job_of_an_import_tells_how_far_it_is(at: At) -> None:
    story = at("CREATED")
    job = story.see("job { id kind state progressDone progressTotal error { code } }")["job"]
    assert (job["kind"], job["state"], job["error"]) == ("import.match", "DONE", None)
    assert job["progressDone"] == 2
    found = story.client.ask("query($i: ID!) { job(id: $i) { id } }", i=job["id"])
    assert found == {"job": {"id": job["id"]}}


def test_completing_the_review_twice_is_completing_it_once(at: At) -> None:
    story = at("REVIEW")
    for _ in range(2):
        story.client.do("importReviewComplete", "import { state }", importId=story.id)
    story.client.drain()
    assert story.complete().state == "CREATED"
    assert len(story.cases()) == 2


def test_a_file_whose_columns_are_all_clear_needs_no_confirmation(
    agency: Agency, tmp_path: Path
) -> None:
    first = Story.begin(agency, workbook(tmp_path, [consumer(0)]))
    agency.client.drain()
    columns = first.see("columns { index field }")["columns"]
    first.map(columns)
    second = Story.begin(agency, workbook(tmp_path, [consumer(1)], name="next.xlsx"))
    agency.client.drain()
    assert second.state == "REVIEW"


@pytest.mark.parametrize("key", ["importLinkBucket", "importLaunch"])
def test_a_step_with_an_idempotency_key_happens_once(at: At, key: str) -> None:
    story = at("CREATED" if key == "importLinkBucket" else "LINKED")
    given = {"bucketId": story.agency.bucket} if key == "importLinkBucket" else {}
    answers = [
        story.client.attempt(
            key, "import { state bucket { id } }", importId=story.id, idempotencyKey="k", **given
        )
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["errors"] == []


def test_the_same_key_makes_one_import_and_another_input_is_refused(
    agency: Agency, tmp_path: Path
) -> None:
    upload = agency.client.upload(table(tmp_path, [consumer(0)]))
    given = {
        "uploadId": upload,
        "portfolioId": agency.portfolio,
        "debtorKind": "CONSUMER",
        "phoneCountry": "DE",
        "idempotencyKey": "one",
    }
    first, again = (agency.client.do("importCreate", "import { id }", **given) for _ in range(2))
    assert first == again
    other = agency.client.attempt(
        "importCreate", "import { id }", **(given | {"phoneCountry": "AT"})
    )
    assert [e["code"] for e in other["errors"]] == ["IDEMPOTENCY_MISMATCH"]
    assert agency.client.ask("{ imports { totalCount } }") == {"imports": {"totalCount": 1}}
