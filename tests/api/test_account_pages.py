"""The pages behind the links in mails: plain HTML that works without a script, in both languages."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pyotp
import pytest

from finview import clock
from finview.accounts.access import Role
from finview.accounts.models import AccountUser
from finview.db import testclock
from finview.db.runtime import Services
from finview.testing.client import Client
from finview.testing.factories import Agency
from finview.testing.people import EMAIL, PASSWORD, browser_of, person

GERMAN = {"accept-language": "de"}


class Outline(HTMLParser):
    """What a page is made of, as a screen reader would meet it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def browser(services: Services, **headers: str) -> Any:
    http = Client(services, None).http
    http.headers.update(headers)
    return http


def fill(http: Any, path: str, **fields: str) -> Any:
    """Open a page, fill its form as a browser would, with the hidden fields, and send it."""
    page = http.get(path)
    outline = Outline(page.text)
    hidden = {
        str(i["name"]): str(i["value"]) for i in outline.all("input") if i["type"] == "hidden"
    }
    target = outline.all("form")[0].get("action") or path
    return http.post(target, data={**hidden, **fields})


def invited(agency: Agency, locale: str = "de") -> str:
    """Invite a contact and return the path of the link."""
    who = {"firstName": "Ada", "lastName": "Roth", "email": "ada@example.org", "locale": locale}
    flags = {"isCommercial": True, "isOperational": False, "hasAccess": True}
    agency.client.do("contactCreate", "contact { id }", customerId=agency.customer, **who, **flags)
    agency.client.drain()
    return str(re.findall(r"/invitations/\S+", "".join(agency.outbox()))[0])


@pytest.mark.parametrize("locale", ["de", "en"])
def test_every_page_says_what_it_is_and_labels_what_it_asks(agency: Agency, locale: str) -> None:
    person(agency.services)
    http = browser(agency.services, **{"accept-language": locale})
    signed_in = browser_of(agency.services, **{"accept-language": locale}).http
    pages = [
        http.get("/sign-in"),
        http.post("/sign-in", data={"email": "x", "password": ""}),
        http.get("/password-reset"),
        http.post("/password-reset", data={"email": EMAIL}),
        http.get("/password-reset/nothing"),
        http.get("/invitations/nothing"),
        http.get(invited(agency, locale)),
        signed_in.get("/account"),
    ]
    for page in pages:
        outline = Outline(page.text)
        assert outline.all("html") == [{"lang": locale}]
        assert [len(outline.all(tag)) for tag in ("h1", "main", "title")] == [1, 1, 1]
        assert not outline.all("script") + outline.all("style")
        assert not [
            a for _, a in outline.tags if "style" in a or any(k.startswith("on") for k in a)
        ]
        shown = [i for i in outline.all("input") if i["type"] != "hidden"] + outline.all("select")
        assert {i["id"] for i in shown} == {label["for"] for label in outline.all("label")}
        ids = [a["id"] for _, a in outline.tags if "id" in a]
        assert len(ids) == len(set(ids))
        described = " ".join(str(i.get("aria-describedby") or "") for i in shown).split()
        assert set(described) <= set(ids)


def test_pages_carry_strict_headers(opened: Services) -> None:
    headers = browser(opened).get("/sign-in").headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    )
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    style = browser(opened).get("/pages.css")
    assert style.headers["content-type"].startswith("text/css")
    for wanted in ("prefers-color-scheme: dark", ":focus-visible"):
        assert wanted in style.text


def test_signing_in_leads_to_the_account_and_out_again(opened: Services) -> None:
    person(opened)
    http = browser(opened, **{"user-agent": "Firefox <script>"})
    done = fill(http, "/sign-in", email=EMAIL, password=PASSWORD)
    assert (done.url.path, f"You are signed in as Vera Wolf ({EMAIL})." in done.text) == (
        "/account", True,
    )  # fmt: skip
    assert "Firefox &lt;script&gt;" in done.text
    assert done.history[0].status_code == 303
    out = fill(http, "/account")
    assert (out.url.path, "You are signed out." in out.text) == ("/sign-in", True)
    assert http.get("/account").url.path == "/sign-in"


def test_one_can_sign_out_everywhere(opened: Services) -> None:
    person(opened)
    here, there = browser_of(opened).http, browser_of(opened).http
    fill(here, "/account", everywhere="1")
    assert there.get("/account").url.path == "/sign-in"


@pytest.mark.parametrize("csrf", ["", "0" * 64, "ü"])
def test_signing_out_needs_the_sessions_own_form(opened: Services, csrf: str) -> None:
    person(opened)
    http = browser_of(opened).http
    assert http.post("/sign-out", data={"csrf": csrf}).status_code == 403
    assert http.get("/account").url.path == "/account"


def test_a_wrong_password_keeps_the_address_and_tells_no_more(opened: Services) -> None:
    person(opened)
    http = browser(opened, **GERMAN)
    found = fill(http, "/sign-in", email=EMAIL, password="wrong, but long")
    unknown = fill(http, "/sign-in", email="nobody@inkasso.example", password=PASSWORD)
    assert found.text.replace(EMAIL, "…") == unknown.text.replace("nobody@inkasso.example", "…")
    assert (found.status_code, "E-Mail-Adresse oder Passwort stimmen nicht." in found.text) == (
        422, True,
    )  # fmt: skip
    assert 'role="alert"' in found.text
    assert PASSWORD not in unknown.text


def test_too_many_tries_say_when_to_try_again(opened: Services) -> None:
    person(opened)
    http = browser(opened, **GERMAN)
    for _ in range(6):
        page = http.post("/sign-in", data={"email": EMAIL, "password": "wrong, but long"})
    assert (page.status_code, page.headers["retry-after"]) == (429, "60")
    assert "in 60 Sekunden" in page.text


def test_a_one_time_code_is_asked_for_on_the_same_page(opened: Services) -> None:
    person(opened)
    signed_in = browser_of(opened)
    start = "mutation { secondFactorStart { secondFactor { secret } } }"
    secret = signed_in.ask(start)["secondFactorStart"]["secondFactor"]["secret"]
    app = pyotp.TOTP(secret)
    confirm = "mutation($c: String!) { secondFactorConfirm(input: {code: $c}) { errors { code } } }"
    signed_in.ask(confirm, c=app.at(clock.now_ms() // 1000))
    with opened.db.unit() as session:
        testclock.advance(session, timedelta(minutes=2))
    http = browser(opened)
    given = {"email": EMAIL, "password": PASSWORD}
    asked = http.post("/sign-in", data=given)
    field = next(i for i in Outline(asked.text).all("input") if i["id"] == "oneTimeCode")
    assert (field["autocomplete"], field["aria-invalid"]) == ("one-time-code", "true")
    done = http.post("/sign-in", data={**given, "oneTimeCode": app.at(clock.now_ms() // 1000)})
    assert done.url.path == "/account"


def test_an_invitation_is_accepted_in_the_chosen_language(agency: Agency) -> None:
    link = invited(agency)
    http = browser(agency.services)
    page = http.get(link)
    assert "Stadtwerke Nord" in page.text
    short = fill(http, link, password="kurz", locale="en")
    assert (short.status_code, 'href="#password"' in short.text) == (422, True)
    done = fill(http, link, password=PASSWORD, locale="en")
    assert (done.url.path, "You are signed in as Ada Roth" in done.text) == ("/account", True)
    again = http.get(link)
    assert (again.status_code, 'href="/password-reset"' in again.text) == (410, True)


def test_a_forgotten_password_is_reset_by_the_link_of_the_mail(agency: Agency) -> None:
    key = person(agency.services, locale="de")
    http = browser(agency.services, **GERMAN)
    sent = fill(http, "/password-reset", email=EMAIL)
    unknown = fill(http, "/password-reset", email="nobody@inkasso.example")
    assert (sent.status_code, sent.text) == (200, unknown.text)
    agency.client.drain()
    (link,) = re.findall(r"/password-reset/\S+", "".join(agency.outbox()))
    done = fill(http, link, password="ein ganz neues Passwort")
    assert (done.url.path, "Ihr Passwort ist festgelegt." in done.text) == ("/sign-in", True)
    signed_in = fill(http, "/sign-in", email=EMAIL, password="ein ganz neues Passwort")
    assert signed_in.url.path == "/account"
    assert fill_status(http, link) == 410
    with agency.services.db.reading() as session:
        assert session.get_one(AccountUser, key).last_seen_at is not None


def fill_status(http: Any, link: str) -> int:
    return int(http.post(link, data={"password": "noch ein neues Passwort"}).status_code)


def test_the_language_is_chosen_in_the_address(opened: Services) -> None:
    http = browser(opened, **GERMAN)
    assert Outline(http.get("/sign-in?lang=en").text).all("html") == [{"lang": "en"}]
    assert Outline(http.get("/sign-in?lang=xx").text).all("html") == [{"lang": "de"}]


def test_what_is_no_form_is_refused(opened: Services) -> None:
    http = browser(opened)
    form = "application/x-www-form-urlencoded"
    for path in ("/sign-in", "/sign-out", "/password-reset", "/invitations/x"):
        for body, kind in (
            (b'{"email": "x"}', "application/json"),
            (b"email=" + b"x" * 9000, form),
            (b"email=%00", form),
            (b"&".join(b"a%d=1" % n for n in range(50)), form),
        ):
            page = http.post(path, content=body, headers={"content-type": kind})
            assert (page.status_code, path) == (422, path)
            assert "This form can&#39;t be read." in page.text


def test_names_are_escaped(opened: Services) -> None:
    person(opened, name="<b>Vera</b>")
    assert "&lt;b&gt;Vera&lt;/b&gt;" in browser_of(opened).http.get("/account").text
    page = browser(opened).post("/sign-in", data={"email": '"><script>', "password": "x"})
    assert "<script>" not in page.text


def test_a_customers_user_signs_in_too_and_one_without_access_does_not(opened: Services) -> None:
    person(opened, "none@inkasso.example", None)
    person(opened, "op@inkasso.example", Role.OPERATOR)
    found = {
        name: fill(browser(opened), "/sign-in", email=name, password=PASSWORD).url.path
        for name in ("none@inkasso.example", "op@inkasso.example")
    }
    assert list(found.values()) == ["/sign-in", "/account"]
