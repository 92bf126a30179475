"""`finview import` and `finview columns`: documents, dry runs, refusals."""

from email import message_from_bytes, policy

from sqlalchemy import func, select

from finview.cases.models import Case, Debtor
from finview.cli.opening import the_customer, the_portfolio
from finview.db.files import StoredFile
from finview.db.tables import Base
from finview.imports.models import Import, ImportRow

WHERE = ("--customer", "SWN", "--portfolio", "Strom und Gas", "--phone-country", "DE")


def _stored(data):
    return sorted(path for path in (data / "files").rglob("*") if path.is_file())


def _counts(services):
    """Rows of every table that a dry run must leave alone."""
    own = {"job", "audit_event", "audit_value", "number_series", "account_user", "access_grant"}
    with services.db.reading() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
            if table.name not in own
        }


def test_an_import_goes_from_the_file_to_launched_workflows(run, data, workbook):
    answer = run("import", workbook, *WHERE, "--bucket", "verträge 2025", "--launch", "--json")
    assert answer.status == 0
    found = answer.json["import"]
    assert found["state"] == "LAUNCHED"
    assert found["sections"] == {"ready": 3, "needs_cleansing": 0, "faulty": 1, "skipped": 0}
    assert found["matches"] == {"new": 2, "matched": 0, "review": 0}
    assert found["cases"] == 2
    subjects = [
        message_from_bytes(mail.read_bytes(), policy=policy.default)["subject"]
        for mail in (data / "outbox").glob("*.eml")
    ]
    # The contacts of the customer got their invitations besides.
    assert sum("Vorgang" in subject for subject in subjects) == 2


def test_an_import_stops_where_the_next_step_has_no_bucket(run, data, workbook):
    found = run("import", workbook, *WHERE, "--json").json["import"]
    assert (found["state"], found["cases"]) == ("CREATED", 2)


def test_rows_say_why_they_stay_behind(run, data, workbook):
    rows = run("import", workbook, *WHERE, "--dry-run", "--rows", "--json").json["rows"]
    assert [row["row"] for row in rows] == [2, 3, 4, 5]
    assert rows[0]["values"]["amount"] == "1200.50"
    assert (rows[3]["section"], rows[3]["codes"]) == ("FAULTY", ["AMOUNT_MISSING"])
    assert "The amount is missing." in [issue["message"] for issue in rows[3]["issues"]]


def test_a_dry_run_leaves_nothing(run, data, workbook, opened_again):
    run("user", "create", "--email", "a@example.org", "--name", "A", "--role", "operator")
    before = _counts(opened_again), _stored(data)
    answer = run("import", workbook, *WHERE, "--dry-run", "--json")
    assert answer.json["import"]["state"] == "REVIEW"
    assert (_counts(opened_again), _stored(data)) == before


def test_a_refused_file_says_why_and_leaves_nothing(run, data, tmp_path, opened_again):
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 not a workbook at all")
    before = _counts(opened_again), _stored(data)
    answer = run("import", broken, *WHERE, "--json")
    assert answer.status == 1
    assert answer.json["error"]["code"].startswith("IMPORT_FILE_")
    assert answer.json["error"]["message"] in answer.err
    assert (_counts(opened_again), _stored(data)) == before


def test_a_file_without_required_columns_names_them(run, data, tmp_path, opened_again):
    path = tmp_path / "short.csv"
    path.write_text("Vorname;Nachname\nAda;Tannhauser\nBenno;Clasen\n")
    answer = run("import", path, *WHERE, "--json")
    assert answer.json["error"]["code"] == "IMPORT_FIELD_REQUIRED"
    assert answer.json["error"]["params"]["names"] == ["invoice_date", "amount"]
    with opened_again.db.reading() as session:
        assert session.scalar(select(func.count(Import.id))) == 0


def test_a_missing_file_is_an_error(run, data):
    answer = run("import", "nowhere.xlsx", *WHERE, "--json")
    assert (answer.status, answer.json["error"]["reason"]) == (1, "FILE_NOT_FOUND")


def test_unknown_customers_portfolios_and_buckets_are_named(run, data, workbook):
    asked = {
        "CUSTOMER_NOT_FOUND": ("--customer", "Nobody", "--portfolio", "Strom und Gas"),
        "PORTFOLIO_NOT_FOUND": ("--customer", "SWN", "--portfolio", "Wasser"),
        "BUCKET_NOT_FOUND": (*WHERE, "--bucket", "Nichts"),
    }
    for reason, words in asked.items():
        assert run("import", workbook, *words, "--json").json["error"]["reason"] == reason


def test_customers_are_known_by_name_number_and_id(opened_again):
    with opened_again.db.reading() as session:
        for text in ("Stadtwerke Nordlicht GmbH", "SWN", "1", "cus_1"):
            customer = the_customer(session, text)
            assert customer.number == "SWN"
        for text in ("strom und gas", "1", "pf_1"):
            assert the_portfolio(session, customer, text).name == "Strom und Gas"


def test_text_output_counts_the_sections(run, data, workbook):
    answer = run("import", workbook, *WHERE)
    assert "AMOUNT_MISSING" in answer.out
    assert "Rows ready" in answer.out


def test_nothing_is_created_before_the_review_is_complete(run, data, workbook, opened_again):
    run("import", workbook, *WHERE, "--dry-run")
    with opened_again.db.reading() as session:
        assert session.scalar(select(func.count(Case.id))) == 0
        assert session.scalar(select(func.count(Debtor.id))) == 300
        assert session.scalar(select(func.count()).select_from(ImportRow)) == 0
        assert session.scalar(select(func.count(StoredFile.id))) == 0


def test_columns_shows_fields_with_evidence(run, workbook):
    answer = run("columns", workbook, "--kind", "consumer", "--json")
    columns = answer.json["columns"]
    assert [c["index"] for c in columns] == list(range(12))
    amount = columns[-1]
    assert (amount["header"], amount["field"]) == ("Betrag", "amount")
    assert {"confidence", "margin", "decided", "evidence"} <= amount.keys()
