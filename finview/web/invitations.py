"""GET and POST /invitations/{token}: the page behind an invitation's link, and the password set once.

POST takes JSON `{"password": …}` and answers 204, or the page's own form and answers a page.
"""

import html
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from finview.accounts.invitations import accept, opened
from finview.accounts.models import AccountUser
from finview.accounts.passwords import CHARS_MAX, CHARS_MIN, hash_password
from finview.customers.models import Customer
from finview.db.runtime import Services
from finview.errors import FinviewError, Required
from finview.i18n import N_, negotiate, translate
from finview.web.threads import in_thread

BODY_BYTES_MAX = 4096
FORM = "application/x-www-form-urlencoded"
_STATUS = {"NOT_FOUND": 404, "STATE": 410}
_HEADERS = {
    # The address holds the secret: it goes nowhere else and is kept nowhere.
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
}

_PAGE = """<!doctype html>
<html lang="{locale}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:1rem/1.5 system-ui;max-width:30rem;margin:3rem auto;padding:0 1rem}}
input,button{{font:inherit;padding:.5rem;margin:.5rem 0;display:block}}</style></head>
<body><h1>{title}</h1>{content}</body></html>
"""
_FORM = """<p>{about}</p>{problem}
<form method="post"><label>{label}
<input type="password" name="password" autocomplete="new-password" minlength="{least}"
 maxlength="{most}" required></label><button>{button}</button></form>
"""

TITLE = N_("Choose your password")
ABOUT = N_(
    "Your access to the cases of {customer}: please choose a password of at least {min} characters."
)
LABEL = N_("Password")
BUTTON = N_("Set password")
DONE = N_("Your password is set.")


@dataclass(frozen=True, slots=True)
class _Invited:
    customer: str
    locale: str


def endpoint(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of invitations."""

    async def handle(request: Request) -> Response:
        token = str(request.path_params["token"])
        language = request.headers.get("accept-language")
        if request.method == "GET":
            return await in_thread(_page, services, token, language)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await _body(request)
        if body is None:
            return _failed(413, "BAD_REQUEST", "the body is too large")
        if kind == FORM:
            given = parse_qs(body.decode("utf-8", "replace")).get("password", [""])[0]
            return await in_thread(_submitted, services, token, given, language)
        if kind != "application/json":
            return _failed(415, "BAD_REQUEST", "send application/json")
        password = _password(body)
        if password is None:
            return _failed(400, "BAD_REQUEST", 'send {"password": "…"}')
        return await in_thread(_accepted, services, token, password, language)

    return handle


async def _body(request: Request) -> bytes | None:
    found = b""
    async for piece in request.stream():
        found += piece
        if len(found) > BODY_BYTES_MAX:
            return None
    return found


def _password(body: bytes) -> str | None:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    password = given.get("password") if isinstance(given, dict) else None
    return password if isinstance(password, str) else None


def _page(services: Services, token: str, language: str | None) -> Response:
    try:
        invited = _look(services, token)
    except FinviewError as failure:
        return _told(failure, negotiate(language))
    return _form(invited, negotiate(language, default=invited.locale))


def _submitted(services: Services, token: str, password: str, language: str | None) -> Response:
    locale = negotiate(language)
    try:
        invited = _look(services, token)
        locale = negotiate(language, default=invited.locale)
        _set(services, token, password)
    except FinviewError as failure:
        if failure.code in _STATUS:
            return _told(failure, locale)
        return _form(invited, locale, problem=failure.message(locale))
    return _html(locale, f"<p>{html.escape(translate(DONE, locale))}</p>", 200)


def _accepted(services: Services, token: str, password: str, language: str | None) -> Response:
    try:
        _look(services, token)
        _set(services, token, password)
    except FinviewError as failure:
        status = _STATUS.get(failure.code, 400)
        return _failed(status, failure.code, failure.message(negotiate(language)), failure)
    return Response(status_code=204, headers=_HEADERS)


def _look(services: Services, token: str) -> _Invited:
    """Return what the page tells; raises for a link that opens nothing."""
    with services.db.reading() as session:
        row = opened(session, token)
        customer = session.get_one(Customer, row.customer_id)
        name = str(customer.company.get("name") or customer.name)
        return _Invited(name, session.get_one(AccountUser, row.user_id).locale)


def _set(services: Services, token: str, password: str) -> None:
    """Hash with no session open, then set once; the first of two wins."""
    if not password:
        raise Required(path=("password",))
    hashed = hash_password(password)
    with services.db.unit() as session:
        accept(session, token, hashed)


def _form(invited: _Invited, locale: str, *, problem: str = "") -> Response:
    told = translate(ABOUT, locale, customer=invited.customer, min=CHARS_MIN)
    content = _FORM.format(
        about=html.escape(told),
        problem=f'<p role="alert">{html.escape(problem)}</p>' if problem else "",
        label=html.escape(translate(LABEL, locale)),
        button=html.escape(translate(BUTTON, locale)),
        least=CHARS_MIN,
        most=CHARS_MAX,
    )
    return _html(locale, content, 400 if problem else 200)


def _told(failure: FinviewError, locale: str) -> Response:
    content = f'<p role="alert">{html.escape(failure.message(locale))}</p>'
    return _html(locale, content, _STATUS[failure.code])


def _html(locale: str, content: str, status: int) -> Response:
    title = html.escape(translate(TITLE, locale))
    page = _PAGE.format(locale=locale, title=title, content=content)
    return HTMLResponse(page, status, headers=_HEADERS)


def _failed(
    status: int, code: str, message: str, failure: FinviewError | None = None
) -> JSONResponse:
    params = dict(failure.params) if failure is not None else {}
    error = {"code": code, "message": message, "params": params}
    return JSONResponse({"error": error}, status, headers=_HEADERS)
