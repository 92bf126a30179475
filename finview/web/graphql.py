"""POST /graphql: GraphQL over HTTP as its specification asks, on top of the engine."""

from collections.abc import Awaitable, Callable

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from finview.api.engine import view
from finview.db.runtime import Services
from finview.i18n import negotiate
from finview.web.viewer import bearer, signed_in

GRAPHQL_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
PREFLIGHT = "graphql-require-preflight"

Handler = Callable[[Request], Awaitable[Response]]


def endpoint(services: Services) -> Handler:
    """Return the handler of the GraphQL endpoint."""

    async def handle(request: Request) -> Response:
        accepted = _accepted(request.headers.get("accept", ""))
        if accepted is None:
            return _failed(406, "this endpoint answers JSON", PLAIN_JSON)
        if request.method != "POST":
            answer = _failed(405, "send a POST", accepted)
            answer.headers["allow"] = "POST"
            return answer
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != PLAIN_JSON:
            return _failed(415, "send application/json", accepted)
        body = await _body(request, services.settings.json_body_bytes_max)
        if body is None:
            return _failed(413, "the body is too large", accepted)
        try:
            asked = view.read_request(body)
        except view.NotARequest as why:
            return _failed(400, str(why), accepted)
        answered = await run_in_threadpool(
            _run, services, asked, bearer(request), request.headers.get("accept-language")
        )
        status = 200 if answered.executed or accepted == PLAIN_JSON else 400
        return Response(orjson.dumps(answered.body), status, media_type=accepted)

    return handle


def _run(
    services: Services, asked: view.Request, token: str | None, language: str | None
) -> view.Answer:
    ready = view.prepared(asked)
    if isinstance(ready, view.Answer):
        return ready
    document, operation, cost = ready
    with services.db.reading() as session:
        viewer = signed_in(session, token, language=language)
    locale = viewer.locale if viewer is not None else negotiate(language)
    return view.run(services, asked, document, operation, cost, viewer=viewer, locale=locale)


async def _body(request: Request, most: int) -> bytes | None:
    """Return the body, counted while it arrives; nothing when it is larger than `most` bytes."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _accepted(header: str) -> str | None:
    """Return the media type to answer with, by quality; nothing when neither is wanted."""
    best: tuple[float, str] | None = None
    for part in header.split(",") if header.strip() else ["*/*"]:
        kind, _, rest = part.strip().partition(";")
        quality = 1.0
        for option in rest.split(";"):
            name, _, value = option.strip().partition("=")
            if name == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        kind = kind.strip().lower()
        found = PLAIN_JSON if kind in ("*/*", "application/*", PLAIN_JSON) else None
        found = GRAPHQL_JSON if kind == GRAPHQL_JSON else found
        if found and quality > 0 and (best is None or quality > best[0]):
            best = (quality, found)
    return best[1] if best else None


def _failed(status: int, why: str, media_type: str) -> Response:
    return Response(
        orjson.dumps({"errors": [{"message": why, "extensions": {"code": "BAD_REQUEST"}}]}),
        status,
        media_type=media_type,
    )
