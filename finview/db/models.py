"""Finds every room's tables, for migrations and fresh databases: modules named `…models`."""

from importlib import import_module
from pkgutil import walk_packages

import finview


def load_models() -> None:
    """Import every module of the package that declares tables."""
    from finview.db import tables

    assert tables.Base.metadata.tables
    for module in walk_packages(finview.__path__, "finview."):
        if module.name.endswith("models"):
            import_module(module.name)
