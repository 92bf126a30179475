"""A database that stops, stalls or hangs up: the right code, nothing leaked, the pool whole again."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, event, make_url, text

from finview.api.engine import view
from finview.app import open_services, prepare
from finview.db.runtime import Services
from finview.settings import Settings
from finview.testing.client import client_for

HELLO = "{ viewer { locale } customers { totalCount } }"
CREATE = 'mutation { businessUnitCreate(input: {name: "x"}) { errors { code } } }'
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def quick(settings: Settings) -> Iterator[Services]:
    """Services whose operations may take a fifth of a second."""
    services = open_services(settings.model_copy(update={"operation_s_max": 0.2}))
    prepare(services)
    yield services
    services.close()


def lent(services: Services) -> int:
    """Return how many connections are out of the pools and in use."""
    pools = {engine.pool for engine in (services.db.reader, services.db.writer)}
    out = sum(pool.checkedout() for pool in pools)  # type: ignore[attr-defined]  # QueuePools
    return out - len(services.db.kept)


def admin(services: Services, *statements: str) -> None:
    """Run statements as the owner of the server, beside the database of the test."""
    url = make_url(services.db.url)
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement.format(name=url.database)))
    engine.dispose()


HANG_UP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"


def codes(body: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in body.get("errors", ())]


@pytest.mark.both_databases
def test_a_query_that_never_ends_is_a_timeout(quick: Services) -> None:
    def slow(session: Any) -> None:
        session.execute(text(ENDLESS))

    ready = view.prepared(quick.settings, view.Request(HELLO, {}), "en")
    assert isinstance(ready, view.Ready)
    answer = view.run(quick, ready, view.Caller(slow, "en"))
    assert codes(answer.body) == ["TIMEOUT"]
    assert lent(quick) == 0


@pytest.mark.both_databases
def test_a_mutation_that_never_ends_is_a_timeout_and_leaves_nothing(quick: Services) -> None:
    def stalled(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> Any:
        inserts = statement.startswith("INSERT INTO business_unit")
        return (ENDLESS, ()) if inserts else (statement, parameters)

    client = client_for(quick)
    event.listen(quick.db.writer, "before_cursor_execute", stalled, retval=True)
    assert codes(client.send(CREATE)) == ["TIMEOUT"]
    event.remove(quick.db.writer, "before_cursor_execute", stalled)
    assert lent(quick) == 0
    with quick.db.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM business_unit")) == 0


@pytest.mark.both_databases
def test_connections_that_were_cut_are_made_anew(opened: Services, dialect: str) -> None:
    client = client_for(opened)
    assert client.ask(HELLO)["viewer"]
    if dialect == "postgresql":
        admin(opened, HANG_UP)
    else:
        opened.db.writer.dispose()
        opened.db.reader.dispose()
    assert client.ask(HELLO)["customers"] == {"totalCount": 0}
    assert client.ask(CREATE)["businessUnitCreate"] == {"errors": []}
    assert lent(opened) == 0


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_a_server_that_is_stopped_is_masked_and_comes_back(
    opened: Services, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(opened)
    admin(opened, "ALTER DATABASE {name} ALLOW_CONNECTIONS false", HANG_UP)
    for asked in (HELLO, CREATE):
        answer = client.http.post("/graphql", json={"query": asked})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["extensions"]["code"]) == (500, "INTERNAL")
        assert error["extensions"]["id"] in caplog.text
        assert not any(word in answer.text for word in ("psycopg", "sqlalchemy", "Traceback"))
    assert client.http.get("/ready").status_code == 503
    admin(opened, "ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert client.ask(CREATE)["businessUnitCreate"] == {"errors": []}
    assert client.ask(HELLO)["viewer"]
    assert lent(opened) == 0
