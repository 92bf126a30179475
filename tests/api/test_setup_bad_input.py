"""Setting up with input that can't be right: an exact code, a sentence, and nothing changed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from finview.accounts.access import Role
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency
from finview.testing.tables import contents, differences

TRACES = {"job", "idempotency", "api_token", "account_user", "access_grant"}
"""What signing in as another user leaves behind."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A request that must fail, and what must come back."""

    act: Callable[[Agency, Client], dict[str, Any]]
    code: str
    reason: str | None
    path: tuple[str, ...]
    german: str
    english: str
    role: Role = Role.ADMIN


GONE = ("gibt es nicht", "does not exist")


def person(agency: Agency, client: Client, **values: Any) -> dict[str, Any]:
    given = {
        "customerId": agency.customer,
        "firstName": "Kai",
        "lastName": "Muster",
        "email": "kai@kunde.example",
        "isCommercial": False,
        "isOperational": False,
        "hasAccess": False,
        **values,
    }
    return client.attempt("contactCreate", "contact { id }", **given)


def customer(agency: Agency, client: Client, **values: Any) -> dict[str, Any]:
    return client.update("customerUpdate", agency.customer, "__typename", **values)


def settings(agency: Agency, client: Client, **values: Any) -> dict[str, Any]:
    given = {"customerId": agency.customer, **values}
    return client.attempt("customerSettingsUpdate", "__typename", **given)


def bucket_settings(agency: Agency, client: Client, **values: Any) -> dict[str, Any]:
    given = {"bucketId": agency.bucket, **values}
    return client.attempt("bucketSettingsUpdate", "__typename", **given)


def known_person(agency: Agency, client: Client) -> dict[str, Any]:
    return person(agency, client, email="op@example.org")


def foreign_portfolio(agency: Agency, client: Client) -> dict[str, Any]:
    return person(agency, client, portfolioIds=[agency.portfolio, "pf_99"])


def breathing_workflow(agency: Agency, client: Client) -> dict[str, Any]:
    found = client.ask("{ workflows { nodes { id kind } } }")["workflows"]["nodes"]
    wrong = next(one["id"] for one in found if one["kind"] == "BREATHING_SPACE")
    return client.update("bucketUpdate", agency.bucket, "__typename", workflowId=wrong)


def customers_user(agency: Agency, client: Client) -> dict[str, Any]:
    user = client.ask("{ viewer { user { id } } }")["viewer"]["user"]["id"]
    return customer(agency, client, responsibleUserId=user.replace("usr_", "usr_99"))


REFUSALS = {
    "number taken": Refusal(
        act=lambda a, c: c.attempt(
            "customerCreate", "__typename", name="X", number="K0001", businessUnitId=a.unit
        ),
        code="DUPLICATE", reason="CUSTOMER_NUMBER_TAKEN", path=("input", "number"),
        german="hat die Nummer K0001", english="has the number K0001",
    ),
    "e-mail known": Refusal(
        act=known_person,
        code="DUPLICATE", reason="CONTACT_EMAIL_KNOWN", path=("input", "email"),
        german="wählen Sie", english="select the existing user",
    ),
    "phone that is none": Refusal(
        act=lambda a, c: person(a, c, phone="12", phoneCountry="DE"),
        code="INVALID", reason="PHONE_NOT_VALID", path=("input", "phone"),
        german="Telefonnummer ist nicht gültig", english="phone number is not valid: 12",
    ),
    "country that is none": Refusal(
        act=lambda a, c: person(a, c, phone="030 23125001", phoneCountry="XX"),
        code="INVALID", reason="PHONE_COUNTRY_UNKNOWN", path=("input", "phoneCountry"),
        german="kein Ländercode", english="not a country code: XX",
    ),
    "portfolio of another customer": Refusal(
        act=foreign_portfolio,
        code="NOT_FOUND", reason=None, path=("input", "portfolioIds"),
        german=GONE[0], english=GONE[1],
    ),
    "unknown currency": Refusal(
        act=lambda a, c: customer(a, c, name="Anders", currency="XXQ"),
        code="INVALID", reason="CURRENCY_NOT_KNOWN", path=("input", "currency"),
        german="kein Währungscode", english="not an ISO 4217 currency code: XXQ",
    ),
    "unknown responsible": Refusal(
        act=customers_user,
        code="NOT_FOUND", reason=None, path=("input", "responsibleUserId"),
        german=GONE[0], english=GONE[1],
    ),
    "percentages out of order": Refusal(
        act=lambda a, c: settings(a, c, imports={"autoMatchPercent": 60, "reviewPercent": 60}),
        code="INVALID", reason="SETTING_ORDER", path=("input", "imports", "reviewPercent"),
        german="Prüfschwelle", english="review floor must lie below",
    ),
    "attempts below zero": Refusal(
        act=lambda a, c: settings(a, c, enrichment={"granted": True, "attempts": -1}),
        code="INVALID", reason="SETTING_OUT_OF_RANGE", path=("input", "enrichment", "attempts"),
        german="zwischen 0 und 10", english="between 0 and 10",
    ),
    "unknown template": Refusal(
        act=lambda a, c: settings(a, c, communication={"paidInSettlementTemplate": "nope"}),
        code="INVALID", reason="SETTING_CHOICE",
        path=("input", "communication", "paidInSettlementTemplate"),
        german="einer dieser Werte", english="must be one of",
    ),
    "amount with too many decimals": Refusal(
        act=lambda a, c: settings(a, c, payments={"smallBalance": "0.00001"}),
        code="INVALID", reason="SETTING_OUT_OF_RANGE", path=("input", "payments", "smallBalance"),
        german="zwischen 0 und 100.000", english="between 0 and 100,000",
    ),
    "override that a bucket has not": Refusal(
        act=lambda a, c: bucket_settings(
            a, c, workflow={"maxCallAttempts": 1}, communication={"linkedNotice": True}
        ),
        code="INVALID", reason="SETTING_NOT_HERE", path=("input", "communication", "linkedNotice"),
        german="kann diese Einstellung nicht überschreiben", english="can't override this setting",
    ),
    "enrichment without entitlement": Refusal(
        act=lambda a, c: bucket_settings(a, c, enrichment={"enabled": True}),
        code="ENRICHMENT_NOT_GRANTED", reason=None, path=("input", "enrichment", "enabled"),
        german="nicht freigegeben", english="has not been granted",
    ),
    "entitlement by an operator": Refusal(
        act=lambda a, c: settings(
            a, c, enrichment={"granted": True}, workflow={"maxCallAttempts": 1}
        ),
        code="FORBIDDEN", reason=None, path=(), role=Role.OPERATOR,
        german="Ihre Rolle", english="Your role does not allow",
    ),
    "workflow that is no main one": Refusal(
        act=breathing_workflow,
        code="INVALID", reason="WORKFLOW_KIND", path=("input", "workflowId"),
        german="Hauptworkflow", english="not a main workflow",
    ),
    "foreign workflow": Refusal(
        act=lambda a, c: c.update(
            "bucketUpdate", a.bucket, "__typename", name="Neu", workflowId="wf_99"
        ),
        code="NOT_FOUND", reason=None, path=("input", "workflowId"),
        german=GONE[0], english=GONE[1],
    ),
    "bucket without a name": Refusal(
        act=lambda a, c: c.update("bucketUpdate", a.bucket, "__typename", name=" "),
        code="REQUIRED", reason="NAME_REQUIRED", path=("input", "name"),
        german="Name", english="A name is required",
    ),
    "bank that is none": Refusal(
        act=lambda a, c: c.update(
            "businessUnitUpdate", a.unit, "__typename", name="Neu", bank={"iban": "DE00"}
        ),
        code="INVALID", reason="IBAN_NOT_VALID", path=("input", "bank", "iban"),
        german="IBAN ist nicht gültig", english="IBAN is not valid",
    ),
    "base rates of nobody": Refusal(
        act=lambda a, c: c.update(
            "businessUnitUpdate", a.unit, "__typename", baseRateSource="atlantis"
        ),
        code="INVALID", reason="BASE_RATE_SOURCE_UNKNOWN", path=("input", "baseRateSource"),
        german="Quelle von Basiszinssätzen", english="no source of base rates named atlantis",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_input_that_can_not_be_is_refused_in_both_languages_and_changes_nothing(
    agency: Agency, name: str
) -> None:
    case = REFUSALS[name]
    clients = {
        language: client_for(agency.services, "op@example.org", role=case.role, language=language)
        for language in ("de", "en")
    }
    before = contents(agency.services.db, without=TRACES, columns=())
    for language, said in (("de", case.german), ("en", case.english)):
        payload = case.act(agency, clients[language])
        (error,) = payload["errors"]
        assert (error["code"], error["params"].get("reason")) == (case.code, case.reason)
        assert error["path"] == list(case.path)
        assert said in error["message"]
    after = contents(agency.services.db, without=TRACES, columns=())
    assert differences(before, after) == {}


@pytest.mark.parametrize(
    "given",
    [
        {"imports": {"casePerInvoice": True}},
        {"payments": {"smallBalance": "1.00"}},
        {"workflow": {"breathingSpaceDays": 99999999999}},
        {"workflow": {"breathingSpaceInterest": "NEVER"}},
        {"communication": {"paidInFullTemplate": 5}},
    ],
)
def test_what_the_schema_does_not_know_is_refused_before_anything_is_done(
    agency: Agency, given: dict[str, Any]
) -> None:
    query = (
        "mutation($i: BucketSettingsInput!) { bucketSettingsUpdate(input: $i) { errors { code } } }"
    )
    answer = agency.client.send(query, i={"bucketId": agency.bucket, **given})
    assert answer["errors"]
    assert not answer.get("data")
