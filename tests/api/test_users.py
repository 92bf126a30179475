"""Users: who sees whom, who changes whom, and that an administrator always remains."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from finview.accounts.access import Role
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency
from finview.testing.people import EMAIL, PASSWORD, browser_of, person, sign_in

FIELDS = "id email name roles active locale lastSeenAt lockVersion"
CREATE = f"""mutation($i: UserInput!) {{ userCreate(input: $i) {{
  user {{ {FIELDS} }} errors {{ code message path params }} }} }}"""
UPDATE = f"""mutation($id: ID!, $i: UserInput!) {{ userUpdate(id: $id, input: $i) {{
  user {{ {FIELDS} }} errors {{ code path params }} }} }}"""
USERS = f"""query($w: UserWhere, $a: String, $n: Int) {{ users(where: $w, after: $a, first: $n) {{
  totalCount pageInfo {{ endCursor hasNextPage }} nodes {{ {FIELDS} }} }} }}"""
NEW = {"email": "Neu@Inkasso.example", "name": "Nina Neu", "role": "OPERATOR", "locale": "de"}


def create(client: Client, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.ask(CREATE, i={**NEW, **values})["userCreate"]
    client.drain()
    return found


def update(client: Client, user: str, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.ask(UPDATE, id=user, i=values)["userUpdate"]
    return found


def listed(client: Client, **where: Any) -> list[str]:
    nodes = client.ask(USERS, w=where or None)["users"]["nodes"]
    return [node["email"].partition("@")[0] for node in nodes]


def reasons(payload: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(e["code"], e["params"].get("reason")) for e in payload["errors"]]


def contact(agency: Agency, name: str, **values: Any) -> None:
    flags = {"isCommercial": False, "isOperational": False, "hasAccess": True, **values}
    person = {"firstName": name.title(), "lastName": "Muster", "email": f"{name}@kunde.example"}
    agency.client.do(
        "contactCreate", "contact { id }", customerId=agency.customer, **person, **flags
    )


@pytest.mark.both_databases
def test_a_new_user_chooses_a_password_by_mail_and_signs_in(agency: Agency) -> None:
    made = create(agency.client)
    assert made["errors"] == []
    user = made["user"]
    assert (user["email"], user["roles"], user["active"]) == (
        "neu@inkasso.example", ["OPERATOR"], True,
    )  # fmt: skip
    (mail,) = agency.outbox()
    assert "Test User hat für Sie ein Konto angelegt" in mail
    (token,) = re.findall(r"/password-reset/(\S+)", mail)
    http = Client(agency.services, None).http
    done = http.post(f"/password-reset/{token}", data={"password": PASSWORD})
    assert (done.status_code, done.url.path) == (200, "/sign-in")
    browser = browser_of(agency.services, "neu@inkasso.example")
    assert browser.ask("{ viewer { roles } }")["viewer"] == {"roles": ["OPERATOR"]}
    seen = agency.client.ask(
        "query($i: ID!) { node(id: $i) { ... on User { lastSeenAt } } }", i=user["id"]
    )
    assert seen["node"]["lastSeenAt"] is not None


@pytest.mark.parametrize(
    ("values", "code", "reason", "field"),
    [
        ({"email": "operator@example.org"}, "DUPLICATE", "USER_EXISTS", "email"),
        ({"email": "OPERATOR@example.org "}, "DUPLICATE", "USER_EXISTS", "email"),
        ({"email": "nonsense"}, "INVALID", "EMAIL_NOT_VALID", "email"),
        ({"email": ""}, "REQUIRED", None, "email"),
        ({"name": " "}, "REQUIRED", "USER_NAME_REQUIRED", "name"),
        ({"role": None}, "REQUIRED", None, "role"),
        ({"role": "CUSTOMER_USER"}, "INVALID", "USER_ROLE_BY_CONTACT", "role"),
        ({"locale": "fr"}, "INVALID", "LOCALE_NOT_SHIPPED", "locale"),
    ],
)
def test_bad_input_creates_nobody(
    agency: Agency, values: dict[str, Any], code: str, reason: str | None, field: str
) -> None:
    before = listed(agency.client)
    payload = create(agency.client, **values)
    assert reasons(payload) == [(code, reason)]
    assert payload["errors"][0]["path"] == ["input", field]
    assert (listed(agency.client), agency.outbox()) == (before, [])


def test_only_an_administrator_manages_users(agency: Agency) -> None:
    operator = client_for(agency.services, "op@inkasso.example", Role.OPERATOR)
    own = operator.ask("{ viewer { user { id } } }")["viewer"]["user"]["id"]
    assert reasons(create(operator)) == [("FORBIDDEN", None)]
    assert reasons(update(operator, own, role="ADMIN")) == [("FORBIDDEN", None)]
    contact(agency, "ada", isCommercial=True)
    ada = client_for(agency.services, "ada@kunde.example", None)
    assert reasons(update(ada, own, active=False)) == [("NOT_FOUND", None)]


def test_a_closed_account_ends_at_once(agency: Agency) -> None:
    key = person(agency.services)
    browser = browser_of(agency.services)
    token = client_for(agency.services, EMAIL)
    changed = update(agency.client, f"usr_{key}", active=False)
    assert (changed["errors"], changed["user"]["active"]) == ([], False)
    for client in (browser, token):
        assert client.ask("{ viewer { locale } }") == {"viewer": None}
    assert sign_in(Client(agency.services, None))["errors"][0]["code"] == "SIGN_IN_FAILED"
    assert update(agency.client, f"usr_{key}", active=True)["errors"] == []
    assert browser.ask("{ viewer { locale } }") == {"viewer": None}
    assert sign_in(Client(agency.services, None))["errors"] == []


@pytest.mark.parametrize("change", [{"role": "ADMIN"}, {"email": "vera.neu@inkasso.example"}])
def test_other_rights_and_another_address_end_every_session(
    agency: Agency, change: dict[str, str]
) -> None:
    key = person(agency.services)
    browser = browser_of(agency.services)
    assert update(agency.client, f"usr_{key}", name="Vera Neu", locale="de")["errors"] == []
    assert browser.ask("{ viewer { locale } }") == {"viewer": {"locale": "de"}}
    assert update(agency.client, f"usr_{key}", **change)["errors"] == []
    assert browser.ask("{ viewer { locale } }") == {"viewer": None}


@pytest.mark.parametrize(
    ("change", "field"), [({"active": False}, "active"), ({"role": "OPERATOR"}, "role")]
)
def test_the_last_administrator_stays(agency: Agency, change: dict[str, Any], field: str) -> None:
    own = agency.client.ask("{ viewer { user { id lockVersion } } }")["viewer"]["user"]
    payload = update(agency.client, own["id"], **change)
    assert reasons(payload) == [("STATE", "LAST_ADMINISTRATOR")]
    assert payload["errors"][0]["path"] == ["input", field]
    assert agency.client.ask("{ viewer { roles user { id lockVersion } } }")["viewer"] == {
        "roles": ["ADMIN"], "user": own,
    }  # fmt: skip
    client_for(agency.services, "second@inkasso.example", Role.ADMIN)
    assert update(agency.client, own["id"], **change)["errors"] == []


@pytest.mark.both_databases
def test_of_two_administrators_who_leave_at_once_one_stays(agency: Agency) -> None:
    clients = [agency.client, client_for(agency.services, "second@inkasso.example", Role.ADMIN)]
    users = [c.ask("{ viewer { user { id } } }")["viewer"]["user"]["id"] for c in clients]
    with ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(copy_context().run, lambda c=c, u=u: update(c, u, role="OPERATOR"))
            for c, u in zip(clients, users, strict=True)
        ]
        found = sorted(reasons(one.result()) for one in running)
    assert found[0] == []
    assert found[1] in ([("STATE", "LAST_ADMINISTRATOR")], [("FORBIDDEN", None)])


def test_a_stale_version_changes_nothing_and_shows_what_is(agency: Agency) -> None:
    user = create(agency.client)["user"]
    first = update(agency.client, user["id"], name="Nina Eins", lockVersion=user["lockVersion"])
    stale = update(agency.client, user["id"], name="Nina Zwei", lockVersion=user["lockVersion"])
    assert reasons(stale) == [("CONFLICT", "VERSION_STALE")]
    assert stale["user"] == first["user"]
    assert first["user"]["name"] == "Nina Eins"


def test_the_same_key_creates_one_user(agency: Agency) -> None:
    made = [create(agency.client, idempotencyKey="once") for _ in range(2)]
    assert made[0] == made[1]
    assert len(agency.outbox()) == 1


def test_staff_finds_everybody_by_a_part_of_name_or_address(agency: Agency) -> None:
    contact(agency, "ada", isCommercial=True)
    contact(agency, "berta", hasAccess=False)
    create(agency.client)
    client = agency.client
    assert listed(client) == ["ada", "berta", "neu", "operator"]
    assert listed(client, text="NINA") == ["neu"]
    assert listed(client, text="kunde.ex") == ["ada", "berta"]
    assert listed(client, text="%") == []
    assert listed(client, hasAccess=True) == ["ada", "neu", "operator"]
    assert listed(client, hasAccess=False) == ["berta"]
    assert listed(client, role=["ADMIN", "CUSTOMER_USER"]) == ["ada", "operator"]
    page = client.ask(USERS, n=2)["users"]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (4, True)
    rest = client.ask(USERS, n=2, a=page["pageInfo"]["endCursor"])["users"]["nodes"]
    assert [node["name"] for node in rest] == ["Nina Neu", "Test User"]


@pytest.mark.both_databases
def test_a_customers_user_sees_who_works_for_the_same(agency: Agency) -> None:
    contact(agency, "ada", isCommercial=True)
    contact(agency, "emil", portfolioIds=[agency.portfolio])
    south = agency.with_customer("Wasserwerke Süd")
    contact(south, "susi", isCommercial=True)
    found = {}
    for name in ("ada", "emil", "susi"):
        client = client_for(agency.services, f"{name}@kunde.example", None)
        found[name] = listed(client)
        (own,) = [n for n in client.ask(USERS)["users"]["nodes"] if n["email"].startswith(name)]
        assert own["roles"] == ["CUSTOMER_USER"]
    assert found == {"ada": ["ada", "emil"], "emil": ["emil"], "susi": ["susi"]}
    ada = client_for(agency.services, "ada@kunde.example", None)
    seen = {n["email"]: n["lastSeenAt"] for n in ada.ask(USERS)["users"]["nodes"]}
    assert seen["ada@kunde.example"] is not None
    assert seen["emil@kunde.example"] is None
