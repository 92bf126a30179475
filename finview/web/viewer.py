"""From a request to who is asking, by token or by cookie, and in which language.

A browser comes with the cookie of its session, a program with `Authorization: Bearer fv_…`; where
both are sent the cookie counts for nothing. A cookie goes with every request a browser makes, also
with one that another site made it send: those are told by `from_ourselves`.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy.orm import Session
from starlette.background import BackgroundTask
from starlette.requests import HTTPConnection
from starlette.responses import Response

from finview.accounts.access import Viewer
from finview.accounts.seen import Seen
from finview.accounts.sessions import viewer_by_session
from finview.accounts.tokens import viewer_by
from finview.db.glances import Glance
from finview.db.runtime import Services
from finview.i18n import negotiate
from finview.settings import Settings
from finview.web.threads import in_thread

COOKIE = "finview"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request signs in with: a bearer token, or the secret of a session."""

    secret: str
    by_cookie: bool = False


def cookie_is_secure(settings: Settings) -> bool:
    """Tell whether the cookie is sent over https only, and named `__Host-finview`.

    It always is, but in development where people reach the server over plain http.
    """
    return settings.env == "production" or settings.base_url.startswith("https://")


def cookie_name(settings: Settings) -> str:
    """Return the name of the session's cookie; browsers guard the prefix `__Host-`."""
    return f"__Host-{COOKIE}" if cookie_is_secure(settings) else COOKIE


def set_cookie(response: Response, settings: Settings, secret: str) -> None:
    """Give the browser the secret of its session, or an empty one to forget it."""
    response.set_cookie(
        cookie_name(settings),
        secret,
        max_age=settings.session_s_max if secret else 0,
        path="/",
        secure=cookie_is_secure(settings),
        httponly=True,
        samesite="lax",
    )


def cookie_of(connection: HTTPConnection, settings: Settings) -> str | None:
    """Return the secret a browser came with, whether or not it opens anything."""
    return connection.cookies.get(cookie_name(settings)) or None


def bearer(connection: HTTPConnection) -> str | None:
    """Return the bearer token of a request or a websocket's handshake."""
    return bearer_of(connection.headers.get("authorization", ""))


def bearer_of(header: str) -> str | None:
    """Return the token of an Authorization header."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def credential_of(connection: HTTPConnection, settings: Settings) -> Credential | None:
    """Return what a request, or a websocket's handshake, signs in with."""
    if "authorization" in connection.headers:
        token = bearer(connection)
        return Credential(token) if token else None
    secret = cookie_of(connection, settings)
    return Credential(secret, by_cookie=True) if secret else None


def from_ourselves(connection: HTTPConnection, settings: Settings) -> bool:
    """Tell whether a page of ours sends a request, or no page at all: programs name no origin."""
    site = connection.headers.get("sec-fetch-site", "none")
    if site not in ("same-origin", "none"):
        return False
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    asked = urlsplit(origin).netloc
    return asked in (connection.headers.get("host"), urlsplit(settings.base_url).netloc)


def is_forged(connection: HTTPConnection, settings: Settings) -> bool:
    """Tell whether another site may have made a browser send this; a bearer token rules it out."""
    return "authorization" not in connection.headers and not from_ourselves(connection, settings)


def signed_in(
    services: Services,
    session: Session | Glance,
    credential: Credential | None,
    *,
    language: str | None,
) -> Viewer | None:
    """Return the viewer of a credential; the language asked for wins over the person's own."""
    if credential is None:
        return None
    own = (lambda locale: negotiate(language, default=locale)) if language else str
    seen = services.get(Seen).note
    if credential.by_cookie:
        return viewer_by_session(
            session, credential.secret, services.settings, locale=own, seen=seen
        )
    return viewer_by(session, credential.secret, locale=own, seen=seen)


def noting(services: Services) -> BackgroundTask | None:
    """Return what writes who was seen, for when the answer has left; mostly there is nothing."""
    seen = services.get(Seen)
    return BackgroundTask(in_thread, seen.write, services.db) if seen.due else None
