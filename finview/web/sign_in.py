"""The pages to sign in and out and to look at one's sessions; they need no script.

`/sign-in`, `/sign-out`, `/account`. Forms answer with the page again (422) or with a redirect.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from finview.accounts import sessions
from finview.accounts.access import Viewer
from finview.accounts.models import AccountUser
from finview.accounts.sign_in import Attempt, prove
from finview.db.runtime import Services
from finview.errors import FinviewError, Forbidden
from finview.i18n import N_, translate
from finview.settings import Settings
from finview.web.pages import form_of, locale_of, moved, page
from finview.web.threads import in_thread
from finview.web.viewer import (
    Credential,
    cookie_of,
    noting,
    set_cookie,
    signed_in,
)

SIGN_IN, ACCOUNT = "/sign-in", "/account"
FIELDS = ("email", "password", "oneTimeCode")
TITLE = N_("Sign in")
ACCOUNT_TITLE = N_("Your account")
SIGNED_OUT = N_("You are signed out.")
PASSWORD_SET = N_("Your password is set. You can sign in now.")
NOTICES = {"signed-out": SIGNED_OUT, "password-set": PASSWORD_SET}

ZONE = ZoneInfo("Europe/Berlin")

Handler = Callable[[Request], Awaitable[Response]]


def sign_in(services: Services) -> Handler:
    """Return the handler of the sign-in page and its form."""

    async def handle(request: Request) -> Response:
        locale = locale_of(request)
        if request.method != "POST":
            notice = NOTICES.get(request.query_params.get("done", ""))
            told = translate(notice, locale) if notice else ""
            return _asked(services.settings, locale, notice=told)
        try:
            form = await form_of(request, services.settings)
        except FinviewError as failure:
            return _asked(services.settings, locale, failure=failure)
        return await in_thread(_tried, services, request, form, locale)

    return handle


def sign_out(services: Services) -> Handler:
    """Return the handler that ends the session of the browser, or all of the person's."""

    async def handle(request: Request) -> Response:
        try:
            form = await form_of(request, services.settings)
        except FinviewError as failure:
            return _asked(services.settings, locale_of(request), failure=failure)
        return await in_thread(_left, services, request, form)

    return handle


def account(services: Services) -> Handler:
    """Return the handler of the page that says who is signed in, and where."""

    async def handle(request: Request) -> Response:
        response = await in_thread(_shown, services, request)
        response.background = noting(services)
        return response

    return handle


def provider_of(settings: Settings, locale: str, **more: str) -> tuple[str, str] | None:
    """Return name and address of the other way to sign in, where one is set up."""
    if not settings.oidc_issuer:
        return None
    return settings.oidc_name, f"/sign-in/oidc?{urlencode({'lang': locale, **more})}"


def begun(
    services: Services, request: Request, user_id: int, *, means: str = "password"
) -> Response:
    """Begin a session of a proven user and go on to the account."""
    with services.db.unit() as session:
        _, secret = sessions.begin(
            session,
            session.get_one(AccountUser, user_id),
            services.settings,
            user_agent=request.headers.get("user-agent"),
            instead_of=cookie_of(request, services.settings),
            means=means,
        )
    response = moved(ACCOUNT)
    set_cookie(response, services.settings, secret)
    return response


def client_of(request: Request) -> str:
    """Return the network address a request comes from."""
    return request.client.host if request.client else ""


def _tried(services: Services, request: Request, form: Mapping[str, str], locale: str) -> Response:
    code = form.get("oneTimeCode")
    attempt = Attempt(
        email=form.get("email", ""),
        password=form.get("password", ""),
        one_time_code=code,
        client=client_of(request),
    )
    try:
        user_id = prove(services, attempt)
    except FinviewError as failure:
        wants_code = code is not None or failure.code == "SECOND_FACTOR_REQUIRED"
        if failure.code == "SECOND_FACTOR_REQUIRED":
            failure.path = ("oneTimeCode",)
        return _asked(
            services.settings, locale, failure=failure, email=attempt.email, code=wants_code
        )
    return begun(services, request, user_id)


def _asked(
    settings: Settings,
    locale: str,
    *,
    failure: FinviewError | None = None,
    email: str = "",
    code: bool = False,
    notice: str = "",
) -> Response:
    return page(
        "sign_in.html",
        TITLE,
        locale,
        failure=failure,
        fields=FIELDS,
        email=email,
        code=code,
        notice=notice,
        provider=provider_of(settings, locale),
    )


def _viewer(services: Services, session: Session, request: Request) -> Viewer | None:
    secret = cookie_of(request, services.settings)
    credential = Credential(secret, by_cookie=True) if secret else None
    return signed_in(services, session, credential, language=None)


def _csrf(services: Services, request: Request) -> str:
    """Return what a form of this session carries: other sites can't know it."""
    secret = cookie_of(request, services.settings) or ""
    key = services.settings.key.encode()
    return hmac.new(key, f"csrf:{secret}".encode(), "sha256").hexdigest()


def _left(services: Services, request: Request, form: Mapping[str, str]) -> Response:
    if not hmac.compare_digest(form.get("csrf", "").encode(), _csrf(services, request).encode()):
        return _asked(services.settings, locale_of(request), failure=Forbidden())
    with services.db.unit() as session:
        viewer = _viewer(services, session, request)
        if viewer is not None:
            everywhere = bool(form.get("everywhere"))
            sessions.end(session, None if everywhere else viewer.session_id, viewer=viewer)
    response = moved(f"{SIGN_IN}?done=signed-out")
    set_cookie(response, services.settings, "")
    return response


def _shown(services: Services, request: Request) -> Response:
    with services.db.reading() as session:
        viewer = _viewer(services, session, request)
        if viewer is None:
            return moved(SIGN_IN)
        rows = sessions.sessions_of(session, viewer.user_id, services.settings)
    locale = locale_of(request, viewer.locale)
    return page(
        "account.html",
        ACCOUNT_TITLE,
        locale,
        person=viewer,
        csrf=_csrf(services, request),
        sessions=[
            {
                "agent": row.user_agent,
                "seen": row.last_seen_at.astimezone(ZONE),
                "current": row.id == viewer.session_id,
            }
            for row in rows
        ],
    )
