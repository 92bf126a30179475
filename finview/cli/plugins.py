"""`finview plugins`: what is installed, whether it works, and what serves which scope."""

import json
from typing import Any

from finview.cli import show
from finview.cli.opening import acting, opened, the_bucket, the_customer, the_portfolio
from finview.db.cascade import SYSTEM, ScopeRef
from finview.db.runtime import Services
from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.plugins.bindings import BindingView, bindings, draft, save
from finview.plugins.discovery import Status
from finview.plugins.manager import Plugins
from finview.plugins.webhooks import path_of

sentences(
    {
        "SETTINGS_JSON": N_("The settings must be a JSON object: {detail}."),
        "BUCKET_NEEDS_PORTFOLIO": N_("A bucket needs --customer and --portfolio."),
    }
)


def run_list() -> dict[str, Any]:
    """Return the plugins and the bindings of all scopes."""
    with opened() as services:
        plugins = services.get(Plugins)
        with services.db.reading() as session:
            bound = bindings(session, plugins)
        return {
            "plugins": [
                {
                    "name": plugin.name,
                    "distribution": plugin.distribution,
                    "version": plugin.version,
                    "status": plugin.status,
                    "error": plugin.error,
                    "providers": [
                        {"slot": p.slot, "name": p.name, "title": p.title} for p in plugin.providers
                    ],
                }
                for plugin in plugins.plugins
            ],
            "bindings": [
                {
                    "slot": view.slot,
                    "scope": view.scope.kind,
                    "scope_id": view.scope.id,
                    "position": view.position,
                    "provider": view.provider,
                    "settings": dict(view.settings),
                    "enabled": view.enabled,
                    "status": view.status,
                    "waiting_jobs": view.waiting_jobs,
                    "webhook": _webhook(services, view),
                }
                for view in bound
            ],
        }


def healthy(found: dict[str, Any]) -> bool:
    """Tell whether every plugin is loaded or left out on purpose, and every binding works."""
    plugins = all(p["status"] in (Status.LOADED, Status.DISABLED) for p in found["plugins"])
    return plugins and all(b["status"] == "OK" for b in found["bindings"])


def show_plugins(found: dict[str, Any]) -> None:
    """Print plugins and bindings."""
    show.table(
        [
            show.say(N_("Plugin")),
            show.say(N_("Version")),
            show.say(N_("Status")),
            show.say(N_("Offers")),
        ],
        [
            (
                p["name"],
                f"{p['distribution']} {p['version']}",
                p["error"] or str(p["status"]),
                ", ".join(f"{o['slot']}: {o['name']}" for o in p["providers"]),
            )
            for p in found["plugins"]
        ],
    )
    if found["bindings"]:
        show.table(
            [
                show.say(N_("Slot")),
                show.say(N_("Scope")),
                show.say(N_("Provider")),
                show.say(N_("Status")),
                show.say(N_("Webhook")),
            ],
            [
                (
                    b["slot"],
                    f"{b['scope']} {b['scope_id']}",
                    b["provider"],
                    b["status"],
                    b["webhook"] or "",
                )
                for b in found["bindings"]
            ],
        )


def run_bind(
    slot: str,
    provider: str,
    *,
    customer: str | None,
    portfolio: str | None,
    bucket: str | None,
    settings: str,
    enabled: bool,
    position: int = 0,
) -> dict[str, Any]:
    """Bind a provider to the agency, a customer or a bucket; its own check runs first."""
    try:
        given = json.loads(settings)
    except ValueError as error:
        raise Invalid("SETTINGS_JSON", detail=str(error)) from None
    if not isinstance(given, dict):
        raise Invalid("SETTINGS_JSON", detail=type(given).__name__)
    with opened() as services:
        by = acting(services).user_id
        plugins = services.get(Plugins)
        scope = _scope(services, customer, portfolio, bucket)
        with services.db.reading() as session:
            ready = draft(
                session, plugins, scope, slot, provider, given, enabled, position=position
            )
        ready.try_out(plugins)
        with services.db.unit() as session:
            view = save(session, plugins, ready, by=by)
        return {
            "binding": {
                "slot": view.slot,
                "scope": view.scope.kind,
                "scope_id": view.scope.id,
                "position": view.position,
                "provider": view.provider,
                "enabled": view.enabled,
                "status": view.status,
                "webhook": _webhook(services, view),
            }
        }


def _webhook(services: Services, view: BindingView) -> str | None:
    """Return the address at which a binding's provider tells what happened, if it does so."""
    path = path_of(services.get(Plugins), view.id, view.slot, view.provider)
    return f"{services.settings.base_url.rstrip('/')}{path}" if path else None


def _scope(
    services: Services, customer: str | None, portfolio: str | None, bucket: str | None
) -> ScopeRef:
    if customer is None:
        if bucket is not None:
            raise Invalid("BUCKET_NEEDS_PORTFOLIO")
        return SYSTEM
    with services.db.reading() as session:
        found = the_customer(session, customer)
        if bucket is None:
            return ScopeRef("CUSTOMER", found.id)
        if portfolio is None:
            raise Invalid("BUCKET_NEEDS_PORTFOLIO")
        chosen = the_bucket(session, the_portfolio(session, found, portfolio), bucket)
        return ScopeRef("BUCKET", chosen.id)
