"""Invitations of contacts: sent when access is granted, again on demand, accepted over the web."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from finview import clock
from finview.accounts.access import Role
from finview.accounts.models import AccountUser
from finview.accounts.passwords import is_password
from finview.accounts.users import find_user
from finview.testing.client import Client, client_for
from finview.testing.factories import LAUNCH_DAY, Agency

INVITATION = "invitation { state sentAt expiresAt }"
PASSWORD = "correct horse battery"


def create(agency: Agency, email: str = "ada@example.org", **values: Any) -> dict[str, Any]:
    """Create a contact and let the mail go out."""
    given = {"firstName": "Ada", "lastName": "Roth", "email": email, "isCommercial": True}
    given |= {"isOperational": False, "hasAccess": True, "customerId": agency.customer, **values}
    made = agency.client.do("contactCreate", f"contact {{ id {INVITATION} }}", **given)
    agency.client.drain()
    return dict(made)


def seen(agency: Agency, contact: str) -> dict[str, Any] | None:
    query = f"query($id: ID!) {{ node(id: $id) {{ ... on Contact {{ {INVITATION} }} }} }}"
    found: dict[str, Any] | None = agency.client.ask(query, id=contact)["node"]["invitation"]
    return found


def invite(client: Client, contact: str, key: str | None = None) -> dict[str, Any]:
    query = f"""mutation($id: ID!, $key: String) {{ contactInvite(id: $id, idempotencyKey: $key) {{
      contact {{ id {INVITATION} }} errors {{ code message path params }} }} }}"""
    payload: dict[str, Any] = client.ask(query, id=contact, key=key)["contactInvite"]
    client.drain()
    return payload


def links(agency: Agency) -> list[str]:
    """Return the paths of every link that was sent."""
    return [found for mail in agency.outbox() for found in re.findall(r"/invitations/\S+", mail)]


def accept(agency: Agency, link: str, password: str = PASSWORD, **headers: str) -> Any:
    http = Client(agency.services, None).http
    return http.post(link, json={"password": password}, headers=headers)


def user(agency: Agency, email: str = "ada@example.org") -> AccountUser:
    with agency.services.db.reading() as session:
        found = find_user(session, email)
        assert found is not None
        return found


@pytest.mark.parametrize(
    ("locale", "subject", "words"),
    [
        ("de", "Ihr Zugang zu FinView für Stadtwerke Nord", "Guten Tag Ada Roth,"),
        ("en", "Your FinView access for Stadtwerke Nord", "Dear Ada Roth,"),
    ],
)
def test_granting_access_sends_one_invitation_in_the_contacts_language(
    agency: Agency, locale: str, subject: str, words: str
) -> None:
    contact = create(agency, locale=locale)
    assert contact["invitation"]["state"] == "PENDING"
    (mail,) = agency.outbox()
    assert mail.splitlines()[:2] == ["Ada Roth <ada@example.org>", subject]
    assert words in mail
    assert "Test User" in mail
    sent = seen(agency, contact["id"])
    assert sent is not None
    assert sent["state"] == "SENT"
    expires, at = (datetime.fromisoformat(sent[k]) for k in ("expiresAt", "sentAt"))
    assert expires - at == timedelta(days=7)


def test_without_access_and_for_an_existing_user_none_is_sent(agency: Agency) -> None:
    assert create(agency, hasAccess=False)["invitation"] is None
    key = user(agency).id
    other = agency.with_customer("Wasserwerke Süd")
    linked = agency.client.do(
        "contactLink",
        f"contact {{ id {INVITATION} }}",
        customerId=other.customer,
        userId=f"usr_{key}",
        isCommercial=True,
        isOperational=False,
    )
    agency.client.drain()
    assert (linked["invitation"], agency.outbox()) == (None, [])


def test_the_link_sets_the_password_once(agency: Agency) -> None:
    contact = create(agency)
    (link,) = links(agency)
    answer = accept(agency, link)
    assert (answer.status_code, answer.content) == (204, b"")
    assert is_password(PASSWORD, user(agency).password_hash)
    assert seen(agency, contact["id"])["state"] == "ACCEPTED"  # type: ignore[index]
    again = accept(agency, link, "another password")
    assert again.status_code == 410
    assert again.json()["error"]["params"]["reason"] == "INVITATION_USED"
    assert is_password(PASSWORD, user(agency).password_hash)
    (error,) = invite(agency.client, contact["id"])["errors"]
    assert (error["code"], error["params"]["reason"]) == ("STATE", "CONTACT_SIGNED_UP")


def test_sending_again_makes_a_new_link_and_voids_the_old(agency: Agency) -> None:
    contact = create(agency)
    first = invite(agency.client, contact["id"], "again")
    assert invite(agency.client, contact["id"], "again")["errors"] == first["errors"] == []
    found = links(agency)
    assert len(set(found)) == 2
    outcomes = {link: accept(agency, link).status_code for link in found}
    assert sorted(outcomes.values()) == [204, 410]


@pytest.mark.parametrize("language", ["de", "en"])
def test_an_expired_or_unknown_link_says_so_in_the_readers_language(
    agency: Agency, language: str
) -> None:
    contact = create(agency)
    (link,) = links(agency)
    header = {"accept-language": language}
    with clock.standing_at(LAUNCH_DAY + timedelta(days=7)):
        late = accept(agency, link, **header)
        assert seen(agency, contact["id"])["state"] == "EXPIRED"  # type: ignore[index]
    unknown = accept(agency, "/invitations/nothing", **header)
    reasons = [a.json()["error"]["params"]["reason"] for a in (late, unknown)]
    assert ([late.status_code, unknown.status_code], reasons) == (
        [410, 404],
        ["INVITATION_EXPIRED", "INVITATION_UNKNOWN"],
    )
    german = "abgelaufen" in late.json()["error"]["message"]
    assert german == (language == "de")
    assert user(agency).password_hash is None


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b'{"password": "short"}', 400, "PASSWORD_LENGTH"),
        (b'{"password": ""}', 400, None),
        (b'{"password": 12}', 400, None),
        (b"[]", 400, None),
        (b"{", 400, None),
        (b'{"password": "' + b"x" * 5000 + b'"}', 413, None),
    ],
)
def test_what_is_no_password_is_refused(
    agency: Agency, body: bytes, status: int, reason: str | None
) -> None:
    create(agency)
    http = Client(agency.services, None).http
    answer = http.post(links(agency)[0], content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"]["params"].get("reason") == reason
    assert user(agency).password_hash is None


def test_the_link_opens_a_page_whose_form_sets_the_password(agency: Agency) -> None:
    create(agency, locale="de")
    (link,) = links(agency)
    http = Client(agency.services, None).http
    page = http.get(link)
    assert (page.status_code, 'lang="de"' in page.text) == (200, True)
    assert "Stadtwerke Nord" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    short = http.post(link, data={"password": "kurz"})
    assert (short.status_code, "mindestens" in short.text) == (400, True)
    done = http.post(link, data={"password": "sehr langes Passwort"})
    assert (done.status_code, "Ihr Passwort ist festgelegt." in done.text) == (200, True)
    assert is_password("sehr langes Passwort", user(agency).password_hash)
    assert http.get(link).status_code == 410


def test_access_taken_voids_the_link_and_access_given_sends_a_new_one(agency: Agency) -> None:
    contact = create(agency)
    query = """mutation($id: ID!, $i: ContactUpdateInput!) {
      contactUpdate(id: $id, input: $i) { errors { code } } }"""
    agency.client.ask(query, id=contact["id"], i={"hasAccess": False})
    agency.client.drain()
    assert accept(agency, links(agency)[0]).status_code == 410
    (error,) = invite(agency.client, contact["id"])["errors"]
    assert (error["code"], error["params"]["reason"]) == ("STATE", "CONTACT_WITHOUT_ACCESS")
    agency.client.ask(query, id=contact["id"], i={"hasAccess": True})
    agency.client.drain()
    assert sorted(accept(agency, link).status_code for link in links(agency)) == [204, 410]


def test_only_who_sets_up_may_invite(agency: Agency) -> None:
    contact = create(agency)
    stranger = client_for(agency.services, "s@example.org", Role.CUSTOMER_USER)
    (error,) = invite(stranger, contact["id"])["errors"]
    assert error["code"] == "NOT_FOUND"
    assert len(agency.outbox()) == 1
