"""GET and POST /graphql: GraphQL over HTTP as its specification asks, on top of the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from finview.api.engine import context as contexts
from finview.api.engine import faults, view
from finview.db.runtime import Services
from finview.i18n import negotiate
from finview.web import sse
from finview.web.accept import GRAPHQL_JSON, PLAIN_JSON, answered_as, remembered, streams
from finview.web.threads import in_thread, lane_for
from finview.web.viewer import (
    Credential,
    cookie_of,
    credential_of,
    is_forged,
    noting,
    set_cookie,
    signed_in,
)

PREFLIGHT = "graphql-require-preflight"
_SAFE = {"x-content-type-options": "nosniff", "cache-control": "no-store", "vary": "accept"}
_HEADERS = {
    media_type: [
        (name.encode(), value.encode())
        for name, value in {**_SAFE, "content-type": f"{media_type}; charset=utf-8"}.items()
    ]
    for media_type in (PLAIN_JSON, GRAPHQL_JSON)
}
_PARAMETERS = ("query", "operationName", "documentId")
_OBJECTS = ("variables", "extensions")


class Refused(Exception):
    """A request that is refused before anything is read from it."""

    def __init__(self, status: int, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a client, read, with the media type its answer has."""

    request: view.Request
    media_type: str
    by_get: bool


class _Headers(Headers):
    """Headers that are looked up more than once: a dictionary instead of a walk for each."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        super().__init__(raw=raw)
        self._known: dict[str, str] = {}
        for name, value in reversed(raw):  # the first of several wins, as in a walk
            self._known[name.decode("latin-1")] = value.decode("latin-1")

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a header, by its name in lower case."""
        return self._known.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._known


class _Request(Request):
    """A request whose headers are looked up more than once."""

    @property
    def headers(self) -> Headers:
        """Return the headers."""
        if not hasattr(self, "_headers"):
            self._headers: Headers = _Headers(self.scope["headers"])
        return self._headers


class _Json(Response):
    """An answer whose headers are known but for its length."""

    def __init__(self, content: bytes, status: int, media_type: str) -> None:
        self.kind = media_type
        super().__init__(content, status)

    def init_headers(self, _headers: Mapping[str, str] | None = None) -> None:
        """Set the headers as they are sent."""
        length = b"%d" % len(self.body)
        self.raw_headers = [*_HEADERS[self.kind], (b"content-length", length)]


class Endpoint:
    """The application of the GraphQL endpoint, for all methods."""

    def __init__(self, services: Services) -> None:
        self.services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._handle(_Request(scope, receive))
        await response(scope, receive, send)

    async def _handle(self, request: Request) -> Response:
        media_type = answered_as(request.headers.get("accept", ""))
        services = self.services
        if is_forged(request, services.settings):
            return failed(403, "another site made this request", media_type or PLAIN_JSON)
        try:
            asked = await _read(request, services)
        except Refused as why:
            return failed(why.status, str(why), media_type or PLAIN_JSON, why.headers)
        except view.NotARequest as why:
            return failed(400, str(why), media_type or PLAIN_JSON)
        return await _answered(request, services, asked, media_type)


def caller_of(
    services: Services, connection: HTTPConnection, credential: Credential | None
) -> view.Caller:
    """Return who calls: by a credential, in the language of the connection."""
    language = connection.headers.get("accept-language")
    host = connection.client.host if connection.client else ""
    asked = contexts.Asked(
        client=host,
        user_agent=connection.headers.get("user-agent"),
        cookie=cookie_of(connection, services.settings),
    )
    return view.Caller(
        lambda session: signed_in(services, session, credential, language=language),
        negotiate(language),
        host,
        asked,
    )


def failed(
    status: int, why: str, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer to a request that is not a GraphQL request."""
    return _response({"errors": [faults.bad_request(why)]}, status, media_type, headers or {})


async def _answered(
    request: Request, services: Services, asked: Asked, media_type: str | None
) -> Response:
    accept = request.headers.get("accept", "")
    caller = caller_of(services, request, credential_of(request, services.settings))
    ready = view.prepared(services.settings, asked.request, caller.locale)
    kind = ready.kind.value if isinstance(ready, view.Ready) else ""
    if kind and asked.by_get and kind != "query":
        return failed(405, "only queries are answered to a GET", PLAIN_JSON, {"allow": "POST"})
    if streams(accept, subscription=kind == "subscription"):
        return sse.response(services, ready, caller)
    if media_type is None:
        return failed(406, "this endpoint answers JSON", PLAIN_JSON)
    if isinstance(ready, view.Answer):
        return _sent(ready, media_type)
    if kind == "subscription":
        why = "subscribe over a websocket, or accept text/event-stream"
        return _sent(view.refusal(faults.bad_request(why)), media_type)
    run = lane_for(services.db.dialect).run if ready.is_quick else in_thread
    answer = await run(view.run, services, ready, caller)
    response = _sent(answer, media_type)
    if answer.cookie is not None:
        set_cookie(response, services.settings, answer.cookie)
    response.background = noting(services)
    return response


async def _read(request: Request, services: Services) -> Asked:
    """Read a request; raises `Refused` or `NotARequest`."""
    if request.method == "GET":
        return _by_get(request)
    if request.method != "POST":
        raise Refused(405, "send a POST", allow="GET, POST")
    if not _is_json(request.headers.get("content-type", "")):
        raise Refused(415, "send application/json, in UTF-8", accept=PLAIN_JSON)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "send the body as it is, not compressed")
    body = await _body(request, services.settings.json_body_bytes_max)
    return Asked(view.read_request(body), PLAIN_JSON, by_get=False)


@remembered
def _is_json(content_type: str) -> bool:
    kind = Message()
    kind["content-type"] = content_type
    charset = str(kind.get_param("charset", "utf-8")).lower()
    return kind.get_content_type() == PLAIN_JSON and charset in ("utf-8", "utf8")


def _by_get(request: Request) -> Asked:
    """Read a request from the address: a query that no form or picture of another site can send.

    A trusted document needs no header, as its text is ours.
    """
    values: dict[str, Any] = {
        key: value for key, value in request.query_params.items() if key in _PARAMETERS and value
    }
    if "documentId" not in values and PREFLIGHT not in request.headers:
        raise view.NotARequest("a GET needs the header GraphQL-Require-Preflight: 1")
    for name in _OBJECTS:
        text = request.query_params.get(name)
        if text:
            try:
                values[name] = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise view.NotARequest(f"{name} must be JSON") from None
    return Asked(view.request_of(values), PLAIN_JSON, by_get=True)


async def _body(request: Request, most: int) -> bytes:
    """Return the body, counted while it arrives; raises `Refused` over `most` bytes."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared[:15]) > most:
        raise Refused(413, "the body is too large")
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise Refused(413, "the body is too large")
        pieces.append(piece)
    return b"".join(pieces)


def _sent(answer: view.Answer, media_type: str) -> Response:
    """Return an answer with its status: plain JSON has 200 for whatever is a GraphQL answer."""
    codes = {error.get("extensions", {}).get("code") for error in answer.body.get("errors", ())}
    if answer.broken:
        status = 500
    elif "RATE_LIMITED" in codes:
        status = 429
    else:
        status = 200 if answer.executed or media_type == PLAIN_JSON else 400
    return _raw(answer.content(), status, media_type, {})


def _response(
    body: Mapping[str, Any], status: int, media_type: str, headers: Mapping[str, str]
) -> Response:
    return _raw(orjson.dumps(body), status, media_type, headers)


def _raw(content: bytes, status: int, media_type: str, headers: Mapping[str, str]) -> Response:
    response = _Json(content, status, media_type)
    if headers:
        response.headers.update(headers)
    return response
