"""Liveness and readiness."""

from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from finview.db.migrations import is_current
from finview.db.runtime import Services
from finview.plugins.discovery import Status
from finview.plugins.manager import Plugins


def alive(_: Request) -> Response:
    """Answer as long as the process does."""
    return JSONResponse({"status": "ok"})


def ready(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of readiness: database, migrations, plugins."""

    async def handle(_: Request) -> Response:
        checks = await run_in_threadpool(look, services)
        red = any(state == "red" for state in checks.values())
        return JSONResponse(
            {"status": "red" if red else "ok", "checks": checks}, 503 if red else 200
        )

    return handle


def look(services: Services) -> dict[str, str]:
    """Return the state of each part: green, amber or red."""
    checks = {"database": "green", "migrations": "green", "plugins": "green"}
    try:
        with services.db.reading() as session:
            session.execute(text("SELECT 1"))
        if not is_current(services.db):
            checks["migrations"] = "red"
    except SQLAlchemyError:
        checks["database"] = checks["migrations"] = "red"
    broken = (Status.BROKEN, Status.INCOMPATIBLE)
    if any(plugin.status in broken for plugin in services.get(Plugins).plugins):
        checks["plugins"] = "amber"
    return checks
