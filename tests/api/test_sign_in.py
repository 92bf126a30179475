"""Sign-in with a browser: sessions, cookies, forgery, how often one may try, and who finds out."""

from datetime import timedelta
from typing import Any

import pytest
from pwdlib import PasswordHash
from sqlalchemy import select, text

from finview.accounts.access import Role
from finview.accounts.models import AccountUser, Attempts, SignInSession
from finview.accounts.passwords import checked_password
from finview.app import open_services
from finview.db import testclock
from finview.db.audit import AuditEvent
from finview.db.runtime import Services
from finview.testing.client import Client, client_for
from finview.testing.people import EMAIL, PASSWORD, browser_of, person, sign_in

WHO = "{ viewer { user { email } sessions { id current userAgent } } }"
END = "mutation($id: ID) { sessionEnd(id: $id) { session { id } errors { code } } }"


def who(browser: Client) -> str | None:
    found = browser.ask("{ viewer { user { email } } }")["viewer"]
    return found["user"]["email"] if found else None


def later(services: Services, **delta: float) -> None:
    with services.db.unit() as session:
        testclock.advance(session, timedelta(**delta))


def acts(services: Services, kind: str) -> list[tuple[int | None, int, dict[str, Any]]]:
    with services.db.reading() as session:
        rows = session.scalars(select(AuditEvent).where(AuditEvent.action == kind))
        return [(row.actor_id, row.subject_id, row.data) for row in rows]


@pytest.mark.both_databases
def test_signing_in_makes_a_session_of_the_cookie(opened: Services) -> None:
    key = person(opened)
    browser = Client(opened, None)
    browser.http.headers["user-agent"] = "Firefox"
    made = sign_in(browser)
    assert (made["errors"], made["session"]["userAgent"]) == ([], "Firefox")
    assert browser.http.cookies["finview"] == made["secret"]
    viewer = browser.ask(WHO)["viewer"]
    assert viewer["user"] == {"email": EMAIL}
    assert viewer["sessions"] == [
        {"id": made["session"]["id"], "current": True, "userAgent": "Firefox"}
    ]
    assert [(actor, of) for actor, of, _ in acts(opened, "session.begin")] == [(key, key)]


@pytest.mark.parametrize(
    ("changes", "name", "secure"),
    [
        ({}, "finview", False),
        ({"base_url": "https://inkasso.example"}, "__Host-finview", True),
        ({"env": "production"}, "__Host-finview", True),
    ],
)
def test_the_cookie_is_for_this_server_alone(
    opened: Services, changes: dict[str, Any], name: str, secure: bool
) -> None:
    person(opened)
    opened.settings = opened.settings.model_copy(update=changes)
    given = {"query": "mutation($i: SessionCreateInput!) { sessionCreate(input: $i) { secret } }"}
    given["variables"] = {"i": {"email": EMAIL, "password": PASSWORD}}  # type: ignore[assignment]
    answer = Client(opened, None).http.post("/graphql", json=given)
    (cookie,) = answer.headers.get_list("set-cookie")
    head, *flags = cookie.split("; ")
    assert head == f"{name}={answer.json()['data']['sessionCreate']['secret']}"
    wanted = {"HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=lax"}
    assert set(flags) == wanted | ({"Secure"} if secure else set())


def test_no_table_holds_the_secret(opened: Services) -> None:
    person(opened)
    secret = sign_in(Client(opened, None))["secret"]
    assert len(secret) == 43
    with opened.db.reading() as session:
        for table in ("sign_in_session", "audit_event", "audit_value", "attempts", "account_user"):
            for row in session.execute(text(f"SELECT * FROM {table}")):
                assert secret not in str(tuple(row))
                assert PASSWORD not in str(tuple(row))


def test_a_secret_the_browser_came_with_is_never_taken_over(opened: Services) -> None:
    person(opened)
    person(opened, "eve@inkasso.example")
    planted = sign_in(Client(opened, None), "eve@inkasso.example")["secret"]
    browser = Client(opened, None)
    browser.http.cookies.set("finview", planted)
    made = sign_in(browser)
    assert made["secret"] != planted
    attacker = Client(opened, None)
    attacker.http.cookies.set("finview", planted)
    assert (who(browser), who(attacker)) == (EMAIL, None)


@pytest.mark.parametrize(("idle", "alive"), [({"hours": 11.9}, True), ({"hours": 12}, False)])
def test_a_session_ends_when_nobody_uses_it(
    opened: Services, idle: dict[str, float], alive: bool
) -> None:
    person(opened)
    browser = browser_of(opened)
    later(opened, **idle)
    assert (who(browser) == EMAIL) is alive


def test_a_session_in_use_ends_after_two_weeks_all_the_same(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    for _ in range(33):
        later(opened, hours=10)
        assert who(browser) == EMAIL
    later(opened, hours=7)
    assert who(browser) is None


def test_last_seen_is_written_at_most_once_a_minute(opened: Services) -> None:
    key = person(opened)
    browser = browser_of(opened)

    def seen() -> list[Any]:
        with opened.db.reading() as session:
            user = session.get_one(AccountUser, key).last_seen_at
            row = session.scalars(select(SignInSession)).one()
            return [row.last_seen_at - row.created_at, user - row.created_at]

    later(opened, seconds=59)
    who(browser)
    assert seen() == [timedelta()] * 2
    later(opened, seconds=1)
    who(browser)
    assert seen() == [timedelta(seconds=60)] * 2


def test_signing_out_ends_this_session_or_every_one(opened: Services) -> None:
    person(opened)
    first, second, third = (browser_of(opened) for _ in range(3))
    listed = first.ask(WHO)["viewer"]["sessions"]
    own = next(s["id"] for s in listed if s["current"])
    assert first.ask(END, id=own)["sessionEnd"] == {"session": {"id": own}, "errors": []}
    assert [who(b) for b in (first, second, third)] == [None, EMAIL, EMAIL]
    assert "finview" not in first.http.cookies
    assert second.ask(END)["sessionEnd"] == {"session": None, "errors": []}
    assert [who(b) for b in (first, second, third)] == [None] * 3
    assert [data.get("sessions") for _, _, data in acts(opened, "session.end")] == [None, 2]


def test_the_session_of_another_reads_as_missing(opened: Services) -> None:
    person(opened)
    person(opened, "eve@inkasso.example")
    browser, eve = browser_of(opened), browser_of(opened, "eve@inkasso.example")
    (hers,) = browser.ask(WHO)["viewer"]["sessions"]
    assert eve.ask(END, id=hers["id"])["sessionEnd"]["errors"] == [{"code": "NOT_FOUND"}]
    query = "query($id: ID!) { node(id: $id) { id } }"
    assert (eve.ask(query, id=hers["id"]), who(browser)) == ({"node": None}, EMAIL)
    assert browser.ask(query, id=hers["id"]) == {"node": {"id": hers["id"]}}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://testserver"},
    ],
)
def test_another_site_does_nothing_with_the_cookie(
    opened: Services, headers: dict[str, str]
) -> None:
    person(opened)
    browser = browser_of(opened)
    http = browser.http
    body = {"query": "mutation { sessionEnd { errors { code } } }"}
    assert http.post("/graphql", json=body, headers=headers).status_code == 403
    get = {"query": "{ viewer { locale } }"}
    asked = http.get("/graphql", params=get, headers={"graphql-require-preflight": "1", **headers})
    assert asked.status_code == 403
    upload = http.put("/uploads/upl_1", content=b"x", headers=headers)
    assert upload.status_code == 403
    assert http.post("/sign-in", data={}, headers=headers).status_code == 403
    assert who(browser) == EMAIL


def test_our_own_pages_and_programs_may(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    for headers in (
        {"origin": "http://testserver", "sec-fetch-site": "same-origin"},
        {"origin": "http://127.0.0.1:8000"},
        {"sec-fetch-site": "none"},
    ):
        answer = browser.http.post("/graphql", json={"query": WHO}, headers=headers)
        assert answer.json()["data"]["viewer"]["user"]["email"] == EMAIL
    program = client_for(opened)
    foreign = {"origin": "https://other.example", "sec-fetch-site": "cross-site"}
    answer = program.http.post("/graphql", json={"query": WHO}, headers=foreign)
    assert answer.status_code == 200


def test_a_cookie_never_changes_anything_by_get_or_by_a_form(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    mutation = {"query": "mutation { sessionEnd { errors { code } } }"}
    header = {"graphql-require-preflight": "1"}
    assert browser.http.get("/graphql", params=mutation, headers=header).status_code == 405
    assert browser.http.get("/graphql", params=mutation).status_code == 400
    assert browser.http.post("/graphql", data=mutation).status_code == 415
    assert who(browser) == EMAIL


def test_where_a_token_is_sent_the_cookie_counts_for_nothing(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    browser.http.headers["authorization"] = "Bearer fv_1_wrong"
    assert who(browser) is None


@pytest.mark.parametrize("case", ["unknown", "closed", "no password", "no access", "no address"])
def test_nobody_learns_whether_an_address_is_known(
    opened: Services, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(opened)
    values = {"closed": {"active": False}, "no password": {"password_hash": None}}
    role = None if case == "no access" else Role.OPERATOR
    if case not in {"unknown", "no address"}:
        person(opened, "other@inkasso.example", role, **values.get(case, {}))
    address = "nonsense" if case == "no address" else "other@inkasso.example"
    checked_password("", None, opened.settings)  # makes the hash of nobody, once in a process
    compared = _counting(monkeypatch)
    bodies = []
    for email, password in ((EMAIL, "wrong, but long"), (address, PASSWORD)):
        given = {"email": email, "password": password}
        query = "mutation($i: SessionCreateInput!) { sessionCreate(input: $i) { session { id } secret errors { code message path params } } }"
        sent = {"query": query, "variables": {"i": given}}
        bodies.append(Client(opened, None).http.post("/graphql", json=sent))
        compared.append("|")
    assert bodies[0].content == bodies[1].content
    assert "SIGN_IN_FAILED" in bodies[0].text
    assert "".join(compared) == "v|v|"
    assert len(acts(opened, "session.refuse")) == 2


def _counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write down every comparison and every new hash of a password."""
    done: list[str] = []
    verify, renew = PasswordHash.verify_and_update, PasswordHash.hash

    def verified(self: PasswordHash, *given: Any) -> Any:
        done.append("v")
        return verify(self, *given)

    def hashed(self: PasswordHash, *given: Any, **more: Any) -> Any:
        done.append("h")
        return renew(self, *given, **more)

    monkeypatch.setattr(PasswordHash, "verify_and_update", verified)
    monkeypatch.setattr(PasswordHash, "hash", hashed)
    return done


@pytest.mark.both_databases
def test_after_five_tries_an_account_waits_and_each_time_longer(opened: Services) -> None:
    person(opened)
    waits = []
    for _round in range(3):
        for _try in range(5):
            (error,) = sign_in(Client(opened, None), password="wrong, but long")["errors"]
            assert error["code"] == "SIGN_IN_FAILED"
        (error,) = sign_in(Client(opened, None))["errors"]
        waits.append((error["code"], error["params"]["seconds"]))
        later(opened, seconds=error["params"]["seconds"])
    assert waits == [("RATE_LIMITED", s) for s in (60, 120, 240)]
    assert sign_in(Client(opened, None))["errors"] == []


def test_unknown_addresses_wait_alike_and_one_client_tries_twenty_times(opened: Services) -> None:
    person(opened)
    found = [sign_in(Client(opened, None), "no@inkasso.example")["errors"][0] for _ in range(6)]
    assert [e["code"] for e in found] == ["SIGN_IN_FAILED"] * 5 + ["RATE_LIMITED"]
    tried = [sign_in(Client(opened, None), f"n{n}@inkasso.example")["errors"][0] for n in range(15)]
    assert [e["code"] for e in tried] == ["SIGN_IN_FAILED"] * 14 + ["RATE_LIMITED"]
    assert sign_in(Client(opened, None))["errors"][0]["code"] == "RATE_LIMITED"
    with opened.db.reading() as session:
        keys = [row.key for row in session.scalars(select(Attempts))]
    assert not [key for key in keys if "@" in key or len(key) != 64]


def test_the_right_password_forgives_the_wrong_ones(opened: Services) -> None:
    person(opened)
    for _round in range(2):
        for _try in range(4):
            sign_in(Client(opened, None), password="wrong, but long")
        assert sign_in(Client(opened, None))["errors"] == []


def test_two_processes_count_together(opened: Services) -> None:
    person(opened)
    other = open_services(opened.settings)
    codes = [
        sign_in(Client(one, None), password="wrong, but long")["errors"][0]["code"]
        for one in (opened, other, opened, other, opened, other)
    ]
    other.close()
    assert codes == ["SIGN_IN_FAILED"] * 5 + ["RATE_LIMITED"]


def test_signing_in_renews_an_outdated_hash(opened: Services) -> None:
    key = person(opened)
    opened.settings = opened.settings.model_copy(update={"password_passes": 2})
    sign_in(Client(opened, None))
    with opened.db.reading() as session:
        kept = session.get_one(AccountUser, key).password_hash
    assert kept is not None
    assert "t=2" in kept
    assert sign_in(Client(opened, None))["errors"] == []


@pytest.mark.parametrize("language", ["de", "en"])
def test_refusals_are_told_in_the_callers_language(opened: Services, language: str) -> None:
    browser = Client(opened, None, language=language)
    (error,) = sign_in(browser)["errors"]
    assert ("stimmen nicht" in error["message"]) == (language == "de")


def test_several_sign_ins_in_one_request_are_each_counted(opened: Services) -> None:
    person(opened)
    calls = "".join(
        f'a{n}: sessionCreate(input: {{email: "{EMAIL}", password: "wrong password {n}"}}) '
        "{ errors { code } } "
        for n in range(7)
    )
    found = Client(opened, None).ask(f"mutation {{ {calls} }}")
    codes = [found[f"a{n}"]["errors"][0]["code"] for n in range(7)]
    assert codes == ["SIGN_IN_FAILED"] * 5 + ["RATE_LIMITED"] * 2


def test_a_skipped_sign_in_is_none(opened: Services) -> None:
    person(opened)
    query = """mutation($no: Boolean!, $i: SessionCreateInput!) {
      ...one @skip(if: $no) }
      fragment one on Mutation { mine: sessionCreate(input: $i) { secret errors { code } } }"""
    given = {"email": EMAIL, "password": PASSWORD}
    browser = Client(opened, None)
    assert browser.ask(query, no=True, i=given) == {}
    assert browser.ask(query, no=False, i=given)["mine"]["errors"] == []
    assert len(acts(opened, "session.begin")) == 1


def test_a_websocket_opens_with_the_cookie_of_a_page_of_ours(opened: Services) -> None:
    person(opened)
    browser = browser_of(opened)
    with browser.http.websocket_connect("/graphql", ["graphql-transport-ws"]) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json()["type"] == "connection_ack"
        query = {"query": "{ viewer { user { email } } }"}
        socket.send_json({"type": "subscribe", "id": "1", "payload": query})
        assert socket.receive_json()["payload"]["data"]["viewer"]["user"]["email"] == EMAIL


def test_a_session_ends_with_the_account(opened: Services) -> None:
    key = person(opened)
    browser = browser_of(opened)
    with opened.db.unit() as session:
        session.get_one(AccountUser, key).active = False
    assert who(browser) is None
