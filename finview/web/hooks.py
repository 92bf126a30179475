"""POST /hooks/{plugin}/{token}: what providers tell by themselves, checked before it is believed."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from finview.communications.webhooks import take
from finview.db.jobs import Misconfigured, Rejected, RetryLater
from finview.db.runtime import Services
from finview.errors import NotFound, ProviderFailedError
from finview.jobs.process import process_of
from finview.plugins.contracts.webhook import WebhookRequest
from finview.plugins.errors import BadSignature
from finview.plugins.manager import Plugins
from finview.plugins.webhooks import bound_at
from finview.web.threads import in_patient_thread

RETRY_AFTER_S = 60


def endpoint(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of webhooks.

    Whoever asks needs no session: the address names the binding, the provider checks the signature.
    An outcome of something unknown is answered like any other, so that nobody can try out keys.
    """

    async def handle(request: Request) -> Response:
        body = await _body(request, services.settings.json_body_bytes_max)
        if body is None:
            return PlainTextResponse("Content Too Large", 413)
        asked = WebhookRequest(
            body=body,
            headers={name.lower(): value for name, value in request.headers.items()},
            path=request.url.path,
            query=dict(request.query_params),
        )
        plugin, token = request.path_params["plugin"], request.path_params["token"]
        return await in_patient_thread(_answered, services, plugin, token, asked)

    return handle


async def _body(request: Request, most: int) -> bytes | None:
    """Return the body, counted while it arrives; None when it is too large."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _answered(services: Services, plugin: str, token: str, asked: WebhookRequest) -> Response:
    try:
        _receive(services, plugin, token, asked)
    except NotFound:
        return PlainTextResponse("Not Found", 404)
    except BadSignature:
        process_of(services).count("webhook_bad_signature")
        return PlainTextResponse("Unauthorized", 401)
    except Rejected:
        return PlainTextResponse("Bad Request", 400)
    except (ProviderFailedError, RetryLater, Misconfigured):
        # Nothing was stored; a provider that repeats what failed loses nothing.
        headers = {"retry-after": str(RETRY_AFTER_S)}
        return PlainTextResponse("Service Unavailable", 503, headers=headers)
    return PlainTextResponse("OK")


def _receive(services: Services, plugin: str, token: str, asked: WebhookRequest) -> None:
    with services.db.reading() as session:
        bound = bound_at(session, services.get(Plugins), plugin, token)
    told = bound.call("parse_webhook", asked)
    with services.db.unit() as session:
        take(session, bound, told)
