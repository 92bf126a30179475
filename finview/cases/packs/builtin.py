"""Offers the shipped law packs through the same hook as any plugin's."""

from typing import Any

from finview.cases.packs.de import Germany
from finview.cases.packs.nl import Netherlands
from finview.cases.packs.uk import UnitedKingdom
from finview.cases.packs.us import UnitedStates
from finview.plugins.contracts.jurisdiction import Jurisdiction
from finview.plugins.hookspecs import hookimpl


@hookimpl
def finview_jurisdictions() -> list[type[Jurisdiction[Any]]]:
    """Return the built-in packs."""
    return [Germany, Netherlands, UnitedKingdom, UnitedStates]
