"""What happens to input that can't be right: an exact code, a sentence, and nothing changed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from finview.accounts.access import Role
from finview.testing.client import Client, client_for
from finview.testing.factories import (
    GERMAN,
    Agency,
    business,
    consumer,
    new_bucket,
    new_portfolio,
    table,
    workbook,
)
from finview.testing.fixtures import At
from finview.testing.story import Story
from finview.testing.tables import contents, differences


@dataclass(kw_only=True)
class Refusal:
    """A request that must fail: where it begins, what is sent, and what must come back."""

    stage: str
    mutation: str
    given: Callable[[Story], dict[str, Any]]
    code: str
    reason: str | None = None
    path: list[str] = field(default_factory=list)
    german: str
    english: str


def columns(story: Story) -> dict[str, int]:
    return {c["field"]: c["index"] for c in story.see("columns { index field }")["columns"]}


def decision(row: int, what: str = "CREATE_NEW") -> dict[str, Any]:
    return {"decisions": [{"rowNumber": row, "decision": what}]}


def other_bucket(story: Story) -> dict[str, Any]:
    portfolio = new_portfolio(story.client, story.agency.customer, "2025")
    return {"bucketId": new_bucket(story.client, portfolio, "Alt")}


GONE = ("gibt es nicht", "does not exist")
REFUSALS = {
    "required field unmapped": Refusal(
        stage="REVIEW",
        mutation="importMap",
        given=lambda s: {"columns": [{"index": columns(s)["amount"], "field": None}]},
        code="IMPORT_FIELD_REQUIRED",
        path=["input", "columns"],
        german="Betrag",
        english="Amount",
    ),
    "two columns on one field": Refusal(
        stage="REVIEW",
        mutation="importMap",
        given=lambda s: {"columns": [{"index": columns(s)["city"], "field": "email"}]},
        code="IMPORT_FIELD_DUPLICATE",
        path=["input", "columns"],
        german="email",
        english="email",
    ),
    "a column that is not there": Refusal(
        stage="REVIEW",
        mutation="importMap",
        given=lambda _: {"columns": [{"index": 99, "field": "email"}]},
        code="NOT_FOUND",
        reason="COLUMN_NOT_FOUND",
        path=["input", "columns", "0", "index"],
        german="keine Spalte 99",
        english="no column 99",
    ),
    "a field nobody knows": Refusal(
        stage="REVIEW",
        mutation="importMap",
        given=lambda _: {"columns": [{"index": 0, "field": "shoe_size"}]},
        code="INVALID",
        reason="FIELD_UNKNOWN",
        path=["input", "columns", "0", "field"],
        german="shoe_size",
        english="shoe_size",
    ),
    "amendment of a row that does not exist": Refusal(
        stage="REVIEW",
        mutation="importRowAmend",
        given=lambda _: {"rowNumber": 99, "values": [{"field": "email", "value": "a@b.de"}]},
        code="NOT_FOUND",
        reason="ROW_NOT_FOUND",
        path=["input", "rowNumber"],
        german="keine Zeile 99",
        english="no row 99",
    ),
    "amendment of an unknown field": Refusal(
        stage="REVIEW",
        mutation="importRowAmend",
        given=lambda _: {"rowNumber": 2, "values": [{"field": "shoe_size", "value": "43"}]},
        code="INVALID",
        reason="FIELD_UNKNOWN",
        path=["input", "values", "0", "field"],
        german="shoe_size",
        english="shoe_size",
    ),
    "amendment after the review": Refusal(
        stage="CREATED",
        mutation="importRowAmend",
        given=lambda _: {"rowNumber": 2, "values": [{"field": "email", "value": "a@b.de"}]},
        code="STATE",
        reason="IMPORT_STATE",
        german="Der Import steht bei",
        english="The import stands at",
    ),
    "a fix without a field": Refusal(
        stage="REVIEW",
        mutation="importRowsFix",
        given=lambda _: {"kind": "REPLACE", "where": {}, "from": "x", "to": "y"},
        code="REQUIRED",
        reason="FIX_FIELD_REQUIRED",
        path=["input", "field"],
        german="welches Feld",
        english="which field",
    ),
    "an answer that answers nothing": Refusal(
        stage="REVIEW",
        mutation="importRowsFix",
        given=lambda _: {"kind": "SETTLE", "where": {}, "field": "amount", "to": "MAYBE"},
        code="INVALID",
        reason="FIX_ANSWER",
        path=["input", "to"],
        german="COMMA, POINT",
        english="COMMA, POINT",
    ),
    "mapping after the review": Refusal(
        stage="LINKED",
        mutation="importMap",
        given=lambda _: {"columns": []},
        code="STATE",
        reason="IMPORT_STATE",
        german="Der Import steht bei",
        english="The import stands at",
    ),
    "decision for a row that needs none": Refusal(
        stage="CREATED",
        mutation="importMatchDecide",
        given=lambda _: decision(2),
        code="STATE",
        reason="ROW_NEEDS_NO_DECISION",
        path=["input", "decisions", "0", "rowNumber"],
        german="braucht keine Entscheidung",
        english="needs no decision",
    ),
    "decision for a row that stayed behind": Refusal(
        stage="CREATED",
        mutation="importMatchDecide",
        given=lambda _: decision(4),
        code="STATE",
        reason="ROW_NEEDS_NO_DECISION",
        path=["input", "decisions", "0", "rowNumber"],
        german="braucht keine Entscheidung",
        english="needs no decision",
    ),
    "decision for a row that does not exist": Refusal(
        stage="CREATED",
        mutation="importMatchDecide",
        given=lambda _: decision(99),
        code="NOT_FOUND",
        reason="ROW_NOT_FOUND",
        path=["input", "decisions", "0", "rowNumber"],
        german="keine Zeile 99",
        english="no row 99",
    ),
    "decision before the records": Refusal(
        stage="REVIEW",
        mutation="importMatchDecide",
        given=lambda _: decision(2),
        code="IMPORT_NOT_READY",
        reason="IMPORT_STATE",
        german="Der Import steht bei",
        english="The import stands at",
    ),
    "a bucket of another portfolio": Refusal(
        stage="CREATED",
        mutation="importLinkBucket",
        given=other_bucket,
        code="BUCKET_NOT_IN_PORTFOLIO",
        path=["input", "bucketId"],
        german="anderen Portfolio",
        english="another portfolio",
    ),
    "a bucket that does not exist": Refusal(
        stage="CREATED",
        mutation="importLinkBucket",
        given=lambda _: {"bucketId": "bkt_999"},
        code="NOT_FOUND",
        path=["input", "bucketId"],
        german=GONE[0],
        english=GONE[1],
    ),
    "something else than a bucket": Refusal(
        stage="CREATED",
        mutation="importLinkBucket",
        given=lambda s: {"bucketId": s.agency.customer},
        code="NOT_FOUND",
        path=["input", "bucketId"],
        german=GONE[0],
        english=GONE[1],
    ),
    "link before the records": Refusal(
        stage="REVIEW",
        mutation="importLinkBucket",
        given=lambda s: {"bucketId": s.agency.bucket},
        code="IMPORT_NOT_READY",
        reason="IMPORT_STATE",
        german="Der Import steht bei",
        english="The import stands at",
    ),
    "launch before linking": Refusal(
        stage="CREATED",
        mutation="importLaunch",
        given=lambda _: {},
        code="IMPORT_NOT_READY",
        reason="IMPORT_WITHOUT_BUCKET",
        german="Bucket",
        english="bucket",
    ),
    "launch before the records": Refusal(
        stage="REVIEW",
        mutation="importLaunch",
        given=lambda _: {},
        code="IMPORT_NOT_READY",
        reason="IMPORT_STATE",
        german="Der Import steht bei",
        english="The import stands at",
    ),
    "revert without confirmation": Refusal(
        stage="LINKED",
        mutation="importRevert",
        given=lambda _: {"confirm": False},
        code="CONFIRMATION_REQUIRED",
        path=["input", "confirm"],
        german="Bitte bestätigen Sie",
        english="Please confirm",
    ),
    "revert after the launch": Refusal(
        stage="LAUNCHED",
        mutation="importRevert",
        given=lambda _: {"confirm": True},
        code="IMPORT_LAUNCHED",
        reason="IMPORT_ALREADY_LAUNCHED",
        german="2 Fällen",
        english="2 cases",
    ),
    "decision after the launch": Refusal(
        stage="LAUNCHED",
        mutation="importMatchDecide",
        given=lambda _: decision(2),
        code="IMPORT_LAUNCHED",
        reason="IMPORT_ALREADY_LAUNCHED",
        german="2 Fällen",
        english="2 cases",
    ),
    "link after the launch": Refusal(
        stage="LAUNCHED",
        mutation="importLinkBucket",
        given=lambda s: {"bucketId": s.agency.bucket},
        code="IMPORT_LAUNCHED",
        reason="IMPORT_ALREADY_LAUNCHED",
        german="2 Fällen",
        english="2 cases",
    ),
    "review after the launch": Refusal(
        stage="LAUNCHED",
        mutation="importReviewComplete",
        given=lambda _: {},
        code="IMPORT_LAUNCHED",
        reason="IMPORT_ALREADY_LAUNCHED",
        german="2 Fällen",
        english="2 cases",
    ),
    "amendment after the launch": Refusal(
        stage="LAUNCHED",
        mutation="importRowAmend",
        given=lambda _: {"rowNumber": 2, "values": []},
        code="IMPORT_LAUNCHED",
        reason="IMPORT_ALREADY_LAUNCHED",
        german="2 Fällen",
        english="2 cases",
    ),
}


def check(story: Story, refusal: Refusal, given: dict[str, Any]) -> None:
    """Send the same in both languages; compare what comes back, and every table."""
    before = contents(story.agency.services.db, without=("api_token", "audit_event"))
    answer = "row { id }" if refusal.mutation == "importRowAmend" else "import { id }"
    for language, words in (("de", refusal.german), ("en", refusal.english)):
        client = client_for(story.agency.services, language=language)
        payload = client.attempt(refusal.mutation, answer, importId=story.id, **given)
        (error,) = payload.pop("errors")
        assert list(payload.values()) == [None]
        assert (error["code"], error["params"].get("reason")) == (refusal.code, refusal.reason)
        assert error["path"] == refusal.path
        assert words in error["message"]
    after = contents(story.agency.services.db, without=("api_token", "audit_event"))
    assert differences(before, after) == {}


@pytest.mark.parametrize("name", REFUSALS)
def test_bad_input_is_refused_by_name_and_changes_nothing(at: At, name: str) -> None:
    refusal = REFUSALS[name]
    story = at(refusal.stage)
    check(story, refusal, refusal.given(story))


@pytest.mark.parametrize(
    "mutation", ["importRevert", "importLaunch", "importMap", "importMatchDecide"]
)
def test_a_reverted_import_takes_no_further_step(at: At, mutation: str) -> None:
    story = at("LINKED").revert()
    given: dict[str, Any] = {
        "importRevert": {"confirm": True},
        "importMap": {"columns": []},
        "importMatchDecide": decision(2),
    }.get(mutation, {})
    refusal = Refusal(
        stage="REVERTED",
        mutation=mutation,
        given=lambda _: given,
        code="STATE",
        reason="IMPORT_ALREADY_REVERTED",
        german="bereits zurückgesetzt",
        english="reverted already",
    )
    check(story, refusal, given)


@pytest.mark.parametrize("mutation", ["importReviewComplete", "importLaunch", "importMap"])
def test_an_import_that_does_not_exist_is_not_found(at: At, mutation: str) -> None:
    story = at("REVIEW")
    more: dict[str, Any] = {"columns": []} if mutation == "importMap" else {}
    for unknown in ("imp_999", story.agency.customer, "nonsense", ""):
        payload = story.client.attempt(mutation, "import { id }", importId=unknown, **more)
        assert [e["code"] for e in payload["errors"]] == ["NOT_FOUND"]


@pytest.fixture
def doubtful(at: At, tmp_path: Path) -> Story:
    """Two rows of one debtor who may be a known one."""
    first = at("CREATED")
    maybe = {
        "street": "Torweg",
        "house_no": "99",
        "postcode": "10117",
        "email": "schmidt.a@example.net",
    }
    rows = [consumer(0, invoice_number=f"N-{n}", **maybe) for n in range(2)]
    return Story.created(first.agency, table(tmp_path, rows))


def test_rows_of_one_debtor_decided_differently_are_a_conflict(doubtful: Story) -> None:
    debtor = doubtful.rows()[2]["match"]["candidates"][0]["debtor"]["id"]
    both = [
        {"rowNumber": 2, "decision": "CREATE_NEW"},
        {"rowNumber": 3, "decision": "UPDATE_EXISTING", "debtorId": debtor},
    ]
    refusal = Refusal(
        stage="CREATED",
        mutation="importMatchDecide",
        given=lambda _: {},
        code="CONFLICT",
        reason="DECISIONS_CONTRADICT",
        path=["input", "decisions", "1"],
        german="2, 3",
        english="2, 3",
    )
    check(doubtful, refusal, {"decisions": both})


def test_rows_of_one_debtor_decided_alike_are_one_decision(doubtful: Story) -> None:
    both = [{"rowNumber": n, "decision": "CREATE_NEW"} for n in (2, 3)]
    doubtful.do("importMatchDecide", decisions=both)
    assert doubtful.matches == (1, 0, 0)


@pytest.mark.parametrize(
    ("debtor", "code", "reason"),
    [
        (None, "REQUIRED", "DECISION_DEBTOR_REQUIRED"),
        ("dbt_999", "NOT_FOUND", None),
        ("dbt_2", "INVALID", "DECISION_NOT_A_CANDIDATE"),
    ],
)
def test_only_a_proposed_debtor_can_be_chosen(
    doubtful: Story, debtor: str | None, code: str, reason: str | None
) -> None:
    one = {"rowNumber": 2, "decision": "UPDATE_EXISTING", "debtorId": debtor}
    (error,) = doubtful.errors("importMatchDecide", decisions=[one])
    assert (error["code"], error["params"].get("reason")) == (code, reason)
    assert error["path"] == ["input", "decisions", "0", "debtorId"]
    assert doubtful.matches == (0, 0, 1)


def test_one_wrong_decision_undoes_the_right_ones(doubtful: Story) -> None:
    given = [
        {"rowNumber": 2, "decision": "CREATE_NEW"},
        {"rowNumber": 99, "decision": "CREATE_NEW"},
    ]
    (error,) = doubtful.errors("importMatchDecide", decisions=given)
    assert (error["code"], doubtful.matches) == ("NOT_FOUND", (0, 0, 1))


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_file_without_data_rows_fails_by_name(
    agency: Agency, tmp_path: Path, language: str
) -> None:
    client = client_for(agency.services, language=language)
    path = workbook(tmp_path, [consumer(0, **dict.fromkeys(consumer(0)))])
    story = Story.begin(agency, path, client=client)
    client.drain()
    failure = story.see("failure { code message params }")["failure"]
    assert story.state == "FAILED"
    assert (failure["code"], failure["params"]["reason"]) == (
        "IMPORT_FILE_UNREADABLE",
        "NO_DATA_ROWS",
    )
    assert ("keine Daten" in failure["message"]) == (language == "de")


def test_a_file_without_a_required_column_waits_for_it(agency: Agency, tmp_path: Path) -> None:
    rows = [{k: v for k, v in consumer(n).items() if k != "amount"} for n in range(2)]
    story = Story.begin(agency, workbook(tmp_path, rows))
    agency.client.drain()
    (error,) = story.errors("importMap", columns=[])
    assert (error["code"], error["params"]["names"]) == ("IMPORT_FIELD_REQUIRED", ["amount"])
    assert story.state == "MAPPING"


def test_without_a_ready_row_the_review_does_not_end(agency: Agency, tmp_path: Path) -> None:
    story = Story.reviewed(agency, table(tmp_path, [consumer(0, amount="viel")]))
    (error,) = story.errors("importReviewComplete")
    assert (error["code"], error["params"]["reason"]) == ("IMPORT_NOT_READY", "NO_READY_ROWS")
    assert story.state == "REVIEW"


def attempt_import(client: Client, upload: str, **values: Any) -> dict[str, Any]:
    given = {"uploadId": upload, "debtorKind": "CONSUMER", "phoneCountry": "DE", **values}
    payload = client.attempt("importCreate", "import { id }", **given)
    (error,) = payload["errors"]
    assert payload["import"] is None
    return dict(error)


def test_an_unknown_and_a_foreign_portfolio_read_the_same(agency: Agency, tmp_path: Path) -> None:
    upload = agency.client.upload(table(tmp_path, [consumer(0)]))
    other = agency.with_customer("Wasserwerke Süd")
    guest = contact_of(agency)
    answers = [
        attempt_import(client, upload, portfolioId=portfolio)
        for client, portfolio in (
            (agency.client, "pf_999"),
            (agency.client, agency.customer),
            (guest, other.portfolio),
            (guest, "pf_999"),
        )
    ]
    assert {a["code"] for a in answers} == {"NOT_FOUND"}
    assert {tuple(a["path"]) for a in answers[:1]} <= {("input", "portfolioId"), ()}
    assert answers[2] == answers[3]


def contact_of(agency: Agency) -> Client:
    """Return a client of somebody at the agency's customer."""
    agency.client.do(
        "contactCreate",
        "contact { id }",
        customerId=agency.customer,
        firstName="Gitta",
        lastName="Gast",
        email="gast@kunde.example",
        isCommercial=True,
        isOperational=False,
        hasAccess=True,
    )
    return client_for(agency.services, "gast@kunde.example", role=None)


@pytest.mark.parametrize(
    ("values", "code", "reason"),
    [
        ({"phoneCountry": "XX"}, "INVALID", "PHONE_COUNTRY_UNKNOWN"),
        ({"uploadId": "upl_999"}, "NOT_FOUND", None),
        ({"invoiceUploadIds": ["upl_999"]}, "NOT_FOUND", None),
    ],
)
def test_an_import_needs_an_upload_and_a_country(
    agency: Agency, tmp_path: Path, values: dict[str, Any], code: str, reason: str | None
) -> None:
    upload = agency.client.upload(table(tmp_path, [consumer(0)]))
    given = {"portfolioId": agency.portfolio, **values}
    error = attempt_import(agency.client, given.pop("uploadId", upload), **given)
    assert (error["code"], error["params"].get("reason")) == (code, reason)


def test_an_upload_makes_one_import_only_and_must_have_arrived(
    agency: Agency, tmp_path: Path
) -> None:
    client, path = agency.client, table(tmp_path, [consumer(0)])
    announced = client.do("uploadCreate", "upload { id }", filename="a.csv", sizeBytes=3)["id"]
    missing = attempt_import(client, announced, portfolioId=agency.portfolio)
    assert missing["params"]["reason"] == "UPLOAD_NOT_RECEIVED"
    upload = client.upload(path)
    given = {"portfolioId": agency.portfolio, "debtorKind": "CONSUMER", "phoneCountry": "DE"}
    client.do("importCreate", "import { id }", uploadId=upload, **given)
    used = attempt_import(client, upload, portfolioId=agency.portfolio)
    assert (used["code"], used["params"]["reason"]) == ("STATE", "UPLOAD_USED")


def test_a_workbook_of_the_other_kind_is_looked_at_row_by_row(
    agency: Agency, tmp_path: Path
) -> None:
    rows = [business(n) for n in range(2)]
    story = Story.reviewed(agency, table(tmp_path, rows), kind="CONSUMER")
    assert story.sections["ready"] == 0


def test_an_operator_may_import_but_someone_without_a_role_may_not(
    agency: Agency, tmp_path: Path
) -> None:
    operator = client_for(agency.services, "op@inkasso.example", role=Role.OPERATOR)
    story = Story.reviewed(agency, table(tmp_path, [consumer(0)], headers=GERMAN), client=operator)
    assert story.state == "REVIEW"
    nobody = client_for(agency.services, "nobody@inkasso.example", role=None)
    payload = nobody.attempt("uploadCreate", "upload { id }", filename="a.csv", sizeBytes=3)
    assert [e["code"] for e in payload["errors"]] == ["FORBIDDEN"]
