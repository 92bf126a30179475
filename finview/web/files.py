"""GET /files/{id}: stored files, under the same credentials and access rules as the API."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from finview.accounts.access import find
from finview.db.files import StoredFile, path_of
from finview.db.runtime import Services
from finview.errors import NotFound
from finview.i18n import negotiate
from finview.web.viewer import Credential, credential_of, noting, signed_in


def endpoint(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of downloads."""

    async def handle(request: Request) -> Response:
        try:
            path, name = await run_in_threadpool(
                _found,
                services,
                request.path_params["id"],
                credential_of(request, services.settings),
            )
        except NotFound as failure:
            message = failure.message(negotiate(request.headers.get("accept-language")))
            return JSONResponse({"error": {"code": "NOT_FOUND", "message": message}}, 404)
        # The stored type is the sender's word only: a browser must save it, never show it.
        return FileResponse(
            path,
            filename=name,
            media_type="application/octet-stream",
            headers={"x-content-type-options": "nosniff", "cache-control": "private, no-store"},
            background=noting(services),
        )

    return handle


def _found(services: Services, number: int, token: Credential | None) -> tuple[Path, str]:
    """Return where a visible file lies, and its name; without a viewer everything is missing."""
    with services.db.reading() as session:
        viewer = signed_in(services, session, token, language=None)
        if viewer is None:
            raise NotFound
        stored = find(session, StoredFile, number, viewer)
        path = path_of(services.files, stored)
    if not path.exists():
        raise NotFound
    return path, stored.filename
