"""Liveness and readiness."""

import shutil
from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from finview.accounts.access import Role
from finview.db.migrations import is_current
from finview.db.runtime import Services
from finview.errors import FinviewError
from finview.jobs.carriers import CarrierAway, check_broker
from finview.jobs.metrics import standing
from finview.jobs.process import process_of
from finview.plugins.discovery import Status
from finview.plugins.manager import Plugins
from finview.web.viewer import Credential, credential_of, signed_in

DISK_FREE_MIN = 0.05


def alive(_: Request) -> Response:
    """Answer as long as the process does."""
    return JSONResponse({"status": "ok"})


def ready(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of readiness; in production only an administrator learns which part."""

    async def handle(request: Request) -> Response:
        checks = await run_in_threadpool(look, services)
        red = any(state == "red" for state in checks.values())
        body: dict[str, object] = {"status": "red" if red else "ok"}
        if await run_in_threadpool(_may_know, services, credential_of(request, services.settings)):
            body["checks"] = checks
        return JSONResponse(body, 503 if red else 200)

    return handle


def look(services: Services) -> dict[str, str]:
    """Return the state of each part: green, amber or red.

    `jobs` is red when work waits too long or nobody works, and while this process stops. A broker
    that is away is amber: what is accepted waits in the table meanwhile.
    """
    names = ("database", "migrations", "jobs", "broker", "plugins", "disk")
    checks = dict.fromkeys(names, "green")
    try:
        with services.db.reading() as session:
            session.execute(text("SELECT 1"))
            if not standing(session).is_well or process_of(services).stopping.is_set():
                checks["jobs"] = "red"
        if not is_current(services.db):
            checks["migrations"] = "red"
    except SQLAlchemyError:
        checks["database"] = checks["migrations"] = "red"
    try:
        check_broker(services.settings.broker)
    except (CarrierAway, FinviewError):
        checks["broker"] = "amber"
    disk = shutil.disk_usage(services.settings.data_dir)
    if disk.free < DISK_FREE_MIN * disk.total:
        checks["disk"] = "red"
    broken = (Status.BROKEN, Status.INCOMPATIBLE)
    if any(plugin.status in broken for plugin in services.get(Plugins).plugins):
        checks["plugins"] = "amber"
    return checks


def _may_know(services: Services, credential: Credential | None) -> bool:
    if services.settings.env != "production":
        return True
    try:
        with services.db.reading() as session:
            viewer = signed_in(services, session, credential, language=None)
    except SQLAlchemyError:
        return False
    return viewer is not None and Role.ADMIN in viewer.roles
