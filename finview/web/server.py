"""The ASGI application: its routes."""

from starlette.applications import Starlette
from starlette.routing import Route

from finview.db.runtime import Services
from finview.web import files, graphql, health, uploads


def create_app(services: Services) -> Starlette:
    """Return the application over opened services; starting a worker is the caller's business."""
    return Starlette(
        routes=[
            Route("/graphql", graphql.endpoint(services), methods=["GET", "POST", "PUT", "DELETE"]),
            Route("/uploads/{id}", uploads.endpoint(services), methods=["PUT"]),
            Route("/files/{id:int}", files.endpoint(services), methods=["GET"]),
            Route("/health", health.alive, methods=["GET"]),
            Route("/ready", health.ready(services), methods=["GET"]),
        ],
    )
