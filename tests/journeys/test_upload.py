"""The article "upload", U1 to U9: from an Excel file to a clean review, and on to launch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finview.jobs import claims
from finview.jobs.runner import run_job
from finview.testing.client import Client, client_for
from finview.testing.factories import (
    ENGLISH,
    GERMAN,
    Agency,
    Row,
    business,
    consumer,
    table,
    workbook,
    write_sheet,
)
from finview.testing.fixtures import At
from finview.testing.story import Story
from finview.testing.tables import contents, differences, refreshed

Make = Callable[..., Row]


@pytest.fixture(params=["de", "en"])
def client(agency: Agency, request: pytest.FixtureRequest) -> Client:
    """Someone who works in German, then in English."""
    return client_for(agency.services, language=request.param)


@pytest.mark.parametrize(("language", "headers"), [("de", GERMAN), ("en", ENGLISH)])
@pytest.mark.parametrize(("kind", "make"), [("CONSUMER", consumer), ("BUSINESS", business)])
def test_u1_u14_a_file_becomes_launched_workflows(
    agency: Agency, tmp_path: Path, language: str, headers: dict[str, str], kind: str, make: Make
) -> None:
    client = client_for(agency.services, language=language)
    contract = {"contract_subject": "Stromlieferung", "contract_date": "2024-01-02"}
    rows = [make(0, **contract), make(1, language=language), make(2, amount=None)]
    story = Story.begin(agency, workbook(tmp_path, rows, headers=headers), kind=kind, client=client)
    assert story.read().state == "REVIEW"
    assert story.sections == {
        "total": 3, "ready": 2, "needsCleansing": 0, "faulty": 1, "skipped": 0
    }  # fmt: skip
    assert story.complete().state == "CREATED"
    assert story.matches == (2, 0, 0)
    assert story.link().state == "LINKED"
    assert story.launch().state == "LAUNCHED"
    assert [c["runs"] for c in story.cases()] == [
        [{"kind": "MAIN", "state": "WAITING", "node": "two_weeks"}]
    ] * 2
    assert len(agency.outbox()) == 2


@pytest.mark.both_databases
def test_pr2_the_whole_way_and_back_on_both_databases(agency: Agency, tmp_path: Path) -> None:
    maybe = {
        "street": "Torweg",
        "house_no": "99",
        "postcode": "10117",
        "email": "a@example.net",
        "phone": None,
        "invoice_number": "M",
        "customer_case_number": "M",
    }
    again = {"customer_case_number": "N", "invoice_number": "N", "phone": "030 23125001"}
    first = Story.linked(agency, workbook(tmp_path, [consumer(0), consumer(1, amount=None)]))
    rows = [
        consumer(0, **again),
        consumer(0, **again | maybe),
        consumer(4),
    ]
    before = contents(refreshed(agency.services.db))
    second = Story.linked(agency, workbook(tmp_path, rows, name="two.xlsx"))
    assert second.matches == (1, 1, 1)
    second.decide(3, "CREATE_NEW").revert()
    assert differences(before, contents(refreshed(agency.services.db))) == {}
    assert first.launch().state == "LAUNCHED"
    assert len(agency.outbox()) == 1


def test_u1_both_ways_in_lead_to_the_same_import(agency: Agency, tmp_path: Path) -> None:
    story = Story.begin(agency, workbook(tmp_path, [consumer(0)]))
    seen = agency.client.ask(
        "query($c: ID!, $p: ID!) { imports(where: {customerId: $c, portfolioId: $p}) "
        "{ totalCount nodes { id customer { id } portfolio { id } createdBy { name } } } }",
        c=agency.customer,
        p=agency.portfolio,
    )["imports"]
    assert seen == {
        "totalCount": 1,
        "nodes": [
            {
                "id": story.id,
                "customer": {"id": agency.customer},
                "portfolio": {"id": agency.portfolio},
                "createdBy": {"name": "Test User"},
            }
        ],
    }


def test_u3_numbers_are_read_for_the_phone_country_and_a_prefix_wins(
    agency: Agency, tmp_path: Path
) -> None:
    phones = ["0664 1234567", "+41 44 668 18 00", "12"]
    rows = [consumer(n, phone=phone, country="DE") for n, phone in enumerate(phones)]
    story = Story.reviewed(agency, workbook(tmp_path, rows), phoneCountry="AT")
    values = [row["values"]["phone"] for row in story.rows().values()]
    assert [(v["raw"], v["value"]) for v in values[:2]] == [
        (phones[0], "+436641234567"),
        (phones[1], "+41446681800"),
    ]
    assert values[2]["raw"] == "12"
    assert story.issues(4) & {"PHONE_INVALID", "PHONE_SPECIAL"}
    assert story.sections["needsCleansing"] == 1


def test_u4_the_fields_follow_the_kind_of_debtor(client: Client) -> None:
    def fields(kind: str) -> dict[str, dict[str, Any]]:
        query = "query($k: DebtorKind!) { importFields(debtorKind: $k) { name label required } }"
        return {f["name"]: f for f in client.ask(query, k=kind)["importFields"]}

    consumers, businesses = fields("CONSUMER"), fields("BUSINESS")
    assert "employment" in consumers.keys() - businesses.keys()
    assert {"register_no", "industry"} <= businesses.keys() - consumers.keys()
    assert {n for n, f in consumers.items() if f["required"]} >= {"amount", "invoice_date"}
    german = client.http.headers["accept-language"] == "de"
    assert consumers["invoice_date"]["label"] == ("Rechnungsdatum" if german else "Invoice date")


def test_u4_a_company_in_a_file_of_consumers_is_looked_at(agency: Agency, tmp_path: Path) -> None:
    rows = [consumer(0), consumer(1, first_name=None, last_name="Nordlicht Handels GmbH")]
    story = Story.reviewed(agency, workbook(tmp_path, rows))
    assert "DEBTOR_KIND_MISMATCH" in story.issues(3)


REFUSED = {
    "IMPORT_FILE_ENCRYPTED": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + "EncryptedPackage".encode("utf-16-le"),
        "PASSWORD_PROTECTED",
    ),
    "IMPORT_FILE_TYPE": (b"%PDF-1.7\n1 0 obj\n", "UNSUPPORTED_FILE_TYPE"),
    "IMPORT_FILE_UNREADABLE": (b"PK\x03\x04" + b"\x14\x00" * 20, "FILE_CORRUPT"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_u5_a_file_that_can_not_be_read_says_why(
    client: Client, agency: Agency, code: str, tmp_path: Path
) -> None:
    content, reason = REFUSED[code]
    path = tmp_path / "cases.xlsx"
    path.write_bytes(content)
    story = Story.begin(agency, path, client=client).read()
    failure = story.see("failure { code message params }")["failure"]
    assert (story.state, failure["code"], failure["params"]["reason"]) == ("FAILED", code, reason)
    german = client.http.headers["accept-language"] == "de"
    assert (" ist " in failure["message"] or " kann" in failure["message"]) == german


def test_u5_what_excel_does_to_a_table_does_no_harm(agency: Agency, tmp_path: Path) -> None:
    rows = [consumer(0), consumer(1, invoice_date="03.02.2026", amount="1.234,56"), consumer(3)]
    fields = list(rows[0])
    titles = [GERMAN[field] for field in fields]
    cells = [["Offene Posten"], [], titles, *([r[f] for f in fields] for r in rows)]
    story = Story.reviewed(
        agency, write_sheet(tmp_path / "odd.xlsx", [*cells[:5], [None] * 3, cells[5]])
    )
    found = story.rows()
    assert story.sections["ready"] == len(found) == 3
    second = found[5]["values"]
    assert (second["invoice_date"]["value"], second["amount"]["value"]) == ("2026-02-03", "1234.56")
    assert sorted(found) == [4, 5, 7]


def test_u5_the_same_file_twice_is_said_in_the_viewers_language(
    client: Client, agency: Agency, tmp_path: Path
) -> None:
    path = workbook(tmp_path, [consumer(0)])
    first = Story.begin(agency, path)
    notices = Story.begin(agency, path, client=client).see("notices { code message params }")
    number = first.see("number")["number"]
    german = client.http.headers["accept-language"] == "de"
    says = "Diese Datei wurde schon einmal importiert" if german else "This file was imported"
    assert [n["code"] for n in notices["notices"]] == ["NOTICE_SAME_FILE"]
    assert notices["notices"][0]["params"] == {"number": number}
    assert notices["notices"][0]["message"].startswith(says)
    other = agency.with_customer("Wasserwerke Süd")
    assert Story.begin(other, path).see("notices { code }")["notices"] == []


@pytest.mark.parametrize("headers", [GERMAN, ENGLISH])
def test_u6_headers_in_both_languages_are_understood(
    agency: Agency, tmp_path: Path, headers: dict[str, str]
) -> None:
    rows = [consumer(n, phone=f"030 2312500{n}", currency="EUR") for n in range(3)]
    story = Story.begin(agency, workbook(tmp_path, rows, headers=headers))
    agency.client.drain()
    columns = story.see("columns { header field confidence margin evidence samples }")["columns"]
    assert {c["header"]: c["field"] for c in columns} == {headers[f]: f for f in rows[0]}
    assert all(0.5 < c["confidence"] <= 1 and c["evidence"] for c in columns)


def test_u6_a_confirmed_mapping_is_remembered_for_this_customer_only(
    agency: Agency, tmp_path: Path
) -> None:
    odd = {**GERMAN, "customer_client_number": "Zeichen XQ"}

    def proposed(where: Agency, n: int) -> tuple[str | None, str]:
        rows = [consumer(n, customer_client_number=str(n))]
        story = Story.begin(where, workbook(tmp_path, rows, headers=odd))
        agency.client.drain()
        columns = story.see("columns { index header field decidedBy }")["columns"]
        column = next(c for c in columns if c["header"] == "Zeichen XQ")
        if n == 0:
            story.map([{"index": column["index"], "field": "customer_client_number"}])
        return column["field"], column["decidedBy"]

    assert proposed(agency, 0)[1] != "memory"
    assert proposed(agency, 1) == ("customer_client_number", "memory")
    assert proposed(agency.with_customer("Wasserwerke Süd"), 2)[1] != "memory"


def test_u6_what_is_not_to_be_remembered_is_not(agency: Agency, tmp_path: Path) -> None:
    odd = {**GERMAN, "customer_client_number": "Zeichen XQ"}
    for n, field in enumerate(["customer_client_number", None]):
        rows = [consumer(n, customer_client_number=str(n))]
        story = Story.begin(agency, workbook(tmp_path, rows, headers=odd))
        agency.client.drain()
        columns = story.see("columns { index header decidedBy }")["columns"]
        column = next(c for c in columns if c["header"] == "Zeichen XQ")
        story.map([{"index": column["index"], "field": field}], remember=False)
    assert column["decidedBy"] != "memory"


def test_u7_a_column_can_be_ignored_and_pointed_elsewhere_after_the_review(at: At) -> None:
    story = at("REVIEW")
    columns = {c["field"]: c["index"] for c in story.see("columns { index field }")["columns"]}
    story.map([{"index": columns["email"], "field": None}])
    assert "email" not in story.rows()[2]["values"]
    story.map(
        [
            {"index": columns["email"], "field": "email"},
            {"index": columns["customer_case_number"], "field": "customer_client_number"},
        ]
    )
    values = story.rows()[2]["values"]
    assert values["customer_client_number"]["value"] == "A-0"
    assert "customer_case_number" not in values
    assert (values["email"]["value"], story.state) == ("anna.schmidt@example.org", "REVIEW")


def test_u7_a_new_mapping_keeps_what_people_amended(at: At) -> None:
    story = at("REVIEW").amend(4, amount="77")
    columns = {c["field"]: c["index"] for c in story.see("columns { index field }")["columns"]}
    story.map([{"index": columns["email"], "field": None}])
    amount = story.rows()[4]["values"]["amount"]
    assert (amount["value"], amount["source"], amount["raw"]) == ("77.00", "USER", None)


def test_u8_each_row_stands_in_a_section_and_says_why(
    client: Client, agency: Agency, tmp_path: Path
) -> None:
    rows = [consumer(0), consumer(1, email="keine"), consumer(2, amount="viel"), consumer(3)]
    story = Story.reviewed(agency, workbook(tmp_path, rows), client=client)
    story.fix("SKIP", where={"section": ["NEEDS_CLEANSING"]})
    assert story.sections == {
        "total": 4, "ready": 2, "needsCleansing": 0, "faulty": 1, "skipped": 1
    }  # fmt: skip
    assert [row["section"] for row in story.rows().values()] == [
        "READY", "SKIPPED", "FAULTY", "READY"
    ]  # fmt: skip
    issue = next(i for i in story.rows()[4]["issues"] if i["code"] == "AMOUNT_INVALID")
    german = client.http.headers["accept-language"] == "de"
    assert ("kein" in issue["message"]) == german
    assert list(story.rows(issueCode=["AMOUNT_INVALID"])) == [4]
    assert list(story.rows(field="email")) == [3]


def test_u9_an_amendment_moves_the_row_and_keeps_the_original(at: At) -> None:
    story = at("REVIEW")
    answer = "row { rowNumber section } import { sectionCounts { ready faulty } }"
    given = [{"field": "amount", "value": "1.234,56"}]
    payload = story.client.attempt(
        "importRowAmend", answer, importId=story.id, rowNumber=4, values=given
    )
    assert payload["row"] == {"rowNumber": 4, "section": "READY"}
    assert payload["import"]["sectionCounts"] == {"ready": 3, "faulty": 0}
    amount = story.rows()[4]["values"]["amount"]
    assert amount == {"field": "amount", "raw": None, "value": "1234.56", "source": "USER"}
    story.amend(4, amount=None)
    assert story.rows()[4]["section"] == "FAULTY"


def test_u9_only_ready_rows_become_records_the_others_come_back_as_a_workbook(at: At) -> None:
    story = at("CREATED")
    assert [c["customerCaseNumber"] for c in story.cases()] == ["A-0", "A-1"]
    assert story.rows()[4]["case"] is None
    book = story.see("errorWorkbook { filename url sizeBytes }")["errorWorkbook"]
    answer = story.client.http.get(book["url"])
    assert (answer.status_code, len(answer.content)) == (200, book["sizeBytes"])
    assert answer.content.startswith(b"PK")


def test_u9_the_records_do_not_wait_for_the_error_workbook(at: At) -> None:
    story = at("REVIEW")
    story.client.do("importReviewComplete", "import { id }", importId=story.id)
    assert one_big_job(story) == "import.match"
    assert story.see("state errorWorkbook { url }") == {"state": "CREATED", "errorWorkbook": None}
    assert one_big_job(story) == "import.error_book"
    assert story.see("errorWorkbook { filename }")["errorWorkbook"]["filename"].endswith(".xlsx")
    assert one_big_job(story) is None


def test_u9_no_error_workbook_is_written_for_an_import_reverted_before(at: At) -> None:
    story = at("REVIEW")
    story.client.do("importReviewComplete", "import { id }", importId=story.id)
    one_big_job(story)
    story.client.do("importRevert", "import { id }", importId=story.id, confirm=True)
    assert one_big_job(story) == "import.error_book"
    assert story.see("state errorWorkbook { url }") == {"state": "REVERTED", "errorWorkbook": None}
    assert contents(story.agency.services.db)["stored_file"] == {}


def one_big_job(story: Story) -> str | None:
    """Run the next of the jobs that imports order, and no other."""
    services = story.agency.services
    for taken in claims.claim(services.db, "bulk", 1):
        run_job(services, taken.id, taken.attempt, taken.kind)
        return taken.kind
    return None


def test_u9_one_value_is_replaced_in_every_row_that_has_it(agency: Agency, tmp_path: Path) -> None:
    rows = [consumer(n, city="Brln" if n < 2 else "Kiel") for n in range(3)]
    story = Story.reviewed(agency, workbook(tmp_path, rows))
    story.fix("REPLACE", field="city", **{"from": "Brln", "to": "Berlin"})
    cities = [row["values"]["city"] for row in story.rows().values()]
    assert [(c["raw"], c["value"], c["source"]) for c in cities] == [
        ("Brln", "Berlin", "USER"),
        ("Brln", "Berlin", "USER"),
        ("Kiel", "Kiel", "FILE"),
    ]


def test_u9_a_blank_is_filled_where_there_is_a_blank_only(agency: Agency, tmp_path: Path) -> None:
    rows = [consumer(0, city=None), consumer(1), consumer(2, city=None)]
    story = Story.reviewed(agency, table(tmp_path, rows))
    story.amend(4, city="Bonn").fix("REPLACE", field="city", to="Berlin")
    cities = [row["values"]["city"]["value"] for row in story.rows().values()]
    assert cities == ["Berlin", "Hamburg", "Bonn"]


def test_u9_replacing_a_value_leaves_what_a_person_put_in_its_place(
    agency: Agency, tmp_path: Path
) -> None:
    rows = [consumer(n, city="Brln", amount="1.000,50") for n in range(2)]
    story = Story.reviewed(agency, table(tmp_path, rows)).amend(3, city="Bonn")
    story.fix("REPLACE", field="city", **{"from": "Brln", "to": "Berlin"})
    story.fix("REPLACE", field="amount", **{"from": "1000.50", "to": "7"})
    values = [row["values"] for row in story.rows().values()]
    assert [v["city"]["value"] for v in values] == ["Berlin", "Bonn"]
    assert [v["amount"]["value"] for v in values] == ["7.00", "7.00"]


@pytest.mark.parametrize(("answer", "value"), [("COMMA", "1234.00"), ("POINT", "1.234")])
def test_u9_i10_one_answer_settles_the_amounts_of_a_column(
    agency: Agency, tmp_path: Path, answer: str, value: str
) -> None:
    rows = [
        consumer(n, amount="1.234", currency="BHD" if value == "1.234" else "EUR") for n in range(2)
    ]
    story = Story.reviewed(agency, workbook(tmp_path, rows))
    assert list(story.rows(issueCode=["AMOUNT_AMBIGUOUS"])) == [2, 3]
    story.fix("SETTLE", field="amount", to=answer)
    assert story.state == "REVIEW"
    assert [r["values"]["amount"]["value"] for r in story.rows().values()] == [value] * 2
    assert story.sections["ready"] == 2


@pytest.mark.parametrize(("answer", "value"), [("DMY", "2026-02-03"), ("MDY", "2026-03-02")])
def test_u9_i10_one_answer_settles_the_dates_of_a_column(
    agency: Agency, tmp_path: Path, answer: str, value: str
) -> None:
    rows = [consumer(n, invoice_date="03/02/2026") for n in range(2)]
    story = Story.reviewed(agency, workbook(tmp_path, rows))
    assert list(story.rows(issueCode=["DATE_AMBIGUOUS"])) == [2, 3]
    story.fix("SETTLE", field="invoice_date", to=answer)
    assert [r["values"]["invoice_date"]["value"] for r in story.rows().values()] == [value] * 2
    assert story.sections["ready"] == 2


def test_u5_original_and_invoice_files_can_be_downloaded(agency: Agency, tmp_path: Path) -> None:
    path = workbook(tmp_path, [consumer(0)])
    invoice = tmp_path / "R-0.pdf"
    invoice.write_bytes(b"%PDF-1.7 invoice")
    story = Story.created(agency, path, invoices=[invoice])
    seen = story.see("file { filename url sha256 } invoiceFiles { filename url sizeBytes }")
    assert (seen["file"]["filename"], len(seen["invoiceFiles"])) == ("cases.xlsx", 1)
    assert agency.client.http.get(seen["file"]["url"]).content == path.read_bytes()
    assert agency.client.http.get(seen["invoiceFiles"][0]["url"]).content == invoice.read_bytes()
