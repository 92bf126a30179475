"""Invitations of contacts: sent when access is granted, again on demand, accepted over the web."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime, timedelta
from typing import Any

import pytest

from finview import clock
from finview.accounts.access import Role
from finview.accounts.models import AccountUser
from finview.accounts.passwords import checked_password
from finview.accounts.users import find_user
from finview.testing.client import Client, client_for
from finview.testing.factories import LAUNCH_DAY, Agency

STATES = "{ customers { nodes { contacts { nodes { invitation { state } } } } } }"
INVITATION = "invitation { state sentAt expiresAt }"
PASSWORD = "correct horse battery"


def is_password(agency: Agency, password: str) -> bool:
    settings = agency.services.settings
    return checked_password(password, user(agency).password_hash, settings)[0]


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


def seen_state(agency: Agency) -> list[str]:
    (customer,) = agency.client.ask(STATES)["customers"]["nodes"]
    return [c["invitation"]["state"] for c in customer["contacts"]["nodes"]]


def links(agency: Agency) -> list[str]:
    """Return the paths of every link that was sent."""
    return [found for mail in agency.outbox() for found in re.findall(r"/invitations/\S+", mail)]


ACCEPT = """mutation($t: String!, $p: String!, $l: LocaleCode) {
  invitationAccept(token: $t, password: $p, locale: $l) {
    session { id current } secret errors { code message path params } } }"""


def accept(
    agency: Agency, link: str, password: str = PASSWORD, language: str = "en", **more: Any
) -> dict[str, Any]:
    """Accept an invitation and return the payload."""
    client = Client(agency.services, None, language=language)
    token = link.rpartition("/")[2]
    found: dict[str, Any] = client.ask(ACCEPT, t=token, p=password, **more)["invitationAccept"]
    return found


def reasons(payload: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(e["code"], e["params"].get("reason")) for e in payload["errors"]]


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


def test_the_link_sets_the_password_once_and_signs_in(agency: Agency) -> None:
    contact = create(agency)
    (link,) = links(agency)
    answer = accept(agency, link, l="de")
    assert (answer["errors"], answer["session"]["current"]) == ([], True)
    assert (is_password(agency, PASSWORD), user(agency).locale) == (True, "de")
    assert seen(agency, contact["id"])["state"] == "ACCEPTED"  # type: ignore[index]
    again = accept(agency, link, "another password")
    assert (again["session"], again["secret"]) == (None, None)
    assert reasons(again) == [("TOKEN_INVALID", "INVITATION_USED")]
    assert is_password(agency, PASSWORD)
    (error,) = invite(agency.client, contact["id"])["errors"]
    assert (error["code"], error["params"]["reason"]) == ("STATE", "CONTACT_SIGNED_UP")


def test_the_link_tells_who_invites_for_whom_until_it_is_used(agency: Agency) -> None:
    create(agency, locale="de")
    (link,) = links(agency)
    query = """query($t: String!) {
      invitation(token: $t) { inviter customer email locale expiresAt } }"""
    stranger = Client(agency.services, None)
    found = stranger.ask(query, t=link.rpartition("/")[2])["invitation"]
    assert found.pop("expiresAt").startswith("2026-11-09")
    assert found == {
        "inviter": "Test User",
        "customer": "Stadtwerke Nord",
        "email": "ada@example.org",
        "locale": "de",
    }
    accept(agency, link)
    for token in (link.rpartition("/")[2], "nothing"):
        assert stranger.ask(query, t=token) == {"invitation": None}


@pytest.mark.both_databases
def test_of_two_who_accept_at_once_one_wins(agency: Agency) -> None:
    create(agency)
    (link,) = links(agency)
    passwords = ["first of the two", "second of the two"]
    # The clock stands still in this context only.
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(copy_context().run, accept, agency, link, p) for p in passwords]
        found = [one.result() for one in running]
    assert sorted(len(one["errors"]) for one in found) == [0, 1]
    won = next(p for p, one in zip(passwords, found, strict=True) if not one["errors"])
    assert is_password(agency, won)


def test_sending_again_makes_a_new_link_and_voids_the_old(agency: Agency) -> None:
    contact = create(agency)
    first = invite(agency.client, contact["id"], "again")
    assert invite(agency.client, contact["id"], "again")["errors"] == first["errors"] == []
    found = links(agency)
    assert len(set(found)) == 2
    outcomes = [reasons(accept(agency, link)) for link in sorted(set(found))]
    assert sorted(outcomes) == [[], [("TOKEN_INVALID", "INVITATION_USED")]]


@pytest.mark.parametrize("language", ["de", "en"])
def test_an_expired_or_unknown_link_says_so_in_the_readers_language(
    agency: Agency, language: str
) -> None:
    contact = create(agency)
    (link,) = links(agency)
    with clock.standing_at(LAUNCH_DAY + timedelta(days=7)):
        late = accept(agency, link, language=language)
        assert seen(agency, contact["id"])["state"] == "EXPIRED"  # type: ignore[index]
        page = Client(agency.services, None, language=language).http.get(link)
        assert (page.status_code, 'href="/password-reset"' in page.text) == (410, True)
    unknown = accept(agency, "/invitations/nothing", language=language)
    assert [reasons(one) for one in (late, unknown)] == [
        [("TOKEN_INVALID", "INVITATION_EXPIRED")],
        [("TOKEN_INVALID", "INVITATION_UNKNOWN")],
    ]
    german = "abgelaufen" in late["errors"][0]["message"]
    assert (german, "abgelaufen" in page.text) == (language == "de",) * 2
    assert user(agency).password_hash is None


@pytest.mark.parametrize(
    ("password", "code", "reason"),
    [
        ("short", "INVALID", "PASSWORD_LENGTH"),
        ("", "REQUIRED", None),
        ("a" * 11 + "b", "INVALID", "PASSWORD_WEAK"),
        ("long words " * 20, "INVALID", "PASSWORD_LENGTH"),
    ],
)
def test_what_is_no_good_password_is_refused(
    agency: Agency, password: str, code: str, reason: str | None
) -> None:
    create(agency)
    (link,) = links(agency)
    answer = accept(agency, link, password)
    assert (reasons(answer), answer["errors"][0]["path"]) == ([(code, reason)], ["password"])
    page = Client(agency.services, None).http.post(link, data={"password": password})
    assert page.status_code == 422
    assert (user(agency).password_hash, seen_state(agency)) == (None, ["SENT"])


def test_the_link_opens_a_page_whose_form_sets_the_password(agency: Agency) -> None:
    create(agency, locale="de")
    (link,) = links(agency)
    http = Client(agency.services, None).http
    page = http.get(link)
    assert (page.status_code, 'lang="de"' in page.text) == (200, True)
    assert "Stadtwerke Nord" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    short = http.post(link, data={"password": "kurz"})
    assert (short.status_code, 'href="#password"' in short.text) == (422, True)
    done = http.post(link, data={"password": "sehr langes Passwort", "locale": "de"})
    assert (done.url.path, "Sie sind angemeldet als Ada Roth" in done.text) == ("/account", True)
    assert is_password(agency, "sehr langes Passwort")
    assert http.get(link).status_code == 410
    assert http.get("/invitations/nothing").status_code == 404


def test_access_taken_voids_the_link_and_access_given_sends_a_new_one(agency: Agency) -> None:
    contact = create(agency)
    query = """mutation($id: ID!, $i: ContactUpdateInput!) {
      contactUpdate(id: $id, input: $i) { errors { code } } }"""
    agency.client.ask(query, id=contact["id"], i={"hasAccess": False})
    agency.client.drain()
    assert reasons(accept(agency, links(agency)[0])) == [("TOKEN_INVALID", "INVITATION_USED")]
    (error,) = invite(agency.client, contact["id"])["errors"]
    assert (error["code"], error["params"]["reason"]) == ("STATE", "CONTACT_WITHOUT_ACCESS")
    agency.client.ask(query, id=contact["id"], i={"hasAccess": True})
    agency.client.drain()
    outcomes = [len(accept(agency, link)["errors"]) for link in links(agency)]
    assert sorted(outcomes) == [0, 1]


def test_only_who_sets_up_may_invite(agency: Agency) -> None:
    contact = create(agency)
    stranger = client_for(agency.services, "s@example.org", Role.CUSTOMER_USER)
    (error,) = invite(stranger, contact["id"])["errors"]
    assert error["code"] == "NOT_FOUND"
    assert len(agency.outbox()) == 1
