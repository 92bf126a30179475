"""One-time codes: set up with a first code, asked for at sign-in, each good for one time."""

from datetime import timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from finview import clock
from finview.accounts.access import Role
from finview.accounts.models import SecondFactor
from finview.db import testclock
from finview.db.audit import AuditEvent
from finview.db.runtime import Services
from finview.testing.client import Client, client_for
from finview.testing.people import EMAIL, browser_of, person, sign_in

START = "mutation { secondFactorStart { secondFactor { secret uri } errors { code params } } }"
CONFIRM = """mutation($c: String!) { secondFactorConfirm(input: {code: $c}) {
  recoveryCodes errors { code path params } } }"""
REMOVE = """mutation($i: SecondFactorRemoveInput!) { secondFactorRemove(input: $i) {
  user { id } errors { code params } } }"""


def code_of(secret: str, *, steps: int = 0) -> str:
    """Return what the app shows, some steps of 30 seconds from now."""
    return pyotp.TOTP(secret).at(clock.now_ms() // 1000 + 30 * steps)


def later(services: Services, **delta: float) -> None:
    with services.db.unit() as session:
        testclock.advance(session, timedelta(**delta))


def switched_on(services: Services, browser: Client) -> tuple[str, list[str]]:
    """Turn the second factor on and return its secret and the recovery codes."""
    secret = browser.ask(START)["secondFactorStart"]["secondFactor"]["secret"]
    found = browser.ask(CONFIRM, c=code_of(secret))["secondFactorConfirm"]
    assert found["errors"] == []
    later(services, minutes=2)
    return secret, found["recoveryCodes"]


def codes(payload: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(e["code"], e["params"].get("reason")) for e in payload["errors"]]


@pytest.mark.both_databases
def test_with_a_second_factor_the_password_alone_is_not_enough(opened: Services) -> None:
    person(opened)
    secret, _ = switched_on(opened, browser_of(opened))
    browser = Client(opened, None)
    assert codes(sign_in(browser)) == [("SECOND_FACTOR_REQUIRED", None)]
    wrong = code_of(secret, steps=99)
    assert codes(sign_in(browser, code=wrong)) == [
        ("SECOND_FACTOR_REQUIRED", "ONE_TIME_CODE_WRONG")
    ]
    assert codes(sign_in(browser, password="wrong, but long")) == [("SIGN_IN_FAILED", None)]
    assert "finview" not in browser.http.cookies
    assert sign_in(browser, code=code_of(secret))["errors"] == []
    assert browser.ask("{ viewer { secondFactor } }")["viewer"] == {"secondFactor": True}


def test_a_code_is_good_for_one_time(opened: Services) -> None:
    person(opened)
    secret, _ = switched_on(opened, browser_of(opened))
    code = code_of(secret)
    assert sign_in(Client(opened, None), code=f"{code[:3]} {code[3:]}")["errors"] == []
    again = ("SECOND_FACTOR_REQUIRED", "ONE_TIME_CODE_WRONG")
    assert codes(sign_in(Client(opened, None), code=code)) == [again]
    older = code_of(secret, steps=-1)
    assert codes(sign_in(Client(opened, None), code=older)) == [again]
    assert sign_in(Client(opened, None), code=code_of(secret, steps=1))["errors"] == []


def test_a_recovery_code_stands_for_a_code_once(opened: Services) -> None:
    person(opened)
    _, recovery = switched_on(opened, browser_of(opened))
    assert (len(set(recovery)), len(recovery[0])) == (10, 11)
    assert sign_in(Client(opened, None), code=recovery[3].upper())["errors"] == []
    assert codes(sign_in(Client(opened, None), code=recovery[3])) == [
        ("SECOND_FACTOR_REQUIRED", "ONE_TIME_CODE_WRONG")
    ]
    assert sign_in(Client(opened, None), code=recovery[4])["errors"] == []


def test_nothing_is_on_before_a_first_code(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    assert codes(browser.ask(CONFIRM, c="123456")["secondFactorConfirm"]) == [
        ("STATE", "SECOND_FACTOR_OFF")
    ]
    uri = browser.ask(START)["secondFactorStart"]["secondFactor"]["uri"]
    assert uri.startswith("otpauth://totp/finview:vera%40inkasso.example?secret=")
    (error,) = browser.ask(CONFIRM, c="000000")["secondFactorConfirm"]["errors"]
    assert (error["code"], error["path"]) == ("INVALID", ["code"])
    assert sign_in(Client(opened, None))["errors"] == []
    switched_on(opened, browser)
    assert codes(browser.ask(START)["secondFactorStart"]) == [("STATE", "SECOND_FACTOR_ON")]


def test_codes_are_tried_five_times_a_minute(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    browser.ask(START)
    found = [codes(browser.ask(CONFIRM, c=f"{n:06}")["secondFactorConfirm"])[0] for n in range(6)]
    assert found[5] == ("RATE_LIMITED", None)


def test_it_is_turned_off_with_a_code_or_by_an_administrator(opened: Services) -> None:
    key = person(opened)
    browser = browser_of(opened)
    secret, _ = switched_on(opened, browser)
    removed = browser.ask(REMOVE, i={"code": "1"})["secondFactorRemove"]
    assert codes(removed) == [("INVALID", "ONE_TIME_CODE_WRONG")]
    given = {"code": code_of(secret)}
    assert browser.ask(REMOVE, i=given)["secondFactorRemove"]["errors"] == []
    assert codes(browser.ask(REMOVE, i=given)["secondFactorRemove"]) == [
        ("STATE", "SECOND_FACTOR_OFF")
    ]
    switched_on(opened, browser)
    given = {"userId": f"usr_{key}"}
    operator = client_for(opened, "op@inkasso.example", Role.OPERATOR)
    assert codes(operator.ask(REMOVE, i=given)["secondFactorRemove"]) == [("FORBIDDEN", None)]
    assert client_for(opened).ask(REMOVE, i=given)["secondFactorRemove"]["errors"] == []
    assert sign_in(Client(opened, None))["errors"] == []


def test_a_program_can_not_set_it_up(opened: Services) -> None:
    client = client_for(opened)
    assert codes(client.ask(START)["secondFactorStart"]) == [("FORBIDDEN", "SESSION_REQUIRED")]


def test_the_secret_is_kept_encrypted_and_every_step_recorded(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    secret, recovery = switched_on(opened, browser)
    sign_in(Client(opened, None), code=recovery[0])
    with opened.db.reading() as session:
        assert secret not in session.scalars(select(SecondFactor)).one().secret
        acts = set(session.scalars(select(AuditEvent.action)))
    wanted = {"second_factor.start", "second_factor.confirm", "second_factor.recover"}
    assert wanted <= acts
    assert EMAIL not in secret
