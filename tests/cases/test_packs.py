"""The law packs that ship with finview keep the contract that any pack of a partner keeps."""

from typing import Any

import pytest

from finview.cases.packs.de import Germany
from finview.cases.packs.nl import Netherlands
from finview.cases.packs.uk import UnitedKingdom
from finview.cases.packs.us import UnitedStates
from finview.plugins.contracts.jurisdiction import Jurisdiction
from finview.plugins.contracts.provider import NoSettings
from finview.testing.law import JurisdictionContract


class TestShippedPacks(JurisdictionContract):
    """Each of them."""

    @pytest.fixture(params=[Germany, Netherlands, UnitedKingdom, UnitedStates])
    def pack(self, request: pytest.FixtureRequest) -> Jurisdiction[Any]:
        pack: Jurisdiction[Any] = request.param(NoSettings())
        return pack
