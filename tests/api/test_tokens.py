"""Tokens of programs: shown once, limited to scopes, ended at once."""

from datetime import timedelta
from typing import Any

import pytest

from finview import clock
from finview.accounts.access import Role
from finview.db import testclock
from finview.db.runtime import Services
from finview.testing.client import Client, client_for
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.people import browser_of, person

TOKENS = "{ viewer { tokens { id name scopes createdAt expiresAt lastUsedAt } } }"
REVOKE = "mutation($id: ID!) { tokenRevoke(id: $id) { token { id } errors { code } } }"
EVERYTHING = [
    "read", "import", "set_up", "work_cases", "bind_plugins", "grant_enrichment", "manage_users",
]  # fmt: skip


def create(client: Client, **values: Any) -> dict[str, Any]:
    given = {"name": "Export", **values}
    return client.attempt("tokenCreate", "token { id scopes expiresAt } secret", **given)


def reasons(payload: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(e["code"], e["params"].get("reason")) for e in payload["errors"]]


def answers(services: Services, secret: str) -> bool:
    return Client(services, secret).ask("{ viewer { locale } }")["viewer"] is not None


@pytest.mark.both_databases
def test_a_token_is_shown_once_and_revoked_at_once(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    made = create(browser)
    assert made["secret"].startswith("fv_")
    assert answers(opened, made["secret"])
    (listed,) = browser.ask(TOKENS)["viewer"]["tokens"]
    assert (listed["id"], listed["name"]) == (made["token"]["id"], "Export")
    assert set(EVERYTHING) <= set(listed["scopes"])
    assert made["secret"] not in str(listed)
    assert browser.ask(REVOKE, id=listed["id"])["tokenRevoke"]["errors"] == []
    assert browser.ask(REVOKE, id=listed["id"])["tokenRevoke"]["errors"] == []
    assert (answers(opened, made["secret"]), browser.ask(TOKENS)["viewer"]["tokens"]) == (False, [])


def test_a_token_ends_by_itself(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    ends = (LAUNCH_DAY + timedelta(hours=1)).isoformat()
    made = create(browser, expiresAt=ends)
    with clock.standing_at(LAUNCH_DAY + timedelta(minutes=59)):
        assert answers(opened, made["secret"])
    with clock.standing_at(LAUNCH_DAY + timedelta(hours=1)):
        assert not answers(opened, made["secret"])
        assert browser.ask(TOKENS)["viewer"]["tokens"] == []
        assert reasons(create(browser, expiresAt=ends)) == [("INVALID", "TOKEN_EXPIRES_IN_PAST")]


def test_its_last_use_is_written_at_most_once_a_minute(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    client = Client(opened, create(browser)["secret"])

    def used() -> str | None:
        (listed,) = browser.ask(TOKENS)["viewer"]["tokens"]
        return None if listed["lastUsedAt"] is None else str(listed["lastUsedAt"])[11:19]

    seen = [used()]
    for seconds in (0, 59, 1):
        with opened.db.unit() as session:
            testclock.advance(session, timedelta(seconds=seconds))
        client.ask("{ viewer { locale } }")
        seen.append(used())
    assert seen == [None, "09:00:00", "09:00:00", "09:01:00"]


def test_a_scope_limits_what_the_roles_allow(agency: Agency) -> None:
    secrets = {
        scopes: create(agency.client, scopes=list(scopes))["secret"]
        for scopes in (("read",), ("import",), ("set_up", "manage_users"))
    }
    allowed = {}
    for scopes, secret in secrets.items():
        client = Client(agency.services, secret)
        assert client.ask("{ customers { nodes { name } } }")["customers"]["nodes"]
        tries = [
            client.attempt("uploadCreate", "upload { id }", filename="a.csv", sizeBytes=3),
            client.attempt(
                "portfolioCreate", "portfolio { id }", customerId=agency.customer, name=str(scopes)
            ),
            create(client, scopes=["read"]),
        ]
        allowed[scopes] = [one["errors"] == [] for one in tries]
        assert {code for one in tries for code, _ in reasons(one)} <= {"FORBIDDEN"}
    assert allowed == {
        ("read",): [False, False, False],
        ("import",): [True, False, False],
        ("set_up", "manage_users"): [False, True, False],
    }


def test_a_scope_gives_nothing_that_the_roles_do_not(agency: Agency) -> None:
    operator = client_for(agency.services, "op@inkasso.example", Role.OPERATOR)
    secret = create(operator, scopes=["manage_users"])["secret"]
    given = {"email": "new@inkasso.example", "name": "Neu", "role": "ADMIN"}
    query = "mutation($i: UserInput!) { userCreate(input: $i) { errors { code } } }"
    found = Client(agency.services, secret).ask(query, i=given)
    assert found == {"userCreate": {"errors": [{"code": "FORBIDDEN"}]}}


def test_a_token_makes_no_wider_token(opened: Services) -> None:
    narrow = Client(opened, create(client_for(opened), scopes=["own_account"])["secret"])
    assert reasons(create(narrow)) == [("FORBIDDEN", "TOKEN_SCOPE_WIDER")]
    assert reasons(create(narrow, scopes=["import"])) == [("FORBIDDEN", "TOKEN_SCOPE_WIDER")]
    assert create(narrow, scopes=["read"])["token"]["scopes"] == ["read"]


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        ({"name": " "}, "REQUIRED", "TOKEN_NAME_REQUIRED"),
        ({"name": "x" * 101}, "INVALID", "NAME_TOO_LONG"),
        ({"scopes": []}, "REQUIRED", "TOKEN_SCOPE_REQUIRED"),
        ({"scopes": ["read", "fly"]}, "INVALID", "TOKEN_SCOPE_UNKNOWN"),
    ],
)
def test_bad_input_makes_no_token(
    opened: Services, given: dict[str, Any], code: str, reason: str
) -> None:
    client = client_for(opened)
    before = client.ask(TOKENS)
    payload = create(client, **given)
    assert (reasons(payload), payload["secret"]) == ([(code, reason)], None)
    assert len(client.ask(TOKENS)["viewer"]["tokens"]) == len(before["viewer"]["tokens"])


def test_the_token_of_another_reads_as_missing_but_for_administrators(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    made = create(browser)
    other = client_for(opened, "op@inkasso.example", Role.OPERATOR)
    key = made["token"]["id"]
    assert other.ask(REVOKE, id=key)["tokenRevoke"]["errors"] == [{"code": "NOT_FOUND"}]
    assert other.ask("query($i: ID!) { node(id: $i) { id } }", i=key) == {"node": None}
    assert answers(opened, made["secret"])
    assert client_for(opened).ask(REVOKE, id=key)["tokenRevoke"]["errors"] == []
    assert not answers(opened, made["secret"])
