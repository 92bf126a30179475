"""Fixtures of the plugins room: distributions made on the fly, with what goes wrong in real ones."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from finview.plugins.discovery import PluginInfo
from finview.plugins.manager import Plugins
from finview.settings import Settings

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution with one module and one entry point on the path, found like any other."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    modules: list[str] = []

    def make(name: str, code: str, *, requires: str = "finview>=0.1,<99") -> None:
        module = name.replace("-", "_")
        modules.append(module)
        (folder / f"{module}.py").write_text(dedent(code))
        info = folder / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nRequires-Dist: {requires}\n"
        )
        (info / "entry_points.txt").write_text(f"[finview.plugins]\n{name} = {module}\n")
        importlib.invalidate_caches()

    yield make
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def bare(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, secret_key="k" * 40)


@pytest.fixture
def load(bare: Settings) -> Callable[..., Plugins]:
    def loaded(**changes: object) -> Plugins:
        return Plugins.load(bare.model_copy(update=changes))

    return loaded


@pytest.fixture
def info_of() -> Callable[[Plugins, str], PluginInfo]:
    def find(plugins: Plugins, distribution: str) -> PluginInfo:
        return next(p for p in plugins.plugins if p.distribution == distribution)

    return find
