"""From a request to who is asking and in which language."""

from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from finview.accounts.access import Viewer
from finview.accounts.tokens import viewer_by
from finview.i18n import negotiate


def bearer(connection: HTTPConnection) -> str | None:
    """Return the bearer token of a request or a websocket's handshake."""
    return bearer_of(connection.headers.get("authorization", ""))


def bearer_of(header: str) -> str | None:
    """Return the token of an Authorization header."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def signed_in(session: Session, token: str | None, *, language: str | None) -> Viewer | None:
    """Return the viewer of a token; the language asked for wins over the person's own."""
    if not token:
        return None
    own = (lambda locale: negotiate(language, default=locale)) if language else str
    return viewer_by(session, token, locale=own)
