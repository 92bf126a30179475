"""`/metrics`: for Prometheus, behind a token of its own; production has none without it."""

import hmac
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from finview.db.runtime import Services
from finview.jobs.metrics import exposition
from finview.web.threads import in_thread
from finview.web.viewer import bearer_of


def endpoint(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler."""
    token = services.settings.metrics_token.get_secret_value()
    closed = not token and services.settings.env == "production"

    async def handle(request: Request) -> Response:
        if closed:
            return PlainTextResponse("Not Found", 404)
        if token and not hmac.compare_digest(_given(request).encode(), token.encode()):
            return PlainTextResponse("Unauthorized", 401, headers={"www-authenticate": "Bearer"})
        return Response(await in_thread(exposition, services), media_type=CONTENT_TYPE_LATEST)

    return handle


def _given(request: Request) -> str:
    return bearer_of(request.headers.get("authorization", "")) or ""
