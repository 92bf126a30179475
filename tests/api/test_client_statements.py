"""Statements to customers over the API: made by staff, read by those who see the whole customer."""

from io import BytesIO
from typing import Any

import openpyxl
import pytest

from finview.testing.client import Client, client_for
from finview.testing.fixtures import At
from finview.testing.story import Story

EUR = {"currency": "EUR"}
SEEN = """id number from to file { url filename } closed { id number closeReason }
  collected { amount currency } direct { amount } commission { amount } vat { amount }
  broughtForward { amount } payout { amount }"""
CREATE = f"""mutation($c: ID!, $f: Date!, $t: Date!, $u: CurrencyCode) {{
  clientStatementCreate(customerId: $c, from: $f, to: $t, currency: $u) {{
    statement {{ {SEEN} }} errors {{ code path message params }} }} }}"""
LISTED = f"query($c: ID!) {{ customer(id: $c) {{ clientStatements {{ {SEEN} }} }} }}"


@pytest.fixture
def story(at: At) -> Story:
    """Two cases of 100.00 and 101.00, each with 40.00 of costs and 5 % interest."""
    return at("LINKED")


def settle(client: Client, customer: str, **given: Any) -> dict[str, Any]:
    wanted = {"f": "2026-11-01", "t": "2026-11-02", **given}
    return dict(client.ask(CREATE, c=customer, **wanted)["clientStatementCreate"])


def pay(story: Story, amount: str, **more: Any) -> None:
    given = {"receivedOn": "2026-11-02", "idempotencyKey": amount, **more}
    case = story.cases("id")[0]["id"]
    money = {"amount": amount, **EUR}
    story.client.do("paymentRecord", "case { id }", caseId=case, amount=money, **given)


def amounts(made: dict[str, Any]) -> list[str]:
    names = ("collected", "direct", "commission", "vat", "broughtForward", "payout")
    return [made[name]["amount"] for name in names]


def sheets(client: Client, url: str) -> dict[str, list[list[Any]]]:
    content = client.http.get(url).content
    book = openpyxl.load_workbook(BytesIO(content))
    return {s.title: [[c.value for c in row] for row in s.iter_rows()] for s in book.worksheets}


def failed(payload: dict[str, Any]) -> tuple[str, str | None, list[str]]:
    (error,) = payload["errors"]
    assert payload["statement"] is None
    return error["code"], error["params"].get("reason"), error["path"]


def test_a_statement_tells_the_sums_and_writes_its_workbook(story: Story) -> None:
    debtor = story.cases("debtor { id }")[0]["debtor"]["id"]
    named = {"lastName": "=1+1"}
    assert story.client.update("debtorUpdate", debtor, "debtor { id }", **named)["errors"] == []
    pay(story, "50.00")
    pay(story, "10.00", direct=True)
    payload = settle(story.client, story.agency.customer)
    assert payload["errors"] == []
    assert amounts(payload["statement"]) == ["50.00", "10.00", "0.00", "0.00", "0.00", "50.00"]
    assert payload["statement"]["file"] is None
    story.client.drain()
    (listed,) = story.client.ask(LISTED, c=story.agency.customer)["customer"]["clientStatements"]
    assert listed["file"]["filename"] == f"Abrechnung-{listed['number']}.xlsx"
    found = sheets(story.client, listed["file"]["url"])
    assert list(found) == ["Eingegangenes Geld", "Kosten und Provision", "Geschlossene Akten"]
    money = found["Eingegangenes Geld"]
    assert [row[-1] for row in money[4:]] == [50, 10, 60]
    assert "=1+1" in str(money[4][2])
    share = {row[0]: row[3] for row in found["Kosten und Provision"] if row[0]}
    assert share["Eingenommenes Fremdgeld"] == share["Auszahlung an Sie"] == 50


def test_no_text_of_the_workbook_is_a_formula(story: Story) -> None:
    debtor = story.cases("debtor { id }")[0]["debtor"]["id"]
    story.client.update("debtorUpdate", debtor, "debtor { id }", lastName="=1+1", firstName="")
    pay(story, "500.00")
    made = settle(story.client, story.agency.customer)["statement"]
    assert [case["closeReason"] for case in made["closed"]] == ["PAID_IN_FULL"]
    story.client.drain()
    (listed,) = story.client.ask(LISTED, c=story.agency.customer)["customer"]["clientStatements"]
    content = story.client.http.get(listed["file"]["url"]).content
    book = openpyxl.load_workbook(BytesIO(content))
    cells = [c for s in book.worksheets for row in s.iter_rows() for c in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    risky = [cell for cell in cells if str(cell.value).startswith("=")]
    assert risky
    assert all(cell.quotePrefix for cell in risky)


def test_the_customers_people_read_it_and_make_none(story: Story) -> None:
    agency = story.agency
    pay(story, "50.00")
    given: dict[str, Any] = {"customerId": agency.customer, "firstName": "Ada", "lastName": "Lang"}
    for portfolios in (None, [agency.portfolio]):
        given |= {"email": f"ada{bool(portfolios)}@example.org", "hasAccess": True}
        more = {"isCommercial": portfolios is None, "isOperational": False}
        agency.client.do(
            "contactCreate", "contact { id }", **given, **more, portfolioIds=portfolios
        )
    settle(agency.client, agency.customer)
    agency.client.drain()
    whole = client_for(agency.services, "adafalse@example.org", None)
    (seen,) = whole.ask(LISTED, c=agency.customer)["customer"]["clientStatements"]
    assert whole.http.get(seen["file"]["url"]).status_code == 200
    assert failed(settle(whole, agency.customer, f="2026-11-02"))[0] == "FORBIDDEN"
    part = client_for(agency.services, "adatrue@example.org", None)
    assert part.ask(LISTED, c=agency.customer)["customer"]["clientStatements"] == []
    assert part.ask("query($i: ID!) { node(id: $i) { id } }", i=seen["id"])["node"] is None
    assert part.http.get(seen["file"]["url"]).status_code == 404
    stranger = client_for(agency.services, "else@example.org", None)
    assert failed(settle(stranger, agency.customer))[::2] == ("NOT_FOUND", ["customerId"])


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize(
    ("given", "code", "reason", "path"),
    [
        ({"f": "2026-11-03"}, "INVALID", "STATEMENT_PERIOD", ["to"]),
        ({"t": "2026-11-03"}, "INVALID", "STATEMENT_FUTURE", ["to"]),
        ({"f": "2020-01-01"}, "INVALID", "STATEMENT_TOO_LONG", ["from"]),
        ({"f": "0001-01-01"}, "INVALID", "STATEMENT_TOO_EARLY", ["from"]),
        ({"c": "cus_99"}, "NOT_FOUND", None, ["customerId"]),
        ({"f": "2026-10-01", "t": "2026-11-01"}, "STATE", "STATEMENT_OVERLAP", ["from"]),
    ],
)
def test_what_is_no_statement_is_refused(
    story: Story, language: str, given: Any, code: str, reason: str | None, path: list[str]
) -> None:
    client = client_for(story.agency.services, language=language)
    settle(client, story.agency.customer)
    wanted = {"f": "2026-11-01", "t": "2026-11-02", "c": story.agency.customer, **given}
    assert failed(client.ask(CREATE, **wanted)["clientStatementCreate"]) == (code, reason, path)
