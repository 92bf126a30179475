"""/sign-in/oidc and /sign-in/oidc/callback: to the OpenID Connect provider and back.

A browser goes by a link, not by a form: the pages' policy lets forms lead to this server alone.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from finview.accounts import oidc
from finview.accounts.oidc import Marks
from finview.accounts.secrets import new_secret
from finview.accounts.sign_in import admitted
from finview.db.runtime import Services
from finview.errors import FinviewError, Forbidden
from finview.i18n import translate
from finview.settings import Settings
from finview.web import passwords
from finview.web.pages import WORDS, locale_of, moved, page
from finview.web.sign_in import SIGN_IN, TITLE, Handler, begun, client_of
from finview.web.threads import in_patient_thread
from finview.web.viewer import cookie_is_secure, cookie_name, is_forged

START, CALLBACK = "/sign-in/oidc", "/sign-in/oidc/callback"


def routes(services: Services) -> list[Route]:
    """Return the routes, none where no provider is set up; raises as `is_offered`."""
    if not oidc.is_offered(services.settings):
        return []
    return [
        Route(START, _start(services), methods=["GET"]),
        Route(CALLBACK, _callback(services), methods=["GET"]),
    ]


def _start(services: Services) -> Handler:
    async def handle(request: Request) -> Response:
        return await in_patient_thread(_sent, services, request)

    return handle


def _callback(services: Services) -> Handler:
    async def handle(request: Request) -> Response:
        return await in_patient_thread(_returned, services, request)

    return handle


def _sent(services: Services, request: Request) -> Response:
    """Send a browser to the provider; another site can't make it go."""
    from finview.accounts.oidc_provider import authorization_url

    settings, locale = services.settings, locale_of(request)
    secret, invitation = new_secret(), request.query_params.get("invitation")
    try:
        if is_forged(request, settings):
            raise Forbidden("FORM_FOREIGN")
        admitted(services, client_of(request))
        with services.db.unit() as session:
            oidc.depart(session, secret, invitation=invitation, locale=locale)
        address = authorization_url(settings, Marks.of(settings, secret), locale=locale)
    except FinviewError as failure:
        return _told(failure, locale)
    response = moved(address)
    _set_cookie(response, settings, secret)
    return response


def _returned(services: Services, request: Request) -> Response:
    """Take what the provider answers; only the browser that left comes back, and once."""
    settings, secret = services.settings, request.cookies.get(_cookie(services.settings), "")
    marks = Marks.of(settings, secret)
    if not secret or not marks.came_back(request.query_params.get("state", "")):
        return _told(oidc.not_completed(settings), locale_of(request))
    response = _settled(services, request, secret, marks)
    _set_cookie(response, settings, "")
    return response


def _settled(services: Services, request: Request, secret: str, marks: Marks) -> Response:
    from finview.accounts.oidc_provider import identify

    with services.db.unit() as session:
        trip = oidc.arrive(session, secret)
    if trip is None:
        return _told(oidc.not_completed(services.settings), locale_of(request))
    try:
        identity = identify(services.settings, marks, request.query_params)
        user_id = oidc.recognise(services, identity, invitation=trip.invitation_sha256)
    except FinviewError as failure:
        return _told(failure, trip.locale)
    return begun(services, request, user_id, means="oidc")


def _told(failure: FinviewError, locale: str) -> Response:
    if failure.code == "TOKEN_INVALID":
        return passwords.told(failure, TITLE, locale)
    links = [(SIGN_IN, translate(WORDS.TO_SIGN_IN, locale))]
    return page("told.html", TITLE, locale, failure=failure, notice="", links=links)


def _cookie(settings: Settings) -> str:
    return f"{cookie_name(settings)}-oidc"


def _set_cookie(response: Response, settings: Settings, secret: str) -> None:
    response.set_cookie(
        _cookie(settings),
        secret,
        max_age=int(oidc.TRIP_FOR.total_seconds()) if secret else 0,
        path="/",
        secure=cookie_is_secure(settings),
        httponly=True,
        samesite="lax",
    )
