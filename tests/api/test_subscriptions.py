"""Subscriptions: over both transports, from the database, under the viewer's access."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session
from starlette.websockets import WebSocketDisconnect

from finview.accounts.access import Role, Viewer
from finview.accounts.models import AccessGrant
from finview.api.engine import view
from finview.api.engine.ids import encode
from finview.api.engine.subscriptions import Hub
from finview.db import Database
from finview.db.jobs import Job, State, Subject, enqueue
from finview.db.runtime import Services
from finview.testing.client import Client, client_for
from finview.web import sse, websocket

JOB = "subscription($id: ID!) { jobUpdated(id: $id) { state progressDone } }"
IMPORT = "subscription($id: ID!) { importUpdated(id: $id) { state } }"


@pytest.fixture
def client(opened: Services) -> Client:
    return client_for(opened)


@pytest.fixture
def job(opened: Services) -> int:
    with opened.db.unit() as session:
        return enqueue(session, "nobody.knows", {}, subject=Subject(kind="case", id=1))


def move(database: Database, job_id: int, **values: Any) -> None:
    with database.unit() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


@contextmanager
def talking(client: Client, **payload: Any) -> Iterator[Any]:
    with client.http.websocket_connect("/graphql", subprotocols=[websocket.PROTOCOL]) as socket:
        socket.send_json({"type": "connection_init", "payload": payload})
        assert socket.receive_json() == {"type": "connection_ack"}
        yield socket


def subscribe(socket: Any, query: str, key: str, number: str = "1") -> None:
    payload = {"query": query, "variables": {"id": key}}
    socket.send_json({"type": "subscribe", "id": number, "payload": payload})


def states(client: Client, query: str, key: str) -> list[Any]:
    """Return the events of a stream that ends, as (event, data)."""
    sent = {"query": query, "variables": {"id": key}}
    answer = client.http.post("/graphql", json=sent, headers={"accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
    return [
        (lines[0].removeprefix("event: "), orjson.loads(lines[1][6:] or "null"))
        for lines in blocks
        if lines != [":"]
    ]


def test_the_first_state_comes_at_once_and_each_change_after_it(
    client: Client, opened: Services, job: int
) -> None:
    with talking(client) as socket:
        subscribe(socket, JOB, encode("job", job))
        first = socket.receive_json()
        assert first["type"] == "next"
        assert first["payload"]["data"]["jobUpdated"] == {"state": "READY", "progressDone": 0}
        move(opened.db, job, state=State.RUNNING, progress_done=7)
        second = socket.receive_json()["payload"]["data"]["jobUpdated"]
        assert second == {"state": "RUNNING", "progressDone": 7}
        move(opened.db, job, state=State.DONE)
        assert socket.receive_json()["payload"]["data"]["jobUpdated"]["state"] == "DONE"
        assert socket.receive_json() == {"type": "complete", "id": "1"}


def test_a_change_by_another_process_is_seen(client: Client, opened: Services, job: int) -> None:
    other = Database.open(opened.settings)
    with talking(client) as socket:
        subscribe(socket, JOB, encode("job", job))
        socket.receive_json()
        move(other, job, state=State.DONE)
        assert socket.receive_json()["payload"]["data"]["jobUpdated"]["state"] == "DONE"
    other.close()


def test_a_stream_of_events_ends_after_the_last_state(
    client: Client, opened: Services, job: int
) -> None:
    move(opened.db, job, state=State.DONE)
    found = states(client, JOB, encode("job", job))
    assert [name for name, _ in found] == ["next", "complete"]
    assert found[0][1]["data"] == {"jobUpdated": {"state": "DONE", "progressDone": 0}}


def test_foreign_is_missing(opened: Services, job: int) -> None:
    stranger = client_for(opened, "kunde@example.org", Role.CUSTOMER_USER)
    foreign = states(stranger, JOB, encode("job", job))
    missing = states(stranger, JOB, encode("job", 999))
    assert foreign == missing
    assert foreign[0][1]["errors"][0]["extensions"] == {"code": "NOT_FOUND"}
    assert states(stranger, IMPORT, encode("job", job)) == states(stranger, IMPORT, "imp_1")


def test_nobody_may_subscribe_without_signing_in(opened: Services, job: int) -> None:
    found = states(Client(opened, None), JOB, encode("job", job))
    assert found[0][1]["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert found[-1][0] == "complete"


def test_who_loses_access_sees_nothing_more(opened: Services, job: int) -> None:
    client = client_for(opened, "gone@example.org", Role.ADMIN)
    with talking(client) as socket:
        subscribe(socket, JOB, encode("job", job))
        socket.receive_json()
        with opened.db.unit() as session:
            session.execute(delete(AccessGrant))
        move(opened.db, job, progress_done=1)
        error = socket.receive_json()["payload"]["errors"][0]
        assert error["extensions"] == {"code": "NOT_FOUND"}
        assert socket.receive_json()["type"] == "complete"


def until_complete(socket: Any) -> Iterator[Any]:
    """Yield the job of each event until the subscription ends."""
    while (message := socket.receive_json())["type"] != "complete":
        yield message["payload"]["data"]["jobUpdated"]


def test_many_changes_become_the_latest_state(client: Client, opened: Services, job: int) -> None:
    with talking(client) as socket:
        subscribe(socket, JOB, encode("job", job))
        socket.receive_json()
        for done in range(1, 31):
            move(opened.db, job, progress_done=done)
        move(opened.db, job, state=State.DONE)
        seen = list(until_complete(socket))
    assert len(seen) < 20
    assert seen[-1] == {"state": "DONE", "progressDone": 30}


def test_an_unsubscribed_operation_is_forgotten(client: Client, opened: Services, job: int) -> None:
    with talking(client) as socket:
        subscribe(socket, JOB, encode("job", job))
        socket.receive_json()
        socket.send_json({"type": "complete", "id": "1"})
        socket.send_json({"type": "ping"})
        assert socket.receive_json() == {"type": "pong"}
        subscribe(socket, JOB, encode("job", job))  # the id is free again
        assert socket.receive_json()["type"] == "next"
        assert opened.get(Hub).watching == 1


def test_a_closed_connection_leaves_nothing_behind(
    client: Client, opened: Services, job: int
) -> None:
    with talking(client) as socket:
        subscribe(socket, JOB, encode("job", job))
        socket.receive_json()
    assert opened.get(Hub).watching == 0


def test_queries_and_mutations_are_answered_over_the_websocket(client: Client) -> None:
    with talking(client) as socket:
        payload = {"query": "{ viewer { locale } }"}
        socket.send_json({"type": "subscribe", "id": "q", "payload": payload})
        assert socket.receive_json()["payload"]["data"] == {"viewer": {"locale": "en"}}
        assert socket.receive_json() == {"type": "complete", "id": "q"}
        payload = {"query": "{ nothing }"}
        socket.send_json({"type": "subscribe", "id": "q", "payload": payload})
        wrong = socket.receive_json()
        assert (wrong["type"], wrong["id"]) == ("error", "q")
        assert wrong["payload"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_the_token_of_connection_init_signs_in(client: Client) -> None:
    token = client.http.headers.pop("authorization")
    with talking(client, Authorization=token) as socket:
        payload = {"query": "{ viewer { user { email } } }"}
        socket.send_json({"type": "subscribe", "id": "q", "payload": payload})
        assert socket.receive_json()["payload"]["data"]["viewer"]["user"]["email"]


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "subscribe", "id": "1", "payload": {"query": "{ a }"}}], 4401),
        ([{"type": "connection_init", "payload": {"authorization": "Bearer fv_1_x"}}], 4403),
        ([{"type": "connection_init"}, {"type": "connection_init"}], 4429),
        ([{"type": "connection_init"}, {"type": "no such"}], 4400),
        ([{"type": "connection_init"}, ["not an object"]], 4400),
        ([{"type": "connection_init"}, {"type": "subscribe", "payload": {}}], 4400),
    ],
)  # fmt: skip
def test_who_breaks_the_protocol_is_disconnected(
    opened: Services, messages: list[Any], code: int
) -> None:
    assert closing_code(Client(opened, None), *messages) == code


def closing_code(client: Client, *messages: Any, protocol: str = websocket.PROTOCOL) -> int:
    """Send messages and wait until the server closes the connection; return its code."""
    with client.http.websocket_connect("/graphql", subprotocols=[protocol]) as socket:
        for message in messages:
            socket.send_json(message)
        while True:
            event = socket.receive()
            if event["type"] == "websocket.close":
                return int(event["code"])


def test_who_does_not_say_hello_is_disconnected(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "INIT_S", 0.05)
    assert closing_code(client) == 4408


def test_one_id_is_one_subscription(client: Client, job: int) -> None:
    payload = {"query": JOB, "variables": {"id": encode("job", job)}}
    once = {"type": "subscribe", "id": "1", "payload": payload}
    assert closing_code(client, {"type": "connection_init"}, once, once) == 4409


def test_a_connection_has_a_limit_of_subscriptions(
    client: Client, opened: Services, job: int
) -> None:
    opened.settings = opened.settings.model_copy(update={"subscriptions_max": 2})
    with talking(client) as socket:
        for number in ("1", "2"):
            subscribe(socket, JOB, encode("job", job), number)
            socket.receive_json()
        subscribe(socket, JOB, encode("job", job), "3")
        refused = socket.receive_json()
    assert (refused["type"], refused["id"]) == ("error", "3")
    assert refused["payload"][0]["extensions"]["limit"] == "subscriptions"


def test_other_sites_and_other_protocols_are_refused(client: Client) -> None:
    evil = {"origin": "https://evil.example"}
    protocols = [websocket.PROTOCOL]
    with (
        pytest.raises(WebSocketDisconnect),
        client.http.websocket_connect("/graphql", subprotocols=protocols, headers=evil),
    ):
        pass
    assert closing_code(client, protocol="graphql-ws") == 4406


def test_a_subscription_needs_a_stream(client: Client, job: int) -> None:
    sent = {"query": JOB, "variables": {"id": encode("job", job)}}
    error = client.http.post("/graphql", json=sent).json()["errors"][0]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "text/event-stream" in error["message"]


def test_queries_are_streamed_for_those_who_prefer_it(client: Client) -> None:
    found = states(client, "{ viewer { locale } }", "1")
    assert found == [("next", found[0][1]), ("complete", None)]
    assert found[0][1]["data"] == {"viewer": {"locale": "en"}}
    prefers_json = {"accept": "application/json, text/event-stream"}
    sent = {"query": "{ viewer { locale } }"}
    answer = client.http.post("/graphql", json=sent, headers=prefers_json)
    assert answer.headers["content-type"].startswith("application/json")


def test_when_the_server_stops_a_stream_ends_without_saying_it_is_complete(
    client: Client, opened: Services, job: int
) -> None:
    opened.get(Hub).close()
    found = states(client, JOB, encode("job", job))
    assert [name for name, _ in found] == ["next"]
    assert opened.get(Hub).watching == 0


def test_a_comment_keeps_an_idle_stream_alive(
    opened: Services, client: Client, job: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "PING_S", 0.01)
    request = view.Request(JOB, {"id": encode("job", job)})
    ready = view.prepared(opened.settings, request, "en")
    caller = view.Caller(operator, "en")

    async def pieces() -> list[bytes]:
        stream: Any = sse.response(opened, ready, caller).body_iterator
        found = [await anext(stream)]
        while not found[-1].startswith(b"event: next\n"):
            found.append(await anext(stream))
        found.append(await anext(stream))  # nothing changes any more
        await stream.aclose()
        return found

    assert asyncio.run(pieces())[-1] == b":\n\n"


def operator(_: Session) -> Viewer:
    admin = frozenset({Role.ADMIN})
    return Viewer(user_id=1, email="o@example.org", name="O", roles=admin, locale="en")
