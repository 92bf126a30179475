"""Finds, loads and lists plugins; one that is broken takes nothing else down."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import pluggy
from packaging.utils import canonicalize_name
from pydantic import BaseModel

from finview import __version__
from finview.errors import FinviewError
from finview.plugins import guard, hookspecs
from finview.plugins.builtin_host import host_for
from finview.plugins.config import Vault
from finview.plugins.contracts.node import WorkflowNode
from finview.plugins.contracts.provider import Provider
from finview.plugins.discovery import (
    PluginInfo,
    ProviderInfo,
    Source,
    Status,
    broken,
    described,
    imported,
    incompatible,
    installed,
    own,
)
from finview.plugins.errors import PluginError, ProviderMissing, ProviderUnknown, SlotUnknown
from finview.plugins.slots import BY_HOOK, SLOTS
from finview.settings import Settings

log = logging.getLogger(__name__)

PROVIDERS_PER_HOOK_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderHealth:
    """How one instance does: its breaker (CLOSED, OPEN, TRIAL) and its calls since the start."""

    slot: str
    name: str
    binding_id: int | None
    breaker: str
    calls: int
    failures: int
    seconds: float


class Plugins:
    """What is installed, and the instances made from it; shared by all threads of a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._switchboard = pluggy.PluginManager("finview")
        self._switchboard.add_hookspecs(hookspecs)
        self._providers: dict[str, dict[str, ProviderInfo]] = {slot: {} for slot in SLOTS}
        self._plugins: list[PluginInfo] = []
        self._instances: dict[tuple[str, str], Provider[Any]] = {}
        self._bound: dict[int, tuple[int, Provider[Any]]] = {}
        self._lock = Lock()

    @classmethod
    def load(cls, settings: Settings, builtins: Sequence[ModuleType] = ()) -> "Plugins":
        """Load what ships inside finview (`builtins`), then every installed plugin.

        Raises `PluginError` when two plugins bring the same provider, and for anything that is
        wrong with a plugin when FINVIEW_PLUGINS_STRICT is set.
        """
        plugins = cls(settings)
        for module in builtins:
            # A fault in our own modules is a bug and stops the start.
            plugins._take(own(module), strict=True)
        for source in installed():
            plugins._take(source, strict=settings.plugins_strict)
        return plugins

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Return every plugin that was found, with its status."""
        return tuple(self._plugins)

    def providers(self, slot: str) -> Mapping[str, ProviderInfo]:
        """Return the providers of a slot by name; raise `SlotUnknown`."""
        if slot not in self._providers:
            raise SlotUnknown(slot)
        return self._providers[slot]

    def find(self, slot: str, name: str) -> ProviderInfo | None:
        """Return one provider, None when it isn't there; raise `SlotUnknown`."""
        return self.providers(slot).get(name)

    def info(self, slot: str, name: str) -> ProviderInfo:
        """Return one provider; raise `ProviderUnknown` or `SlotUnknown`."""
        found = self.find(slot, name)
        if found is None:
            raise ProviderUnknown(slot, name)
        return found

    def make(self, slot: str, name: str, settings: BaseModel | None = None) -> Provider[Any]:
        """Return a provider without a binding, made on first use; None means its own defaults.

        Raises `ProviderMissing` when it isn't installed; whatever goes wrong in its constructor
        comes as the guard's errors.
        """
        found = self.find(slot, name)
        if found is None:
            raise ProviderMissing(slot, name)
        if settings is not None:
            return self.trial(found, settings)
        return self._kept(found, lambda: self.trial(found, found.cls.Settings()))

    def trial(self, found: ProviderInfo, settings: BaseModel) -> Provider[Any]:
        """Return a new instance that nobody else sees, to `check()` settings before saving them."""
        host = host_for(found, self._settings)
        return guard.construct(
            found.cls,
            SLOTS[found.slot],
            found.distribution,
            lambda: found.cls(settings, host),
            settings,
        )

    def node(self, name: str) -> WorkflowNode[Any]:
        """Return the node type called `name`; raise `ProviderUnknown`."""
        found = self.info("workflow_node", name)
        kind: Any = found.cls
        host = host_for(found, self._settings)
        node = self._kept(
            found,
            lambda: guard.construct(
                found.cls, SLOTS[found.slot], found.distribution, lambda: kind(host)
            ),
        )
        assert isinstance(node, WorkflowNode)
        return node

    def _kept(self, found: ProviderInfo, make: Callable[[], Provider[Any]]) -> Provider[Any]:
        key = (found.slot, found.name)
        with self._lock:
            instance = self._instances.get(key)
        if instance is None:
            instance = make()
            with self._lock:
                instance = self._instances.setdefault(key, instance)
        return instance

    def bound_instance(
        self, binding_id: int, version: int, make: Callable[[], Provider[Any]]
    ) -> Provider[Any]:
        """Return the instance of a binding, made anew when another process saved a new version."""
        with self._lock:
            kept = self._bound.get(binding_id)
        if kept is not None and kept[0] == version:
            return kept[1]
        instance = make()
        with self._lock:
            self._bound[binding_id] = (version, instance)
        return instance

    def forget_binding(self, binding_id: int) -> None:
        """Drop the instance of a binding; its settings changed."""
        with self._lock:
            self._bound.pop(binding_id, None)

    def health(self) -> list[ProviderHealth]:
        """Return how the instances in use are doing, for metrics and `doctor`."""
        with self._lock:
            kept: list[tuple[int | None, Provider[Any]]] = [
                (None, instance) for instance in self._instances.values()
            ]
            bound = [(number, instance) for number, (_, instance) in self._bound.items()]
        return [_health(instance, number) for number, instance in [*kept, *bound]]

    @property
    def secrets_dir(self) -> Path:
        """Return the folder that `{"$file": "name"}` in settings reads from."""
        return self._settings.data_dir / "secrets"

    @cached_property
    def vault(self) -> Vault:
        """Return what encrypts the secrets of bindings."""
        return Vault(self._settings.key)

    @cached_property
    def webhook_key(self) -> bytes:
        """Return what proves that an address of a webhook is ours."""
        return hashlib.sha256(b"finview plugin webhooks\x00" + self._settings.key.encode()).digest()

    @staticmethod
    def calls_in(found: ProviderInfo) -> bool:
        """Tell whether a provider reads webhooks: it has a `parse_webhook` of its own."""
        inherited = getattr(SLOTS[found.slot].base, "parse_webhook", None)
        return getattr(found.cls, "parse_webhook", None) is not inherited

    # ── loading ──────────────────────────────────────────────────────────────────────────────

    def _take(self, source: Source, *, strict: bool) -> None:
        if self._is_disabled(source):
            self._note(source, Status.DISABLED)
            return
        wanted = incompatible(source.requires)
        if wanted is not None:
            error = PluginError(
                "PLUGIN_INCOMPATIBLE",
                distribution=source.distribution,
                wanted=wanted,
                running=__version__,
            )
            self._fail(source, Status.INCOMPATIBLE, error, strict=strict)
            return
        log.debug("loading plugin %s of %s", source.name, source.distribution)
        started = time.perf_counter()
        loaded = guard.attempt(lambda: self._registered(source))
        if loaded.error is not None:
            if strict:
                raise loaded.error
            self._fail(source, Status.BROKEN, broken(source, loaded.error), strict=False)
            return
        module: ModuleType = loaded.result
        problems: list[str] = []
        hooks: list[str] = []
        found: list[ProviderInfo] = []
        for caller in self._switchboard.get_hookcallers(module) or ():
            hooks.append(caller.name)
            # Each hook by itself, so that one that raises stops no other.
            outcome = guard.attempt(partial(_collected, caller, module, source))
            if outcome.error is not None and strict:
                raise outcome.error
            if outcome.error is not None:
                problems.append(_problem(caller.name, source, outcome.error))
                continue
            for info in outcome.result:
                self._add(info)
            found.extend(outcome.result)
        for problem in problems:
            log.warning("plugin %s of %s: %s", source.name, source.distribution, problem)
        self._note(
            source,
            Status.BROKEN if problems else Status.LOADED,
            error="; ".join(problems) or None,
            hooks=tuple(hooks),
            providers=tuple(found),
            load_ms=round((time.perf_counter() - started) * 1000),
        )

    def _registered(self, source: Source) -> ModuleType:
        module = imported(source)
        self._switchboard.register(module, name=f"{source.distribution}:{source.name}")
        return module

    def _add(self, info: ProviderInfo) -> None:
        there = self._providers[info.slot].setdefault(info.name, info)
        if there is not info:
            raise PluginError(
                "PROVIDER_DUPLICATE",
                slot=info.slot,
                provider=info.name,
                first=there.distribution,
                second=info.distribution,
            )

    def _is_disabled(self, source: Source) -> bool:
        if source.entry_point is None:
            return False
        listed = {
            canonicalize_name(name.strip())
            for name in self._settings.plugins_disabled.split(",")
            if name.strip()
        }
        return bool(
            listed & {canonicalize_name(source.name), canonicalize_name(source.distribution)}
        )

    def _fail(self, source: Source, status: Status, error: FinviewError, *, strict: bool) -> None:
        if strict:
            raise error
        log.warning("plugin %s of %s: %s", source.name, source.distribution, error.message("en"))
        self._note(source, status, error=error.message("en"))

    def _note(self, source: Source, status: Status, **facts: Any) -> None:
        self._plugins.append(
            PluginInfo(
                name=source.name,
                distribution=source.distribution,
                version=source.version,
                status=status,
                **facts,
            )
        )


def _collected(caller: pluggy.HookCaller, module: ModuleType, source: Source) -> list[ProviderInfo]:
    """Return what one hook of one plugin offers; raise for a hook finview doesn't have."""
    slot = BY_HOOK.get(caller.name)
    if slot is None:
        raise PluginError("PLUGIN_HOOK_UNKNOWN", distribution=source.distribution, hook=caller.name)
    found: list[ProviderInfo] = []
    for implementation in caller.get_hookimpls():
        if implementation.plugin is module:
            returned: Any = implementation.function()
            offered = islice(returned, PROVIDERS_PER_HOOK_MAX)
            found.extend(described(slot, cls, source) for cls in offered)
    return found


def _problem(hook: str, source: Source, error: BaseException) -> str:
    if isinstance(error, PluginError):
        return error.message("en")
    return f"{hook}: {broken(source, error).message('en')}"


def _health(instance: Provider[Any], binding_id: int | None) -> ProviderHealth:
    line = guard.line_of(instance)
    return ProviderHealth(
        slot=line.slot.name,
        name=instance.name,
        binding_id=binding_id,
        breaker=line.breaker.state,
        calls=line.calls,
        failures=line.failures,
        seconds=line.seconds,
    )
