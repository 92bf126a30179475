"""Choosing a new password by a link: the same answer for everybody, one use, an hour."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from finview import clock
from finview.accounts.access import Role
from finview.accounts.models import PasswordLink
from finview.testing.client import Client
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.people import EMAIL, PASSWORD, browser_of, person, sign_in

NEW = "another long password"
REQUEST = """mutation($e: String!) { passwordResetRequest(email: $e) {
  user { id } errors { code message path params } } }"""
RESET = """mutation($t: String!, $p: String!) { passwordReset(token: $t, password: $p) {
  user { email roles lastSeenAt } errors { code path params } } }"""


def ask(agency: Agency, email: str = EMAIL) -> dict[str, Any]:
    found = Client(agency.services, None).ask(REQUEST, e=email)["passwordResetRequest"]
    agency.client.drain()
    return dict(found)


def tokens(agency: Agency) -> list[str]:
    found = [re.findall(r"/password-reset/(\S+)", mail) for mail in agency.outbox()]
    return [token for one in found for token in one]


def reset(agency: Agency, token: str, password: str = NEW) -> list[tuple[str, str | None]]:
    payload = Client(agency.services, None).ask(RESET, t=token, p=password)["passwordReset"]
    return [(e["code"], e["params"].get("reason")) for e in payload["errors"]]


@pytest.mark.both_databases
def test_the_link_sets_another_password_once_and_ends_every_session(agency: Agency) -> None:
    person(agency.services)
    browser = browser_of(agency.services)
    assert ask(agency) == {"user": None, "errors": []}
    (token,) = tokens(agency)
    found = Client(agency.services, None).ask(RESET, t=token, p=NEW)["passwordReset"]
    assert found["user"] == {"email": EMAIL, "roles": ["OPERATOR"], "lastSeenAt": None}
    assert browser.ask("{ viewer { locale } }") == {"viewer": None}
    assert sign_in(browser)["errors"][0]["code"] == "SIGN_IN_FAILED"
    assert sign_in(browser, password=NEW)["errors"] == []
    assert reset(agency, token) == [("TOKEN_INVALID", "LINK_USED")]
    assert sign_in(browser, password=NEW)["errors"] == []


@pytest.mark.parametrize(
    ("locale", "subject", "words"),
    [
        ("de", "Passwort zurücksetzen", "bis 02.11.2026, 11:00:00 ein neues Passwort"),
        ("en", "Reset your password", "Choose a new password by Nov 2, 2026, 11:00:00"),
    ],
)
def test_the_mail_is_in_the_persons_language(
    agency: Agency, locale: str, subject: str, words: str
) -> None:
    person(agency.services, locale=locale)
    ask(agency)
    (mail,) = agency.outbox()
    assert mail.splitlines()[:2] == [f"Vera Wolf <{EMAIL}>", subject]
    assert words in mail.replace("\u202f", " ").replace("\n", " ")


@pytest.mark.parametrize("case", ["unknown", "closed", "no access"])
def test_an_unknown_address_is_answered_by_the_same_bytes_and_work(
    agency: Agency, case: str
) -> None:
    person(agency.services)
    if case != "unknown":
        role = None if case == "no access" else Role.OPERATOR
        person(agency.services, "other@inkasso.example", role, active=case != "closed")
    statements: list[str] = []
    engine = agency.services.db.engine
    event.listen(engine, "before_cursor_execute", lambda _c, _u, s, *_: statements.append(s))
    found = []
    for email in (EMAIL, "other@inkasso.example"):
        given = {"query": REQUEST, "variables": {"e": email}}
        answer = Client(agency.services, None).http.post("/graphql", json=given)
        found.append((answer.content, list(statements)))
        statements.clear()
    assert found[0] == found[1]
    agency.client.drain()
    assert len(agency.outbox()) == 1


def test_a_newer_link_makes_the_older_one_worthless(agency: Agency) -> None:
    person(agency.services)
    ask(agency)
    (old,) = tokens(agency)
    ask(agency)
    (new,) = set(tokens(agency)) - {old}
    assert reset(agency, old) == [("TOKEN_INVALID", "LINK_USED")]
    assert reset(agency, new) == []


def test_the_link_ends_after_an_hour(agency: Agency) -> None:
    person(agency.services)
    ask(agency)
    (token,) = tokens(agency)
    with clock.standing_at(LAUNCH_DAY + timedelta(hours=1)):
        assert reset(agency, token) == [("TOKEN_INVALID", "LINK_EXPIRED")]
    assert reset(agency, "nothing") == [("TOKEN_INVALID", "LINK_UNKNOWN")]
    assert sign_in(Client(agency.services, None))["errors"] == []


@pytest.mark.parametrize(
    ("password", "reason"),
    [("short", "PASSWORD_LENGTH"), ("aaaabbbbcccc", "PASSWORD_WEAK"), ("", None)],
)
def test_a_bad_password_leaves_the_link_as_it_is(
    agency: Agency, password: str, reason: str | None
) -> None:
    person(agency.services)
    ask(agency)
    (token,) = tokens(agency)
    assert [r for _, r in reset(agency, token, password)] == [reason]
    assert sign_in(Client(agency.services, None))["errors"] == []
    assert reset(agency, token) == []


@pytest.mark.both_databases
def test_of_two_who_use_a_link_at_once_one_wins(agency: Agency) -> None:
    person(agency.services)
    ask(agency)
    (token,) = tokens(agency)
    with ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(copy_context().run, reset, agency, token, f"{n} is a long password")
            for n in range(2)
        ]
        found = [one.result() for one in running]
    assert sorted(found) == [[], [("TOKEN_INVALID", "LINK_USED")]]


def test_three_links_an_hour_are_enough_for_any_address(agency: Agency) -> None:
    person(agency.services)
    for email in (EMAIL, "unknown@inkasso.example"):
        found = [ask(agency, email)["errors"] for _ in range(4)]
        assert [[e["code"] for e in one] for one in found] == [[], [], [], ["RATE_LIMITED"]]
        assert found[3][0]["params"] == {"seconds": 3600}
    assert len(tokens(agency)) == 3


def test_what_is_no_address_is_told(agency: Agency) -> None:
    (error,) = ask(agency, "nonsense")["errors"]
    assert (error["code"], error["path"]) == ("INVALID", ["email"])
    assert error["params"]["reason"] == "EMAIL_NOT_VALID"


def test_no_row_holds_the_token(agency: Agency) -> None:
    person(agency.services)
    ask(agency)
    (token,) = tokens(agency)
    with agency.services.db.reading() as session:
        (row,) = session.scalars(select(PasswordLink))
        assert token not in str(vars(row))
        assert row.sent_at is not None


def test_a_contacts_mail_comes_from_their_business_unit(agency: Agency) -> None:
    given = {"firstName": "Ada", "lastName": "Roth", "email": "ada@example.org"}
    flags = {"isCommercial": True, "isOperational": False, "hasAccess": True}
    agency.client.do(
        "contactCreate", "contact { id }", customerId=agency.customer, **given, **flags
    )
    ask(agency, "ada@example.org")
    mail = agency.outbox()[-1]
    assert "Inkasso Nord GmbH" in mail
    (token,) = tokens(agency)
    assert reset(agency, token, PASSWORD) == []
    assert sign_in(Client(agency.services, None), "ada@example.org")["errors"] == []


CHANGE = """mutation($i: PasswordChangeInput!) { passwordChange(input: $i) {
  session { id } secret errors { code path params } } }"""


def change(client: Client, current: str = PASSWORD, password: str = NEW) -> dict[str, Any]:
    given = {"current": current, "password": password}
    found: dict[str, Any] = client.ask(CHANGE, i=given)["passwordChange"]
    return found


def test_changing_the_password_goes_on_under_a_new_secret_and_ends_the_rest(agency: Agency) -> None:
    person(agency.services)
    here, there = browser_of(agency.services), browser_of(agency.services)
    before = here.http.cookies["finview"]
    changed = change(here)
    assert (changed["errors"], here.http.cookies["finview"]) == ([], changed["secret"])
    assert before != changed["secret"]
    seen = [b.ask("{ viewer { user { email } } }")["viewer"] for b in (here, there)]
    assert seen == [{"user": {"email": EMAIL}}, None]
    assert sign_in(there, password=NEW)["errors"] == []


def test_the_password_so_far_is_asked_for_and_may_be_tried_five_times(agency: Agency) -> None:
    person(agency.services)
    here = browser_of(agency.services)
    (error,) = change(here, password="short")["errors"]
    assert error["params"]["reason"] == "PASSWORD_LENGTH"
    found = [change(here, current="wrong, but long")["errors"][0] for _ in range(5)]
    assert [(e["code"], e["path"]) for e in found] == [
        ("SIGN_IN_FAILED", ["input", "current"])
    ] * 4 + [("RATE_LIMITED", [])]
    assert sign_in(Client(agency.services, None))["errors"] == []


def test_a_program_can_not_change_the_password(agency: Agency) -> None:
    (error,) = change(agency.client)["errors"]
    assert (error["code"], error["params"]["reason"]) == ("FORBIDDEN", "SESSION_REQUIRED")
