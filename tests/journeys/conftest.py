"""An agency to walk through: set up over GraphQL, with a customer, a portfolio and a bucket."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from finview.app import open_services, prepare
from finview.db.runtime import Services
from finview.settings import Settings
from finview.testing.client import Client, client_for


@dataclass
class Agency:
    services: Services
    client: Client
    customer: str
    portfolio: str
    bucket: str


@pytest.fixture
def opened(settings: Settings) -> Iterator[Services]:
    services = open_services(settings)
    prepare(services)
    yield services
    services.close()


@pytest.fixture
def agency(opened: Services) -> Agency:
    client = client_for(opened)
    unit = client.do("businessUnitCreate", "businessUnit { id }", name="Inkasso Nord")
    client.ask("mutation($id: ID!) { businessUnitActivate(id: $id) { errors { code } } }", id=unit["id"])
    customer = client.do(
        "customerCreate", "customer { id }", name="Stadtwerke", businessUnitId=unit["id"], currency="EUR"
    )
    portfolio = client.do("portfolioCreate", "portfolio { id }", customerId=customer["id"], name="2026")
    bucket = client.do(
        "bucketCreate",
        "bucket { id }",
        portfolioId=portfolio["id"],
        name="Standard",
        financials={"costs": {"kind": "FIXED", "amount": "40.00"}, "interest": {"kind": "FIXED", "percent": "5"}},
    )
    return Agency(opened, client, customer["id"], portfolio["id"], bucket["id"])
