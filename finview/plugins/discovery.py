"""What is installed: entry points, the versions they ask for, and the classes they offer."""

import importlib.metadata
import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import BaseModel

from finview import __version__
from finview.plugins.contracts.provider import Provider
from finview.plugins.errors import PluginError
from finview.plugins.slots import Choice, Slot

GROUP = "finview.plugins"
WHY_CHARS_MAX = 500
OUR_OWN = "finview"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class Status(StrEnum):
    """What became of a plugin at start."""

    LOADED = "LOADED"
    DISABLED = "DISABLED"
    INCOMPATIBLE = "INCOMPATIBLE"
    BROKEN = "BROKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    """One provider class that a plugin brought."""

    slot: str
    name: str
    title: str
    distribution: str
    cls: type[Provider[Any]]

    def settings_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its settings: the form."""
        return self.cls.Settings.model_json_schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """One plugin as operators see it; `error` says in English what is wrong, if anything is."""

    name: str
    distribution: str
    version: str
    status: Status
    error: str | None = None
    hooks: tuple[str, ...] = ()
    providers: tuple[ProviderInfo, ...] = ()
    load_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a plugin comes from: an entry point of a distribution, or a module of our own."""

    name: str
    distribution: str
    version: str
    requires: tuple[str, ...] = ()
    entry_point: importlib.metadata.EntryPoint | None = None
    module: ModuleType | None = None


def own(module: ModuleType) -> Source:
    """Return the source of a module that ships inside finview."""
    return Source(name=module.__name__, distribution=OUR_OWN, version=__version__, module=module)


def installed() -> Iterable[Source]:
    """Yield every entry point of the group, by name; nothing is imported."""
    for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda p: p.name):
        dist = point.dist
        yield Source(
            name=point.name,
            distribution=dist.name if dist is not None else point.name,
            version=dist.version if dist is not None else "",
            requires=tuple(dist.requires or ()) if dist is not None else (),
            entry_point=point,
        )


def imported(source: Source) -> ModuleType:
    """Return the plugin's module; runs foreign code, so call it through the guard."""
    if source.module is not None:
        return source.module
    assert source.entry_point is not None
    loaded = source.entry_point.load()
    if not isinstance(loaded, ModuleType):
        raise TypeError(f"the entry point {source.entry_point.value} is not a module")
    return loaded


def incompatible(requires: Iterable[str]) -> str | None:
    """Return the versions of finview a plugin asks for, None when this one is among them."""
    for text in requires:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(wanted.name) != OUR_OWN:
            continue
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        if not wanted.specifier.contains(__version__, prereleases=True):
            return str(wanted.specifier)
    return None


def broken(source: Source, error: BaseException) -> PluginError:
    """Return what operators are told about a plugin that raised."""
    return PluginError(
        "PLUGIN_BROKEN",
        distribution=source.distribution,
        why=f"{type(error).__name__}: {error}"[:WHY_CHARS_MAX],
    )


def described(slot: Slot, offered: Any, source: Source) -> ProviderInfo:
    """Return a provider's entry; raise TypeError when the class can't be one of this slot."""
    if not (isinstance(offered, type) and issubclass(offered, slot.base)):
        raise TypeError(f"{slot.hook} returned {offered!r}, which is no {slot.base.__name__}")
    cls: type[Any] = offered
    label = f"{cls.__module__}.{cls.__qualname__}"
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise TypeError(f"{label} lacks {missing}")
    name, title = getattr(cls, "name", None), getattr(cls, "title", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TypeError(f"{label} needs a name of lower case letters, digits, - and _")
    if not isinstance(title, str) or not title:
        raise TypeError(f"{label} needs a title")
    if not (isinstance(cls.Settings, type) and issubclass(cls.Settings, BaseModel)):
        raise TypeError(f"{label}.Settings is not a pydantic model")
    if slot.choice is Choice.TYPE_NAME and not isinstance(getattr(cls, "ports", None), tuple):
        raise TypeError(f"{label} needs ports, a tuple")
    return ProviderInfo(
        slot=slot.name, name=name, title=title, distribution=source.distribution, cls=cls
    )
