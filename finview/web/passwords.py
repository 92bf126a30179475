"""The pages to ask for a link to a new password, and to choose one by the link of a mail.

`/password-reset` and `/password-reset/{token}`; an unknown address is answered like a known one.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from finview.accounts import password_links
from finview.accounts.models import AccountUser
from finview.accounts.passwords import CHARS_MAX, CHARS_MIN, hash_password
from finview.accounts.sign_in import admitted
from finview.db.runtime import Services
from finview.errors import FinviewError
from finview.i18n import N_, translate
from finview.web.pages import WORDS, form_of, locale_of, moved, page
from finview.web.sign_in import SIGN_IN, Handler, client_of
from finview.web.threads import in_thread
from finview.web.viewer import set_cookie

REQUEST = "/password-reset"
REQUEST_TITLE = N_("Reset your password")
CHOOSE_TITLE = N_("Choose your password")
ABOUT = N_("For the account {email}. You will be signed out everywhere.")
SENT = N_("If there is an account with this address, an e-mail with a link is on its way to it.")


def ask(services: Services) -> Handler:
    """Return the handler of the page that asks for a link."""

    async def handle(request: Request) -> Response:
        locale = locale_of(request)
        if request.method != "POST":
            return _request(locale)
        try:
            form = await form_of(request, services.settings)
        except FinviewError as failure:
            return _request(locale, failure=failure)
        return await in_thread(_ordered, services, client_of(request), form, locale)

    return handle


def choose(services: Services) -> Handler:
    """Return the handler of the page behind a link."""

    async def handle(request: Request) -> Response:
        token = str(request.path_params["token"])
        locale = locale_of(request)
        if request.method != "POST":
            return await in_thread(_opened, services, token, request)
        try:
            form = await form_of(request, services.settings)
        except FinviewError as failure:
            return told(failure, CHOOSE_TITLE, locale)
        return await in_thread(_chosen, services, token, request, form)

    return handle


def told(failure: FinviewError, title: str, locale: str) -> Response:
    """Return the page of a link that opens nothing, with the way to a new one."""
    return page(
        "told.html",
        title,
        locale,
        failure=failure,
        notice="",
        links=[(REQUEST, translate(WORDS.NEW_LINK, locale))],
    )


def password_form(
    title: str, locale: str, *, failure: FinviewError | None = None, **values: Any
) -> Response:
    """Return the form for a new password; `values` are those of its template."""
    return page(
        "password.html",
        title,
        locale,
        failure=failure,
        fields=("password", "locale"),
        least=CHARS_MIN,
        most=CHARS_MAX,
        **{"provider": None, **values},
    )


def _request(locale: str, *, email: str = "", failure: FinviewError | None = None) -> Response:
    return page(
        "request.html", REQUEST_TITLE, locale, failure=failure, fields=("email",), email=email
    )


def _ordered(services: Services, client: str, form: Mapping[str, str], locale: str) -> Response:
    email = form.get("email", "")
    try:
        password_links.ask(services, email, client)
    except FinviewError as failure:
        return _request(locale, email=email, failure=failure)
    links = [(SIGN_IN, translate(WORDS.TO_SIGN_IN, locale))]
    notice = translate(SENT, locale)
    return page("told.html", REQUEST_TITLE, locale, notice=notice, links=links)


def _person(services: Services, token: str) -> AccountUser:
    with services.db.reading() as session:
        return session.get_one(AccountUser, password_links.opened(session, token).user_id)


def _opened(services: Services, token: str, request: Request) -> Response:
    try:
        person = _person(services, token)
    except FinviewError as failure:
        return told(failure, CHOOSE_TITLE, locale_of(request))
    return _form(person, locale_of(request, person.locale))


def _form(person: AccountUser, locale: str, failure: FinviewError | None = None) -> Response:
    about = translate(ABOUT, locale, email=person.email)
    return password_form(
        CHOOSE_TITLE, locale, failure=failure, about=about, email=person.email, choices=False
    )


def _chosen(services: Services, token: str, request: Request, form: Mapping[str, str]) -> Response:
    person = None
    try:
        admitted(services, client_of(request))
        person = _person(services, token)
        hashed = hash_password(form.get("password", ""), services.settings)
        with services.db.unit() as session:
            password_links.set_password(session, token, hashed)
    except FinviewError as failure:
        if person is None or failure.code == "TOKEN_INVALID":
            return told(failure, CHOOSE_TITLE, locale_of(request))
        return _form(person, locale_of(request, person.locale), failure)
    response = moved(f"{SIGN_IN}?done=password-set")
    set_cookie(response, services.settings, "")
    return response
