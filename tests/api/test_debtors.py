"""Debtors by hand: created and changed under the rules files are read by."""

from typing import Any

import pytest
from sqlalchemy import select

from finview.api.engine.ids import split
from finview.cases.models import Debtor, TimelineEntry
from finview.matching.index import refresh
from finview.testing.client import Client
from finview.testing.factories import Agency
from finview.testing.fixtures import At

SEEN = """id number kind name firstName lastName companyName birthDate registerNumber vatId reference
  lockVersion locale addresses { street houseNumber postcode city country source }
  emails { address } phones { number }"""
ADA = {
    "kind": "CONSUMER",
    "firstName": " Ada ",
    "lastName": "Lindgren",
    "birthDate": "1980-05-17",
    "reference": "ALT-77",
    "addresses": [{"street": "Hauptstraße", "houseNumber": "7", "postcode": "10115", "city": "Berlin"}],
    "emails": ["ada@Example.org"],
    "phones": ["030 23125001"],
    "locale": "de",
}  # fmt: skip


def act(client: Client, name: str, given: dict[str, Any], key: str | None = None) -> Any:
    """Create or change a debtor; return the payload."""
    head, call = ("$id: ID!, ", "id: $id, ") if key else ("", "")
    query = (
        f"mutation({head}$given: DebtorInput!) {{ {name}({call}input: $given) "
        f"{{ debtor {{ {SEEN} }} errors {{ code path params message }} }} }}"
    )
    variables = {"given": given, **({"id": key} if key else {})}
    return client.ask(query, **variables)[name]


def made(client: Client, **changes: Any) -> Any:
    payload = act(client, "debtorCreate", {**ADA, **changes})
    assert payload["errors"] == []
    return payload["debtor"]


def test_a_debtor_is_created_as_files_would(agency: Agency) -> None:
    ada = made(agency.client)
    assert (ada["name"], ada["firstName"], ada["birthDate"]) == (
        "Ada Lindgren",
        "Ada",
        "1980-05-17",
    )
    assert ada["addresses"] == [
        {
            "street": "Hauptstraße",
            "houseNumber": "7",
            "postcode": "10115",
            "city": "Berlin",
            "country": "DE",
            "source": "AGENCY",
        }
    ]
    assert (ada["emails"], ada["phones"]) == (
        [{"address": "ada@example.org"}],
        [{"number": "+493023125001"}],
    )
    found = agency.client.ask(
        '{ debtors(where: {reference: ["ALT-77", "x"]}) { nodes { number } } none: debtors(where: '
        "{reference: []}) { totalCount } }"
    )
    assert found["debtors"]["nodes"] == [{"number": ada["number"]}]
    assert found["none"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("changes", "code", "reason", "path"),
    [
        ({"kind": None}, "REQUIRED", None, ["input", "kind"]),
        ({"lastName": " "}, "REQUIRED", "DEBTOR_PERSON_NAME", ["input", "lastName"]),
        ({"kind": "BUSINESS"}, "REQUIRED", "DEBTOR_COMPANY_NAME", ["input", "companyName"]),
        ({"lastName": "x" * 151}, "INVALID", "DEBTOR_TOO_LONG", ["input", "lastName"]),
        ({"birthDate": "2099-01-01"}, "INVALID", "DEBTOR_BIRTH_DATE", ["input", "birthDate"]),
        ({"vatId": "DE000"}, "INVALID", "DEBTOR_VAT", ["input", "vatId"]),
        ({"emails": ["a@b.example", "ada@"]}, "INVALID", "DEBTOR_EMAIL", ["input", "emails", "1"]),
        ({"phones": ["12"]}, "INVALID", "DEBTOR_PHONE", ["input", "phones", "0"]),
        ({"phones": ["+49301234"] * 51}, "INVALID", "DEBTOR_POINTS_MAX", ["input", "phones"]),
        ({"addresses": [{"city": "Berlin", "postcode": "1"}]}, "INVALID", "DEBTOR_POSTCODE",
         ["input", "addresses", "0", "postcode"]),
        ({"addresses": [{"postcode": "10115"}]}, "REQUIRED", "DEBTOR_ADDRESS_EMPTY",
         ["input", "addresses", "0"]),
    ],
)  # fmt: skip
def test_what_no_file_could_say_nobody_can_type(
    agency: Agency, changes: dict[str, Any], code: str, reason: str | None, path: list[str]
) -> None:
    payload = act(agency.client, "debtorCreate", {**ADA, **changes})
    (error,) = payload["errors"]
    assert (error["code"], error["params"].get("reason"), error["path"]) == (code, reason, path)
    assert payload["debtor"] is None
    assert agency.client.ask("{ debtors { totalCount } }")["debtors"]["totalCount"] == 0


def test_a_change_keeps_what_is_left_out_and_replaces_whole_lists(agency: Agency) -> None:
    ada = made(agency.client)
    given = {
        "lastName": "Lindqvist",
        "reference": None,
        "emails": ["neu@example.org"],
        "lockVersion": ada["lockVersion"],
    }
    payload = act(agency.client, "debtorUpdate", given, ada["id"])
    assert payload["errors"] == []
    now = payload["debtor"]
    assert (now["name"], now["reference"], now["birthDate"]) == (
        "Ada Lindqvist", None, "1980-05-17"
    )  # fmt: skip
    assert now["emails"] == [{"address": "neu@example.org"}]
    assert (now["phones"], now["addresses"]) == (ada["phones"], ada["addresses"])
    stale = act(agency.client, "debtorUpdate", given, ada["id"])
    assert [error["code"] for error in stale["errors"]] == ["CONFLICT"]
    assert stale["debtor"]["lockVersion"] == now["lockVersion"] == ada["lockVersion"] + 1


def test_a_change_is_told_audited_and_matched_anew(agency: Agency) -> None:
    client, database = agency.client, agency.services.db
    ada = made(client)
    with database.unit() as session:
        refresh(session, limit=1000)
    act(client, "debtorUpdate", {"lastName": "Lindqvist"}, ada["id"])
    (key,) = split(ada["id"])[1]
    with database.reading() as session:
        assert session.get_one(Debtor, key).match_stale
        told = session.scalars(select(TimelineEntry).where(TimelineEntry.debtor_id == key)).all()
        assert told[-1].params == {"fields": ["FIELD_LAST_NAME"]}
    query = "query($i: ID!) { auditEvents(where: {subjectId: $i}) { nodes { action actor before after } } }"
    changed, created = client.ask(query, i=ada["id"])["auditEvents"]["nodes"]
    assert (changed["action"], created["action"]) == ("debtor.update", "debtor.create")
    assert changed["before"] == {"last_name": "Lindgren"}
    assert changed["after"] == {"last_name": "Lindqvist"}
    assert created["after"]["phone_point"] == ["+493023125001"]


def test_the_kind_is_fixed_once_there_are_cases(at: At) -> None:
    story = at("CREATED")
    debtor = story.cases("debtor { id }")[0]["debtor"]["id"]
    given = {"kind": "BUSINESS", "companyName": "Schmidt GmbH"}
    (error,) = act(story.client, "debtorUpdate", given, debtor)["errors"]
    assert (error["code"], error["params"]["reason"]) == ("STATE", "DEBTOR_KIND_FIXED")
