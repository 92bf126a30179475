"""The ASGI application: its routes."""

import gc

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from finview.api.engine.rate import Buckets
from finview.api.engine.subscriptions import Hub
from finview.db.runtime import Services
from finview.web import files, graphql, health, invitations, uploads, websocket


def create_app(services: Services) -> Starlette:
    """Return the application over opened services; starting a worker is the caller's business."""
    settings = services.settings
    services.put(Buckets(settings.rate_points_s, settings.rate_points_burst))
    services.put(Hub(services.db))
    return Starlette(
        routes=[
            Route("/graphql", graphql.endpoint(services), methods=graphql.METHODS),
            WebSocketRoute("/graphql", websocket.endpoint(services)),
            Route("/uploads/{id}", uploads.endpoint(services), methods=["PUT"]),
            Route("/invitations/{token}", invitations.endpoint(services), methods=["GET", "POST"]),
            Route("/files/{id:int}", files.endpoint(services), methods=["GET"]),
            Route("/health", health.alive, methods=["GET"]),
            Route("/ready", health.ready(services), methods=["GET"]),
        ],
    )


def settle() -> None:
    """Keep what was made at the start out of the collector's way, and let it look less often.

    Call it once, when everything is loaded: requests then leave little for the collector to find.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
