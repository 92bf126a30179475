"""The article "Creating and managing customer users", C1 to C8, through the API alone."""

from typing import Any

import pytest

from finview.testing.client import Client, client_for
from finview.testing.factories import Agency, new_portfolio
from finview.testing.fixtures import At

CONTACT = "contact { id isPrimary isCommercial isOperational hasAccess lockVersion user { id } }"
PEOPLE = """query($c: ID!) { customer(id: $c) {
  caseMail { recipients { email } warnings { code message params } }
  contacts { nodes { id email firstName isPrimary isCommercial isOperational hasAccess locale
                     portfolios { name } invitation { state } user { id name } } } } }"""


@pytest.fixture(params=["de", "en"])
def client(agency: Agency, request: pytest.FixtureRequest) -> Client:
    """Someone who works in German, then in English."""
    return client_for(agency.services, language=request.param)


def add(agency: Agency, name: str, **values: Any) -> dict[str, Any]:
    """Create a contact of the agency's customer; return the payload."""
    given = {
        "customerId": agency.customer,
        "firstName": name,
        "lastName": "Muster",
        "email": f"{name.lower()}@kunde.example",
        "isCommercial": False,
        "isOperational": False,
        "hasAccess": False,
        **values,
    }
    return agency.client.attempt("contactCreate", CONTACT, **given)


def made(agency: Agency, name: str, **values: Any) -> str:
    payload = add(agency, name, **values)
    assert payload["errors"] == []
    return str(payload["contact"]["id"])


def people(agency: Agency) -> Any:
    return agency.client.ask(PEOPLE, c=agency.customer)["customer"]


def primaries(agency: Agency) -> list[str]:
    found = people(agency)["contacts"]["nodes"]
    return [one["firstName"] for one in found if one["isPrimary"]]


def told(agency: Agency) -> tuple[list[str], list[str]]:
    """Return who gets the case mail, and the reasons of the warnings."""
    mail = people(agency)["caseMail"]
    return (
        [one["email"].split("@")[0] for one in mail["recipients"]],
        [one["params"]["reason"] for one in mail["warnings"]],
    )


def reason(payload: dict[str, Any]) -> tuple[str, str | None]:
    (error,) = payload["errors"]
    return error["code"], error["params"].get("reason")


def test_c1_the_first_commercial_contact_is_primary_and_another_one_can_take_over(
    agency: Agency,
) -> None:
    anna, bert = (made(agency, name, isCommercial=True) for name in ("Anna", "Bert"))
    assert primaries(agency) == ["Anna"]
    agency.client.update("contactUpdate", bert, CONTACT, isPrimary=True)
    assert primaries(agency) == ["Bert"]
    without = agency.client.update("contactUpdate", bert, CONTACT, isPrimary=False)
    assert reason(without) == ("STATE", "CONTACT_PRIMARY_NEEDED")
    agency.client.update("contactUpdate", bert, CONTACT, isCommercial=False)
    assert primaries(agency) == ["Anna"]
    employee = agency.client.update("contactUpdate", bert, CONTACT, isPrimary=True)
    assert reason(employee) == ("INVALID", "CONTACT_PRIMARY_COMMERCIAL")
    assert agency.client.act("contactRemove", anna, "contact { id }")["errors"] == []
    assert primaries(agency) == []


def test_c1_the_last_commercial_contact_stays_while_invoices_are_due(at: At) -> None:
    agency = at("LAUNCHED").agency
    last = made(agency, "Anna", isCommercial=True)
    refused = agency.client.act("contactRemove", last, "contact { id }")
    assert reason(refused) == ("IN_USE", "CONTACT_LAST_COMMERCIAL")
    given_up = agency.client.update("contactUpdate", last, CONTACT, isCommercial=False)
    assert reason(given_up) == ("IN_USE", "CONTACT_LAST_COMMERCIAL")
    assert primaries(agency) == ["Anna"]
    made(agency, "Bert", isCommercial=True)
    assert agency.client.act("contactRemove", last, "contact { id }")["errors"] == []
    assert primaries(agency) == ["Bert"]


def test_c2_case_mail_goes_to_operational_contacts_else_to_the_commercial_one(
    agency: Agency, client: Client
) -> None:
    assert told(agency) == ([], ["CASE_MAIL_TO_NOBODY"])
    made(agency, "Anna", isCommercial=True)
    made(agency, "Bert", isCommercial=True)
    assert told(agency) == (["anna"], ["CASE_MAIL_TO_COMMERCIAL"])
    (warning,) = client.ask(PEOPLE, c=agency.customer)["customer"]["caseMail"]["warnings"]
    assert ("Ansprechpartner" in warning["message"]) == (
        client.http.headers["accept-language"] == "de"
    )
    made(agency, "Carl", isOperational=True)
    made(agency, "Dora", isOperational=True)
    assert told(agency) == (["carl", "dora"], [])


def test_c3_an_employee_sees_the_linked_portfolios_and_nothing_else(agency: Agency) -> None:
    second = new_portfolio(agency.client, agency.customer, "2027")
    made(agency, "Emil", hasAccess=True, portfolioIds=[second])
    emil = client_for(agency.services, "emil@kunde.example", role=None)
    seen = "{ customers { nodes { portfolios { name } } } viewer { roles } }"
    assert emil.ask(seen) == {
        "customers": {"nodes": [{"portfolios": [{"name": "2027"}]}]},
        "viewer": {"roles": ["CUSTOMER_USER"]},
    }
    node = "query($i: ID!) { node(id: $i) { id } }"
    assert emil.ask(node, i=agency.portfolio) == {"node": None}
    assert emil.ask(node, i=second) == {"node": {"id": second}}


def test_c3_the_portfolios_of_another_customer_are_not_found(agency: Agency) -> None:
    other = agency.with_customer("Wasserwerke Süd")
    payload = add(agency, "Emil", hasAccess=True, portfolioIds=[other.portfolio])
    assert reason(payload) == ("NOT_FOUND", None)
    assert payload["errors"][0]["path"] == ["input", "portfolioIds"]
    assert people(agency)["contacts"]["nodes"] == []


def test_c4_one_contact_is_both_and_is_written_to_once(agency: Agency) -> None:
    made(agency, "Anna", isCommercial=True, isOperational=True)
    assert told(agency) == (["anna"], [])
    assert primaries(agency) == ["Anna"]


def test_c5_a_known_address_offers_to_select_the_existing_person(agency: Agency) -> None:
    made(agency, "Anna", phone="030 23125001", phoneCountry="DE")
    known = people(agency)["contacts"]["nodes"][0]["user"]
    other = agency.with_customer("Wasserwerke Süd")
    payload = add(other, "Anna")
    assert reason(payload) == ("DUPLICATE", "CONTACT_EMAIL_KNOWN")
    assert payload["errors"][0]["params"]["userId"] == known["id"]
    given = {"customerId": other.customer, "userId": known["id"], "isCommercial": True}
    agency.client.do("contactLink", "contact { id }", isOperational=False, **given)
    assert primaries(other) == ["Anna"]


@pytest.mark.parametrize(("language", "subject"), [("de", "Ihr Zugang zu"), ("en", "Your FinView")])
def test_c6_an_invitation_goes_out_when_access_is_granted_in_the_contacts_language(
    agency: Agency, language: str, subject: str
) -> None:
    contact = made(agency, "Anna", isCommercial=True, locale=language)
    agency.client.drain()
    assert agency.outbox() == []
    agency.client.update("contactUpdate", contact, CONTACT, hasAccess=True)
    agency.client.drain()
    (mail,) = agency.outbox()
    assert subject in mail
    invite = "mutation($i: ID!) { contactInvite(id: $i) { errors { code } } }"
    agency.client.ask(invite, i=contact)
    agency.client.drain()
    assert len(agency.outbox()) == 2
    assert people(agency)["contacts"]["nodes"][0]["invitation"] == {"state": "SENT"}


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("on", [False, True])
def test_c7_selecting_an_existing_person_invites_nobody_and_tells_only_when_set(
    agency: Agency, *, on: bool, language: str
) -> None:
    made(agency, "Anna", isCommercial=True, hasAccess=True, locale=language)
    agency.client.drain()
    assert len(agency.outbox()) == 1
    user = people(agency)["contacts"]["nodes"][0]["user"]["id"]
    other = agency.with_customer("Wasserwerke Süd")
    other.set("communication", linkedNotice=on)
    given = {"customerId": other.customer, "userId": user, "portfolioIds": [other.portfolio]}
    roles = {"isCommercial": False, "isOperational": False}
    agency.client.do("contactLink", "contact { id invitation { state } }", **given, **roles)
    agency.client.drain()
    mails = [mail for mail in agency.outbox() if "Stadtwerke Nord" not in mail]
    if not on:
        assert mails == []
        return
    (notice,) = mails
    said = {"de": "Mitarbeiter; Portfolios: 2026", "en": "employee; portfolios: 2026"}[language]
    assert "Wasserwerke Süd" in notice
    assert said in " ".join(notice.split())
    assert [one["invitation"] for one in people(other)["contacts"]["nodes"]] == [None]


def test_c7_one_person_serves_two_customers_with_rights_at_each(agency: Agency) -> None:
    made(agency, "Anna", isCommercial=True, hasAccess=True)
    other = agency.with_customer("Wasserwerke Süd")
    user = people(agency)["contacts"]["nodes"][0]["user"]["id"]
    given = {"customerId": other.customer, "userId": user, "isOperational": True}
    linked = agency.client.do("contactLink", "contact { id }", isCommercial=False, **given)["id"]
    anna = client_for(agency.services, "anna@kunde.example", role=None)
    names = "{ viewer { customers { name } } }"
    both = anna.ask(names)["viewer"]["customers"]
    assert sorted(c["name"] for c in both) == ["Stadtwerke Nord", "Wasserwerke Süd"]
    agency.client.act("contactRemove", linked, "contact { id }")
    assert anna.ask(names)["viewer"]["customers"] == [{"name": "Stadtwerke Nord"}]


def test_c8_the_tabs_of_a_new_customer_lead_from_company_to_finance(agency: Agency) -> None:
    client = agency.client
    step = "customer { id setup { nextStep } }"
    customer = client.do("customerCreate", step, name="Neu", businessUnitId=agency.unit)
    assert customer["setup"] == {"nextStep": "COMPANY"}
    payload = client.update("customerUpdate", customer["id"], step, company={"city": "Kiel"})
    assert payload["customer"]["setup"] == {"nextStep": "CONTACTS"}
    new = Agency(
        services=agency.services,
        client=client,
        unit=agency.unit,
        customer=customer["id"],
        portfolio="",
        bucket="",
    )
    made(new, "Anna", isCommercial=True)
    # Saved with everything inherited: the newcomer has seen the tab, and goes on.
    given = {"customerId": new.customer, "imports": {"casePerInvoice": None}}
    saved = client.do("customerSettingsUpdate", step, **given)
    assert saved["setup"] == {"nextStep": "FINANCE"}
    portfolio = new_portfolio(client, new.customer, "2026")
    client.do("bucketCreate", "bucket { id }", portfolioId=portfolio, name="Standard")
    query = "query($i: ID!) { customer(id: $i) { setup { nextStep } } }"
    assert client.ask(query, i=new.customer)["customer"]["setup"] == {"nextStep": None}
