"""Signing in by OpenID Connect, against a provider on this machine that does what it is told."""

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from finview import clock
from finview.accounts.access import Role
from finview.accounts.models import AccountUser, Invitation, OidcIdentity, OidcTrip, SignInSession
from finview.accounts.people import update_user
from finview.accounts.users import COMMAND_LINE
from finview.db import testclock
from finview.db.audit import AuditEvent
from finview.db.runtime import Services
from finview.errors import Invalid
from finview.settings import Settings
from finview.testing.client import Client
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.identities import CLIENT_ID, CLIENT_SECRET, Identities, identities, key_of
from finview.testing.people import EMAIL, person

START = "/sign-in/oidc"
NOW = int(LAUNCH_DAY.timestamp())
FAILED = {"en": "did not succeed", "de": "ist nicht gelungen"}
REFUSED = {"en": "You can&#39;t sign in here", "de": "können Sie sich hier nicht anmelden"}


@pytest.fixture(scope="module")
def server() -> Iterator[Identities]:
    with identities() as found:
        yield found


@pytest.fixture
def provider(server: Identities, opened: Services) -> Identities:
    """A provider that starts afresh, and services that it is set up for."""
    fresh = Identities(issuer=server.issuer)
    vars(server).update(vars(fresh))
    given = {"oidc_issuer": server.issuer, "oidc_client_id": CLIENT_ID, "oidc_name": "Acme ID"}
    secret = {"oidc_client_secret": SecretStr(CLIENT_SECRET)}
    opened.settings = opened.settings.model_copy(update=given | secret)
    return server


@pytest.fixture
def http(opened: Services, provider: Identities) -> Any:
    """A browser."""
    return Client(opened, None).http


def sent(http: Any, path: str = START) -> str:
    """Set out from a page and return where the browser is sent to."""
    answer = http.get(path, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def signed_in(http: Any, provider: Identities, path: str = START, **how: Any) -> Any:
    """Go to the provider and back, and return the page one ends on."""
    return http.get(provider.approve(sent(http, path), **{"email": EMAIL, **how}))


def acts(services: Services, *kinds: str) -> list[tuple[str, int, Any]]:
    with services.db.reading() as session:
        rows = session.scalars(
            select(AuditEvent).where(AuditEvent.action.in_(kinds)).order_by(AuditEvent.id)
        )
        return [(r.action, r.subject_id, r.reason or r.data.get("means")) for r in rows]


def count(services: Services, model: Any) -> int:
    with services.db.reading() as session:
        return len(session.scalars(select(model)).all())


def invited(agency: Agency) -> tuple[str, str]:
    """Invite a contact and return the path of the link, and that of the button on its page."""
    who = {"firstName": "Ada", "lastName": "Roth", "email": EMAIL, "locale": "de"}
    flags = {"isCommercial": True, "isOperational": False, "hasAccess": True}
    agency.client.do("contactCreate", "contact { id }", customerId=agency.customer, **who, **flags)
    agency.client.drain()
    link = str(re.findall(r"/invitations/\S+", "".join(agency.outbox()))[0])
    page = Client(agency.services, None).http.get(link).text
    return link, str(re.findall(r'href="(/sign-in/oidc[^"]*)"', page)[0]).replace("&amp;", "&")


@pytest.mark.parametrize(
    ("locale", "words"), [("de", "Mit Acme ID anmelden"), ("en", "Sign in with Acme ID")]
)
def test_the_pages_offer_it_in_both_languages(http: Any, locale: str, words: str) -> None:
    page = http.get(f"/sign-in?lang={locale}").text
    assert f'<a class="button" href="/sign-in/oidc?lang={locale}">{words}</a>' in page


def test_without_a_provider_there_is_nothing_of_it(opened: Services) -> None:
    http = Client(opened, None).http
    assert START not in http.get("/sign-in").text
    assert [http.get(p).status_code for p in (START, f"{START}/callback")] == [404, 404]


def test_a_browser_is_sent_with_state_nonce_and_challenge(http: Any, opened: Services) -> None:
    first, second = (dict(parse_qsl(urlsplit(sent(http)).query)) for _ in range(2))
    assert (first["response_type"], first["client_id"], first["code_challenge_method"]) == (
        "code", CLIENT_ID, "S256",
    )  # fmt: skip
    assert first["redirect_uri"] == "http://127.0.0.1:8000/sign-in/oidc/callback"
    assert "openid" in first["scope"].split()
    marks = [asked[n] for asked in (first, second) for n in ("state", "nonce", "code_challenge")]
    assert (len(set(marks)), {len(mark) for mark in marks}) == (6, {43})
    with opened.db.reading() as session:
        kept = str([vars(row) for row in session.scalars(select(OidcTrip))])
    assert not [m for m in (*marks, http.cookies["finview-oidc"]) if m in kept]


def test_the_cookie_of_the_way_is_for_this_server_alone(
    opened: Services, provider: Identities, http: Any
) -> None:
    address = {"base_url": "https://inkasso.example"}
    opened.settings = opened.settings.model_copy(update=address)
    answer = http.get(START, follow_redirects=False)
    name, *flags = re.split(r"=[^;]+; |; ", answer.headers["set-cookie"], maxsplit=1)
    assert name == "__Host-finview-oidc"
    assert set(flags[0].split("; ")) == {
        *("HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax", "Secure"),
    }


@pytest.mark.both_databases
def test_a_known_address_signs_in_and_is_known_by_its_subject_from_then_on(
    opened: Services, provider: Identities, http: Any
) -> None:
    key = person(opened, password_hash=None)
    page = signed_in(http, provider, email=EMAIL.upper())
    assert (page.url.path, f"You are signed in as Vera Wolf ({EMAIL})." in page.text) == (
        "/account", True,
    )  # fmt: skip
    assert "finview-oidc" not in http.cookies
    again = signed_in(Client(opened, None).http, provider, email="married@acme.example")
    assert again.url.path == "/account"
    assert acts(opened, "identity.link", "session.begin") == [
        ("identity.link", key, None),
        ("session.begin", key, "oidc"),
        ("session.begin", key, "oidc"),
    ]


@pytest.mark.parametrize("post", [True, False])
def test_rsa_keys_addresses_of_the_userinfo_and_both_ways_to_prove_ourselves(
    opened: Services, provider: Identities, http: Any, post: bool
) -> None:
    person(opened)
    provider.post, provider.key = post, key_of("RSA")
    provider.userinfo = {"sub": "person-1", "email": EMAIL, "email_verified": True}
    page = signed_in(http, provider, algorithm="RS256", email=None, email_verified=None)
    assert page.url.path == "/account"
    provider.userinfo["sub"] = "person-2"
    page = signed_in(http, provider, algorithm="RS256", email=None)
    assert FAILED["en"] in page.text


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"nonce": "another"}, id="nonce of another browser"),
        pytest.param({"nonce": None}, id="no nonce"),
        pytest.param({"aud": "another"}, id="audience"),
        pytest.param({"aud": [CLIENT_ID, "another"]}, id="several audiences"),
        pytest.param({"azp": "another"}, id="made for another client"),
        pytest.param({"iss": "https://other.example"}, id="issuer"),
        pytest.param({"exp": NOW - 61}, id="expired"),
        pytest.param({"exp": None}, id="never expires"),
        pytest.param({"iat": NOW + 61}, id="of the future"),
        pytest.param({"sub": None}, id="nobody"),
        pytest.param({"sub": "x" * 256}, id="long subject"),
        pytest.param({"key": key_of.__wrapped__("EC")}, id="key"),
        pytest.param({"algorithm": "none"}, id="not signed"),
        pytest.param({"algorithm": "HS256", "key": key_of("oct")}, id="signed with our secret"),
    ],
)
def test_a_token_that_proves_nothing_signs_nobody_in(
    opened: Services, provider: Identities, http: Any, wrong: dict[str, Any]
) -> None:
    person(opened)
    page = signed_in(http, provider, f"{START}?lang=de", **wrong)
    assert (page.status_code, FAILED["de"] in page.text) == (422, True)
    assert (count(opened, SignInSession), count(opened, OidcIdentity)) == (0, 0)


def test_only_the_browser_that_left_comes_back_and_once(
    opened: Services, provider: Identities, http: Any
) -> None:
    person(opened)
    back = provider.approve(sent(http), email=EMAIL)
    stranger = Client(opened, None).http
    sent(stranger)
    pages = [stranger.get(back), Client(opened, None).http.get(back)]
    pages.append(http.get(re.sub("state=[^&]+", "state=wrong", back)))
    assert [FAILED["en"] in page.text for page in pages] == [True] * 3
    cookie = http.cookies["finview-oidc"]
    assert http.get(back).url.path == "/account"
    replayed = Client(opened, None).http
    replayed.cookies.set("finview-oidc", cookie)
    heard = len(provider.asked)
    assert FAILED["en"] in replayed.get(back).text
    assert (len(provider.asked), count(opened, SignInSession)) == (heard, 1)


def test_whoever_takes_too_long_begins_again(
    opened: Services, provider: Identities, http: Any
) -> None:
    person(opened)
    back = provider.approve(sent(http), email=EMAIL)
    with opened.db.unit() as session:
        testclock.advance(session, timedelta(minutes=10))
    assert FAILED["en"] in http.get(back).text
    assert count(opened, SignInSession) == 0


@pytest.mark.parametrize("locale", ["de", "en"])
def test_nobody_learns_who_has_an_account(
    opened: Services, provider: Identities, http: Any, locale: str
) -> None:
    person(opened)
    person(opened, "closed@inkasso.example", active=False)
    person(opened, "none@inkasso.example", None)
    person(opened, COMMAND_LINE, Role.ADMIN)
    start = f"{START}?lang={locale}"
    signed_in(http, provider)
    refused = [
        {"email": "nobody@inkasso.example"},
        {"email": "closed@inkasso.example"},
        {"email": "none@inkasso.example"},
        {"email": COMMAND_LINE},
        {"email": "no address"},
        *({"email_verified": verified} for verified in (False, None, "true")),
        {"email": EMAIL},  # the address of somebody whom the provider calls otherwise
    ]
    pages = [
        signed_in(http, provider, start, sub=f"person-{n + 2}", **who)
        for n, who in enumerate(refused)
    ]
    assert {page.status_code for page in pages} == {422}
    assert len({page.text for page in pages}) == 1
    assert REFUSED[locale] in pages[0].text
    assert len(acts(opened, "session.refuse")) == len(refused)
    assert (count(opened, SignInSession), count(opened, OidcIdentity)) == (1, 1)


def test_who_is_closed_later_is_refused_by_the_subject_too(
    opened: Services, provider: Identities, http: Any
) -> None:
    key = person(opened)
    signed_in(http, provider)
    with opened.db.unit() as session:
        session.get_one(AccountUser, key).active = False
    assert REFUSED["en"] in signed_in(http, provider).text


def test_another_address_of_a_user_forgets_the_identity(
    opened: Services, provider: Identities, http: Any
) -> None:
    key = person(opened)
    signed_in(http, provider)
    with opened.db.unit() as session:
        user = session.get_one(AccountUser, key)
        update_user(session, user, {"email": "new@inkasso.example"}, by=key)
    assert REFUSED["en"] in signed_in(http, provider).text
    new = signed_in(http, provider, sub="person-2", email="new@inkasso.example")
    assert new.url.path == "/account"


BROKEN = {
    "moved": ("/keys", 302, {"location": "/"}, b""),
    "no json": ("/token", 200, {}, b"<html>"),
    "no object": ("/token", 200, {}, b"[]"),
    "no keys": ("/keys", 200, {}, b'{"keys": [1, {"kty": "RSA"}]}'),
    "huge": ("/keys", 200, {}, b" " * 600_000),
    "compressed": ("/keys", 200, {"content-encoding": "gzip"}, b""),
    "another name": ("/.well-known/openid-configuration", 200, {}, b'{"issuer": "https://x"}'),
    "inside": (
        "/.well-known/openid-configuration",
        200,
        {},
        b'{"issuer": "ISSUER", "token_endpoint": "http://10.0.0.1/"}',
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_provider_that_answers_nonsense_is_told_as_such(
    opened: Services, provider: Identities, http: Any, how: str
) -> None:
    person(opened)
    back = provider.approve(sent(http), email=EMAIL)
    path, status, headers, body = BROKEN[how]
    provider.answers[path] = (status, headers, body.replace(b"ISSUER", provider.issuer.encode()))
    page = http.get(back)
    assert (page.status_code, FAILED["en"] in page.text) == (422, True)
    assert count(opened, SignInSession) == 0


def test_whoever_says_no_at_the_provider_is_told_how_to_go_on(http: Any) -> None:
    state = dict(parse_qsl(urlsplit(sent(http)).query))["state"]
    page = http.get(f"{START}/callback?error=access_denied&state={state}")
    assert (FAILED["en"] in page.text, 'href="/sign-in"' in page.text) == (True, True)


def test_nothing_holds_the_database_while_the_provider_is_asked(
    opened: Services, provider: Identities, http: Any
) -> None:
    person(opened)

    def write() -> None:
        with opened.db.unit() as session:
            session.get_one(AccountUser, 1).name = "Vera Wolf"

    provider.while_asked = write
    assert signed_in(http, provider).url.path == "/account"
    assert len(provider.asked) == 4


def test_an_invitation_is_accepted_without_a_password(
    agency: Agency, provider: Identities, http: Any
) -> None:
    services = agency.services
    link, button = invited(agency)
    person(services, "eve@example.org")
    for eve in ("eve@example.org", "unknown@example.org"):
        assert REFUSED["de"] in signed_in(http, provider, button, email=eve, sub=eve).text
    assert http.get(link).status_code == 200
    assert signed_in(http, provider, button).url.path == "/account"
    with services.db.reading() as session:
        row = session.scalars(select(Invitation)).one()
        user = session.get_one(AccountUser, row.user_id)
        assert (row.accepted_at is not None, user.password_hash) == (True, None)
    again = http.get(button, follow_redirects=False)
    assert (again.status_code, http.get(link).status_code) == (410, 410)
    assert [act for act, *_ in acts(services, "invitation.accept", "identity.link")] == [
        "invitation.accept",
        "identity.link",
    ]


def test_of_two_who_accept_at_once_the_second_is_told(
    agency: Agency, provider: Identities, http: Any
) -> None:
    _, button = invited(agency)
    back = provider.approve(sent(http, button), email=EMAIL)
    other = Client(agency.services, None).http
    assert signed_in(other, provider, button).url.path == "/account"
    page = http.get(back)
    assert (page.status_code, 'href="/password-reset"' in page.text) == (410, True)
    assert count(agency.services, SignInSession) == 1


def test_another_site_can_not_begin_it_and_nobody_very_often(
    opened: Services, provider: Identities, http: Any
) -> None:
    foreign = http.get(START, headers={"sec-fetch-site": "cross-site"}, follow_redirects=False)
    assert (foreign.status_code, provider.asked) == (403, [])
    opened.settings = opened.settings.model_copy(update={"sign_ins_client_max": 3})
    for _ in range(3):
        sent(http)
    page = http.get(START, follow_redirects=False)
    assert (page.status_code, "retry-after" in page.headers, len(provider.asked)) == (
        429, True, 3,
    )  # fmt: skip


WHOLE = {"oidc_issuer": "https://id.example", "oidc_client_id": "a", "oidc_client_secret": "b"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"oidc_client_secret": ""}, "belong together"),
        ({"oidc_issuer": ""}, "belong together"),
        ({"oidc_issuer": "id.example"}, "https address"),
        ({"oidc_issuer": "http://id.example", "env": "production"}, "https address"),
    ],
)
def test_half_a_provider_stops_the_start(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings(**(WHOLE | {"secret_key": "k" * 32} | given))  # type: ignore[arg-type]
    assert "b" not in repr(Settings(**WHOLE).oidc_client_secret)  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["joserfc.jwt", "authlib.oauth2"])
def test_a_provider_without_the_libraries_stops_the_start(
    opened: Services, provider: Identities, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(Invalid) as failure:
        Client(opened, None)
    told = [failure.value.message(locale) for locale in ("en", "de")]
    assert [("pip install 'finview[oidc]'" in text) for text in told] == [True, True]
    assert told[0] != told[1]
    assert clock.now() == LAUNCH_DAY
