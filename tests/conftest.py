"""Fixtures of every test: fresh databases, no network, a clock that starts at zero."""

import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from finview import clock
from finview.db import Database, failpoints
from finview.db.runtime import Services
from finview.settings import Settings
from finview.testing import db as testing_db

hypothesis_settings.register_profile(
    "finview",
    deadline=None,
    max_examples=50,
    database=None,
    derandomize=True,  # the same examples on every machine; `make soak` draws others
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis_settings.register_profile(
    "full", hypothesis_settings.get_profile("finview"), derandomize=False, max_examples=500
)
hypothesis_settings.load_profile(
    "full" if os.environ.get("FINVIEW_BATTERY") == "full" else "finview"
)


LONGEST = {
    *("test_read_path.py", "test_access_fuzz.py", "test_mayhem.py", "test_processes.py"),
    *("test_kill.py", "test_carriers.py", "test_demo.py", "test_upload.py", "test_race.py"),
    *("test_months.py", "test_deliveries.py"),
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "both_databases: runs on SQLite and, where there is one, on PostgreSQL"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dialect" in metafunc.fixturenames and metafunc.definition.get_closest_marker(
        "both_databases"
    ):
        metafunc.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def dialect(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "sqlite")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return testing_db.make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[testing_db.PostgresServer]:
    try:
        with testing_db.postgres() as server:
            yield server
    except testing_db.Unavailable as why:
        if os.environ.get("FINVIEW_REQUIRE_SERVICES") == "1":
            raise
        pytest.skip(str(why))


@pytest.fixture
def settings(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a fresh, empty database with every table."""
    if dialect == "sqlite":
        yield testing_db.copy_template(request.getfixturevalue("sqlite_template"), tmp_path)
        return
    server: testing_db.PostgresServer = request.getfixturevalue("postgres_server")
    with server.fresh(tmp_path) as fresh:
        yield fresh


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    opened = Services.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def database(services: Services) -> Database:
    return services.db


@pytest.fixture(autouse=True)
def _clock_at_zero() -> Iterator[None]:
    clock.move(timedelta())
    yield
    clock.move(timedelta())
    failpoints.disarm()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing leave this machine."""
    connect = socket.socket.connect

    def loopback_only(self: socket.socket, address: object) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address):
            raise RuntimeError(f"tests have no network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", loopback_only)


def _is_loopback(address: object) -> bool:
    host = address[0] if isinstance(address, tuple) else ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
