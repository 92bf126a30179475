"""Which provider serves a scope: saved with its settings, found along the chain of scopes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from finview import clock
from finview.db import after_commit, audit, jobs
from finview.db.cascade import SYSTEM, ScopeRef, nearest
from finview.errors import PluginMisconfigured
from finview.plugins import config, guard
from finview.plugins.contracts.provider import Provider
from finview.plugins.discovery import ProviderInfo
from finview.plugins.errors import (
    Misconfigured,
    PluginError,
    ProviderMissing,
)
from finview.plugins.manager import Plugins
from finview.plugins.models import PluginBinding
from finview.plugins.slots import SLOTS, Choice

POSITION_MAX = 99


class BindingStatus(StrEnum):
    """Whether a binding can be used."""

    OK = "OK"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The provider that serves a scope, and the binding that says so (None: the default)."""

    slot: str
    name: str
    provider: Provider[Any]
    binding_id: int | None
    scope: ScopeRef

    def call(self, method: str, items: Any = None, deadline_s: float | None = None) -> Any:
        """Call it through the guard; `Misconfigured` names this binding, so that its jobs park."""
        try:
            return guard.call(self.provider, method, items, deadline_s)
        except Misconfigured as error:
            error.park_key = park_key(self.binding_id)
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingView:
    """A binding as people see it: secrets read `"***"`.

    Its status is not kept but seen: a provider that is gone, or jobs that wait for better settings.
    """

    id: int
    scope: ScopeRef
    slot: str
    position: int
    provider: str
    settings: Mapping[str, Any]
    enabled: bool
    status: BindingStatus
    waiting_jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A binding that is valid but neither tried nor saved."""

    info: ProviderInfo
    scope: ScopeRef
    position: int
    enabled: bool
    entered: config.Entered

    def try_out(self, plugins: Plugins) -> None:
        """Run the provider's own `check()`, at most 10 s; raise `PluginMisconfigured`.

        Call it with no session open when the provider has a check of its own.
        """
        if not self.enabled:
            return
        try:
            provider = plugins.trial(self.info, self.entered.model)
            if type(provider).check is not Provider.check:
                guard.call(provider, "check")
        except Misconfigured as error:
            raise _told(error) from None


def park_key(binding_id: int | None) -> str:
    """Return what jobs wait for that need this binding."""
    return f"binding:{binding_id or 0}"


def resolve(
    session: Session, plugins: Plugins, chain: Sequence[ScopeRef], slot: str
) -> Bound | None:
    """Return the provider that serves the nearest scope of `chain`; None where none is wanted.

    The system's scope and the slot's default stand at the end of every chain. Raises
    `Misconfigured` when what is bound is missing or can't work: nothing else ever steps in.
    """
    found = _nearest_rows(session, chain, slot)
    if not found:
        return _default(plugins, slot)
    row = found[0]
    return _bound(plugins, row) if row.enabled else None


def resolve_all(
    session: Session, plugins: Plugins, chain: Sequence[ScopeRef], slot: str
) -> list[Bound]:
    """Return the providers of an ordered slot by position, taken whole from the nearest scope."""
    found = _nearest_rows(session, chain, slot)
    if not found:
        default = _default(plugins, slot)
        return [] if default is None else [default]
    return [_bound(plugins, row) for row in found if row.enabled]


def resolve_place(
    session: Session, plugins: Plugins, chain: Sequence[ScopeRef], slot: str, place: int
) -> Bound | None:
    """Return the provider at a place (0, 1, …) of an ordered slot; None where none is wanted.

    The list comes whole from the nearest scope, without what is switched off; its last provider
    serves every further place. Raises `Misconfigured` as `resolve` does, for that provider alone.
    """
    found = _nearest_rows(session, chain, slot)
    if not found:
        return _default(plugins, slot)
    wanted = [row for row in found if row.enabled]
    return _bound(plugins, wanted[min(place, len(wanted) - 1)]) if wanted else None


def bound_by(
    session: Session, plugins: Plugins, binding_id: int, provider: str | None = None
) -> Bound | None:
    """Return the provider of one binding, switched off or not; None when it binds another one."""
    row = session.get(PluginBinding, binding_id)
    if row is None or provider not in (None, row.provider):
        return None
    return _bound(plugins, row)


def unbound(plugins: Plugins, slot: str, provider: str) -> Bound | None:
    """Return the slot's default, which serves without a binding; None when it is another one."""
    return _default(plugins, slot) if SLOTS[slot].default == provider else None


def bound_ids(session: Session, slot: str, providers: Collection[str]) -> list[int]:
    """Return the bindings of a slot to some providers, switched off or not."""
    wanted = select(PluginBinding.id).where(
        PluginBinding.slot == slot, PluginBinding.provider.in_(providers)
    )
    return list(session.scalars(wanted.order_by(PluginBinding.id)))


def draft(
    session: Session,
    plugins: Plugins,
    scope: ScopeRef,
    slot: str,
    provider: str,
    settings: Mapping[str, Any],
    enabled: bool = True,
    *,
    position: int = 0,
) -> Draft:
    """Validate a binding without saving it; `"***"` stands for the secret saved before.

    Raises `SlotUnknown`, `ProviderUnknown`, and `PluginMisconfigured` with the path of the fault.
    """
    info = plugins.info(slot, provider)
    if SLOTS[slot].choice is not Choice.BINDING:
        raise PluginError("SLOT_NOT_BOUND", path=("slot",), slot=slot)
    if not 0 <= position <= (POSITION_MAX if SLOTS[slot].ordered else 0):
        raise PluginError("SLOT_POSITION", path=("position",), slot=slot, position=position)
    old = _row(session, scope, slot, position)
    kept: Mapping[str, str] = {}
    if old is not None and old.provider == provider:
        kept = _unlocked(plugins, old)
    entered = guard.inline(
        info.cls,
        SLOTS[slot],
        info.distribution,
        "Settings",
        lambda: config.entered(info.cls.Settings, settings, kept, plugins.secrets_dir),
    )
    return Draft(info=info, scope=scope, position=position, enabled=enabled, entered=entered)


def save(session: Session, plugins: Plugins, ready: Draft, *, by: int | None) -> BindingView:
    """Save a draft in the caller's transaction and free the jobs that waited for it."""
    info = ready.info
    row = _row(session, ready.scope, info.slot, ready.position)
    if row is None:
        row = PluginBinding(
            scope_kind=ready.scope.kind,
            scope_id=ready.scope.id,
            slot=info.slot,
            position=ready.position,
            version=0,
        )
        session.add(row)
    row.provider = info.name
    row.settings = ready.entered.public
    row.settings_version = info.cls.settings_version
    row.secrets = plugins.vault.lock(ready.entered.secrets)
    row.enabled = ready.enabled
    row.version += 1
    row.updated_at, row.updated_by = clock.now(), by
    session.flush()
    audit.record(
        session,
        "plugin.bind",
        actor_id=by,
        subject=("plugin_binding", row.id),
        slot=row.slot,
        provider=row.provider,
        scope=[row.scope_kind, row.scope_id],
        enabled=row.enabled,
    )
    jobs.unpark(session, park_key(row.id))
    # Jobs of the slot's default wait under no id; the new binding may be what they wait for.
    jobs.unpark(session, park_key(None))
    binding_id, on_saved = row.id, SLOTS[info.slot].on_saved
    if on_saved is not None:
        jobs.enqueue(session, on_saved, {"binding_id": binding_id})
    after_commit(session, lambda: plugins.forget_binding(binding_id))
    return _view(row, plugins, waiting=0)


def bind(
    session: Session,
    plugins: Plugins,
    scope: ScopeRef,
    slot: str,
    provider: str,
    settings: Mapping[str, Any],
    enabled: bool = True,
    *,
    position: int = 0,
    by: int | None,
) -> BindingView:
    """Bind a provider to a scope: validate, try out, save.

    `by` is the acting user. Where a provider's check asks the network, prefer `draft` in a reading
    session, `try_out` in none and `save` in a unit. Raises as `draft` and `Draft.try_out` do.
    """
    ready = draft(session, plugins, scope, slot, provider, settings, enabled, position=position)
    ready.try_out(plugins)
    return save(session, plugins, ready, by=by)


def unbind(
    session: Session, scope: ScopeRef, slot: str, *, position: int = 0, by: int | None
) -> bool:
    """Remove a binding, so that the next scope serves again; return whether there was one."""
    row = _row(session, scope, slot, position)
    if row is None:
        return False
    audit.record(
        session,
        "plugin.unbind",
        actor_id=by,
        subject=("plugin_binding", row.id),
        slot=slot,
        provider=row.provider,
        scope=[scope.kind, scope.id],
    )
    jobs.unpark(session, park_key(row.id))
    session.delete(row)
    session.flush()
    return True


def bindings(
    session: Session, plugins: Plugins, scopes: Iterable[ScopeRef] | None = None
) -> list[BindingView]:
    """Return the bindings of some scopes, or all, by slot, scope and position."""
    query = select(PluginBinding).order_by(
        PluginBinding.slot, PluginBinding.scope_kind, PluginBinding.scope_id, PluginBinding.position
    )
    if scopes is not None:
        places = [(scope.kind, scope.id) for scope in scopes]
        query = query.where(tuple_(PluginBinding.scope_kind, PluginBinding.scope_id).in_(places))
    parked = select(jobs.Job.park_key, func.count()).where(jobs.Job.state == jobs.State.PARKED)
    found = session.execute(parked.group_by(jobs.Job.park_key))
    waiting: dict[str | None, int] = {row[0]: row[1] for row in found}
    return [_view(row, plugins, waiting.get(park_key(row.id), 0)) for row in session.scalars(query)]


def unusable(session: Session, plugins: Plugins) -> list[BindingView]:
    """Return the bindings that need a person, for `doctor` and `/ready`."""
    return [
        view
        for view in bindings(session, plugins)
        if view.enabled and view.status is BindingStatus.NEEDS_ATTENTION
    ]


def rekey(session: Session, old: config.Vault, new: config.Vault) -> int:
    """Encrypt all secrets anew after FINVIEW_SECRET_KEY was changed; return how many bindings."""
    rows = list(session.scalars(select(PluginBinding).where(PluginBinding.secrets.is_not(None))))
    for row in rows:
        row.secrets = new.lock(old.unlock(row.secrets))
    return len(rows)


def _nearest_rows(session: Session, chain: Sequence[ScopeRef], slot: str) -> list[PluginBinding]:
    """Return the rows of the nearest scope that has any, by position."""
    scopes = list(dict.fromkeys([*chain, SYSTEM]))
    places = [(scope.kind, scope.id) for scope in scopes]
    query = (
        select(PluginBinding)
        .where(
            PluginBinding.slot == slot,
            tuple_(PluginBinding.scope_kind, PluginBinding.scope_id).in_(places),
        )
        .order_by(PluginBinding.position)
    )
    by_scope: dict[ScopeRef, list[PluginBinding]] = {}
    for row in session.scalars(query):
        by_scope.setdefault(_scope(row), []).append(row)
    found = nearest(scopes, by_scope)
    return [] if found is None else found[0]


def _default(plugins: Plugins, slot: str) -> Bound | None:
    plugins.providers(slot)  # an unknown slot is the caller's bug and says so
    name = SLOTS[slot].default
    if name is None:
        return None
    provider = plugins.make(slot, name)
    return Bound(slot=slot, name=name, provider=provider, binding_id=None, scope=SYSTEM)


def _bound(plugins: Plugins, row: PluginBinding) -> Bound:
    key = park_key(row.id)
    info = plugins.find(row.slot, row.provider)
    if info is None:
        raise ProviderMissing(row.slot, row.provider, key)
    try:
        provider = plugins.bound_instance(row.id, row.version, lambda: _made(plugins, info, row))
    except PluginMisconfigured as error:
        raise Misconfigured(error, key) from None
    except Misconfigured as error:
        error.park_key = key
        raise
    return Bound(
        slot=row.slot,
        name=row.provider,
        provider=provider,
        binding_id=row.id,
        scope=_scope(row),
    )


def _made(plugins: Plugins, info: ProviderInfo, row: PluginBinding) -> Provider[Any]:
    secrets = _unlocked(plugins, row)
    cls, slot = info.cls, SLOTS[info.slot]

    def settings() -> Any:
        public: Mapping[str, Any] = row.settings
        if row.settings_version < cls.settings_version:
            filled = config.filled(public, secrets)
            return config.validated(
                cls.Settings, cls.upgrade(filled, row.settings_version), plugins.secrets_dir
            )
        return config.opened(cls.Settings, public, secrets, plugins.secrets_dir)

    made_from = guard.inline(cls, slot, info.distribution, "Settings", settings)
    return plugins.trial(info, made_from)


def _unlocked(plugins: Plugins, row: PluginBinding) -> dict[str, str]:
    return plugins.vault.unlock(row.secrets)


def _row(session: Session, scope: ScopeRef, slot: str, position: int) -> PluginBinding | None:
    return session.scalar(
        select(PluginBinding).where(
            PluginBinding.scope_kind == scope.kind,
            PluginBinding.scope_id == scope.id,
            PluginBinding.slot == slot,
            PluginBinding.position == position,
        )
    )


def _scope(row: PluginBinding) -> ScopeRef:
    kind: Any = row.scope_kind
    return ScopeRef(kind, row.scope_id)


def _view(row: PluginBinding, plugins: Plugins, waiting: int) -> BindingView:
    known = row.slot in SLOTS and plugins.find(row.slot, row.provider) is not None
    return BindingView(
        id=row.id,
        scope=_scope(row),
        slot=row.slot,
        position=row.position,
        provider=row.provider,
        settings=row.settings,
        enabled=row.enabled,
        status=BindingStatus.OK if known and not waiting else BindingStatus.NEEDS_ATTENTION,
        waiting_jobs=waiting,
    )


def _told(error: Misconfigured) -> PluginMisconfigured:
    if isinstance(error.why, PluginMisconfigured):
        return error.why
    return PluginError("PROVIDER_MISCONFIGURED", why=str(error.why))
