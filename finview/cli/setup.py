"""`finview migrate|user|token|schema|doctor`: what an installation needs before and beside work."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from finview.accounts.access import Role
from finview.accounts.tokens import create_token
from finview.accounts.users import create_user, user_named
from finview.api.schema import sdl
from finview.app import migrate
from finview.cli import show
from finview.cli.opening import OWN_EMAIL, acting, opened, read_settings, start
from finview.db.migrations import is_current
from finview.db.runtime import Services
from finview.errors import FinviewError
from finview.i18n import N_
from finview.plugins.bindings import unusable
from finview.plugins.discovery import Status
from finview.plugins.manager import Plugins


def run_migrate() -> dict[str, Any]:
    """Bring the database to the current revision."""
    services = start(read_settings(), role="migrate")
    try:
        migrate(services)
        return {"database": services.db.engine.url.render_as_string(hide_password=True)}
    finally:
        services.close()


def run_user_create(*, email: str, name: str, role: str, language: str) -> dict[str, Any]:
    """Create a user of the agency."""
    with opened() as services:
        by = acting(services).user_id
        with services.db.unit() as session:
            user = create_user(
                session, email=email, name=name, role=Role(role.upper()), locale=language, by=by
            )
            return {"user": {"email": user.email, "name": user.name, "role": role.upper()}}


def run_token_create(*, email: str, name: str) -> dict[str, Any]:
    """Create a token of a user; it can be read this once only."""
    with opened() as services:
        by = acting(services).user_id
        with services.db.unit() as session:
            user = user_named(session, email)
            return {"token": create_token(session, user, name=name, by=by), "email": user.email}


def run_schema() -> str:
    """Return the SDL of the GraphQL schema."""
    return sdl()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the doctor looked at; `advice` says what to do about it."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def run_doctor() -> list[Check]:
    """Look at settings, database, mail, jobs and plugins; a failure never stops the others."""
    try:
        settings = read_settings()
    except FinviewError as error:
        return [Check(show.say(N_("Settings")), ok=False, detail=error.message(show.locale()))]
    checks = [Check(show.say(N_("Settings")), ok=True, detail=settings.env)]
    try:
        services = start(settings, role="doctor")
    except (FinviewError, SQLAlchemyError, OSError) as error:
        return [*checks, _failed(show.say(N_("Database")), error)]
    try:
        return [*checks, *_of_services(services)]
    finally:
        services.close()


def _of_services(services: Services) -> list[Check]:
    settings = services.settings
    checks = [_database(services)]
    checks.append(
        Check(
            show.say(N_("Jobs")),
            ok=settings.broker == "sql",
            detail=settings.broker,
            advice="" if settings.broker == "sql" else show.say(N_("Set FINVIEW_BROKER=sql.")),
        )
    )
    mail = settings.smtp_url.rpartition("@")[2] or str(settings.outbox_dir)
    advice = "" if settings.smtp_url else show.say(N_("Set FINVIEW_SMTP_URL to send real mail."))
    checks.append(Check(show.say(N_("Mail")), ok=True, detail=mail, advice=advice))
    for plugin in services.get(Plugins).plugins:
        bad = plugin.status in (Status.BROKEN, Status.INCOMPATIBLE)
        checks.append(
            Check(
                show.say(N_("Plugin {name}"), name=plugin.name),
                ok=not bad,
                detail=f"{plugin.distribution} {plugin.version} {plugin.status}",
                advice=plugin.error or "",
            )
        )
    if checks[0].ok:
        with services.db.reading() as session:
            checks += [
                Check(
                    show.say(N_("Binding of {slot}"), slot=view.slot),
                    ok=False,
                    detail=f"{view.scope.kind} {view.scope.id}: {view.provider}",
                    advice=show.say(N_("Bind another provider or correct its settings.")),
                )
                for view in unusable(session, services.get(Plugins))
            ]
    return checks


def _database(services: Services) -> Check:
    name = show.say(N_("Database"))
    try:
        current = is_current(services.db)
    except SQLAlchemyError as error:
        return _failed(name, error)
    url = services.db.engine.url.render_as_string(hide_password=True)
    return Check(name, current, url, "" if current else show.say(N_("Run: finview migrate")))


def _failed(name: str, error: Exception) -> Check:
    if isinstance(error, FinviewError):
        return Check(name, ok=False, detail=error.message(show.locale()))
    return Check(
        name,
        ok=False,
        detail=type(error).__name__,
        advice=show.say(N_("Check FINVIEW_DATABASE_URL and FINVIEW_DATA_DIR.")),
    )


__all__ = [
    "OWN_EMAIL",
    "run_doctor",
    "run_migrate",
    "run_schema",
    "run_token_create",
    "run_user_create",
]
