"""A call centre to try things out with: takes calls over HTTP, "makes" them, posts signed outcomes.

    python -m finview_call_webhook.simulator --port 8099 --secret a-secret-of-16-signs

No call is made twice with one key. What a call comes to follows from its key and the script.
"""

import argparse
import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson

from finview.plugins.contracts.call_centre import CallResult
from finview_call_webhook import signing

log = logging.getLogger("finview_call_webhook.simulator")

SCRIPT = ("not_reached", "reached", "not_reached", "call_back", "promise")
BODY_BYTES_MAX = 4 * 1024 * 1024
RING = timedelta(minutes=1)
POST_S = 10.0
RETRY_S = 1.0
TRIES_MAX = 10

Post = Callable[[str, bytes, dict[str, str]], int]


@dataclass(slots=True, kw_only=True)
class Call:
    """One call: `times` is how often it rang, `outcomes` what was told of it."""

    key: str
    phone: str
    attempt: int
    requested_at: str
    state: str = "WAITING"
    times: int = 0
    outcomes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Told:
    due: float
    outcome: dict[str, Any]
    tries: int = 0


class Simulator:
    """The call centre's memory; `handle` answers requests, `deliver` posts what is due.

    `callback` may be set later, since a binding's address is known only once it is bound: outcomes
    wait until then. `delay_s` is how long a call takes.
    """

    def __init__(
        self,
        *,
        secret: str,
        api_key: str = "sandbox",
        callback: str = "",
        script: Sequence[str] = SCRIPT,
        delay_s: float = 0,
        post: Post | None = None,
    ) -> None:
        self.callback = callback
        self.calls: dict[str, Call] = {}
        self._secret, self._api_key, self._delay_s = secret, api_key, delay_s
        self._post = post or self._over_http
        self._client: httpx.Client | None = None
        self._script = [CallResult(word.strip().upper()) for word in script]
        self._told: list[_Told] = []
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._ended = False

    # ── what is asked ────────────────────────────────────────────────────────────────────────

    def handle(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        """Return status and answer of one request."""
        if not hmac.compare_digest(token.encode(), f"Bearer {self._api_key}".encode()):
            return 401, {"error": "wrong API key"}
        what = f"{method} {path.rstrip('/').rpartition('/')[2]}"
        try:
            given = orjson.loads(body) if body else {}
            with self._lock:
                return self._answered(what, given)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 400, {"error": type(error).__name__}

    def _answered(self, what: str, given: Any) -> tuple[int, Any]:
        if what == "GET ping":
            return 200, {"calls": len(self.calls)}
        if what == "GET calls":
            return 200, {"calls": [asdict(call) for call in self.calls.values()]}
        if what == "POST calls":
            return 200, {"results": [self._take(one) for one in given["calls"]]}
        if what == "POST withdrawals":
            for key in given["keys"]:
                self._withdraw(key)
            return 200, {}
        if what == "PUT callback":
            self.callback = str(given["url"])
            self._news.set()
            return 200, {}
        return 404, {"error": "not found"}

    def _take(self, one: dict[str, Any]) -> dict[str, Any]:
        if not str(one["phone"]).startswith("+"):
            return {"key": one["key"], "status": "refused", "why": "the number is not E.164"}
        call = self.calls.get(one["key"])
        if call is None:
            call = self.calls[one["key"]] = Call(
                key=one["key"],
                phone=one["phone"],
                attempt=int(one["attempt"]),
                requested_at=one["requestedAt"],
            )
        if call.state in ("WAITING", CallResult.TECHNICAL):
            self._make(call, one["requestedAt"])
        return {"key": call.key, "status": "accepted", "reference": f"sim-{call.key[:8]}"}

    def _make(self, call: Call, requested_at: str) -> None:
        """Let it ring once; what comes of it follows from key and script alone."""
        first = int.from_bytes(hashlib.sha256(call.key.encode()).digest()[:4])
        result = self._script[(first + call.times) % len(self._script)]
        call.times += 1
        call.state = result.value
        outcome = _outcome(call, result, datetime.fromisoformat(requested_at) + RING)
        call.outcomes.append(result.value)
        self._told.append(_Told(time.monotonic() + self._delay_s, outcome))
        self._news.set()

    def _withdraw(self, key: str) -> None:
        call = self.calls.get(key)
        waiting = [told for told in self._told if told.outcome["key"] == key]
        if call is not None and waiting:
            call.state = "WITHDRAWN"
            call.outcomes = call.outcomes[: -len(waiting)]
            self._told = [told for told in self._told if told.outcome["key"] != key]

    # ── what is told ─────────────────────────────────────────────────────────────────────────

    def deliver(self) -> int:
        """Post what is due, each outcome by itself; return how many were taken."""
        taken = 0
        for told in self._due():
            body = orjson.dumps({"outcomes": [told.outcome]})
            headers = {
                "content-type": "application/json",
                **signing.headers(self._secret, body, now=time.time()),
            }
            try:
                status = self._post(self.callback, body, headers)
            except httpx.HTTPError as error:
                status, why = 0, type(error).__name__
            else:
                why = str(status)
            if 200 <= status < 300:
                taken += 1
                continue
            log.warning("an outcome was not taken: %s", why)
            told.tries += 1
            if told.tries < TRIES_MAX:
                told.due = time.monotonic() + RETRY_S * 2**told.tries
                with self._lock:
                    self._told.append(told)
        return taken

    def _due(self) -> list[_Told]:
        now = time.monotonic()
        with self._lock:
            if not self.callback:
                return []
            due = [told for told in self._told if told.due <= now]
            self._told = [told for told in self._told if told.due > now]
        return due

    def keep_delivering(self) -> None:
        """Deliver until `end`; run it in a thread of its own."""
        while not self._ended:
            self._news.clear()
            self.deliver()
            with self._lock:
                next_due = min((told.due for told in self._told), default=None)
            wait_s = None if next_due is None else max(0.05, next_due - time.monotonic())
            self._news.wait(wait_s if self.callback else None)

    def _over_http(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        # Kept: to read the certificates of a new one takes longer than a whole call.
        self._client = self._client or httpx.Client(timeout=POST_S)
        return self._client.post(url, content=body, headers=headers).status_code

    def close(self) -> None:
        """Close what it posts with; call it when nobody delivers any more."""
        if self._client is not None:
            self._client.close()

    def end(self) -> None:
        """Let `keep_delivering` return."""
        self._ended = True
        self._news.set()


def _outcome(call: Call, result: CallResult, at: datetime) -> dict[str, Any]:
    told: dict[str, Any] = {
        "key": call.key,
        "id": f"{call.key}/{call.times}",
        "result": result.value,
        "at": at.isoformat(),
        "note": "simulated",
    }
    if result == CallResult.CALL_BACK:
        told["callBackAt"] = (at + timedelta(days=1)).isoformat()
    if result == CallResult.PROMISE:
        on = (at + timedelta(days=7)).date().isoformat()
        told["promise"] = {"amountMinor": 5_000, "currency": "EUR", "on": on}
    return told


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────────


def _handler(simulator: Simulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            if size > BODY_BYTES_MAX:
                self.close_connection = True
                self._say(413, {"error": "too large"})
                return
            body = self.rfile.read(size)
            token = self.headers.get("authorization", "")
            self._say(*simulator.handle(self.command, self.path, token, body))

        do_GET = do_POST = do_PUT = _serve  # noqa: N815  # the names of http.server

        def _say(self, status: int, answer: Any) -> None:
            body = orjson.dumps(answer)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name of http.server
            log.debug(format, *args)

    return Handler


@contextmanager
def running(simulator: Simulator, *, port: int = 0, delivers: bool = True) -> Iterator[str]:
    """Serve a simulator on this machine inside the block; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(simulator))
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)]
    if delivers:
        threads.append(threading.Thread(target=simulator.keep_delivering, daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        simulator.end()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()
        simulator.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulator until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m finview_call_webhook.simulator")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--secret", required=True, help="the signing secret of the binding")
    parser.add_argument("--api-key", default="sandbox", help="the API key of the binding")
    parser.add_argument("--callback", default="", help="the binding's address; PUT /callback later")
    parser.add_argument("--script", default=",".join(SCRIPT), help="results, by commas")
    parser.add_argument("--delay", type=float, default=0, help="seconds that a call takes")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        simulator = Simulator(
            secret=given.secret,
            api_key=given.api_key,
            callback=given.callback,
            script=given.script.split(","),
            delay_s=given.delay,
        )
    except ValueError as error:
        parser.error(str(error))
    with running(simulator, port=given.port) as address:
        log.info("call centre at %s; %s/calls shows all calls", address, address)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            log.info("closed")


if __name__ == "__main__":
    main()
