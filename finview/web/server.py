"""The ASGI application: its routes, and the server that answers until a signal comes."""

import gc
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from finview.accounts.seen import Seen
from finview.api.engine.rate import Buckets
from finview.api.engine.subscriptions import Hub
from finview.db.runtime import Services
from finview.web import (
    files,
    graphql,
    health,
    hooks,
    invitations,
    metrics,
    oidc,
    pages,
    passwords,
    sign_in,
    uploads,
    websocket,
)

GRACE_S = 5
"""How much longer than an operation a request may take once the server is to stop."""


def create_app(services: Services) -> Starlette:
    """Return the application over opened services; starting a worker is the caller's business."""
    settings = services.settings
    services.put(Buckets(settings.rate_points_s, settings.rate_points_burst))
    services.put(Hub(services.db))
    services.put(Seen())
    return Starlette(
        routes=[
            Route("/graphql", graphql.Endpoint(services)),
            WebSocketRoute("/graphql", websocket.endpoint(services)),
            Route("/uploads/{id}", uploads.endpoint(services), methods=["PUT"]),
            Route("/invitations/{token}", invitations.endpoint(services), methods=["GET", "POST"]),
            Route("/sign-in", sign_in.sign_in(services), methods=["GET", "POST"]),
            *oidc.routes(services),
            Route("/sign-out", sign_in.sign_out(services), methods=["POST"]),
            Route("/account", sign_in.account(services), methods=["GET"]),
            Route("/password-reset", passwords.ask(services), methods=["GET", "POST"]),
            Route("/password-reset/{token}", passwords.choose(services), methods=["GET", "POST"]),
            Route("/pages.css", pages.stylesheet, methods=["GET"]),
            Route("/files/{id:int}", files.endpoint(services), methods=["GET"]),
            Route("/hooks/{plugin}/{token}", hooks.endpoint(services), methods=["POST"]),
            Route("/health", health.alive, methods=["GET"]),
            Route("/ready", health.ready(services), methods=["GET"]),
            Route("/metrics", metrics.endpoint(services), methods=["GET"]),
        ],
    )


def settle() -> None:
    """Keep what was made at the start out of the collector's way, and let it look less often.

    Call it once, when everything is loaded: requests then leave little for the collector to find.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class _Server(uvicorn.Server):
    """Ends subscriptions first: else it would wait for them as long as their clients like."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let running requests end, and close."""
        self._hub.close()
        await super().shutdown(sockets)


@contextmanager
def beside(services: Services) -> Iterator[str]:
    """Serve in a thread of this process, at a free port of this machine; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(create_app(services), log_config=None, lifespan="off")
        running = _Server(config, services.get(Hub))
        thread = Thread(target=running.run, args=([listening],), name="server", daemon=True)
        thread.start()
        try:
            # Whoever asks before the loop runs waits in the queue of the socket.
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join()


def run(services: Services, *, host: str, port: int) -> None:
    """Serve opened services until a signal comes; requests that run then are still answered."""
    app = create_app(services)
    settings = services.settings
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        lifespan="off",
        ws_max_size=settings.json_body_bytes_max,
        timeout_graceful_shutdown=int(settings.operation_s_max) + GRACE_S,
    )
    settle()
    server = _Server(config, services.get(Hub))
    server.run()
    if not server.started:
        sys.exit(3)
