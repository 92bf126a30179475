"""GraphQL over a websocket, in the sub-protocol graphql-transport-ws."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from finview.api.engine import faults, subscriptions, view
from finview.db.runtime import Services
from finview.web.graphql import caller_of
from finview.web.sse import answers
from finview.web.threads import in_thread
from finview.web.viewer import Credential, bearer_of, credential_of, from_ourselves

PROTOCOL = "graphql-transport-ws"
INIT_S = 10.0

BAD_MESSAGE = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
WRONG_PROTOCOL = 4406
INIT_TIMEOUT = 4408
ALREADY_SUBSCRIBED = 4409
INIT_TWICE = 4429
TOO_BIG = 1009


class Closed(Exception):
    """The connection ends, with a code of the protocol and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def endpoint(services: Services) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the handler of websockets; `INIT_S` is how long a client may take to say hello."""

    async def handle(socket: WebSocket) -> None:
        if not from_ourselves(socket, services.settings):
            await socket.close()  # before accepting: the handshake is answered with 403
            return
        if PROTOCOL not in socket.scope["subprotocols"]:
            await socket.accept()
            await socket.close(WRONG_PROTOCOL, f"speak {PROTOCOL}")
            return
        await socket.accept(PROTOCOL)
        connection = _Connection(services, socket)
        try:
            await connection.talk()
        except WebSocketDisconnect:
            pass
        except Closed as why:
            await socket.close(why.code, why.reason)
        finally:
            connection.end()

    return handle


class _Connection:
    """One websocket: its caller, once known, and its running operations by id."""

    def __init__(self, services: Services, socket: WebSocket) -> None:
        self.services = services
        self.socket = socket
        self.caller: view.Caller | None = None
        self.running: dict[str, asyncio.Task[None]] = {}

    async def talk(self) -> None:
        """Answer messages until the client leaves; raises `Closed`."""
        try:
            first = await asyncio.wait_for(self._receive(), INIT_S)
        except TimeoutError:
            raise Closed(INIT_TIMEOUT, "Connection initialisation timeout") from None
        while first["type"] in ("ping", "pong"):
            first = await self._receive()
        if first["type"] != "connection_init":
            raise Closed(UNAUTHORIZED, "Unauthorized")
        await self._begin(first.get("payload"))
        while True:
            await self._act(await self._receive())

    def end(self) -> None:
        """Stop every operation."""
        for task in self.running.values():
            task.cancel()

    async def _begin(self, payload: object) -> None:
        """Sign in with the token of the payload, or with the handshake's; none is a stranger."""
        given = payload if isinstance(payload, dict) else {}
        named = {key.lower(): value for key, value in given.items() if isinstance(value, str)}
        token = bearer_of(named.get("authorization", ""))
        by_handshake = credential_of(self.socket, self.services.settings)
        credential = Credential(token) if token else by_handshake
        self.caller = caller_of(self.services, self.socket, credential)
        if credential is not None and not await in_thread(self._known, self.caller):
            raise Closed(FORBIDDEN, "Forbidden")
        await self._send(type="connection_ack")

    def _known(self, caller: view.Caller) -> bool:
        return view.guarded(
            self.services, caller, lambda session: caller.who(session) is not None, lambda _: False
        )

    async def _act(self, message: dict[str, Any]) -> None:
        kind, number = message["type"], message.get("id")
        if kind == "ping":
            await self._send(type="pong")
        elif kind == "connection_init":
            raise Closed(INIT_TWICE, "Too many initialisation requests")
        elif kind == "complete" and isinstance(number, str):
            task = self.running.pop(number, None)
            if task is not None:
                task.cancel()
        elif kind == "subscribe" and isinstance(number, str) and number:
            await self._subscribe(number, message.get("payload"))
        elif kind != "pong":
            raise Closed(BAD_MESSAGE, "Invalid message")

    async def _subscribe(self, number: str, payload: object) -> None:
        if number in self.running:
            raise Closed(ALREADY_SUBSCRIBED, f"Subscriber for {number[:100]} already exists")
        most = self.services.settings.subscriptions_max
        if len(self.running) >= most:
            why = f"At most {most} at once on one connection."
            error = faults.coded(
                "QUERY_TOO_COMPLEX", "en", why, limit="subscriptions", allowed=most
            )
            await self._send(type="error", id=number, payload=[error])
            return
        try:
            request = view.request_of(payload)
        except view.NotARequest as why:
            await self._send(type="error", id=number, payload=[faults.bad_request(str(why))])
            return
        self.running[number] = asyncio.create_task(self._run(number, request))

    async def _run(self, number: str, request: view.Request) -> None:
        """Run one operation to its end and tell so; a cancelled one ends in silence."""
        assert self.caller is not None
        ready = view.prepared(self.services.settings, request, self.caller.locale)
        try:
            async for answer in answers(self.services, ready, self.caller):
                if not answer.executed:
                    await self._send(type="error", id=number, payload=answer.body["errors"])
                    return
                await self._send_next(number, answer)
            await self._send(type="complete", id=number)
        except (WebSocketDisconnect, subscriptions.Closing):
            return  # when it stops, the server closes every connection itself: 1012
        finally:
            if self.running.get(number) is asyncio.current_task():
                del self.running[number]

    async def _receive(self) -> dict[str, Any]:
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        text = message.get("text") or message.get("bytes") or ""
        if len(text) > self.services.settings.json_body_bytes_max:
            raise Closed(TOO_BIG, "The message is too large")
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Closed(BAD_MESSAGE, "The message is not JSON") from None
        if not isinstance(found, dict) or not isinstance(found.get("type"), str):
            raise Closed(BAD_MESSAGE, "Invalid message")
        return found

    async def _send(self, **message: Any) -> None:
        await self.socket.send_text(orjson.dumps(message).decode())

    async def _send_next(self, number: str, answer: view.Answer) -> None:
        head = b'{"type":"next","id":' + orjson.dumps(number) + b',"payload":'
        await self.socket.send_text((head + answer.content() + b"}").decode())
