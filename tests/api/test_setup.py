"""Setting up: business units, customers, portfolios, buckets, contacts, settings, plugins."""

from pathlib import Path
from typing import Any

import pytest

from finview.accounts.access import Role
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency, consumer, table
from finview.testing.story import Story

SETTINGS = """customer { settings {
  workflow { breathingSpaceEnabled { value source } breathingSpaceDays { value source }
             maxCallAttempts { value source } }
  enrichment { granted enabled { value source } attempts { value source } }
  imports { casePerInvoice { value source } reviewPercent { value source } } } }"""


def failed(payload: dict[str, Any]) -> tuple[str, str | None, list[str]]:
    """Return code, reason and path of the one error of a payload."""
    (error,) = payload["errors"]
    assert error["message"]
    return error["code"], error["params"].get("reason"), error["path"]


def update(client: Client, mutation: str, kind: str, key: str, given: dict[str, Any]) -> Any:
    """Run one of the mutations that take an id beside the input."""
    noun = mutation.removesuffix("Update")
    query = (
        f"mutation($id: ID!, $given: {kind}!) {{ {mutation}(id: $id, input: $given) "
        f"{{ {noun} {{ id }} errors {{ code params path message }} }} }}"
    )
    return client.ask(query, id=key, given=given)[mutation]


def test_a_business_unit_is_created_changed_and_activated(agency: Agency) -> None:
    client = agency.client
    made = client.do(
        "businessUnitCreate",
        "businessUnit { id name active company }",
        name=" Süd ",
        company={"a": 1},
    )
    assert (made["name"], made["active"], made["company"]) == ("Süd", False, {"a": 1})
    given = {"emailFooters": {"de": "Inkasso Süd"}}
    assert (
        update(client, "businessUnitUpdate", "BusinessUnitInput", made["id"], given)["errors"] == []
    )
    activate = "mutation($i: ID!) { businessUnitActivate(id: $i) { businessUnit { active } } }"
    assert client.ask(activate, i=made["id"])["businessUnitActivate"]["businessUnit"] == {
        "active": True
    }
    listed = client.ask("{ businessUnits { nodes { name emailFooters } } }")["businessUnits"][
        "nodes"
    ]
    assert listed[-1] == {"name": "Süd", "emailFooters": {"de": "Inkasso Süd"}}


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        ({"name": " "}, "REQUIRED", "CUSTOMER_NAME_REQUIRED"),
        ({"businessUnitId": None}, "REQUIRED", "CUSTOMER_UNIT_REQUIRED"),
        ({"businessUnitId": "bu_99"}, "NOT_FOUND", None),
        ({"currency": "XXQ"}, "INVALID", "CURRENCY_NOT_KNOWN"),
        ({"locale": "fr"}, "INVALID", "LOCALE_NOT_SHIPPED"),
        ({"number": "a b"}, "INVALID", "CUSTOMER_NUMBER_FORM"),
        ({"number": "K0001"}, "DUPLICATE", "CUSTOMER_NUMBER_TAKEN"),
    ],
)
def test_a_customer_needs_what_it_needs(
    agency: Agency, given: dict[str, Any], code: str, reason: str | None
) -> None:
    wanted = {"name": "Neu", "businessUnitId": agency.unit, **given}
    payload = agency.client.attempt("customerCreate", "customer { id }", **wanted)
    assert failed(payload)[:2] == (code, reason)
    assert payload["customer"] is None
    assert agency.client.ask("{ customers { totalCount } }") == {"customers": {"totalCount": 1}}


def test_s1_an_inactive_business_unit_can_not_be_chosen(agency: Agency) -> None:
    unit = agency.client.do("businessUnitCreate", "businessUnit { id }", name="Neu")["id"]
    payload = agency.client.attempt(
        "customerCreate", "customer { id }", name="x", businessUnitId=unit
    )
    assert failed(payload)[:2] == ("INVALID", "BUSINESS_UNIT_INACTIVE")
    given = {"businessUnitId": unit}
    payload = update(agency.client, "customerUpdate", "CustomerInput", agency.customer, given)
    assert failed(payload)[:2] == ("INVALID", "BUSINESS_UNIT_INACTIVE")


@pytest.mark.both_databases
@pytest.mark.parametrize("mutation", ["businessUnit", "customer", "portfolio", "bucket", "contact"])
def test_a_name_is_as_long_as_there_is_room_for(agency: Agency, mutation: str) -> None:
    most = 100 if mutation == "contact" else 200

    def attempt(length: int) -> dict[str, Any]:
        if mutation == "contact":
            return contact(
                agency.client, agency.customer, "neu@kunde.example", lastName="x" * length
            )
        given = {
            "customer": {"businessUnitId": agency.unit},
            "portfolio": {"customerId": agency.customer},
            "bucket": {"portfolioId": agency.portfolio},
        }.get(mutation, {})
        answer = f"{mutation} {{ id }}"
        return agency.client.attempt(f"{mutation}Create", answer, name="x" * length, **given)

    assert failed(attempt(most + 1))[:2] == ("INVALID", "NAME_TOO_LONG")
    assert attempt(most)["errors"] == []


def test_names_are_unique_where_they_must_be(agency: Agency) -> None:
    client = agency.client
    twice = client.attempt(
        "portfolioCreate", "portfolio { id }", customerId=agency.customer, name="2026"
    )
    assert failed(twice)[:2] == ("DUPLICATE", "PORTFOLIO_NAME_TAKEN")
    twice = client.attempt(
        "bucketCreate", "bucket { id }", portfolioId=agency.portfolio, name="Standard"
    )
    assert failed(twice)[:2] == ("DUPLICATE", "BUCKET_NAME_TAKEN")
    empty = client.attempt(
        "portfolioCreate", "portfolio { id }", customerId=agency.customer, name=" "
    )
    assert failed(empty) == ("REQUIRED", "NAME_REQUIRED", ["input", "name"])


@pytest.mark.parametrize(
    "financials",
    [
        {"costs": {"kind": "FIXED"}},
        {"costs": {"kind": "FIXED", "amount": "-1.00"}},
        {"interest": {"kind": "FIXED", "percent": "viel"}},
        {"nothing": 1},
        {"costs": []},
    ],
)
def test_financial_components_that_make_no_sense_are_refused(
    agency: Agency, financials: dict[str, Any]
) -> None:
    payload = agency.client.attempt(
        "bucketCreate",
        "bucket { id }",
        portfolioId=agency.portfolio,
        name="x",
        financials=financials,
    )
    assert failed(payload)[0] in {"INVALID", "REQUIRED"}
    assert payload["bucket"] is None


def test_c8_the_set_up_says_what_comes_next(agency: Agency) -> None:
    client = agency.client
    made = client.do("customerCreate", "customer { id }", name="Neu", businessUnitId=agency.unit)[
        "id"
    ]
    query = "query($i: ID!) { customer(id: $i) { setup { nextStep } } }"

    def following() -> str | None:
        step: str | None = client.ask(query, i=made)["customer"]["setup"]["nextStep"]
        return step

    assert following() == "COMPANY"
    update(client, "customerUpdate", "CustomerInput", made, {"company": {"city": "Kiel"}})
    assert following() == "CONTACTS"
    contact(client, made, "neu@kunde.example")
    assert following() == "SETTINGS"
    client.do(
        "customerSettingsUpdate",
        "customer { id }",
        customerId=made,
        imports={"casePerInvoice": True},
    )
    assert following() == "FINANCE"
    portfolio = client.do("portfolioCreate", "portfolio { id }", customerId=made, name="a")["id"]
    client.do("bucketCreate", "bucket { id }", portfolioId=portfolio, name="b")
    assert following() is None


def contact(client: Client, customer: str, email: str, **given: Any) -> dict[str, Any]:
    values = {
        "customerId": customer,
        "firstName": "Kai",
        "lastName": "Muster",
        "email": email,
        "isCommercial": False,
        "isOperational": False,
        "hasAccess": True,
        **given,
    }
    return client.attempt("contactCreate", "contact { id email phone hasAccess }", **values)


def test_c5_a_contact_is_created_with_phone_and_rights(agency: Agency) -> None:
    made = contact(
        agency.client, agency.customer, "Kai@Kunde.Example", phone="030 23125001", phoneCountry="DE"
    )
    assert made["contact"]["email"] == "kai@kunde.example"
    assert made["contact"]["phone"] == "+493023125001"
    again = contact(agency.client, agency.customer, "kai@kunde.example")
    assert failed(again) == ("DUPLICATE", "CONTACT_EMAIL_KNOWN", ["input", "email"])


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"email": "keine"}, "INVALID", "email"),
        ({"email": ""}, "REQUIRED", "email"),
        ({"lastName": " "}, "REQUIRED", "lastName"),
        ({"phone": "12", "phoneCountry": "DE"}, "INVALID", "phone"),
        ({"portfolioIds": ["pf_99"]}, "NOT_FOUND", "portfolioIds"),
        ({"customerId": "cus_99"}, "NOT_FOUND", None),
        ({"locale": "fr"}, "INVALID", "locale"),
    ],
)
def test_c5_a_contact_that_can_not_be_is_refused(
    agency: Agency, given: dict[str, Any], code: str, path: str | None
) -> None:
    payload = contact(agency.client, agency.customer, **{"email": "neu@kunde.example", **given})
    assert failed(payload)[0] == code
    assert path is None or failed(payload)[2] == ["input", path]


def test_c7_one_user_serves_two_customers(agency: Agency) -> None:
    contact(agency.client, agency.customer, "kai@kunde.example", isCommercial=True)
    other = agency.with_customer("Wasserwerke Süd")
    kai = client_for(agency.services, "kai@kunde.example", role=None)
    user = kai.ask("{ viewer { user { id } customers { name } } }")["viewer"]
    assert user["customers"] == [{"name": "Stadtwerke Nord"}]
    given = {"customerId": other.customer, "userId": user["user"]["id"], "isCommercial": True}
    agency.client.do("contactLink", "contact { id }", isOperational=False, **given)
    names = kai.ask("{ viewer { customers { name } } }")["viewer"]["customers"]
    assert {c["name"] for c in names} == {"Stadtwerke Nord", "Wasserwerke Süd"}
    twice = agency.client.attempt("contactLink", "contact { id }", isOperational=False, **given)
    assert failed(twice)[:2] == ("DUPLICATE", "CONTACT_EXISTS")


def effective(agency: Agency) -> Any:
    query = f"query($i: ID!) {{ {SETTINGS.replace('customer {', 'customer(id: $i) {', 1)} }}"
    return agency.client.ask(query, i=agency.customer)["customer"]["settings"]


def test_s10_a_setting_says_where_it_was_set_and_null_inherits_again(agency: Agency) -> None:
    assert effective(agency)["imports"]["casePerInvoice"] == {"value": False, "source": "SYSTEM"}
    agency.set("imports", casePerInvoice=True)
    assert effective(agency)["imports"]["casePerInvoice"] == {"value": True, "source": "CUSTOMER"}
    agency.set("imports", casePerInvoice=None)
    assert effective(agency)["imports"]["casePerInvoice"] == {"value": False, "source": "SYSTEM"}


def test_s10_a_bucket_overrides_and_inherits_live(agency: Agency) -> None:
    def calls() -> Any:
        query = "query($i: ID!) { node(id: $i) { ... on Bucket { settings { maxCallAttempts { value source } } } } }"
        return agency.client.ask(query, i=agency.bucket)["node"]["settings"]["maxCallAttempts"]

    def on_bucket(value: int | None) -> None:
        given = {"bucketId": agency.bucket, "workflow": {"maxCallAttempts": value}}
        agency.client.do("bucketSettingsUpdate", "bucket { id }", **given)

    agency.set("workflow", maxCallAttempts=5)
    assert calls() == {"value": 5, "source": "CUSTOMER"}
    on_bucket(2)
    agency.set("workflow", maxCallAttempts=7)
    assert calls() == {"value": 2, "source": "BUCKET"}
    on_bucket(None)
    assert calls() == {"value": 7, "source": "CUSTOMER"}


@pytest.mark.parametrize(
    ("group", "values", "code", "reason"),
    [
        ("workflow", {"breathingSpaceEnabled": True}, "REQUIRED", "BREATHING_DAYS_REQUIRED"),
        ("workflow", {"breathingSpaceDays": 0}, "INVALID", "SETTING_OUT_OF_RANGE"),
        ("workflow", {"maxCallAttempts": -1}, "INVALID", "SETTING_OUT_OF_RANGE"),
        ("imports", {"reviewPercent": 80}, "INVALID", "SETTING_ORDER"),
        ("imports", {"reviewPercent": 101}, "INVALID", "SETTING_OUT_OF_RANGE"),
        ("enrichment", {"attempts": 2}, "ENRICHMENT_NOT_GRANTED", None),
    ],
)
def test_w2_s4_settings_that_can_not_be_are_refused(
    agency: Agency, group: str, values: dict[str, Any], code: str, reason: str | None
) -> None:
    before = effective(agency)
    payload = agency.client.attempt(
        "customerSettingsUpdate",
        "customer { id }",
        **{"customerId": agency.customer, group: values},
    )
    assert failed(payload)[:2] == (code, reason)
    assert effective(agency) == before


def test_s4_only_an_administrator_grants_enrichment(agency: Agency) -> None:
    operator = client_for(agency.services, "op@inkasso.example", role=Role.OPERATOR)
    given = {"customerId": agency.customer, "enrichment": {"granted": True}}
    payload = operator.attempt("customerSettingsUpdate", "customer { id }", **given)
    assert failed(payload)[0] == "FORBIDDEN"
    agency.client.do("customerSettingsUpdate", "customer { id }", **given)
    agency.set("enrichment", attempts=2)
    found = effective(agency)["enrichment"]
    assert (found["granted"], found["attempts"]) == (True, {"value": 2, "source": "CUSTOMER"})


def test_the_exact_matcher_serves_the_customer_it_is_bound_to(
    agency: Agency, tmp_path: Path
) -> None:
    other = agency.with_customer("Wasserwerke Süd")
    Story.created(agency, table(tmp_path, [consumer(0)]))
    # Name and address agree, no identifier does: `standard` is sure, `exact` says no.
    row = consumer(0, email=None, invoice_number="N", customer_case_number="N")
    given = {"slot": "matcher", "provider": "exact", "settings": {}}
    agency.client.do("pluginBind", "plugin { name }", scopeId=other.customer, **given)
    outcomes = [
        Story.created(
            where, table(tmp_path, [row | {"invoice_number": str(n)}], name=f"{n}.csv")
        ).matches
        for n, where in enumerate((agency, other))
    ]
    assert outcomes == [(0, 1, 0), (1, 0, 0)]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"provider": "nobody"}, "NOT_FOUND"),
        ({"slot": "nothing"}, "NOT_FOUND"),
        ({"settings": {"nonsense": 1}}, "PLUGIN_MISCONFIGURED"),
        ({"scopeId": "cus_99"}, "NOT_FOUND"),
        ({"scopeId": "imp_1"}, "NOT_FOUND"),
    ],
)
def test_a_binding_is_checked_before_it_is_saved(
    agency: Agency, given: dict[str, Any], code: str
) -> None:
    wanted = {"slot": "matcher", "provider": "exact", "settings": {}, **given}
    assert failed(agency.client.attempt("pluginBind", "plugin { name }", **wanted))[0] == code


def test_only_an_administrator_binds_plugins(agency: Agency) -> None:
    operator = client_for(agency.services, "op@inkasso.example", role=Role.OPERATOR)
    given = {"slot": "matcher", "provider": "exact", "settings": {}}
    assert failed(operator.attempt("pluginBind", "plugin { name }", **given))[0] == "FORBIDDEN"


CREATIONS = {
    "businessUnitCreate": ("businessUnit", lambda _: {"name": "Neu"}, {"name": "Anders"}),
    "customerCreate": (
        "customer", lambda a: {"name": "Neu", "businessUnitId": a.unit}, {"name": "Anders"}
    ),
    "portfolioCreate": (
        "portfolio", lambda a: {"customerId": a.customer, "name": "Neu"}, {"name": "Anders"}
    ),
    "bucketCreate": (
        "bucket", lambda a: {"portfolioId": a.portfolio, "name": "Neu"}, {"name": "Anders"}
    ),
    "uploadCreate": ("upload", lambda _: {"filename": "a.csv", "sizeBytes": 3}, {"sizeBytes": 4}),
}  # fmt: skip


@pytest.mark.parametrize("mutation", CREATIONS)
def test_the_same_request_with_the_same_key_has_one_effect(agency: Agency, mutation: str) -> None:
    noun, given, change = CREATIONS[mutation]
    wanted = {**given(agency), "idempotencyKey": "k-1"}  # type: ignore[no-untyped-call]
    first, again = (agency.client.do(mutation, f"{noun} {{ id }}", **wanted) for _ in range(2))
    assert first == again
    other = agency.client.attempt(mutation, f"{noun} {{ id }}", **(wanted | change))
    assert failed(other)[0] == "IDEMPOTENCY_MISMATCH"
    someone = client_for(agency.services, "zweite@inkasso.example")
    theirs = someone.attempt(mutation, f"{noun} {{ id }}", **(wanted | change))
    assert theirs["errors"] == []


def test_a_failed_request_does_not_use_up_its_key(agency: Agency) -> None:
    taken = {"customerId": agency.customer, "name": "2026", "idempotencyKey": "k"}
    for _ in range(2):
        payload = agency.client.attempt("portfolioCreate", "portfolio { id }", **taken)
        assert failed(payload)[0] == "DUPLICATE"
    free = {**taken, "name": "2027"}
    assert agency.client.attempt("portfolioCreate", "portfolio { id }", **free)["errors"] == []
