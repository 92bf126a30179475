"""PUT /uploads/{id}: the raw bytes of an announced file, streamed to disk, hashed on the way."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from finview.accounts.access import Action, may
from finview.api.engine.ids import key_of
from finview.db.runtime import Services
from finview.errors import FileTooLarge, FinviewError, Forbidden, NotFound
from finview.i18n import negotiate
from finview.imports.upload import check_size, own_upload, receive
from finview.settings import MIB
from finview.web.viewer import Credential, credential_of, is_forged, noting, signed_in

_STATUS = {"NOT_FOUND": 404, "FORBIDDEN": 403, "IMPORT_FILE_TOO_LARGE": 413, "STATE": 409}


def endpoint(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of uploads."""

    async def handle(request: Request) -> Response:
        locale = negotiate(request.headers.get("accept-language"))
        if is_forged(request, services.settings):
            return _refused(Forbidden(), locale)
        token = credential_of(request, services.settings)
        try:
            declared = await run_in_threadpool(
                _announced, services, request.path_params["id"], token
            )
        except _Unauthenticated:
            return _failed("UNAUTHENTICATED", "Not signed in.", 401)
        except FinviewError as failure:
            return _refused(failure, locale)
        part = services.settings.data_dir / "incoming" / secrets.token_hex(16)
        try:
            digest = await _stream(request, services, part, declared)
            await run_in_threadpool(
                _received, services, request.path_params["id"], token, part, digest
            )
        except FinviewError as failure:
            return _refused(failure, locale)
        finally:
            part.unlink(missing_ok=True)
        return Response(status_code=204, background=noting(services))

    return handle


class _Unauthenticated(Exception):
    """Nobody is signed in."""


def _announced(services: Services, public_id: str, token: Credential | None) -> int:
    with services.db.reading() as session:
        viewer = signed_in(services, session, token, language=None)
        if viewer is None:
            raise _Unauthenticated
        may(viewer, Action.IMPORT)
        return own_upload(session, key_of(public_id, "upl"), viewer).size_declared


async def _stream(request: Request, services: Services, part: Path, declared: int) -> str:
    """Write the body to `part`, counting: not one byte more than was announced is kept."""
    part.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with part.open("xb") as target:
        async for piece in request.stream():
            size += len(piece)
            if size > declared:
                check_size(size, services.settings)
                raise FileTooLarge("FILE_TOO_LARGE", limit=-(-declared // MIB))
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


def _received(
    services: Services, public_id: str, token: Credential | None, part: Path, digest: str
) -> None:
    with services.db.unit() as session:
        viewer = signed_in(services, session, token, language=None)
        if viewer is None:
            raise NotFound
        upload = own_upload(session, key_of(public_id, "upl"), viewer)
        receive(session, services, upload, part, digest)


def _refused(failure: FinviewError, locale: str) -> Response:
    status = _STATUS.get(failure.code, 400)
    return _failed(failure.code, failure.message(locale), status, dict(failure.params))


def _failed(
    code: str, message: str, status: int, params: dict[str, object] | None = None
) -> Response:
    return JSONResponse(
        {"error": {"code": code, "message": message, "params": params or {}}}, status
    )
