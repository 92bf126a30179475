"""Plugins: what is installed, what it offers, and binding a provider to a scope."""

import strawberry

from finview.accounts.access import Action, find, may
from finview.api.common import f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import split
from finview.api.engine.scalars import JSON, as_object
from finview.customers.models import Bucket, BusinessUnit, Customer
from finview.db.cascade import SYSTEM, ScopeRef
from finview.errors import Key, NotFound
from finview.plugins import bindings
from finview.plugins.discovery import PluginInfo
from finview.plugins.manager import Plugins


@strawberry.type(description="One implementation of a slot.")
class PluginProvider:
    """One implementation of a slot."""

    slot: str = f(description="What it does: matcher, email …")
    name: str = f(description="Its name, unique in the slot.")
    title: str = f(description="Its name for people.")
    settings_schema: JSON = f(description="The JSON Schema of its settings.")


@strawberry.type(description="An installed plugin.")
class Plugin:
    """An installed plugin."""

    name: str = f(description="Its name.")
    version: str = f(description="Its version.")
    distribution: str = f(description="The distribution it came with.")
    status: str = f(description="LOADED, DISABLED, INCOMPATIBLE or BROKEN.")
    error: str | None = f(description="Why it is not loaded.")
    providers: list[PluginProvider] = f(description="What it offers.")

    @classmethod
    def of(cls, info: PluginInfo) -> "Plugin":
        """Return a plugin as the API shows it."""
        return cls(
            name=info.name,
            version=info.version,
            distribution=info.distribution,
            status=info.status.value,
            error=info.error,
            providers=[
                PluginProvider(
                    slot=p.slot,
                    name=p.name,
                    title=p.title,
                    settings_schema=JSON(p.settings_schema()),
                )
                for p in info.providers
            ],
        )


@strawberry.input(description="Which provider serves a scope.")
class PluginBindInput:
    """Which provider serves a scope."""

    scope_id: strawberry.ID | None = f(
        default=None, description="A bucket, customer or business unit; null: everywhere."
    )
    slot: str = f(description="The slot.")
    provider: str = f(description="The provider's name.")
    settings: JSON = f(description='Its settings; "***" keeps a secret.')
    enabled: bool = f(default=True, description="false: none on purpose.")
    position: int = f(
        default=0, description="The place in the list of an ordered slot such as enricher, from 0."
    )


@strawberry.type(description="The answer of a mutation of a plugin.")
class PluginPayload:
    """The answer of a mutation."""

    plugin: Plugin | None = f(default=None, description="The plugin whose provider was bound.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def plugins(info: Info) -> list[Plugin]:
    """Return the installed plugins; for the agency's people only."""
    ctx = info.context
    if not ctx.who.staff:
        return []
    return [Plugin.of(p) for p in ctx.services.get(Plugins).plugins]


def _scope(ctx: Context, value: str | None) -> ScopeRef:
    if value is None:
        return SYSTEM
    tag, key = split(value)
    kinds = {
        "bkt": ("BUCKET", Bucket),
        "cus": ("CUSTOMER", Customer),
        "bu": ("BUSINESS_UNIT", BusinessUnit),
    }
    if tag not in kinds or len(key) != 1:
        raise NotFound(path=("input", "scopeId"))
    kind, model = kinds[tag]
    row = find(ctx.session, model, Key.at(key[0], ("input", "scopeId")), ctx.who)
    return ScopeRef(kind, row.id)  # type: ignore[arg-type,attr-defined]  # one of the three


@strawberry.type
class PluginMutation:
    """Binding providers."""

    @strawberry.mutation(description="Bind a provider to a scope; checked before it is saved.")
    def plugin_bind(self, info: Info, input: PluginBindInput) -> PluginPayload:  # noqa: A002  # the contract's word
        """Bind a provider."""
        ctx = info.context
        loaded = ctx.services.get(Plugins)

        def act() -> Plugin:
            may(ctx.who, Action.BIND_PLUGINS)
            scope = _scope(ctx, input.scope_id)
            settings = as_object(input.settings, "input", "settings")
            bindings.bind(
                ctx.session,
                loaded,
                scope,
                input.slot,
                input.provider,
                settings,
                input.enabled,
                position=input.position,
                by=ctx.who.user_id,
            )
            name = loaded.info(input.slot, input.provider).distribution
            owner = next(p for p in loaded.plugins if p.distribution == name)
            return Plugin.of(owner)

        return mutate(ctx, PluginPayload, "plugin", act, name="pluginBind")
