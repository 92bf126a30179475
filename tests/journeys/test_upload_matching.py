"""The article "upload", U10 to U12, and S5, S6: who is already known, and how many cases."""

from pathlib import Path

import pytest

from finview.testing.client import client_for
from finview.testing.factories import Agency, Row, business, consumer, table
from finview.testing.fixtures import At
from finview.testing.story import Story

# Anna Schmidt again: same name and town, nothing else in common.
MAYBE_ANNA = {
    "street": "Torweg",
    "house_no": "99",
    "postcode": "10117",
    "email": "schmidt.a@example.net",
}


def known(n: int, **changes: object) -> Row:
    """Return a row of a person whom the small import knows, with an invoice of its own."""
    return consumer(n, **{"customer_case_number": f"N-{n}", "invoice_number": f"N-{n}", **changes})


def test_u10_a_person_nobody_knows_becomes_a_debtor(at: At) -> None:
    story = at("CREATED")
    assert story.matches == (2, 0, 0)
    match = story.rows()[2]["match"]
    assert (match["outcome"], match["decidedBy"], match["candidates"]) == ("NEW", "auto", [])
    assert match["debtor"]["name"] == "Anna Schmidt"


@pytest.mark.parametrize(("per_invoice", "cases"), [(False, [["1", "2"]]), (True, [["1"], ["2"]])])
def test_u10_s5_two_rows_of_one_person_are_one_debtor(
    agency: Agency, tmp_path: Path, *, per_invoice: bool, cases: list[list[str]]
) -> None:
    agency.set("imports", casePerInvoice=per_invoice)
    rows = [consumer(0, invoice_number="1"), consumer(0, invoice_number="2", amount=50)]
    story = Story.created(agency, table(tmp_path, rows))
    found = story.cases()
    assert story.matches == (1, 0, 0)
    assert [[i["number"] for i in case["invoices"]] for case in found] == cases
    assert len({case["debtor"]["id"] for case in found}) == 1


def test_u10_two_currencies_of_one_debtor_never_share_a_case(
    agency: Agency, tmp_path: Path
) -> None:
    rows = [consumer(0, currency="EUR"), consumer(0, currency="CHF", invoice_number="R-9")]
    story = Story.reviewed(agency, table(tmp_path, rows))
    assert {code for no in (2, 3) for code in story.issues(no)} == {"CURRENCY_MIXED"}
    one_each = [consumer(0, currency="EUR"), consumer(1, currency="CHF")]
    story = Story.created(agency, table(tmp_path, one_each, name="two.csv"))
    assert [c["balance"]["open"]["currency"] for c in story.cases()] == ["EUR", "CHF"]


def test_u11_from_80_percent_on_a_debtor_is_matched_by_itself(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    again = Story.created(first.agency, table(tmp_path, [known(0), known(5)]))
    match = again.rows()[2]["match"]
    assert again.matches == (1, 1, 0)
    assert (match["outcome"], match["decidedBy"]) == ("MATCHED", "auto")
    assert match["candidates"][0]["percent"] >= 80
    assert match["candidates"][0]["evidence"]
    assert match["debtor"] == first.rows()[2]["match"]["debtor"]
    assert again.rows()[2]["case"] != first.rows()[2]["case"]


def test_u11_hard_identifiers_that_disagree_are_never_matched_by_themselves(
    agency: Agency, tmp_path: Path
) -> None:
    Story.created(agency, table(tmp_path, [consumer(0, date_of_birth="1980-05-17")]))
    born = [known(0, date_of_birth="1961-11-02")]
    story = Story.created(agency, table(tmp_path, born, name="two.csv"))
    assert story.matches[1] == 0
    assert story.matches[2] == 1
    assert story.rows()[2]["match"]["candidates"][0]["guards"]


@pytest.mark.parametrize("language", ["de", "en"])
def test_u11_another_first_name_at_the_same_address_is_another_person(
    at: At, tmp_path: Path, language: str
) -> None:
    first = at("CREATED")
    husband = known(0, first_name="Peter", email="p.schmidt@example.net")
    client = client_for(first.agency.services, language=language)
    story = Story.created(first.agency, table(tmp_path, [husband]), client=client)
    new, matched, review = story.matches
    assert (matched, new + review) == (0, 1)
    guards = [g for c in story.rows()[2]["match"]["candidates"] for g in c["guards"]]
    assert any(("Vorname" if language == "de" else "first name") in text for text in guards)


def test_u11_a_consumer_never_becomes_a_business(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    same = {k: v for k, v in known(0).items() if k not in {"first_name", "last_name"}}
    rows = [same | {"company": "Anna Schmidt e.K."}]
    story = Story.created(first.agency, table(tmp_path, rows), kind="BUSINESS")
    assert story.matches[1] == 0


def test_u12_a_doubtful_row_waits_and_holds_back_itself_only(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    story = Story.created(first.agency, table(tmp_path, [known(0, **MAYBE_ANNA), known(7)]))
    assert (story.state, story.matches) == ("CREATED", (1, 0, 1))
    waiting = story.rows()[2]
    assert waiting["case"] is None
    assert 40 <= waiting["match"]["candidates"][0]["percent"] < 80
    assert (waiting["match"]["outcome"], waiting["match"]["decidedBy"]) == ("REVIEW", None)
    assert list(story.rows(match=["REVIEW"])) == [2]
    assert story.link().launch().state == "LAUNCHED"
    assert [case["customerCaseNumber"] for case in story.cases()] == ["N-7"]


@pytest.mark.parametrize(
    ("decision", "counts"), [("CREATE_NEW", (2, 0, 0)), ("UPDATE_EXISTING", (1, 1, 0))]
)
def test_u12_a_person_decides_new_or_existing(
    at: At, tmp_path: Path, decision: str, counts: tuple[int, int, int]
) -> None:
    first = at("CREATED")
    anna = first.rows()[2]["match"]["debtor"]["id"]
    story = Story.created(first.agency, table(tmp_path, [known(0, **MAYBE_ANNA), known(7)]))
    story.decide(2, decision, anna if decision == "UPDATE_EXISTING" else None)
    match = story.rows()[2]["match"]
    assert (story.matches, match["decidedBy"]) == (counts, "operator@example.org")
    assert (match["debtor"]["id"] == anna) == (decision == "UPDATE_EXISTING")
    assert match["candidates"][0]["percent"] < 80
    assert len(story.cases()) == 2
    emails = "query($i: ID!) { debtor(id: $i) { emails { address } cases { totalCount } } }"
    seen = story.client.ask(emails, i=match["debtor"]["id"])["debtor"]
    assert {"address": "schmidt.a@example.net"} in seen["emails"]


def test_u12_one_decision_holds_for_every_row_of_that_debtor(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    rows = [known(0, **MAYBE_ANNA), known(0, **MAYBE_ANNA, invoice_number="N-0b")]
    story = Story.created(first.agency, table(tmp_path, rows))
    assert story.matches == (0, 0, 1)
    story.decide(3, "CREATE_NEW")
    assert story.matches == (1, 0, 0)
    assert {r["match"]["decidedBy"] for r in story.rows().values()} == {"operator@example.org"}
    assert [len(case["invoices"]) for case in story.cases()] == [2]


def test_u12_a_case_made_after_the_link_takes_the_bucket_at_once(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    story = Story.linked(first.agency, table(tmp_path, [known(0, **MAYBE_ANNA), known(7)]))
    story.decide(2, "CREATE_NEW")
    costs = [(c["customerCaseNumber"], c["balance"]["costs"]["amount"]) for c in story.cases()]
    assert sorted(costs) == [("N-0", "40.00"), ("N-7", "40.00")]
    assert len(story.launch().cases("runs { kind }")) == 2


@pytest.mark.parametrize("on", [True, False])
def test_s6_the_customers_case_number_decides_where_it_is_switched_on(
    at: At, tmp_path: Path, *, on: bool
) -> None:
    first = at("CREATED")
    first.agency.set("imports", matchOnCustomerCaseNumber=on)
    # Only the family name and the number agree: by the ordinary rules nobody would be sure.
    row = known(0, customer_case_number=" a-0 ", **MAYBE_ANNA, city="Rostock")
    story = Story.created(first.agency, table(tmp_path, [row]))
    match = story.rows()[2]["match"]
    assert story.matches[1] == int(on)
    if on:
        assert match["decidedBy"] == "case_number"
        assert match["debtor"] == first.rows()[2]["match"]["debtor"]


def test_s6_the_same_number_of_clearly_another_person_is_looked_at(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    first.agency.set("imports", matchOnCustomerCaseNumber=True)
    story = Story.created(first.agency, table(tmp_path, [known(8, customer_case_number="A-0")]))
    match = story.rows()[2]["match"]
    assert story.matches == (0, 0, 1)
    assert match["candidates"][0]["debtor"]["name"] == "Anna Schmidt"
    assert match["candidates"][0]["guards"]


def test_s6_another_customers_equal_number_means_nothing(at: At, tmp_path: Path) -> None:
    other = at("CREATED").agency.with_customer("Wasserwerke Süd")
    other.set("imports", matchOnCustomerCaseNumber=True)
    story = Story.created(other, table(tmp_path, [known(8, customer_case_number="A-0")]))
    assert story.matches == (1, 0, 0)


def test_s6_an_empty_number_follows_the_ordinary_rules(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    first.agency.set("imports", matchOnCustomerCaseNumber=True)
    rows = [known(0, customer_case_number=None), known(8, customer_case_number=None)]
    assert Story.created(first.agency, table(tmp_path, rows)).matches == (1, 1, 0)


def test_u12_the_thresholds_are_the_customers(at: At, tmp_path: Path) -> None:
    first = at("CREATED")
    first.agency.set("imports", autoMatchPercent=101 - 1, reviewPercent=99)
    story = Story.created(first.agency, table(tmp_path, [known(0, **MAYBE_ANNA)]))
    assert story.matches == (1, 0, 0)


def test_u11_two_businesses_meet_by_their_register_number(agency: Agency, tmp_path: Path) -> None:
    Story.created(agency, table(tmp_path, [business(0)]), kind="BUSINESS")
    again = business(0, customer_case_number="B-99", invoice_number="B-99")
    story = Story.created(agency, table(tmp_path, [again], name="two.csv"), kind="BUSINESS")
    assert story.matches == (0, 1, 0)
